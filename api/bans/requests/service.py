"""Acts on requests: ask, approve, reject, withdraw."""

from dataclasses import dataclass
from typing import Any

from api.auth.judged_acts import SentRequest
from api.auth.permit import Permit
from api.auth.second_person import demand_second_person
from api.bans.requests import repository
from api.bans.requests.reading import shown_request
from api.bans.requests.schemas import RequestState
from api.bans.requests.state import request_state
from api.db.base import Json
from api.db.models import RequestRow
from api.db.subjects import subject
from api.db.unit_of_work import Approval, UnitOfWork
from api.errors import Conflict
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import Text


@dataclass(frozen=True, slots=True)
class Wanted:
    """An act that waits: the request as it was sent, what it led to, and what it would lift from `asked_s` on."""

    authority: str
    object: str
    sent: SentRequest
    acts: list[Json]
    act_count: int
    lifts: list[Json]
    reason: str
    asked_s: Instant


def ask(unit: UnitOfWork, wanted: Wanted) -> RequestRow:
    """Record a request. Raise `Conflict` if one about the same object is waiting."""
    _demand_none_waiting(unit, wanted)
    ends = [until(item["end"]) for item in wanted.lifts]
    forever = any(item["end"] is None for item in wanted.lifts)
    row = RequestRow(
        authority=wanted.authority,
        object=wanted.object,
        operation=wanted.sent.operation,
        path=dict(wanted.sent.path),
        query=wanted.sent.query,
        media_type=wanted.sent.media_type,
        body=wanted.sent.body.decode(),
        acts=wanted.acts,
        act_count=wanted.act_count,
        lifts=wanted.lifts,
        reason=wanted.reason,
        # Spans of time count from the instant for which the lifts were worked out. Another second may have begun.
        requested_s=wanted.asked_s,
        requested_by=unit.actor.account,
        lapses_s=None if forever else max(ends),
        approved_s=None,
        rejected_s=None,
        withdrawn_s=None,
        decided_by=None,
        note="",
        revision=unit.new_revision(),
    )
    unit.session.add(row)
    unit.session.flush()
    unit.record("request.ask", subject(row), None, shown_request(row), row.authority)
    return row


def _demand_none_waiting(unit: UnitOfWork, wanted: Wanted) -> None:
    for known in repository.waiting(unit.session, wanted.authority, unit.now_s):
        if known.object == wanted.object:
            command = f'dnsfilterctl request withdraw {known.number} --reason "…"'
            waits = Text(
                "Request {number} about {object} is already waiting for a decision.",
                number=known.number,
                object=known.object,
            )
            raise Conflict(
                Text("{waits} To ask for something else, withdraw it first: {command}", waits=waits, command=command)
            )


def approve(unit: UnitOfWork, permit: Permit, row: RequestRow, note: str) -> bool:
    """Approve a waiting request, as a second person. The unit may then lift what the request says.

    Return whether it is to be carried out: not if it was approved before.
    """
    demand_second_person(permit.caller, unit.session, row.requested_by, permit.rule.roles, row.authority, unit.now_s)
    if row.approved_s is not None:
        return False
    _demand_waiting(unit, row)
    _record(unit, row, "request.approve", note, approved=unit.now_s)
    unit.approval = Approval(row.authority, row.reason, row.requested_s, row.lifts)
    return True


def reject(unit: UnitOfWork, row: RequestRow, reason: str) -> None:
    """Reject a request."""
    _demand_waiting(unit, row)
    _record(unit, row, "request.reject", reason, rejected=unit.now_s)


def withdraw(unit: UnitOfWork, row: RequestRow, reason: str) -> None:
    """Withdraw a request."""
    cut(unit, row, unit.now_s, reason)


def cut(unit: UnitOfWork, row: RequestRow, at: Instant, reason: str) -> None:
    """End a request at `at`, for example because its authority closes. Until then it can be decided."""
    _demand_waiting(unit, row)
    _record(unit, row, "request.withdraw", reason, withdrawn=at)


def _demand_waiting(unit: UnitOfWork, row: RequestRow) -> None:
    """Raise `Conflict` if the request does not wait."""
    state = request_state(row, unit.now_s)
    if state is not RequestState.REQUESTED:
        why = Text(": all that it would lift has ended. Ask again") if state is RequestState.LAPSED else ""
        raise Conflict(
            Text(
                "Request {number} is {state} and can no longer be decided{why}.",
                number=row.number,
                state=state,
                why=why,
            )
        )


def _record(unit: UnitOfWork, row: RequestRow, act: str, note: str, **at: Any) -> None:
    before = shown_request(row)
    row.approved_s, row.rejected_s, row.withdrawn_s = (at.get(key) for key in ("approved", "rejected", "withdrawn"))
    row.decided_by, row.note = unit.actor.account, note
    row.revision = unit.new_revision()
    unit.record(act, subject(row), before, shown_request(row), row.authority)
