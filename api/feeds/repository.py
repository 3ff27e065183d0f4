"""Queries on feeds."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.authorities.state import sql_is_closed
from api.db.models import AuthorityRow, FeedRow
from api.errors import NotFound
from api.feeds.state import sql_is_due
from api.services.repository import slug_of
from dnsfilter.policy.model import Instant


def find(session: Session, authority: str, service: str) -> FeedRow | None:
    """Return the feed of an own service, or None."""
    return session.get(FeedRow, slug_of(authority, service))


def get(session: Session, authority: str, service: str) -> FeedRow:
    """Return the feed of an own service. Raise NotFound."""
    found = find(session, authority, service)
    if found is None:
        slug = slug_of(authority, service)
        raise NotFound(f"{slug} has no feed. Type: dnsfilterctl feed set {slug} SOURCE")
    return found


def feeds(session: Session) -> Sequence[FeedRow]:
    """Return all feeds by service."""
    return session.scalars(select(FeedRow).order_by(FeedRow.service)).all()


def due(session: Session, now: Instant, most: int) -> Sequence[FeedRow]:
    """Return the feeds to fetch now, the longest due first. An authority that has closed needs none."""
    closed = select(AuthorityRow.slug).where(sql_is_closed(now))
    statement = select(FeedRow).where(sql_is_due(now), FeedRow.authority.not_in(closed))
    return session.scalars(statement.order_by(FeedRow.next_s, FeedRow.service).limit(most)).all()
