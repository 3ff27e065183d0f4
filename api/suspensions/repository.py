"""Queries on suspensions."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from api.db.models import SuspensionRow
from api.errors import NotFound
from api.pagination import select_page
from api.suspensions.schemas import SuspensionState
from dnsfilter.policy.check import MAX_SUSPENSION_S
from dnsfilter.policy.intervals import Interval, Intervals, union
from dnsfilter.policy.model import Instant

DAY_S = 86_400
_ROW = SuspensionRow
_ENDED = func.coalesce(_ROW.ended_s, _ROW.end_s)
FINISH = case(
    (_ROW.start_s > _ENDED, _ROW.start_s),
    (_ROW.start_s == _ENDED, _ROW.start_s + 1),
    (_ROW.end_s > _ENDED, _ENDED),
    else_=_ROW.end_s,
)
"""What `finish` says of a row."""


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
    if state is SuspensionState.IN_FORCE:
        statement = statement.where(_unfinished(now))
    elif state is SuspensionState.ENDED:
        statement = statement.where(or_(now >= FINISH, _ROW.start_s >= FINISH))
    if authority is not None:
        statement = statement.where(_concerning(authority))
    return select_page(session, statement, _ROW.number, int, limit, cursor, newest_first=True)


def holding(session: Session, now: Instant) -> Sequence[SuspensionRow]:
    """All that hold at `now`, newest first."""
    return session.scalars(select(_ROW).where(_holds(now)).order_by(_ROW.number.desc())).all()


def holding_of(session: Session, authority: str | None, now: Instant) -> Sequence[SuspensionRow]:
    """Those of exactly this authority, or of all, that hold at `now`, by number."""
    return session.scalars(select(_ROW).where(_of(authority), _holds(now)).order_by(_ROW.number)).all()


def unfinished_of(session: Session, authority: str | None, now: Instant) -> Sequence[SuspensionRow]:
    """Those of exactly this authority, or of all, that hold at `now` or will, by number."""
    return session.scalars(select(_ROW).where(_of(authority), _unfinished(now)).order_by(_ROW.number)).all()


def spans(session: Session, authority: str, since: Instant, until: Instant) -> Intervals:
    """The suspensions of the authority and of all that end after `since` and begin before `until`."""
    within = (_ROW.end_s > since, since < FINISH, _ROW.start_s < until)
    return tuple(
        (row[0], row[1]) for row in session.execute(select(_ROW.start_s, FINISH).where(_concerning(authority), *within))
    )


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
    statement = select(_ROW.authority, _ROW.start_s, FINISH).where(whose, _ROW.end_s.between(floor, ceiling))
    return [(row[0], row[1], row[2]) for row in session.execute(statement)]


def _holds(now: Instant) -> ColumnElement[bool]:
    return and_(_ROW.start_s <= now, _unfinished(now))


def _unfinished(now: Instant) -> ColumnElement[bool]:
    """Whether it holds at `now`, or will: one that begins later was made before a clock was set back."""
    return and_(_ROW.end_s > now, now < FINISH, _ROW.start_s < FINISH)


def _of(authority: str | None) -> ColumnElement[bool]:
    return _ROW.authority.is_(None) if authority is None else _ROW.authority == authority


def _concerning(authority: str) -> ColumnElement[bool]:
    return or_(_ROW.authority == authority, _ROW.authority.is_(None))
