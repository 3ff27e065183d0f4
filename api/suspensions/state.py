"""When nothing is refused, and for which authorities; also as SQL.

The `period` of a suspension says when it is in force.
"""

from collections.abc import Iterable
from typing import TypeAlias, assert_never

from sqlalchemy import ColumnElement, and_, func, not_, or_

from api.db.models import SuspensionRow
from api.suspensions.schemas import SuspensionState
from dnsfilter.policy.intervals import FOREVER, until
from dnsfilter.policy.model import Instant

_PERIOD = SuspensionRow.sql_period()
Suspended: TypeAlias = frozenset[str | None]
"""The suspended authorities; None in it means all."""


def suspension_state(row: SuspensionRow, now: Instant) -> SuspensionState:
    """Return the state of a suspension at `now`.

    One that begins after `now` was made before the clock was set back. It counts as in force, so that it is visible and
    can be ended, although it has no effect before its start. One that an act has ended is ended, although the first
    second, in which it began, completes.
    """
    by_act = row.ended_s is not None and row.ended_s <= now
    return SuspensionState.ENDED if by_act or row.period.has_ended(now) else SuspensionState.IN_FORCE


def in_state(state: SuspensionState, now: Instant) -> ColumnElement[bool]:
    """Select the suspensions for which `suspension_state` returns this state."""
    ended = or_(_PERIOD.has_ended(now), func.coalesce(SuspensionRow.ended_s, FOREVER) <= now)
    match state:
        case SuspensionState.IN_FORCE:
            # Compare the column too: it has an index.
            return and_(SuspensionRow.end_s > now, not_(ended))
        case SuspensionState.ENDED:
            return ended
        case _:
            assert_never(state)


def is_holding(now: Instant) -> ColumnElement[bool]:
    """Select the suspensions in force at `now`."""
    return and_(SuspensionRow.end_s > now, _PERIOD.holds(now))


def finish(row: SuspensionRow) -> Instant:
    """Return when a suspension ends, as recorded or by an act."""
    return until(row.period.end)


def ended_early(row: SuspensionRow) -> Instant | None:
    """Return when an act ended the suspension early; None if none did."""
    return row.ended_s if row.ended_s is not None and row.ended_s < row.end_s else None


def would_end_earlier(row: SuspensionRow, now: Instant) -> bool:
    """Return whether an end at `now` changes anything. It does not in the first second, which always completes."""
    return row.period.end_by_act(now, now) < finish(row)


def suspended_at(rows: Iterable[SuspensionRow], at: Instant) -> Suspended:
    """Return the authorities that are suspended at that instant."""
    return frozenset(row.authority for row in rows if row.period.holds(at))


def is_suspended(authority: str, suspended: Suspended) -> bool:
    """Return whether the authority, or all, are suspended."""
    return authority in suspended or None in suspended
