"""/v1/services: all services; /v1/authorities/{slug}/services: an authority's own ones."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from api.authorities import repository as authorities
from api.db.models import AuthorityRow, ServiceRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Invalid, NotFound, unknown
from api.http.dependencies import COSTLY, RuntimeDep, UnitDep, tag
from api.http.file_bodies import FileBody
from api.http.pagination import decode_keys
from api.http.parameters import PagingDep
from api.http.path_rows import by_slug, row_to_change, row_to_read
from api.http.permits import AnyAccount, OperatorOfPath
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, TOO_LARGE, TOO_MANY_AT_ONCE, documented
from api.http.routes import Route
from api.http.schemas import Line, OwnSlug, Page, ServiceSlug, Slug
from api.services import repository
from api.services import service as acts
from api.services.names_listing import FIRST, ListedName, names_after
from api.services.reading import (
    read_imported,
    read_loaded,
    read_loaded_summary,
    read_names,
    read_own,
    read_own_summary,
    read_service,
    read_summary,
)
from api.services.schemas import (
    DisplayName,
    ImportedListRead,
    NamesFileWrite,
    NamesWrite,
    Note,
    ServiceNamesRead,
    ServicePatch,
    ServiceRead,
    ServiceSummary,
    ServiceWrite,
)
from api.services.service import ListFile
from api.updates.reading import read_update
from api.updates.repository import held_back
from api.updates.schemas import Source
from api.updates.service import Proposal, rehearse
from blocklists.categories import Category
from blocklists.formats.known import Format
from blocklists.list_file import read_content
from dnsfilter.errors import ListError
from dnsfilter.policy.model import Service

router = APIRouter(route_class=Route, prefix="/v1/services", tags=["services"])
own_services = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/services", tags=["services"])

LIST = FileBody("text/plain", NamesFileWrite)
ListFormat = Annotated[
    Format | None, Query(alias="format", description="Format of the list; by default found by its beginning.")
]
OfTier = Annotated[int | None, Query(ge=1, le=9, description="Only names of this tier.")]
ExactNames = Annotated[
    bool | None, Query(description="Whether names mean only themselves; by default as the format says.")
]


async def by_service(slug: Slug, service: OwnSlug) -> tuple[str, str]:
    """Read `{slug}` and `{service}`."""
    return slug, service


Owner = Annotated[AuthorityRow, row_to_read(by_slug, authorities.get)]
Shown = Annotated[ServiceRow, row_to_read(by_service, repository.get)]
Changed = Annotated[ServiceRow, row_to_change(by_service, repository.get)]
Put = Annotated[ServiceRow | None, row_to_change(by_service, repository.find)]


@router.get("", summary="List services")
def list_services(
    _permit: AnyAccount, held: RuntimeDep, unit: UnitDep, paging: PagingDep, category: Category | None = None
) -> Page[ServiceSummary]:
    """List services by slug, without their domain names: the catalogue's, and own services of all authorities."""
    after = paging.after(str) or ""
    services = held.publishing.services(unit)
    rows = {row.slug: row for row in repository.catalogue_rows(unit.session)}
    entries = {entry.slug: entry for entry in held.catalogue.entries}
    found = [read_summary(entry) for slug, entry in entries.items() if slug not in rows]
    found += [read_loaded_summary(row, services[slug], entries.get(slug)) for slug, row in rows.items()]
    found = [each for each in found if each.slug > after and category in (None, each.category)]
    if category is None:
        found += _summaries(services, after)
    items, following = paging.cut(sorted(found, key=lambda one: one.slug), lambda one: one.slug)
    return Page(items=list(items), next=following)


@router.get("/{slug}", summary="Get a service", responses=documented(NOT_FOUND))
def get_service(_permit: AnyAccount, slug: ServiceSlug, held: RuntimeDep, unit: UnitDep) -> ServiceRead:
    """Get one service with its tiers and their domain names."""
    row = unit.session.get(ServiceRow, slug)
    if row is not None and row.authority is not None:
        return read_own(row, acts.content_of(row), held_back(unit.session, row.slug))
    if row is not None:
        entry = next((entry for entry in held.catalogue.entries if entry.slug == slug), None)
        return read_loaded(row, acts.content_of(row), held_back(unit.session, slug), entry)
    try:
        return read_service(held.catalogue.entry(slug))
    except KeyError as error:
        raise NotFound(unknown("service", slug, held.publishing.services(unit))) from error


@router.get("/{slug}/names", summary="List the names of a service", responses=documented(NOT_FOUND))
def list_service_names(
    _permit: AnyAccount, slug: ServiceSlug, held: RuntimeDep, unit: UnitDep, paging: PagingDep, tier: OfTier = None
) -> ServiceNamesRead:
    """List the names of a service by tier and name, also those that are only monitored yet."""
    services = held.publishing.services(unit)
    service = services.get(slug)
    if service is None:
        raise NotFound(unknown("service", slug, services))
    entry = next((entry for entry in held.catalogue.entries if entry.slug == slug), None)
    after = FIRST
    if paging.cursor is not None:
        number, name, exact = decode_keys(paging.cursor, (int, str, int))
        after = ListedName(int(number), str(name), bool(exact))
    items, following = paging.cut(names_after(service, after, tier), lambda one: (one.tier, one.name, int(one.exact)))
    return read_names(service, entry, items, following)


@own_services.get("", summary="List an authority's own services", responses=documented(NOT_FOUND))
def list_own_services(
    owner: Owner, _permit: AnyAccount, held: RuntimeDep, unit: UnitDep, paging: PagingDep
) -> Page[ServiceSummary]:
    """List the services that the authority defines, by slug, without their domain names."""
    found = _summaries(held.publishing.services(unit), paging.after(str) or "", owner.slug)
    items, following = paging.cut(found, lambda one: one.slug)
    return Page(items=list(items), next=following)


