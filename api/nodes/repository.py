"""Queries on nodes."""

from collections.abc import Sequence

from sqlalchemy import func, select
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
