"""/v1/names and /v1/authorities/{slug}/names."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from api.authorities import repository as authorities
from api.db.models import AllowedNameRow, AuthorityRow
from api.db.unit_of_work import UnitOfWork
from api.errors import invalid_at
from api.http.dependencies import RuntimeDep, UnitDep, tag
from api.http.parameters import AuthorityFilter, PagingDep
from api.http.path_rows import by_slug, row_to_change, row_to_read
from api.http.permits import AnyAccount, OperatorOfPath
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page, Reason, Slug
from api.names import repository, service, still_refusing
from api.names.reading import answered, notes_on_refused, read_name
from api.names.repository import NamedRow
from api.names.schemas import NameRead, NameWrite
from api.suspensions.repository import suspended
from api.updates.guarding import installation_guard
from dnsfilter.policy.model import Instant
from dnsfilter.policy.single_names import NameVerdict, parse_single_name
from dnsfilter.wire.name_or_url import MAX_TYPED_NAME
from dnsfilter.wire.names import name_text, parse_name

names = APIRouter(route_class=Route, prefix="/v1/names", tags=["names"])
of_authority = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/names", tags=["names"])

PathName = Annotated[
    str,
    Path(
        max_length=MAX_TYPED_NAME,
        description="a domain name, in any script",
        examples=["cdn.example.net"],
    ),
]


async def by_name(slug: Slug, name: PathName, unit: UnitDep) -> tuple[str, str, Instant]:
    """Read `{slug}` and `{name}`. Raise Invalid if it is no name that can be refused or allowed by itself."""
    with invalid_at("path.name"):
        return slug, name_text(parse_single_name(name)), unit.now_s


ByName = Annotated[tuple[str, str, Instant], Depends(by_name)]
Owner = Annotated[AuthorityRow, row_to_read(by_slug, authorities.get)]
Shown = Annotated[NamedRow, row_to_read(by_name, repository.get)]
Ended = Annotated[NamedRow, row_to_change(by_name, repository.get_live)]
Put = Annotated[NamedRow | None, row_to_change(by_name, repository.find)]
VerdictFilter = Annotated[NameVerdict | None, Query(description="Only names that are refused, or allowed.")]
EndedFilter = Annotated[bool, Query(description="Also names of which the refusal or permission has ended.")]


@names.get("", summary="List single names")
def list_names(
    unit: UnitDep,
    _permit: AnyAccount,
    authority: AuthorityFilter,
    paging: PagingDep,
    verdict: VerdictFilter = None,
    ended: EndedFilter = False,
) -> Page[NameRead]:
    """List the names that authorities refuse or allow by themselves, by authority and name."""
    rows, following = repository.page(unit.session, unit.now_s, authority, verdict, ended, paging)
    zones = authorities.time_zones(unit.session, (row.authority for row in rows))
    suspended_now = suspended(unit.session, unit.now_s)
    items = [read_name(row, unit.now_s, zones[row.authority], suspended_now) for row in rows]
    return Page(items=items, next=following)


@of_authority.get("", summary="List an authority's single names", responses=documented(NOT_FOUND))
def list_authority_names(
    owner: Owner,
    unit: UnitDep,
    permit: AnyAccount,
    paging: PagingDep,
    verdict: VerdictFilter = None,
    ended: EndedFilter = False,
) -> Page[NameRead]:
    """List the names that the authority refuses or allows by itself, by name."""
    return list_names(unit, permit, owner.slug, paging, verdict, ended)


@of_authority.get("/{name}", summary="Get a single name", responses=documented(NOT_FOUND))
def get_name(
    owner: Owner, row: Shown, unit: UnitDep, held: RuntimeDep, _permit: AnyAccount, response: Response
) -> NameRead:
    """Get how the authority refuses or allows exactly this name, or did last."""
    return _answer(unit, held, owner, row, response)


@of_authority.put(
    "/{name}",
    summary="Refuse or allow a name",
    responses={
        **documented(NOT_FOUND, NOT_PUBLISHED),
        201: {"model": NameRead, "description": "refused or allowed by itself from now on"},
    },
)
def put_name(
    owner: Owner,
    row: Put,
    name: ByName,
    body: NameWrite,
    unit: UnitDep,
    held: RuntimeDep,
    _permit: OperatorOfPath,
    response: Response,
) -> NameRead:
    """Refuse the name, or allow it: then no ban of the authority itself refuses it, but bans that bind it still do.

    Raise 409 if the authority allows a name that it would refuse, or the other way. A repeated request changes nothing;
    another end, review or reason replaces the earlier one.
    """
    response.status_code = 201 if row is None else 200
    made = service.put(unit, installation_guard(unit.session), owner, name[1], row, body)
    return _answer(unit, held, owner, made, response)


@of_authority.delete(
    "/{name}",
    summary="End what refuses or allows a name",
    status_code=204,
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def remove_name(
    owner: Owner,
    row: Ended,
    unit: UnitDep,
    _permit: OperatorOfPath,
    reason: Annotated[Reason | None, Query(description="Why; kept in the audit log.")] = None,
) -> None:
    """End now what refuses or allows exactly this name. It stays on record."""
    service.end(unit, owner, row, reason or "")


def _answer(unit: UnitOfWork, held: RuntimeDep, owner: AuthorityRow, row: NamedRow, response: Response) -> NameRead:
    tag(response, row.revision)
    read = read_name(row, unit.now_s, owner.time_zone, suspended(unit.session, unit.now_s))
    if not isinstance(row, AllowedNameRow):
        return answered(read, (), list(notes_on_refused(row)))
    policy, name = held.publishing.current(unit), parse_name(row.name)
    still = still_refusing.still_refusing(policy, owner.slug, name, row.exact, unit.now_s)
    own = still_refusing.has_own(policy, owner.slug, name, row.exact, unit.now_s)
    return answered(read, still, list(still_refusing.notes_on(still, owner.slug, row.name, own=own)))
