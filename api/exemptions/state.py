"""When an exemption is in force, when it ends, and its state; also as SQL."""

from typing import assert_never

from sqlalchemy import ColumnElement, and_, not_

from api.db.models import ExemptionRow
from api.exemptions.schemas import ExemptionState
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant

APPROVED = (ExemptionState.PLANNED, ExemptionState.IN_FORCE)
"""States in which it removes the ban now or later."""
LIVE = (ExemptionState.REQUESTED, *APPROVED)
"""States in which it removes the ban now or later, or can still be approved."""
_PERIOD = ExemptionRow.sql_period()


def exemption_end(row: ExemptionRow) -> Instant:
    """Return when an exemption ends: as decided, or earlier if it was revoked.

    If the ban's authority closes or is merged into another, its exemptions are revoked at that instant. A merger makes
    new ones from the successor's ban, with the same ends (`superseded_by`, `api.succession.continuation`).
    """
    return until(row.period.end)


def exemption_state(row: ExemptionRow, now: Instant) -> ExemptionState:
    """Return the state of an exemption at `now`."""
    if row.rejected_s is not None:
        return ExemptionState.REJECTED
    if exemption_end(row) <= now:
        return ExemptionState.LAPSED if row.revoked_s is None else ExemptionState.REVOKED
    if row.approved_s is None:
        return ExemptionState.REQUESTED
    return ExemptionState.IN_FORCE if row.period.holds(now) else ExemptionState.PLANNED


def in_state(state: ExemptionState, now: Instant) -> ColumnElement[bool]:
    """Select the exemptions for which `exemption_state` returns this state."""
    row, live, holds = ExemptionRow, is_live(now), _PERIOD.holds(now)
    over = and_(row.rejected_s.is_(None), not_(live))
    match state:
        case ExemptionState.REJECTED:
            return row.rejected_s.is_not(None)
        case ExemptionState.REVOKED:
            return and_(over, row.revoked_s.is_not(None))
        case ExemptionState.LAPSED:
            return and_(over, row.revoked_s.is_(None))
        case ExemptionState.REQUESTED:
            return and_(live, row.approved_s.is_(None))
        case ExemptionState.IN_FORCE:
            return and_(live, holds)
        case ExemptionState.PLANNED:
            return and_(live, row.approved_s.is_not(None), not_(holds))
        case _:
            assert_never(state)


def is_live(now: Instant) -> ColumnElement[bool]:
    """Select the exemptions in one of the states `LIVE`."""
    return and_(ExemptionRow.rejected_s.is_(None), _PERIOD.end > now)


def is_approved(now: Instant) -> ColumnElement[bool]:
    """Select the exemptions in one of the states `APPROVED`."""
    return and_(is_live(now), ExemptionRow.approved_s.is_not(None))
