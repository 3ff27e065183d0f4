"""The state of a request at an instant; also as SQL."""

from typing import assert_never

from sqlalchemy import ColumnElement, and_, exists, not_, or_

from api.bans.state import has_lapsed, sql_has_lapsed, sql_mode_at, sql_mode_since, switch_at
from api.db.models import BanRow, RequestRow
from api.requests.schemas import RequestState
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant


def request_state(row: RequestRow, ban: BanRow, now: Instant) -> RequestState:
    """Return the state of a request about `ban` at `now`."""
    if row.approved_s is not None:
        return RequestState.APPROVED
    if row.rejected_s is not None:
        return RequestState.REJECTED
    if row.withdrawn_s is not None and row.withdrawn_s <= now:
        return RequestState.WITHDRAWN
    switch = switch_at(ban, now)
    same = (switch.mode, switch.since) == (row.was, row.was_set_s)
    stands = same and not has_lapsed(ban.terms, now) and until(row.until_s) > now
    return RequestState.REQUESTED if stands else RequestState.LAPSED


def in_state(state: RequestState, now: Instant) -> ColumnElement[bool]:
    """Select the requests for which `request_state` returns this state."""
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
    # If the authority closes later, the request is withdrawn at that time.
    still = or_(row.withdrawn_s.is_(None), row.withdrawn_s > now)
    return and_(row.approved_s.is_(None), row.rejected_s.is_(None), still)


def _stands(now: Instant) -> ColumnElement[bool]:
    row, ban = RequestRow, BanRow
    same = and_(sql_mode_at(now) == row.was, sql_mode_since(now).is_not_distinct_from(row.was_set_s))
    stands = exists().where(ban.number == row.ban, same, not_(sql_has_lapsed(now)))
    return and_(stands, or_(row.until_s.is_(None), row.until_s > now))
