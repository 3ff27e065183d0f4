"""Queries on nodes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models import NodeRow
from api.errors import NotFound

_CHUNK = 500


class NodeSummary(NamedTuple):
    """The fields of a node that its state depends on, without its report."""

    number: int
    name: str
    site: str
    removed_s: int | None
    enrolled_s: int | None
    seen_s: int | None


def find(session: Session, name: str) -> NodeRow | None:
    """Return the node with this name, also if it was removed; or None."""
    return session.scalar(select(NodeRow).where(NodeRow.name == name))


def get(session: Session, name: str) -> NodeRow:
    """Return the node with this name, also if it was removed. Raise NotFound."""
    row = find(session, name)
    if row is None:
        raise NotFound(f"node {name} is not registered")
    return row


def all_of(session: Session, site: str | None = None, after: str = "", limit: int | None = None) -> Sequence[NodeRow]:
    """Return at most `limit` nodes after the name `after`, by name, of one site or of all."""
    statement = select(NodeRow).where(NodeRow.name > after).order_by(NodeRow.name).limit(limit)
    return session.scalars(statement if site is None else statement.where(NodeRow.site == site)).all()


def named(session: Session, names: Sequence[str]) -> Sequence[NodeRow]:
    """Return the nodes with these names, by name."""
    return session.scalars(select(NodeRow).where(NodeRow.name.in_(names)).order_by(NodeRow.name)).all()


def summaries(session: Session, site: str | None = None, after: str = "") -> Sequence[NodeSummary]:
    """Return the same nodes as `all_of`, without the fields that take long to read."""
    columns = [getattr(NodeRow, name) for name in NodeSummary._fields]
    statement = select(*columns).where(NodeRow.name > after).order_by(NodeRow.name)
    rows = session.execute(statement if site is None else statement.where(NodeRow.site == site))
    return [NodeSummary(*row) for row in rows]


def reports(session: Session, numbers: Sequence[int]) -> Mapping[int, Json]:
    """Return the stored reports of nodes."""
    found: dict[int, Json] = {}
    for start in range(0, len(numbers), _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        rows = session.execute(select(NodeRow.number, NodeRow.report).where(NodeRow.number.in_(chunk)))
        found.update((row.number, row.report) for row in rows)
    return found


def names(session: Session, site: str | None = None) -> Mapping[int, str]:
    """Return the names of the nodes that are not removed, by number, of one site or of all."""
    statement = select(NodeRow.number, NodeRow.name).where(NodeRow.removed_s.is_(None))
    rows = session.execute(statement if site is None else statement.where(NodeRow.site == site))
    return {row.number: row.name for row in rows}


def count(session: Session) -> int:
    """Count the nodes that are not removed."""
    return session.scalar(select(func.count()).where(NodeRow.removed_s.is_(None))) or 0


def removed(session: Session, before_s: int, limit: int) -> Sequence[int]:
    """Return the numbers of nodes removed by `before_s`."""
    rows = select(NodeRow.number).where(NodeRow.removed_s <= before_s)
    return session.scalars(rows.order_by(NodeRow.number).limit(limit)).all()


def delete_removed(session: Session, numbers: Sequence[int], before_s: int) -> None:
    """Delete the nodes that were removed by `before_s` and not registered again since."""
    session.execute(delete(NodeRow).where(NodeRow.number.in_(numbers), NodeRow.removed_s <= before_s))
