"""Queries on suspensions."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from api.db.models import SuspensionRow
from api.errors import NotFound
from api.pagination import select_page
from api.suspensions.schemas import SuspensionState
from dnsfilter.policy.check import MAX_SUSPENSION_S
from dnsfilter.policy.model import Instant

_ROW = SuspensionRow
_ENDED = func.coalesce(_ROW.ended_s, _ROW.end_s)
_AT_LEAST = _ROW.start_s + 1
FINISH = case((_ENDED < _AT_LEAST, _AT_LEAST), (_ROW.end_s > _ENDED, _ENDED), else_=_ROW.end_s)
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
        statement = statement.where(_in_force(now))
    elif state is SuspensionState.ENDED:
        statement = statement.where(or_(_ROW.start_s > now, now >= FINISH))
    if authority is not None:
        statement = statement.where(_concerning(authority))
    return select_page(session, statement, _ROW.number, int, limit, cursor, newest_first=True)


def in_force(session: Session, now: Instant) -> Sequence[SuspensionRow]:
    """All that hold at `now`, newest first."""
    return session.scalars(select(_ROW).where(_in_force(now)).order_by(_ROW.number.desc())).all()


def in_force_of(session: Session, authority: str | None, now: Instant) -> Sequence[SuspensionRow]:
    """Those of exactly this authority, or of all, that hold at `now`, by number."""
    return session.scalars(select(_ROW).where(_of(authority), _in_force(now)).order_by(_ROW.number)).all()


def unbroken_since(session: Session, row: SuspensionRow) -> Instant:
    """From when on, until this suspension, nothing was refused for its authority without a break."""
    # In a form for which no index is taken: that of ends finds few rows, that of authorities thousands.
    whose = row.authority or ""
    mine = func.coalesce(_ROW.authority, whose) == whose
    since = row.start_s
    while True:
        # What began before lasted four hours at most: of years of suspensions, an index gives those around.
        around = _ROW.end_s.between(since, since + MAX_SUSPENSION_S)
        earlier = select(func.min(_ROW.start_s)).where(mine, around, since <= FINISH)
        first = session.scalar(earlier.where(_ROW.start_s < since))
        if first is None:
            return since
        since = first


def _in_force(now: Instant) -> ColumnElement[bool]:
    return and_(_ROW.end_s > now, _ROW.start_s <= now, now < FINISH)


def _of(authority: str | None) -> ColumnElement[bool]:
    return _ROW.authority.is_(None) if authority is None else _ROW.authority == authority


def _concerning(authority: str) -> ColumnElement[bool]:
    return or_(_ROW.authority == authority, _ROW.authority.is_(None))
