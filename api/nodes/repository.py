"""Queries on nodes."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from api.db.models import NodeRow
from api.errors import NotFound


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
