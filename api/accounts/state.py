"""The state of a grant. When a role is held is the matter of the grant's `period`."""

from api.accounts.schemas import GrantState
from api.db.models import GrantRow
from dnsfilter.policy.model import Instant


def grant_state(row: GrantRow, now: Instant) -> GrantState:
    """Return the state of a grant at `now`."""
    if row.period.has_ended(now):
        return GrantState.ENDED
    return GrantState.IN_FORCE if row.period.holds(now) else GrantState.PLANNED
