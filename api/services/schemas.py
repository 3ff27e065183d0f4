"""Services of the catalogue as read."""

from datetime import date

from api.schemas import Read
from blocklists.catalogue import Entry, TierEntry


class TierRead(Read):
    """One tier: `domains` match a name and all below it, `hosts` one name exactly."""

    number: int
    title: str
    description: str
    domains: list[str]
    hosts: list[str]


class SourceRead(Read):
    """Where names of the service come from."""

    id: str
    what: str
    licence: str
    revision: str


class ServiceSummary(Read):
    """A service in a list."""

    slug: str
    name: str
    category: str
    reviewed: date
    tiers: list[int]
    names: int


class ServiceRead(Read):
    """A service with every name of it."""

    slug: str
    name: str
    category: str
    reviewed: date
    sources: list[SourceRead]
    tiers: list[TierRead]


def read_summary(entry: Entry) -> ServiceSummary:
    """A service as a list shows it."""
    return ServiceSummary(
        slug=entry.slug,
        name=entry.name,
        category=str(entry.category),
        reviewed=entry.reviewed,
        tiers=[tier.number for tier in entry.tiers],
        names=entry.names_count,
    )


def read_service(entry: Entry) -> ServiceRead:
    """A service as the API shows it."""
    return ServiceRead(
        slug=entry.slug,
        name=entry.name,
        category=str(entry.category),
        reviewed=entry.reviewed,
        sources=[
            SourceRead(id=source.id, what=source.what, licence=source.licence, revision=source.revision)
            for source in entry.sources
        ],
        tiers=[_tier(tier) for tier in entry.tiers],
    )


def _tier(tier: TierEntry) -> TierRead:
    return TierRead(
        number=tier.number,
        title=tier.title,
        description=tier.description,
        domains=[name.text for name in tier.names if not name.exact],
        hosts=[name.text for name in tier.names if name.exact],
    )