@own_services.get("/{service}", summary="Get an own service", responses=documented(NOT_FOUND))
def get_own_service(_owner: Owner, row: Shown, unit: UnitDep, _permit: AnyAccount, response: Response) -> ServiceRead:
    """Get an own service with its domain names. `service` is the part of its slug after the colon."""
    tag(response, row.revision)
    return read_own(row, acts.content_of(row), held_back(unit.session, row.slug))


@own_services.put(
    "/{service}",
    summary="Define or replace an own service",
    responses={**documented(NOT_FOUND, NOT_PUBLISHED), 201: {"model": ServiceRead, "description": "defined"}},
)
def put_own_service(
    owner: Owner,
    row: Put,
    service: OwnSlug,
    body: ServiceWrite,
    unit: UnitDep,
    _permit: OperatorOfPath,
    response: Response,
) -> ServiceRead:
    """Define a service, or replace its names and fields. Bans on it refuse its names from now on.

    If names of a new service hit the guard, it is 422. New names of one that exists are held back: see `held_back`.
    """
    response.status_code = 201 if row is None else 200
    made = acts.put(unit, owner, row, repository.slug_of(owner.slug, service), body)
    return _answer(unit, made, response)


@own_services.patch("/{service}", summary="Change an own service", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def patch_own_service(
    owner: Owner, row: Changed, body: ServicePatch, unit: UnitDep, _permit: OperatorOfPath, response: Response
) -> ServiceRead:
    """Change the given fields of an own service. Names that it loses are answered from now on.

    New names that hit the guard are held back, all together: see `held_back`.
    """
    acts.patch(unit, owner, row, body)
    return _answer(unit, row, response)


def read_import(
    slug: Slug,
    service: OwnSlug,
    file: Annotated[str | NamesFileWrite, Depends(LIST)],
    held: RuntimeDep,
    known: ListFormat = None,
    exact: ExactNames = None,
    name: Annotated[DisplayName | None, Query(description="Name for people; needed for a new service.")] = None,
    source: Annotated[Line | None, Query(description="Where the names come from.")] = None,
    note: Annotated[Note | None, Query(description="Remark for people.")] = None,
) -> ListFile:
    """Return the list, compared with the names in force and compiled. Raise Invalid for what is no list."""
    text = file if isinstance(file, str) else file.file
    try:
        read = read_content(text.encode(), known, exact)
    except ListError as error:
        raise Invalid.at("body", str(error)) from error
    proposal = Proposal((read.names.tier(),), Source.IMPORT, unreadable=read.unreadable, lines=read.lines)
    with held.database.reading() as session:
        row = repository.find(session, slug, service)
        if row is None:
            row = ServiceRow(slug=repository.slug_of(slug, service), name=name or "")
        proposal = rehearse(session, row, proposal, int(held.clock()), held.publishing.prepare, name)
    return ListFile(read, proposal, name, source, note)


@own_services.post(
    "/{service}/import",
    summary="Import the names of an own service",
    responses=documented(NOT_FOUND, TOO_LARGE, TOO_MANY_AT_ONCE, NOT_PUBLISHED),
    dependencies=[COSTLY],
)
def import_own_service(
    file: Annotated[ListFile, Depends(read_import)],
    owner: Owner,
    row: Put,
    service: OwnSlug,
    unit: UnitDep,
    _permit: OperatorOfPath,
    response: Response,
) -> ImportedListRead:
    """Let a list be the names of an own service, in place of all earlier ones. Define the service if it is new.

    New names of a service that exists are monitored for 72 hours first. A list that hits the guard, or cannot be right,
    is held back.
    """
    # Keep the order of the parameters: the list is read and compared before the transaction begins.
    made, update = acts.import_list(unit, owner, row, repository.slug_of(owner.slug, service), file)
    tag(response, made.revision)
    return read_imported(made, file.read, None if update is None else read_update(update, unit.now_s))


@own_services.post(
    "/{service}/names", summary="Add and remove names of an own service", responses=documented(NOT_FOUND, NOT_PUBLISHED)
)
def change_own_service_names(
    owner: Owner, row: Changed, body: NamesWrite, unit: UnitDep, _permit: OperatorOfPath, response: Response
) -> ServiceRead:
    """Add names to an own service and remove others. A name that is covered by another one is dropped.

    Names that hit the guard are held back, all together: see `held_back`.
    """
    acts.change_names(unit, owner, row, body)
    return _answer(unit, row, response)


@own_services.delete(
    "/{service}", summary="Remove an own service", status_code=204, responses=documented(NOT_FOUND, NOT_PUBLISHED)
)
def remove_own_service(row: Changed, unit: UnitDep, _permit: OperatorOfPath) -> None:
    """Remove an own service. The answer is 409 while a list or a feed names it, or a ban on it has not ended."""
    acts.remove(unit, row)


def _answer(unit: UnitOfWork, row: ServiceRow, response: Response) -> ServiceRead:
    tag(response, row.revision)
    return read_own(row, acts.content_of(row), held_back(unit.session, row.slug))


def _summaries(services: Mapping[str, Service], after: str, authority: str | None = None) -> list[ServiceSummary]:
    """Return the own services with a slug after `after`, of one authority or of all."""
    own = (service for service in services.values() if service.authority is not None and service.slug > after)
    wanted = (service for service in own if authority in (None, service.authority))
    return sorted(map(read_own_summary, wanted), key=lambda service: service.slug)
