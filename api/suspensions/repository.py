"""Queries on suspensions."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from api.db.models import SuspensionRow
from api.errors import NotFound
from api.http.pagination import select_page
from api.suspensions.schemas import SuspensionState
from api.suspensions.state import Suspended, in_state, is_holding
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.intervals import Interval, Intervals, union
from dnsfilter.policy.model import Instant

DAY_S = 86_400
_ROW = SuspensionRow
_PERIOD = SuspensionRow.sql_period()


def get(session: Session, number: int) -> SuspensionRow:
    """The suspension; raises NotFound."""
    row = session.get(SuspensionRow, number)
    if row is None:
        raise NotFound(f"there is no suspension {number}")
    return row


def page(
    session: Session,
    now: Instant,
    state: SuspensionState | None,
    authority: str | None,
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[SuspensionRow], str | None]:
    """A page of suspensions, newest first; with `authority` those that concern it, those of all among them."""
    statement = select(_ROW)
    if state is not None:
        statement = statement.where(in_state(state, now))
    if authority is not None:
        statement = statement.where(_concerning(authority))
    return select_page(session, statement, _ROW.number, int, limit, cursor, newest_first=True)


def holding(session: Session, now: Instant) -> Sequence[SuspensionRow]:
    """All that hold at `now`, newest first."""
    return session.scalars(select(_ROW).where(is_holding(now)).order_by(_ROW.number.desc())).all()


def suspended(session: Session, now: Instant) -> Suspended:
    """Return who is suspended now."""
    return frozenset(session.scalars(select(_ROW.authority).where(is_holding(now))))


def holding_of(session: Session, authority: str | None, now: Instant) -> Sequence[SuspensionRow]:
    """Those of exactly this authority, or of all, that hold at `now`, by number."""
    return session.scalars(select(_ROW).where(_of(authority), is_holding(now)).order_by(_ROW.number)).all()


def unfinished_of(session: Session, authority: str | None, now: Instant) -> Sequence[SuspensionRow]:
    """Those of exactly this authority, or of all, that hold at `now` or will, by number."""
    return session.scalars(
        select(_ROW).where(_of(authority), in_state(SuspensionState.IN_FORCE, now)).order_by(_ROW.number)
    ).all()


def spans(session: Session, authority: str, since: Instant, until: Instant) -> Intervals:
    """The suspensions of the authority and of all that end after `since` and begin before `until`."""
    within = (_ROW.end_s > since, _PERIOD.end > since, _ROW.start_s < until)
    statement = select(_ROW.start_s, _PERIOD.end).where(_concerning(authority), *within)
    return tuple((row[0], row[1]) for row in session.execute(statement))


def unbroken_since(session: Session, rows: Sequence[SuspensionRow]) -> Mapping[int, Instant]:
    """By number, from when on until that suspension nothing was refused for its authority without a break."""
    if not rows:
        return {}
    known: dict[str | None, list[Interval]] = {None: []}
    ceiling = max(row.start_s for row in rows) + MAX_SUSPENSION_S
    since = {row.number: row.start_s for row in rows}
    back = DAY_S
    # Whatever touches a stretch ends where it begins, or later: it is looked further back until it begins before that.
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
    """Authority, start and end of suspensions of these or of all whose recorded end lies between."""
    # In a form for which no index is taken: that of ends finds few rows, that of authorities thousands.
    whose = func.coalesce(_ROW.authority, "").in_({authority or "" for authority in authorities} | {""})
    statement = select(_ROW.authority, _ROW.start_s, _PERIOD.end).where(whose, _ROW.end_s.between(floor, ceiling))
    return [(row[0], row[1], row[2]) for row in session.execute(statement)]


def _of(authority: str | None) -> ColumnElement[bool]:
    return _ROW.authority.is_(None) if authority is None else _ROW.authority == authority


def _concerning(authority: str) -> ColumnElement[bool]:
    return or_(_ROW.authority == authority, _ROW.authority.is_(None))
