"""The state of an update at an instant; also as SQL."""

from typing import assert_never

from sqlalchemy import ColumnElement, and_, or_

from api.db.models import UpdateRow
from api.updates.schemas import Outcome, UpdateState
from dnsfilter.policy.model import Instant


def update_state(row: UpdateRow, now: Instant) -> UpdateState:
    """Return the state of an update at `now`."""
    match Outcome(row.outcome):
        case Outcome.HELD_BACK:
            return UpdateState.HELD_BACK
        case Outcome.REJECTED:
            return UpdateState.REJECTED
        case Outcome.REPLACED:
            return UpdateState.REPLACED
        case Outcome.TAKEN:
            ends = row.enforced_from_s if row.pending else None
            return UpdateState.PENDING if ends is not None and ends > now else UpdateState.IN_FORCE
        case outcome:
            assert_never(outcome)


def in_state(state: UpdateState, now: Instant) -> ColumnElement[bool]:
    """Select the updates for which `update_state` returns this state."""
    row = UpdateRow
    match state:
        case UpdateState.HELD_BACK:
            return row.outcome == Outcome.HELD_BACK
        case UpdateState.REJECTED:
            return row.outcome == Outcome.REJECTED
        case UpdateState.REPLACED:
            return row.outcome == Outcome.REPLACED
        case UpdateState.PENDING:
            return and_(row.outcome == Outcome.TAKEN, row.pending > 0, row.enforced_from_s > now)
        case UpdateState.IN_FORCE:
            over = or_(row.pending == 0, row.enforced_from_s.is_(None), row.enforced_from_s <= now)
            return and_(row.outcome == Outcome.TAKEN, over)
        case _:
            assert_never(state)
