"""Whether an authority is open, and how far what it begins may reach."""

from api.authorities.schemas import AuthorityState
from api.db.models import AuthorityRow
from api.errors import Conflict
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.model import Instant


def authority_state(row: AuthorityRow, now: Instant) -> AuthorityState:
    """The state of an authority at `now`."""
    if row.closes_s is None:
        return AuthorityState.OPEN
    return AuthorityState.CLOSED if row.closes_s <= now else AuthorityState.CLOSING


def demand_open(row: AuthorityRow, now: Instant) -> None:
    """Raises Conflict where the authority is closed."""
    if authority_state(row, now) is AuthorityState.CLOSED:
        raise Conflict(f"authority {row.slug} closed on {_day(row)}")


def demand_within(row: AuthorityRow, end: Instant | None, now: Instant) -> None:
    """Raises Conflict where the authority is closed, or will be before `end`."""
    demand_open(row, now)
    if row.closes_s is not None and (end is None or end > row.closes_s):
        raise Conflict(f"authority {row.slug} closes on {_day(row)}: give an end that is not later")


def _day(row: AuthorityRow) -> str:
    return "" if row.closes_s is None else local_day(row.closes_s, row.time_zone).isoformat()
