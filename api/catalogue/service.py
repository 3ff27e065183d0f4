"""Acts on the catalogue: load a signed one, and follow a newer release.

A loaded catalogue counts if its number is higher than the packaged one's. Then its services are rows. Each list takes
effect as any update does: new names are pending, and what hits the guard is held back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.catalogue import repository
from api.catalogue.reading import shown_catalogue
from api.db.models import LoadedCatalogueRow, ServiceRow, UpdateRow
from api.db.subjects import subject
from api.db.unit_of_work import LOADED, UnitOfWork
from api.http.dependencies import Runtime
from api.publish.service_lists import list_of
from api.services import repository as services
from api.updates import repository as updates
from api.updates.reading import shown_service
from api.updates.schemas import Source
from api.updates.service import Proposal, keep_list, propose, replace_update
from blocklists.catalogue import Catalogue, Entry
from blocklists.signed_catalogue import demand_newer
from blocklists.update_review import difference, plain, without
from dnsfilter.policy.model import Service


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A catalogue from a file whose signature is valid. `sha256` is that of the file."""

    catalogue: Catalogue
    sha256: str
    key: str


@dataclass(frozen=True, slots=True)
class Loading:
    """What loading a catalogue did: the updates of services, and the services that are new."""

    row: LoadedCatalogueRow
    updates: Sequence[UpdateRow]
    added: Sequence[ServiceRow]


def number_in_force(session: Session, packaged: Catalogue) -> int:
    """Return the number of the catalogue in force: the higher one of the packaged and the last loaded."""
    held = repository.newest(session)
    return packaged.number if held is None else max(held.number, packaged.number)


def load(unit: UnitOfWork, file: SignedFile, packaged: Catalogue) -> Loading:
    """Bring a signed catalogue into force, each service by an update. Services that it lacks stay as they are.

    Raise RefusedCatalogue if it is not newer than the one in force.
    """
    session, catalogue = unit.session, file.catalogue
    before = number_in_force(session, packaged)
    demand_newer(catalogue.number, catalogue.made, before)
    row = LoadedCatalogueRow(
        number=catalogue.number,
        made=str(catalogue.made),
        sha256=file.sha256,
        key=file.key,
        loaded_s=unit.now_s,
        loaded_by=unit.actor.account,
        revision=unit.new_revision(),
    )
    session.add(row)
    held = {each.slug: each for each in services.catalogue_rows(session)}
    known = {service.slug: service for service in packaged.services}
    added, changed = [], []
    for entry in catalogue.entries:
        service = held.get(entry.slug) or _row_of(unit, entry, known, catalogue)
        if service is None:
            continue
        is_new = entry.slug not in held and entry.slug not in known
        _describe(unit, service, entry)
        # Nobody can have banned a new service yet, so its names cannot surprise anybody.
        update = propose(unit, service, Proposal(entry.service().tiers, Source.CATALOGUE, at_once=is_new or None))
        changed += [] if update is None else [update]
        added += [service] if is_new else []
    after = {
        **shown_catalogue(row),
        "updates": [each.number for each in changed],
        "added": [each.slug for each in added],
    }
    unit.record("catalogue.load", subject(row), {"number": before}, after)
    return Loading(row, changed, added)


def _describe(unit: UnitOfWork, row: ServiceRow, entry: Entry) -> None:
    """Give a service the name and the category of its entry."""
    if (row.name, row.category) != (entry.name, str(entry.category)):
        row.name, row.category, row.revision = entry.name, str(entry.category), unit.new_revision()


def _row_of(unit: UnitOfWork, entry: Entry, known: Mapping[str, Service], catalogue: Catalogue) -> ServiceRow | None:
    """Return a new row for a service of the catalogue, with its packaged names; None if its names are the same."""
    service = known.get(entry.slug, Service(entry.slug, entry.name, ()))
    wanted = entry.service().tiers
    if entry.slug in known and not difference(wanted, service.tiers) and not difference(service.tiers, wanted):
        return None
    row = ServiceRow(
        slug=entry.slug,
        authority=None,
        name=entry.name,
        category=str(entry.category),
        source=f"catalogue {catalogue.number} of {catalogue.made}",
        note="",
        digest=keep_list(unit.session, list_of(service)),
        revision=unit.new_revision(),
    )
    unit.session.add(row)
    unit.session.flush()
    return row


def follow_release(held: Runtime) -> None:
    """Let the packaged catalogue count again if it is at least as new as the loaded one, as after an upgrade.

    Names that somebody objected to stay left out, and services that the packaged catalogue lacks stay.
    """
    packaged = {service.slug: service for service in held.catalogue.services}
    with held.database.writing() as session:
        newest = repository.newest(session)
        if newest is None or newest.number > held.catalogue.number:
            return
        unit = UnitOfWork(session, LOADED, int(held.clock()))
        for row in services.catalogue_rows(session):
            if row.slug in packaged:
                _follow(unit, row, packaged[row.slug], f"the release has catalogue {held.catalogue.number}")
        if unit.acted:
            held.publishing.check(unit)


def _follow(unit: UnitOfWork, row: ServiceRow, packaged: Service, note: str) -> None:
    """Bring the packaged names of a service into force. Without objections to any, its row goes."""
    for update in updates.open_of(unit.session, row.slug, unit.now_s):
        replace_update(unit, update, note)
    wanted = plain(without(packaged.tiers, updates.objected_names(unit.session, row.slug)))
    digest = keep_list(unit.session, list_of(Service(row.slug, packaged.name, wanted)))
    before = shown_service(row)
    if wanted == plain(packaged.tiers):
        unit.session.delete(row)
        unit.record("service.follow_release", subject(row), before, None)
    elif digest != row.digest:
        row.name, row.digest, row.revision = packaged.name, digest, unit.new_revision()
        unit.session.flush()
        unit.session.expire(row, ["content"])
        unit.record("service.follow_release", subject(row), before, shown_service(row))
