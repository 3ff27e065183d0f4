"""Acts on suspensions: start, end.

Suspensions of one authority follow each other. A new one must end later than those in force. To end one is to end all
of that authority in force, so that none continues unnoticed.
"""

from collections.abc import Sequence

from sqlalchemy import select

from api.auth.caller import Caller
from api.auth.permit import Permit
from api.authorities.state import demand_open
from api.db.base import Json
from api.db.models import AuthorityRow, SuspensionRow
from api.db.subjects import subject
from api.db.time_zones import time_zone_of
from api.db.unit_of_work import UnitOfWork
from api.db.unknown_names import no_authority
from api.errors import Conflict, Invalid
from api.suspensions import repository
from api.suspensions.bound_bans import concerned
from api.suspensions.operator_limits import demand_start
from api.suspensions.reading import read_suspension
from api.suspensions.schemas import SuspensionWrite
from api.suspensions.state import finish, would_end_earlier
from api.timestamps import given_bound
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.calendar import parse_duration
from dnsfilter.policy.instants import DEFAULT_ZONE, at_words
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import Text


def demand_of(_unit: UnitOfWork, permit: Permit, row: SuspensionRow) -> None:
    """Raise `Forbidden` unless the caller may suspend the same authority, or all. The refusal names it."""
    permit.demand_named(row.authority)


def start(unit: UnitOfWork, caller: Caller, body: SuspensionWrite) -> SuspensionRow:
    """Suspend the authority, or all if it is None, from now until the wanted end.

    Raise `Invalid` for an unknown authority, no end, or one beyond four hours. Raise `Conflict` if a suspension lasts
    as long already, or the authority is closed. Raise `Forbidden` if an approver is needed.
    """
    authority, end = body.authority, _wanted_end(unit, body)
    if authority is not None:
        _demand_open(unit, authority)
    if not unit.now_s < end <= unit.now_s + MAX_SUSPENSION_S:
        given = at_words(end, time_zone_of(unit.session, authority))
        hours = MAX_SUSPENSION_S // 3600
        raise Invalid.at(
            "body.until",
            Text("a suspension ends after now and within {hours} hours, not at {given}", hours=hours, given=given),
        )
    for held in repository.holding_of(unit.session, authority, unit.now_s):
        if end <= finish(held):
            until = at_words(finish(held), time_zone_of(unit.session, authority))
            text = Text("{authority} is already suspended until {until} (suspension {number}). {hint}")
            if authority is None:
                text = Text("All authorities are already suspended until {until} (suspension {number}). {hint}")
            hint = Text("End it, or give a later end.")
            raise Conflict(text.filled(authority=authority, until=until, number=held.number, hint=hint))
    if authority is not None:
        demand_start(unit, caller, authority, end)
    row = SuspensionRow(
        authority=authority,
        start_s=unit.now_s,
        end_s=end,
        reason=body.reason,
        recorded_by=unit.actor.account,
        ended_s=None,
        ended_by=None,
        ended_reason="",
        revision=unit.new_revision(),
    )
    unit.session.add(row)
    unit.session.flush()
    unit.record("suspension.start", subject(row), None, shown(row), *_concerned(unit, row))
    return row


def end(unit: UnitOfWork, row: SuspensionRow, reason: str) -> None:
    """End the suspension now, with every other one of its authority in force. Raise `Conflict` if it has ended."""
    if not would_end_earlier(row, unit.now_s):
        raise Conflict(Text("suspension {number} has already ended", number=row.number))
    for each in repository.unfinished_of(unit.session, row.authority, unit.now_s):
        if not would_end_earlier(each, unit.now_s):
            continue
        before, whose = shown(each), _concerned(unit, each)
        each.ended_s, each.ended_by, each.ended_reason = unit.now_s, unit.actor.account, reason
        each.revision = unit.new_revision()
        unit.record("suspension.end", subject(each), before, shown(each), *whose)


def shown(row: SuspensionRow) -> Json:
    """Return the suspension as the audit log stores it, without fields that depend on the time or on others."""
    read = read_suspension(row, row.start_s, row.start_s, DEFAULT_ZONE)
    return read.model_dump(mode="json", exclude={"revision", "state", "since", "time_zone"})


def _wanted_end(unit: UnitOfWork, body: SuspensionWrite) -> Instant:
    """Return the wanted end. Raise `Invalid` if it is missing or wrong."""
    if (body.for_ is None) == (body.until is None):
        raise Invalid.at("body", Text('give either "for" or "until", not both'))
    until = given_bound(body.until, time_zone_of(unit.session, body.authority), unit.asked_s, "body.until")
    return unit.now_s + parse_duration(body.for_ or "") if until is None else until


def _demand_open(unit: UnitOfWork, authority: str) -> None:
    """Raise `Invalid` if the authority is unknown, and `Conflict` if it is closed.

    Nothing is refused for a closed authority. If it was merged, name the successor, which has its clients now.
    """
    row = unit.session.get(AuthorityRow, authority)
    if row is None:
        raise Invalid.at("body.authority", no_authority(unit.session, authority))
    try:
        demand_open(row, unit.now_s)
    except Conflict as error:
        successor = _last_successor(unit, row)
        if successor is None:
            raise Conflict(Text("{error}: nothing is refused for it", error=str(error))) from error
        raise Conflict(
            Text(
                "{error}, and its ranges belong to {successor} now: suspend {successor}",
                error=str(error),
                successor=successor,
            )
        ) from error


def _last_successor(unit: UnitOfWork, row: AuthorityRow) -> str | None:
    """Return the authority that it was merged into, directly or through others; None if it was not."""
    seen, successor = {row.slug}, row.successor
    while successor is not None and (further := unit.session.get_one(AuthorityRow, successor).successor) not in (
        None,
        *seen,
    ):
        seen.add(successor)
        successor = further
    return successor


def _concerned(unit: UnitOfWork, row: SuspensionRow) -> Sequence[str]:
    """Return the authorities whose bans it sets aside: its own, those bound to it, or all."""
    if row.authority is None:
        return unit.session.scalars(select(AuthorityRow.slug)).all()
    return concerned(unit.session, (row.authority,), (row.start_s, finish(row)))
