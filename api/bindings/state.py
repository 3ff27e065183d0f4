"""The states of bindings; also as SQL.

The `period` of a binding says when it is in force.
"""

from sqlalchemy import ColumnElement, and_, not_

from api.bindings.schemas import BindingState
from api.db.models import BindingRow
from dnsfilter.policy.model import Instant

_PERIOD, _IS_AGREED = BindingRow.sql_period(), BindingRow.sql_is_agreed()


def binding_state(row: BindingRow, now: Instant) -> BindingState:
    """Return the state of a binding at `now`."""
    if row.period.has_ended(now):
        return BindingState.ENDED
    if not row.is_agreed:
        return BindingState.PROPOSED
    return BindingState.IN_FORCE if row.period.holds(now) else BindingState.PLANNED


def never_holds(row: BindingRow, now: Instant) -> bool:
    """Return whether the binding never had and never will have an effect: it is void, or ended as a proposal."""
    return row.period.is_void or (row.period.has_ended(now) and not row.is_agreed)


def is_proposed(now: Instant) -> ColumnElement[bool]:
    """Select the bindings for which `binding_state` returns `proposed`."""
    return and_(not_(_IS_AGREED), not_(_PERIOD.has_ended(now)))


def is_bound(now: Instant) -> ColumnElement[bool]:
    """Select the bindings that are in force or come into force later."""
    return and_(_IS_AGREED, not_(_PERIOD.has_ended(now)))
