"""When nothing is refused, and for whom; also as SQL. When one suspension holds is the matter of its `period`."""

from collections.abc import Iterable
from typing import TypeAlias, assert_never

from sqlalchemy import ColumnElement, and_, not_

from api.db.models import SuspensionRow
from api.suspensions.schemas import SuspensionState
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant

Suspended: TypeAlias = frozenset[str | None]
"""The authorities that are suspended; with None in it, all are."""


def suspension_state(row: SuspensionRow, now: Instant) -> SuspensionState:
    """Return the state of a suspension at `now`.

    One that begins after `now` was made before a clock was set back: it is in force, so that it is seen and can be
    ended, although it holds from its start on only.
    """
    return SuspensionState.ENDED if row.period.has_ended(now) else SuspensionState.IN_FORCE


def in_state(state: SuspensionState, now: Instant) -> ColumnElement[bool]:
    """Select the suspensions of which `suspension_state` gives this state."""
    ended = SuspensionRow.sql_period().has_ended(now)
    match state:
        case SuspensionState.IN_FORCE:
            # The column itself has an index.
            return and_(SuspensionRow.end_s > now, not_(ended))
        case SuspensionState.ENDED:
            return ended
        case _:
            assert_never(state)


def is_holding(now: Instant) -> ColumnElement[bool]:
    """Select the suspensions that hold at `now`."""
    return and_(SuspensionRow.end_s > now, SuspensionRow.sql_period().holds(now))


def finish(row: SuspensionRow) -> Instant:
    """Return when a suspension ends, as recorded or by an act."""
    return until(row.period.end)


def ended_early(row: SuspensionRow) -> Instant | None:
    """Return when an act ended the suspension early; None if none did."""
    return row.ended_s if row.ended_s is not None and row.ended_s < row.end_s else None


def would_end_earlier(row: SuspensionRow, now: Instant) -> bool:
    """Return whether an end at `now` changes anything. It does not in the first second, which is always completed."""
    return row.period.end_by_act(now, now) < finish(row)


def suspended_at(rows: Iterable[SuspensionRow], at: Instant) -> Suspended:
    """Return who is suspended at that instant."""
    return frozenset(row.authority for row in rows if row.period.holds(at))


def is_suspended(authority: str, suspended: Suspended) -> bool:
    """Return whether the authority, or everybody, is suspended."""
    return authority in suspended or None in suspended
