"""Convert catalogue entries to API answers."""

from api.db.base import Json
from api.db.models import ServiceRow
from api.services.schemas import ServiceRead, ServiceSummary, SourceRead, TierRead
from blocklists.catalogue import Entry, TierEntry


def read_summary(entry: Entry) -> ServiceSummary:
    """Return a service as a list shows it."""
    return ServiceSummary(
        slug=entry.slug,
        name=entry.name,
        category=str(entry.category),
        reviewed=entry.reviewed,
        tiers=[tier.number for tier in entry.tiers],
        names=entry.names_count,
    )


def read_service(entry: Entry) -> ServiceRead:
    """Return a service as the API shows it."""
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


def shown(row: ServiceRow) -> Json:
    """Return a service's row as the audit log stores it. `digest` names the list of its names."""
    columns = ("slug", "authority", "name", "category", "source", "note", "digest")
    return {name: getattr(row, name) for name in columns}


def _tier(tier: TierEntry) -> TierRead:
    return TierRead(
        number=tier.number,
        title=tier.title,
        description=tier.description,
        domains=[name.text for name in tier.names if not name.exact],
        hosts=[name.text for name in tier.names if name.exact],
    )
