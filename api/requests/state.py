"""Where a request stands at an instant; as a condition of a query too."""

from enum import StrEnum
from typing import assert_never

from sqlalchemy import ColumnElement, and_, case, exists, not_, or_

from api.bans import states
from api.bans.standing import has_lapsed, switch_at
from api.db.models import BanRow, RequestRow
from dnsfilter.policy.model import Instant


class RequestState(StrEnum):
    """A request lapses, undecided, once the mode has changed, or the ban or the end that it asks for has passed."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


def request_state(row: RequestRow, ban: BanRow, now: Instant) -> RequestState:
    """The state of a request about `ban` at `now`."""
    if row.approved_s is not None:
        return RequestState.APPROVED
    if row.rejected_s is not None:
        return RequestState.REJECTED
    if row.withdrawn_s is not None and row.withdrawn_s <= now:
        return RequestState.WITHDRAWN
    switch = switch_at(ban, now)
    if has_lapsed(ban.terms, now):
        return RequestState.LAPSED
    if (row.was, row.was_set_s) != (switch.mode, switch.since) or (row.until_s is not None and row.until_s <= now):
        return RequestState.LAPSED
    return RequestState.REQUESTED


def in_state(state: RequestState, now: Instant) -> ColumnElement[bool]:
    """What `request_state` says of a row, as a condition."""
    row = RequestRow
    match state:
        case RequestState.APPROVED:
            return row.approved_s.is_not(None)
        case RequestState.REJECTED:
            return row.rejected_s.is_not(None)
        case RequestState.WITHDRAWN:
            return row.withdrawn_s <= now
        case RequestState.REQUESTED:
            return and_(_undecided(now), _stands(now))
        case RequestState.LAPSED:
            return and_(_undecided(now), not_(_stands(now)))
        case _:
            assert_never(state)


def _undecided(now: Instant) -> ColumnElement[bool]:
    row = RequestRow
    # A closing of the authority that is ahead withdraws it then.
    still = or_(row.withdrawn_s.is_(None), row.withdrawn_s > now)
    return and_(row.approved_s.is_(None), row.rejected_s.is_(None), still)


def _stands(now: Instant) -> ColumnElement[bool]:
    row, ban = RequestRow, BanRow
    since = case((ban.off_until_s <= now, ban.off_until_s), else_=ban.mode_set_s)
    same = and_(states.mode_at(now) == row.was, since.is_not_distinct_from(row.was_set_s))
    stands = exists().where(ban.number == row.ban, same, not_(states.has_lapsed(now)))
    return and_(stands, or_(row.until_s.is_(None), row.until_s > now))
