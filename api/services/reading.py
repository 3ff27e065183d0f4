"""Convert catalogue entries to API answers."""

from collections import Counter
from collections.abc import Sequence

from api.db.base import Json
from api.db.models import ServiceRow, UpdateRow
from api.publish.service_lists import service_of
from api.services.names_listing import ListedName
from api.services.schemas import (
    ImportedListRead,
    ServiceNameRead,
    ServiceNamesRead,
    ServiceRead,
    ServiceSummary,
    SourceRead,
    TierRead,
    TierSummary,
)
from api.updates.schemas import UpdateRead
from blocklists.catalogue import Entry, TierEntry
from blocklists.list_file import ReadList
from blocklists.update_review import names_in, plain
from dnsfilter.policy.model import Service
from dnsfilter.wire.names import name_text


def read_summary(entry: Entry) -> ServiceSummary:
    """Return a service as a list shows it."""
    return ServiceSummary(
        slug=entry.slug,
        authority=None,
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
        authority=None,
        name=entry.name,
        category=str(entry.category),
        reviewed=entry.reviewed,
        sources=_sources(entry),
        source="",
        note="",
        held_back=None,
        tiers=[_tier(tier) for tier in entry.tiers],
    )


def read_loaded_summary(row: ServiceRow, service: Service, entry: Entry | None) -> ServiceSummary:
    """Return a service whose names a loaded catalogue changed or added, as a list shows it."""
    tiers = plain(service.tiers)
    return ServiceSummary(
        slug=row.slug,
        authority=None,
        name=row.name,
        category=row.category,
        reviewed=None if entry is None else entry.reviewed,
        tiers=[tier.number for tier in tiers],
        names=names_in(tiers),
    )


def read_loaded(row: ServiceRow, service: Service, held: UpdateRow | None, entry: Entry | None) -> ServiceRead:
    """Return a service whose names a loaded catalogue changed or added. Texts are those of the packaged `entry`."""
    texts = {} if entry is None else {tier.number: tier for tier in entry.tiers}
    found = read_own(row, Service(row.slug, row.name, plain(service.tiers)), held)
    for tier in found.tiers:
        if tier.number in texts:
            tier.title, tier.description = texts[tier.number].title, texts[tier.number].description
    if entry is not None:
        found.reviewed, found.sources = entry.reviewed, _sources(entry)
    return found


def read_own_summary(service: Service) -> ServiceSummary:
    """Return an own service as a list shows it."""
    return ServiceSummary(
        slug=service.slug,
        authority=service.authority,
        name=service.name,
        category="",
        reviewed=None,
        tiers=sorted({tier.number for tier in service.tiers}),
        names=sum(len(tier.domains) + len(tier.hosts) for tier in service.tiers),
    )


def read_own(row: ServiceRow, service: Service, held_back: UpdateRow | None) -> ServiceRead:
    """Return an own service as the API shows it, with the update of its names that is held back."""
    return ServiceRead(
        slug=row.slug,
        authority=row.authority,
        name=row.name,
        category=row.category,
        reviewed=None,
        sources=[],
        source=row.source,
        note=row.note,
        held_back=None if held_back is None else held_back.number,
        tiers=[
            TierRead(
                number=tier.number,
                title="",
                description="",
                domains=sorted(map(name_text, tier.domains)),
                hosts=sorted(map(name_text, tier.hosts)),
            )
            for tier in plain(service.tiers)
        ],
    )


def read_names(
    service: Service, entry: Entry | None, items: Sequence[ListedName], following: str | None
) -> ServiceNamesRead:
    """Return a page of the names of a service. The texts of its tiers are those of the packaged `entry`."""
    texts = {} if entry is None else {tier.number: tier for tier in entry.tiers}
    counts = Counter[int]()
    for tier in service.tiers:
        counts[tier.number] += len(tier.domains) + len(tier.hosts)
    return ServiceNamesRead(
        slug=service.slug,
        name=service.name,
        tiers=[
            TierSummary(
                number=number,
                title=texts[number].title if number in texts else "",
                description=texts[number].description if number in texts else "",
                names=names,
            )
            for number, names in sorted(counts.items())
        ],
        items=[ServiceNameRead(tier=each.tier, name=each.name, exact=each.exact) for each in items],
        next=following,
    )


def read_imported(row: ServiceRow, read: ReadList, update: UpdateRead | None) -> ImportedListRead:
    """Return what the import of a list into an own service did."""
    return ImportedListRead(
        service=row.slug,
        format=read.format,
        names=len(read.names),
        lines=read.lines,
        skipped=read.unreadable,
        update=update,
        revision=row.revision,
    )


def _sources(entry: Entry) -> list[SourceRead]:
    return [
        SourceRead(id=source.id, what=source.what, licence=source.licence, revision=source.revision)
        for source in entry.sources
    ]


def _tier(tier: TierEntry) -> TierRead:
    return TierRead(
        number=tier.number,
        title=tier.title,
        description=tier.description,
        domains=[name.text for name in tier.names if not name.exact],
        hosts=[name.text for name in tier.names if name.exact],
    )


def archived_own(row: ServiceRow) -> Json:
    """Return an own service with its names, as an archive has it."""
    unknown = {"held_back", "reviewed", "sources"}
    return read_own(row, service_of(row.content.body), None).model_dump(mode="json", exclude=unknown)
