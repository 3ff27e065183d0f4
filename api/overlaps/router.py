"""/v1/ranges/overlaps and /v1/spaces/gaps: ranges inside others, and unused space."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.http.dependencies import COSTLY, RuntimeDep, UnitDep, part_of
from api.http.parameters import AuthorityFilter, PagingDep, SiteFilter
from api.http.permits import ReaderOfSome
from api.http.problems import TOO_MANY_AT_ONCE, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.overlaps import service
from api.overlaps.nesting import Layout, Layouts
from api.ranges.schemas import GapRead, OverlapRead

overlaps = APIRouter(route_class=Route, prefix="/v1", tags=["ranges"])

Own = Annotated[bool, Query(description="Include ranges inside a range of the same authority.")]


def layout(request: Request, held: RuntimeDep, unit: UnitDep) -> Layout:
    """Return the layout of the ranges of the policy."""
    return part_of(request, "layouts", Layouts).of(held.publishing.current(unit).ranges)


LayoutDep = Annotated[Layout, Depends(layout)]


@overlaps.get(
    "/ranges/overlaps",
    summary="List ranges inside others",
    dependencies=[COSTLY],
    responses=documented(TOO_MANY_AT_ONCE),
)
def list_overlaps(
    permit: ReaderOfSome,
    found: LayoutDep,
    authority: AuthorityFilter,
    site: SiteFilter,
    paging: PagingDep,
    own: Own = False,
) -> Page[OverlapRead]:
    """List ranges inside a range of another authority, with the narrowest such range, by site and address.

    `authority` is the authority of the inner or the outer range. Clients in the inner range belong to it alone.
    """
    items, following = service.overlaps(found, permit.visible(), authority, site, paging, own=own)
    return Page(items=items, next=following)


@overlaps.get(
    "/spaces/gaps", summary="List unused space", dependencies=[COSTLY], responses=documented(TOO_MANY_AT_ONCE)
)
def list_gaps(
    unit: UnitDep,
    permit: ReaderOfSome,
    found: LayoutDep,
    authority: AuthorityFilter,
    site: SiteFilter,
    paging: PagingDep,
) -> Page[GapRead]:
    """List allotted space that no range of any authority covers, as the fewest prefixes, by site and address.

    If space lies inside other space, the narrower one counts.
    """
    items, following = service.unused(unit.session, found, permit.visible(), authority, site, paging)
    return Page(items=items, next=following)
