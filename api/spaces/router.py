"""/v1/spaces."""

from typing import Annotated

from fastapi import APIRouter, Response

from api.db.models import SpaceRow
from api.http.dependencies import UnitDep, tag
from api.http.parameters import AuthorityFilter, PagingDep, SiteFilter
from api.http.path_rows import PathPrefix, by_prefix, row_to_change, row_to_read
from api.http.permits import Administrator, AnyAccount
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.spaces import repository, service
from api.spaces.reading import read_space
from api.spaces.schemas import SpaceRead, SpaceWrite

router = APIRouter(route_class=Route, prefix="/v1/spaces", tags=["spaces"])

Shown = Annotated[SpaceRow, row_to_read(by_prefix, repository.get)]
Changed = Annotated[SpaceRow, row_to_change(by_prefix, repository.get)]
Put = Annotated[SpaceRow | None, row_to_change(by_prefix, repository.find)]


@router.get("", summary="List allotted space")
def list_spaces(
    unit: UnitDep, _permit: AnyAccount, authority: AuthorityFilter, site: SiteFilter, paging: PagingDep
) -> Page[SpaceRead]:
    """List allotted space in the order of allotment."""
    rows, following = repository.page(unit.session, authority, site, paging)
    return Page(items=[read_space(row) for row in rows], next=following)


@router.get("/{site}/{address}/{length}", summary="Get allotted space", responses=documented(NOT_FOUND))
def get_space(row: Shown, _permit: AnyAccount, response: Response) -> SpaceRead:
    """Get the space with exactly that prefix."""
    tag(response, row.revision)
    return read_space(row)


@router.put(
    "/{site}/{address}/{length}",
    summary="Allot space to an authority",
    responses={**documented(NOT_FOUND), 201: {"model": SpaceRead, "description": "allotted"}},
)
def put_space(
    at: PathPrefix, _known: Put, body: SpaceWrite, unit: UnitDep, _permit: Administrator, response: Response
) -> SpaceRead:
    """Allot the prefix to an authority. Its operators may then register ranges inside it."""
    row, created = service.allot(unit, *at, body.authority)
    response.status_code = 201 if created else 200
    tag(response, row.revision)
    return read_space(row)


@router.delete("/{site}/{address}/{length}", summary="Withdraw space", status_code=204, responses=documented(NOT_FOUND))
def withdraw_space(row: Changed, unit: UnitDep, _permit: Administrator) -> None:
    """Withdraw the space. Ranges registered in it stay; only administrators can change them from then on."""
    service.withdraw(unit, row)
