"""Queries on own services, and on services of the catalogue that are not as packaged."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import BanRow, FeedRow, ProhibitedListRow, ServiceRow
from api.errors import NotFound, did_you_mean
from dnsfilter.policy.model import Instant


def slug_of(authority: str, service: str) -> str:
    """Return the slug by which everybody names an authority's own service."""
    return f"{authority}:{service}"


def find(session: Session, authority: str, service: str) -> ServiceRow | None:
    """Return the authority's own service, or None. `service` is the part of its slug after the colon."""
    return session.get(ServiceRow, slug_of(authority, service))


def get(session: Session, authority: str, service: str) -> ServiceRow:
    """Return the authority's own service; raise `NotFound` if there is none."""
    row = find(session, authority, service)
    if row is None:
        slug = slug_of(authority, service)
        known = session.scalars(select(ServiceRow.slug).where(ServiceRow.authority == authority))
        raise NotFound(f'No service "{slug}".{did_you_mean(slug, known) or " See dnsfilterctl service list."}')
    return row


def catalogue_rows(session: Session) -> Sequence[ServiceRow]:
    """Return the services of the catalogue that a loaded catalogue changed or added, by slug."""
    return session.scalars(select(ServiceRow).where(ServiceRow.authority.is_(None)).order_by(ServiceRow.slug)).all()


def own_services(session: Session) -> Sequence[ServiceRow]:
    """Return the own services of all authorities, by slug."""
    return session.scalars(select(ServiceRow).where(ServiceRow.authority.is_not(None)).order_by(ServiceRow.slug)).all()


def bans_on(session: Session, slug: str, now: Instant) -> list[str]:
    """Return the references of the bans on a service that have not ended."""
    rows = session.scalars(select(BanRow).where(BanRow.service == slug).order_by(BanRow.number))
    return [
        f"{row.authority}/{row.service}" for row in rows if not all(term.period.has_ended(now) for term in row.terms)
    ]


def lists_with(session: Session, slug: str) -> list[str]:
    """Return the references of the prohibited lists that name a service."""
    rows = session.scalars(select(ProhibitedListRow).order_by(ProhibitedListRow.number))
    return [row.reference for row in rows if slug in row.draft or slug in row.service_versions]


def is_fed(session: Session, slug: str) -> bool:
    """Return whether an own service has a feed."""
    return session.get(FeedRow, slug) is not None
