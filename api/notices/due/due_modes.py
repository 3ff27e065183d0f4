"""Notices about bans that were switched off, set to monitor, or enforced again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, zip_longest

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from api.bans.requests.schemas import LIFT, RequestState
from api.bans.requests.state import in_state
from api.bans.state import has_lapsed, is_held
from api.db.base import Json
from api.db.models import AuditRow, BanRow, RequestRow
from api.db.subjects import subject
from api.notices.due.due_bans import bindings_of, bound_at, facts_at
from api.notices.kinds import Due, Hour, Kind
from api.timestamps import stored_instant
from dnsfilter.policy.intervals import span
from dnsfilter.policy.model import Instant, Mode

_ACTS = ("ban.confirm", *(f"ban.set_{mode}" for mode in Mode))


@dataclass(frozen=True, slots=True)
class _ModePeriod:
    """A mode that a ban had from `start` on. `entry` is the act that set it, None if the mode returned automatically.

    `until` is set if the ban is off for a limited time.
    """

    start: Instant
    mode: Mode
    entry: AuditRow | None
    until: Instant | None = None


def due_modes(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about modes that were set or returned automatically, to the owner and the bound authorities."""
    for ban in _changed(session, hour):
        periods = _periods(session, ban, hour.now)
        for index, period in enumerate(periods):
            kind = _kind(period) if hour.fresh(period.start) else None
            if kind is None or (kind is Kind.BAN_BACK and not _is_back(ban, periods[: index + 1])):
                continue
            more = {} if period.until is None else {"until_s": period.until}
            yield from _notices(session, ban, kind, period.start, more)


def _changed(session: Session, hour: Hour) -> Sequence[BanRow]:
    """Return the bans whose mode was set or has returned recently enough for a notice."""
    row = AuditRow
    acts = select(row.object).where(row.act.in_(_ACTS), row.time_s > hour.oldest, row.time_s <= hour.now)
    returned = and_(BanRow.off_until_s > hour.oldest, BanRow.off_until_s <= hour.now)
    statement = select(BanRow).where(or_(returned, ("ban/" + BanRow.authority + "/" + BanRow.service).in_(acts)))
    return session.scalars(statement.order_by(BanRow.number)).all()


def _periods(session: Session, ban: BanRow, now: Instant) -> list[_ModePeriod]:
    """Return the modes that the ban has had, from the audit log. Each act on the ban starts a period."""
    statement = select(AuditRow).where(AuditRow.object == subject(ban), AuditRow.time_s <= now)
    entries = session.scalars(statement.order_by(AuditRow.seq)).all()
    known = [entry for entry in entries if (entry.after or {}).get("number") == ban.number]
    periods = []
    for entry, following in zip_longest(known, known[1:]):
        after = entry.after or {}
        off_until = after.get("off_until")
        until = None if off_until is None else stored_instant(off_until)
        periods.append(_ModePeriod(entry.time_s, Mode(after["mode"]), entry, until))
        if until is not None and until <= (now if following is None else following.time_s):
            periods.append(_ModePeriod(until, Mode(after["returns_to"]), None))
    return periods


def _is_back(ban: BanRow, periods: Sequence[_ModePeriod]) -> bool:
    """Return whether the ban refuses in the last period, and refused in an earlier one."""
    if not is_held(ban.terms, periods[-1].start):
        return False
    if periods[0].until is not None:
        return True  # A merger or a policy file created the ban, and it refused before that.
    refused = (
        (period.start, following.start) for period, following in pairwise(periods) if period.mode is Mode.ENFORCE
    )
    held = list(chain.from_iterable(span(term.period) for term in ban.terms))
    return any(max(start, begin) < min(end, finish) for start, end in refused for begin, finish in held)


def due_requests(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about requests that wait for an approver, to the authority whose approver decides."""
    waiting = in_state(RequestState.REQUESTED, hour.now)
    for row in session.scalars(select(RequestRow).where(waiting, RequestRow.requested_s > hour.oldest)).all():
        kind = Kind.REQUEST_WAITING
        facts: Json = {"scope": row.authority, "number": row.number, "at_s": row.requested_s}
        yield Due(f"{kind}/{row.number}", kind, row.authority, facts)


def due_lifts(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about acts after which less is refused, to the authorities that have a rule for such acts."""
    row, kind = AuditRow, Kind.REFUSALS_LIFTED
    entries = select(row).where(row.act == LIFT, row.time_s > hour.oldest, row.time_s <= hour.now).order_by(row.seq)
    for entry in session.scalars(entries):
        for authority in entry.authorities:
            facts: Json = {"scope": authority, "number": entry.seq, "at_s": entry.time_s}
            yield Due(f"{kind}/{entry.seq}/{authority}", kind, authority, facts)


def _kind(period: _ModePeriod) -> Kind | None:
    """Return the kind of notice about a period; None if its act changed neither the mode nor its end."""
    if period.entry is not None:
        before, after = period.entry.before or {}, period.entry.after or {}
        same = (before.get("mode"), before.get("off_until")) == (after.get("mode"), after.get("off_until"))
        if same or period.entry.act not in _ACTS:
            return None
    return {Mode.OFF: Kind.BAN_OFF, Mode.MONITOR: Kind.BAN_MONITORED, Mode.ENFORCE: Kind.BAN_BACK}[period.mode]


def _notices(session: Session, ban: BanRow, kind: Kind, at: Instant, more: Json) -> Iterator[Due]:
    if has_lapsed(ban.terms, at):
        return
    bound = bound_at(bindings_of(session, [ban.number]), at) if is_held(ban.terms, at) else []
    for authority in chain((ban.authority,), bound):
        facts = {**facts_at(ban, at), **more, "at_s": at}
        yield Due(f"{kind}/{ban.number}/{at}/{authority}", kind, authority, facts)
