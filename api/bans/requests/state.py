"""The state of a request at an instant; also as SQL."""

from typing import assert_never

from sqlalchemy import ColumnElement, and_, not_, or_

from api.bans.requests.schemas import RequestState
from api.db.models import RequestRow
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant


def request_state(row: RequestRow, now: Instant) -> RequestState:
    """Return the state of a request at `now`."""
    if row.approved_s is not None:
        return RequestState.APPROVED
    if row.rejected_s is not None:
        return RequestState.REJECTED
    if row.withdrawn_s is not None and row.withdrawn_s <= now:
        return RequestState.WITHDRAWN
    return RequestState.REQUESTED if until(row.lapses_s) > now else RequestState.LAPSED


def in_state(state: RequestState, now: Instant) -> ColumnElement[bool]:
    """Select the requests for which `request_state` returns this state."""
    row = RequestRow
    stands = or_(row.lapses_s.is_(None), row.lapses_s > now)
    match state:
        case RequestState.APPROVED:
            return row.approved_s.is_not(None)
        case RequestState.REJECTED:
            return row.rejected_s.is_not(None)
        case RequestState.WITHDRAWN:
            return row.withdrawn_s <= now
        case RequestState.REQUESTED:
            return and_(_undecided(now), stands)
        case RequestState.LAPSED:
            return and_(_undecided(now), not_(stands))
        case _:
            assert_never(state)


def _undecided(now: Instant) -> ColumnElement[bool]:
    row = RequestRow
    # If the authority closes later, the request is withdrawn at that time.
    still = or_(row.withdrawn_s.is_(None), row.withdrawn_s > now)
    return and_(row.approved_s.is_(None), row.rejected_s.is_(None), still)
