"""Whether an authority is open, and when what begins there must end."""

from sqlalchemy import ColumnElement, and_

from api.authorities.schemas import AuthorityState
from api.db.models import AuthorityRow
from api.errors import Conflict
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.model import Instant


def authority_state(row: AuthorityRow, now: Instant) -> AuthorityState:
    """Return the state of an authority at `now`."""
    if is_closed(row.closes_s, now):
        return AuthorityState.CLOSED
    return AuthorityState.OPEN if row.closes_s is None else AuthorityState.CLOSING


def is_closed(closes_s: Instant | None, now: Instant) -> bool:
    """Return whether an authority is closed at `now`, if it closes at `closes_s` (None: never)."""
    return closes_s is not None and closes_s <= now


def sql_is_closed(now: Instant) -> ColumnElement[bool]:
    """Select the authorities that are closed at `now`."""
    return and_(AuthorityRow.closes_s.is_not(None), AuthorityRow.closes_s <= now)


def demand_open(row: AuthorityRow, now: Instant) -> None:
    """Raise `Conflict` if the authority is closed."""
    if authority_state(row, now) is AuthorityState.CLOSED:
        raise Conflict(f"authority {row.slug} closed on {_day(row)}")


def demand_within(row: AuthorityRow, end: Instant | None, now: Instant) -> None:
    """Raise `Conflict` if the authority is closed, or closes before `end`."""
    demand_open(row, now)
    if row.closes_s is not None and (end is None or end > row.closes_s):
        raise Conflict(f"authority {row.slug} closes on {_day(row)}: give an end on or before that day")


def _day(row: AuthorityRow) -> str:
    return "" if row.closes_s is None else local_day(row.closes_s, row.time_zone).isoformat()
