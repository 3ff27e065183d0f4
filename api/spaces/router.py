"""/v1/spaces."""

from fastapi import APIRouter, Response

from api.http.dependencies import PreconditionDep, UnitDep, tag
from api.http.parameters import DEFAULT_LIMIT, AuthorityFilter, Cursor, Limit, PrefixAddress, PrefixLength, SiteFilter
from api.http.permits import Administrator, AnyAccount
from api.http.prefixes import parse_prefix
from api.http.problems import CONFLICT, NOT_FOUND, STALE, documented
from api.http.routes import Route
from api.http.schemas import Page, Slug
from api.spaces import repository, service
from api.spaces.reading import read_space
from api.spaces.schemas import SpaceRead, SpaceWrite

router = APIRouter(route_class=Route, prefix="/v1/spaces", tags=["spaces"])


@router.get("", operation_id="list_spaces", summary="List allotted space", responses=documented())
def list_spaces(
    unit: UnitDep,
    _permit: AnyAccount,
    authority: AuthorityFilter,
    site: SiteFilter,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[SpaceRead]:
    """List allotted space in the order of allotment."""
    rows, following = repository.page(unit.session, authority, site, limit, cursor)
    return Page(items=[read_space(row) for row in rows], next=following)


@router.get(
    "/{site}/{address}/{length}",
    operation_id="get_space",
    summary="Get allotted space",
    responses=documented(NOT_FOUND),
)
def get_space(
    site: Slug, address: PrefixAddress, length: PrefixLength, unit: UnitDep, _permit: AnyAccount, response: Response
) -> SpaceRead:
    """Get the space with exactly that prefix."""
    row = repository.get(unit.session, site, parse_prefix(f"{address}/{length}", "path.address"))
    tag(response, row.revision)
    return read_space(row)


@router.put(
    "/{site}/{address}/{length}",
    operation_id="put_space",
    summary="Allot space to an authority",
    responses={
        **documented(NOT_FOUND, CONFLICT, STALE),
        201: {"model": SpaceRead, "description": "allotted"},
    },
)
def put_space(
    site: Slug,
    address: PrefixAddress,
    length: PrefixLength,
    body: SpaceWrite,
    unit: UnitDep,
    _permit: Administrator,
    response: Response,
    precondition: PreconditionDep,
) -> SpaceRead:
    """Allot the prefix to an authority. Its operators may then register ranges inside it."""
    prefix = parse_prefix(f"{address}/{length}", "path.address")
    known = repository.find(unit.session, site, prefix)
    precondition.check(known.revision if known else None)
    row, created = service.allot(unit, site, prefix, body.authority)
    response.status_code = 201 if created else 200
    tag(response, row.revision)
    return read_space(row)


@router.delete(
    "/{site}/{address}/{length}",
    operation_id="delete_space",
    summary="Withdraw space",
    status_code=204,
    responses=documented(NOT_FOUND, STALE),
)
def delete_space(
    site: Slug,
    address: PrefixAddress,
    length: PrefixLength,
    unit: UnitDep,
    _permit: Administrator,
    precondition: PreconditionDep,
) -> None:
    """Withdraw the space. Ranges registered in it stay; only administrators can change them from then on."""
    row = repository.get(unit.session, site, parse_prefix(f"{address}/{length}", "path.address"))
    precondition.check(row.revision)
    service.withdraw(unit, row)
