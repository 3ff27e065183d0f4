"""Queries on space, and on the ranges around a prefix."""

from collections.abc import Sequence
from ipaddress import ip_network

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import RangeRow, SpaceRow
from api.errors import NotFound
from api.pagination import select_page
from dnsfilter.policy.model import Prefix


def find(session: Session, site: str, prefix: Prefix) -> SpaceRow | None:
    """The space with exactly that prefix, or None."""
    return session.scalar(select(SpaceRow).where(SpaceRow.site == site, SpaceRow.prefix == str(prefix)))


def get(session: Session, site: str, prefix: Prefix) -> SpaceRow:
    """The space with exactly that prefix; raises NotFound."""
    row = find(session, site, prefix)
    if row is None:
        raise NotFound(f"{prefix} is not allotted at site {site}")
    return row


def page(
    session: Session, authority: str | None, site: str | None, limit: int, cursor: str | None
) -> tuple[Sequence[SpaceRow], str | None]:
    """A page of space in the order in which it was allotted."""
    statement = select(SpaceRow)
    if authority is not None:
        statement = statement.where(SpaceRow.authority == authority)
    if site is not None:
        statement = statement.where(SpaceRow.site == site)
    return select_page(session, statement, SpaceRow.id, int, limit, cursor)


def holds_space_of_others(session: Session, site: str, prefix: Prefix, authority: str) -> bool:
    """Whether space of another authority lies inside the prefix, and is not the whole of it."""
    others = session.scalars(select(SpaceRow.prefix).where(SpaceRow.site == site, SpaceRow.authority != authority))
    return any(_inside(ip_network(other), prefix) for other in others)


def range_around(session: Session, site: str, prefix: Prefix) -> str | None:
    """The authority of the most specific range that holds the prefix and more, or None."""
    around = _around(prefix)
    rows = session.execute(
        select(RangeRow.prefix, RangeRow.authority).where(RangeRow.site == site, RangeRow.prefix.in_(around))
    )
    owners = {row.prefix: row.authority for row in rows}
    return next((owners[held] for held in around if held in owners), None)


def _around(prefix: Prefix) -> list[str]:
    """Every prefix that holds this one and more, the narrowest first; at most 128."""
    return [str(prefix.supernet(new_prefix=length)) for length in range(prefix.prefixlen - 1, -1, -1)]


def _inside(other: Prefix, prefix: Prefix) -> bool:
    if other.version != prefix.version or other.prefixlen <= prefix.prefixlen:
        return False
    return other.supernet(new_prefix=prefix.prefixlen) == prefix
