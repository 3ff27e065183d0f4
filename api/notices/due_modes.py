"""Notices about bans that are switched off, only count, or refuse again."""

from collections.abc import Iterator
from itertools import chain

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.bans.standing import has_ended, holds, switch_at
from api.db.base import Json
from api.db.models import AuditRow, BanRow, RequestRow
from api.moments import parse_moment
from api.notices.due_bans import bindings_of, bound_at, facts_at
from api.notices.kinds import Due, Hour, Kind
from api.requests.state import RequestState, in_state
from dnsfilter.policy.model import Instant, Mode


def due_modes(session: Session, hour: Hour) -> Iterator[Due]:
    """What an act has set, and what has returned by itself, to the ban's authority and to those bound by it."""
    row = AuditRow
    acts = ("ban.confirm", *(f"ban.set_{mode}" for mode in Mode))
    statement = select(row).where(row.act.in_(acts), row.time_s > hour.oldest, row.time_s <= hour.now)
    for entry in session.scalars(statement.order_by(row.seq)).all():
        before, after = entry.before or {}, entry.after or {}
        ban = session.get(BanRow, after["number"])
        kind = _kind(before, after)
        if ban is not None and kind is not None:
            until = after.get("off_until")
            more = {} if until is None else {"until_s": parse_moment(until, "UTC")}
            yield from _notices(session, ban, kind, entry.time_s, more)
    returned = select(BanRow).where(BanRow.off_until_s > hour.oldest, BanRow.off_until_s <= hour.now)
    for ban in session.scalars(returned.order_by(BanRow.number)).all():
        switch = switch_at(ban, hour.now)
        if switch.since is not None:
            kind = Kind.BAN_BACK if switch.mode is Mode.ENFORCE else Kind.BAN_MONITORED
            yield from _notices(session, ban, kind, switch.since, {})


def due_requests(session: Session, hour: Hour) -> Iterator[Due]:
    """What waits for an approver, to the ban's authority."""
    waiting = in_state(RequestState.REQUESTED, hour.now)
    for row in session.scalars(select(RequestRow).where(waiting, RequestRow.requested_s > hour.oldest)).all():
        ban, kind = session.get_one(BanRow, row.ban), Kind.REQUEST_WAITING
        facts = {**facts_at(ban, hour.now), "number": row.number, "at_s": row.requested_s}
        yield Due(f"{kind}/{row.number}", kind, ban.authority, facts)


def _kind(before: Json, after: Json) -> Kind | None:
    """What an act is to those who rely on the ban; None if it changes neither mode nor end."""
    if (before.get("mode"), before.get("off_until")) == (after.get("mode"), after.get("off_until")):
        return None
    match after["mode"]:
        case Mode.OFF:
            return Kind.BAN_OFF
        case Mode.MONITOR:
            return Kind.BAN_MONITORED
    return Kind.BAN_BACK


def _notices(session: Session, ban: BanRow, kind: Kind, at: Instant, more: Json) -> Iterator[Due]:
    if all(has_ended(term, at) for term in ban.terms):
        return
    held = any(holds(term, at) for term in ban.terms)
    bound = bound_at(bindings_of(session, [ban.number]), at) if held else []
    for authority in chain((ban.authority,), bound):
        facts = {**facts_at(ban, at), **more, "at_s": at}
        yield Due(f"{kind}/{ban.number}/{at}/{authority}", kind, authority, facts)
