"""Queries on suspensions."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from api.db.models import SuspensionRow
from api.db.unknown_names import numbered
from api.http.pagination import Paging, select_page
from api.suspensions.schemas import SuspensionState
from api.suspensions.state import Suspended, in_state, is_holding
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.intervals import Interval, Intervals, union
from dnsfilter.policy.model import DAY_S, Instant

_ROW = SuspensionRow
_PERIOD = SuspensionRow.sql_period()


get = numbered(SuspensionRow, "suspension", "suspend")
"""Return the suspension with a number. Raise NotFound."""


def page(
    session: Session,
    now: Instant,
    state: SuspensionState | None,
    authority: str | None,
    paging: Paging,
) -> tuple[Sequence[SuspensionRow], str | None]:
    """Return a page of suspensions, newest first; only those of `authority` and of all, unless it is None."""
    statement = select(_ROW)
    if state is not None:
        statement = statement.where(in_state(state, now))
    if authority is not None:
        statement = statement.where(_concerning(authority))
    return select_page(session, statement, _ROW.number, int, *paging, newest_first=True)


def holding(session: Session, now: Instant) -> Sequence[SuspensionRow]:
    """Return the suspensions in force at `now`, newest first."""
    return session.scalars(select(_ROW).where(is_holding(now)).order_by(_ROW.number.desc())).all()


def suspended(session: Session, now: Instant) -> Suspended:
    """Return the authorities that are suspended now."""
    return frozenset(session.scalars(select(_ROW.authority).where(is_holding(now))))


def holding_of(session: Session, authority: str | None, now: Instant) -> Sequence[SuspensionRow]:
    """Return the suspensions of exactly this authority (None: of all) in force at `now`, by number."""
    return session.scalars(select(_ROW).where(_of(authority), is_holding(now)).order_by(_ROW.number)).all()


def unfinished_of(session: Session, authority: str | None, now: Instant) -> Sequence[SuspensionRow]:
    """Return the suspensions of exactly this authority (None: of all) in force at `now` or later, by number."""
    return session.scalars(
        select(_ROW).where(_of(authority), in_state(SuspensionState.IN_FORCE, now)).order_by(_ROW.number)
    ).all()


def spans(session: Session, authority: str, since: Instant, until: Instant) -> Intervals:
    """Return the suspensions of the authority and of all that end after `since` and begin before `until`."""
    within = (_ROW.end_s > since, _PERIOD.end > since, _ROW.start_s < until)
    statement = select(_ROW.start_s, _PERIOD.end).where(_concerning(authority), *within)
    return tuple((row[0], row[1]) for row in session.execute(statement))


def unbroken_since(session: Session, rows: Sequence[SuspensionRow]) -> Mapping[int, Instant]:
    """Map each suspension to when its authority's suspensions without a break up to it began."""
    if not rows:
        return {}
    known: dict[str | None, list[Interval]] = {None: []}
    ceiling = max(row.start_s for row in rows) + MAX_SUSPENSION_S
    since = {row.number: row.start_s for row in rows}
    back = DAY_S
    # Search further back until each unbroken stretch begins after the searched period does.
    while (floor := min(since.values())) <= ceiling:
        for authority, start, finish in _around(session, {row.authority for row in rows}, floor - back, ceiling):
            known.setdefault(authority, []).append((start, finish))
        ceiling, back = floor - back - 1, 2 * back
        for authority in {row.authority for row in rows}:
            stretches = union((*known.get(authority, ()), *known[None]))
            for row in rows:
                if row.authority == authority:
                    reach = (start for start, end in stretches if start <= row.start_s <= end)
                    since[row.number] = next(reach, row.start_s)
    return since


def _around(
    session: Session, authorities: set[str | None], floor: Instant, ceiling: Instant
) -> Sequence[tuple[str | None, Instant, Instant]]:
    """Return authority, start and end of the suspensions of these or of all whose recorded end is in the period."""
    # Avoid the index of authorities, which finds thousands of rows: that of ends finds few.
    whose = func.coalesce(_ROW.authority, "").in_({authority or "" for authority in authorities} | {""})
    statement = select(_ROW.authority, _ROW.start_s, _PERIOD.end).where(whose, _ROW.end_s.between(floor, ceiling))
    return [(row[0], row[1], row[2]) for row in session.execute(statement)]


def _of(authority: str | None) -> ColumnElement[bool]:
    return _ROW.authority.is_(None) if authority is None else _ROW.authority == authority


def _concerning(authority: str) -> ColumnElement[bool]:
    return or_(_ROW.authority == authority, _ROW.authority.is_(None))
