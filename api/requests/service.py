"""Acts on requests to set a ban's mode: ask, approve, reject, withdraw."""

from api.auth.permit import Permit
from api.bans import service as bans
from api.bans.mode_setting import demand_reason, needs_approver, sets_only_mode, switched
from api.bans.state import Switch, has_lapsed, switch_at
from api.bans.wanted_change import BanChange
from api.db.models import AuthorityRow, BanRow, RequestRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid
from api.requests import repository
from api.requests.reading import shown_request
from api.requests.schemas import RequestState
from api.requests.state import request_state
from dnsfilter.policy.model import Instant, Mode, Service


def request_approval(
    unit: UnitOfWork, permit: Permit, authority: AuthorityRow, ban: BanRow, change: BanChange
) -> RequestRow | None:
    """Record a change of a ban as a request if it needs an approver; return None if it takes effect at once.

    Which changes need one is decided by `needs_approver` of api/bans/mode_setting.py.
    """
    wanted = bans.taken_over(unit, ban, change)
    before, after = switch_at(ban, unit.now_s), switched(unit, ban, wanted)
    if not needs_approver(authority, before, after, by_administrator=permit.caller.administers):
        return None
    if not sets_only_mode(ban, wanted):
        raise Invalid.at(
            "body", f"an approver of {authority.slug} must decide about the mode: change the other fields separately"
        )
    if has_lapsed(ban.terms, unit.now_s):
        name = f"{ban.authority}/{ban.service}"
        renewal = f"dnsfilterctl ban renew {ban.authority} {ban.service}"
        raise Conflict(f"{name} has lapsed and refuses nothing. To add a term: {renewal}")
    demand_reason(unit, ban, before, after)
    _demand_none_waiting(unit, ban)
    return _ask(unit, ban, before, after)


def _demand_none_waiting(unit: UnitOfWork, ban: BanRow) -> None:
    """Raise `Conflict` if a request about the ban is waiting."""
    for known in repository.waiting(unit.session, ban.number, unit.now_s):
        name = f"{ban.authority}/{ban.service}"
        wish = f"switch {name} off" if known.mode == Mode.OFF else f"set {name} to {known.mode}"
        command = f'dnsfilterctl request withdraw {known.number} --reason "…"'
        waits = f"Request {known.number} already asks to {wish} and is waiting for a decision."
        raise Conflict(f"{waits} To ask for something else, withdraw it first: {command}")


def _ask(unit: UnitOfWork, ban: BanRow, before: Switch, after: Switch) -> RequestRow:
    row = RequestRow(
        ban=ban.number,
        mode=str(after.mode),
        until_s=after.until,
        reason=after.reason,
        was=str(before.mode),
        was_set_s=before.since,
        requested_s=unit.now_s,
        requested_by=unit.actor.account,
        approved_s=None,
        rejected_s=None,
        withdrawn_s=None,
        decided_by=None,
        note="",
        revision=unit.new_revision(),
    )
    unit.session.add(row)
    unit.session.flush()
    unit.record("request.ask", f"request/{row.number}", None, shown_request(row, ban), ban.authority)
    return row


def approve(unit: UnitOfWork, row: RequestRow, service: Service, note: str) -> None:
    """Set the mode that is requested. Do nothing if the request is approved already."""
    if row.approved_s is not None:
        return
    ban = _demand_waiting(unit, row)
    _record(unit, row, ban, "request.approve", note, approved=unit.now_s)
    change = BanChange(mode=Mode(row.mode), mode_reason=row.reason or None, off_until=row.until_s)
    bans.put(unit, unit.session.get_one(AuthorityRow, ban.authority), service, ban, change)


def reject(unit: UnitOfWork, row: RequestRow, reason: str) -> None:
    """Reject a request."""
    _record(unit, row, _demand_waiting(unit, row), "request.reject", reason, rejected=unit.now_s)


def withdraw(unit: UnitOfWork, row: RequestRow, reason: str) -> None:
    """Withdraw a request."""
    cut(unit, row, unit.now_s, reason)


def cut(unit: UnitOfWork, row: RequestRow, at: Instant, reason: str) -> None:
    """End a request at `at`, for example because the ban's authority closes. Until then it can be decided."""
    _record(unit, row, _demand_waiting(unit, row), "request.withdraw", reason, withdrawn=at)


def _demand_waiting(unit: UnitOfWork, row: RequestRow) -> BanRow:
    """Return the ban of a waiting request; raise `Conflict` if the request does not wait."""
    ban = unit.session.get_one(BanRow, row.ban)
    state = request_state(row, ban, unit.now_s)
    if state is not RequestState.REQUESTED:
        why = _why_lapsed(unit, ban) if state is RequestState.LAPSED else ""
        raise Conflict(f"Request {row.number} is {state} and can no longer be decided{why}.")
    return ban


def _why_lapsed(unit: UnitOfWork, ban: BanRow) -> str:
    if has_lapsed(ban.terms, unit.now_s):
        return f": the ban {ban.authority}/{ban.service} has lapsed and refuses nothing"
    return ": the mode has changed or the end has passed. Ask again"


def _record(
    unit: UnitOfWork,
    row: RequestRow,
    ban: BanRow,
    act: str,
    note: str,
    *,
    approved: Instant | None = None,
    rejected: Instant | None = None,
    withdrawn: Instant | None = None,
) -> None:
    before = shown_request(row, ban)
    row.approved_s, row.rejected_s, row.withdrawn_s = approved, rejected, withdrawn
    row.decided_by, row.note = unit.actor.account, note
    row.revision = unit.new_revision()
    unit.record(act, f"request/{row.number}", before, shown_request(row, ban), ban.authority)
