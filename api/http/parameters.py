"""Parameters of several routes: parts of paths, a queried name, and filters by authority, site and service.

A filter refuses an unknown name: an empty list would hide a misspelling.
"""

from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from api.db.models import AuthorityRow, BanRow, SiteRow
from api.db.unknown_names import no_authority, no_site
from api.errors import Invalid, NotFound, unknown
from api.http.dependencies import PermitDep, RuntimeDep, UnitDep
from api.http.pagination import Paging
from api.http.schemas import ServiceSlug, Slug
from dnsfilter.policy.model import Service
from dnsfilter.wire.name_or_url import MAX_TYPED_NAME

MAX_LIMIT = 200
MAX_CURSOR = 2000
DEFAULT_LIMIT = 50

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="at most this many items")]
Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR, description="`next` of the previous page")]


async def _paging(limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Paging:
    return Paging(limit, cursor)


PagingDep = Annotated[Paging, Depends(_paging)]

DryRun = Annotated[bool, Query(description="Only report what would be done.")]
QuestionText = Annotated[
    str,
    Query(
        max_length=MAX_TYPED_NAME,
        description="a domain name, or a URL, which stands for its host",
        examples=["www.example.org"],
    ),
]


def demand_authority(session: Session, slug: str) -> None:
    """Raise Invalid if the authority is not registered."""
    if session.get(AuthorityRow, slug) is None:
        raise Invalid.at("query.authority", no_authority(session, slug))


def demand_site(session: Session, slug: str) -> None:
    """Raise Invalid if the site is not registered."""
    if session.get(SiteRow, slug) is None:
        raise Invalid.at("query.site", no_site(session, slug))


def _authority(unit: UnitDep, authority: Slug | None = None) -> str | None:
    if authority is not None:
        demand_authority(unit.session, authority)
    return authority


async def _mine(
    permit: PermitDep,
    mine: Annotated[bool, Query(description="Only those of authorities in which the caller has a role.")] = False,
) -> frozenset[str] | None:
    return permit.caller.authorities if mine else None


def _site(unit: UnitDep, site: Slug | None = None) -> str | None:
    if site is not None:
        demand_site(unit.session, site)
    return site


def _service(unit: UnitDep, held: RuntimeDep, service: ServiceSlug | None = None) -> str | None:
    # A ban outlives its service in the catalogue.
    banned = exists().where(BanRow.service == service)
    if service is None or unit.session.scalar(select(banned)):
        return service
    services = held.publishing.services(unit)
    if service not in services:
        raise Invalid.at("query.service", unknown("service", service, services))
    return service


def _named_service(service: ServiceSlug, held: RuntimeDep, unit: UnitDep) -> Service:
    """Return the service `{service}` in force. Raise NotFound."""
    services = held.publishing.services(unit)
    found = services.get(service)
    if found is None:
        raise NotFound(unknown("service", service, services))
    return found


NamedService = Annotated[Service, Depends(_named_service)]
AuthorityFilter = Annotated[str | None, Depends(_authority)]
MineFilter = Annotated[frozenset[str] | None, Depends(_mine)]
"""The authorities to which a list is narrowed; None for no narrowing."""
SiteFilter = Annotated[str | None, Depends(_site)]
ServiceFilter = Annotated[str | None, Depends(_service)]
