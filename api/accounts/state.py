"""The state of a grant. Its `period` says when the role is in force."""

from api.accounts.schemas import GrantState
from api.db.models import GrantRow
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant


def grant_state(row: GrantRow, now: Instant) -> GrantState:
    """Return the state of a grant at `now`."""
    if has_ended(row, now):
        return GrantState.ENDED
    return GrantState.IN_FORCE if row.period.holds(now) else GrantState.PLANNED


def has_ended(row: GrantRow, now: Instant) -> bool:
    """Return whether the end of a grant has passed.

    A grant that starts after its authority closes is planned until the closing, and can be ended before.
    """
    return until(row.period.end) <= now
