"""Queries on nodes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models import NodeRow
from api.errors import NotFound

_CHUNK = 500


class Brief(NamedTuple):
    """What of a node its state follows from, next to its report."""

    number: int
    name: str
    removed_s: int | None
    enrolled_s: int | None
    seen_s: int | None


def find(session: Session, name: str) -> NodeRow | None:
    """The node of that name, also one that was removed; or None."""
    return session.scalar(select(NodeRow).where(NodeRow.name == name))


def get(session: Session, name: str) -> NodeRow:
    """The node of that name, also one that was removed; raises NotFound."""
    row = find(session, name)
    if row is None:
        raise NotFound(f"node {name} is not registered")
    return row


def all_of(session: Session, site: str | None = None, after: str = "", limit: int | None = None) -> Sequence[NodeRow]:
    """Every node behind the name `after`, by name; of one site or of all, and at most `limit`."""
    statement = select(NodeRow).where(NodeRow.name > after).order_by(NodeRow.name).limit(limit)
    return session.scalars(statement if site is None else statement.where(NodeRow.site == site)).all()


def named(session: Session, names: Sequence[str]) -> Sequence[NodeRow]:
    """The nodes of these names, by name."""
    return session.scalars(select(NodeRow).where(NodeRow.name.in_(names)).order_by(NodeRow.name)).all()


def briefs(session: Session, site: str | None = None, after: str = "") -> Sequence[Brief]:
    """As `all_of`, without what takes long to read."""
    columns = [getattr(NodeRow, name) for name in Brief._fields]
    statement = select(*columns).where(NodeRow.name > after).order_by(NodeRow.name)
    rows = session.execute(statement if site is None else statement.where(NodeRow.site == site))
    return [Brief(*row) for row in rows]


def reports(session: Session, numbers: Sequence[int]) -> Mapping[int, Json]:
    """What nodes reported last, as far as it was written down."""
    found: dict[int, Json] = {}
    for start in range(0, len(numbers), _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        rows = session.execute(select(NodeRow.number, NodeRow.report).where(NodeRow.number.in_(chunk)))
        found.update((row.number, row.report) for row in rows)
    return found


def names(session: Session, site: str | None = None) -> Mapping[int, str]:
    """What the nodes are called that were not removed, by number; of one site or of all."""
    statement = select(NodeRow.number, NodeRow.name).where(NodeRow.removed_s.is_(None))
    rows = session.execute(statement if site is None else statement.where(NodeRow.site == site))
    return {row.number: row.name for row in rows}


def count(session: Session) -> int:
    """How many there are that were not removed."""
    return session.scalar(select(func.count()).where(NodeRow.removed_s.is_(None))) or 0


def removed(session: Session, before_s: int, limit: int) -> Sequence[int]:
    """The numbers of nodes that were removed by then."""
    gone = select(NodeRow.number).where(NodeRow.removed_s <= before_s)
    return session.scalars(gone.order_by(NodeRow.number).limit(limit)).all()


def delete_removed(session: Session, numbers: Sequence[int], before_s: int) -> None:
    """Delete those of the nodes that were removed by then, and not registered again since."""
    session.execute(delete(NodeRow).where(NodeRow.number.in_(numbers), NodeRow.removed_s <= before_s))
