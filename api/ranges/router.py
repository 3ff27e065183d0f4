"""/v1/sites and /v1/ranges."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from api.db.models import RangeRow, SiteRow
from api.db.sites import find_site
from api.db.sites import get_site as named_site
from api.db.unit_of_work import UnitOfWork
from api.exemptions.approval import keeping_enough_under_ban
from api.http.dependencies import PreconditionDep, Runtime, RuntimeDep, UnitDep, tag
from api.http.parameters import AuthorityFilter, DryRun, PagingDep, SiteFilter
from api.http.path_rows import PathPrefix, by_prefix, by_site, demand_own, row_to_change, row_to_read
from api.http.permits import Administrator, AnyAccount, OperatorOfObject, ReaderOfObject, ReaderOfSome
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page, Slug
from api.publish.changed_bans import changed_bans
from api.ranges import repository, service
from api.ranges.reading import changed_range, read_changes, read_range, read_site
from api.ranges.schemas import (
    RangeMove,
    RangePatch,
    RangeRead,
    RangeWrite,
    RangeWritten,
    SiteRead,
    SiteWrite,
    range_value,
)
from dnsfilter.policy.model import Audience, Funding, Policy
from dnsfilter.translatable import Text

sites = APIRouter(route_class=Route, prefix="/v1/sites", tags=["sites"])
ranges = APIRouter(route_class=Route, prefix="/v1/ranges", tags=["ranges"])

ShownSite = Annotated[SiteRow, row_to_read(by_site, named_site)]
ChangedSite = Annotated[SiteRow, row_to_change(by_site, named_site)]
PutSite = Annotated[SiteRow | None, row_to_change(by_site, find_site)]
Shown = Annotated[RangeRow, row_to_read(by_prefix, repository.get, demand_own)]
Moved = Annotated[RangeRow, row_to_change(by_prefix, repository.get)]
Changed = Annotated[RangeRow, row_to_change(by_prefix, repository.get, service.demand_change)]

Sort = Annotated[
    Literal[
        "registered",
        "-registered",
        "label",
        "-label",
        "authority",
        "-authority",
        "site",
        "-site",
        "revision",
        "-revision",
    ],
    Query(description="Sort order; `-` means descending. `revision` is the last change."),
]


@sites.get("", summary="List sites")
def list_sites(unit: UnitDep, _permit: AnyAccount, paging: PagingDep) -> Page[SiteRead]:
    """List sites by slug."""
    rows, following = repository.site_page(unit.session, paging)
    return Page(items=[read_site(row) for row in rows], next=following)


@sites.get("/{site}", summary="Get a site", responses=documented(NOT_FOUND))
def get_site(row: ShownSite, _permit: AnyAccount, response: Response) -> SiteRead:
    """Get one site."""
    tag(response, row.revision)
    return read_site(row)


@sites.put(
    "/{site}",
    summary="Register or rename a site",
    responses={**documented(NOT_PUBLISHED), 201: {"model": SiteRead, "description": "registered"}},
)
def put_site(
    site: Slug, _known: PutSite, body: SiteWrite, unit: UnitDep, _permit: Administrator, response: Response
) -> SiteRead:
    """Register the site, or rename it."""
    row, created = service.put_site(unit, site, body.name)
    response.status_code = 201 if created else 200
    tag(response, row.revision)
    return read_site(row)


@sites.delete("/{site}", summary="Remove a site", status_code=204, responses=documented(NOT_FOUND, NOT_PUBLISHED))
def remove_site(row: ChangedSite, unit: UnitDep, _permit: Administrator) -> None:
    """Remove a site that has no space, ranges, exemptions or nodes."""
    service.remove_site(unit, row)


@ranges.get("", summary="List ranges")
def list_ranges(
    unit: UnitDep,
    permit: ReaderOfSome,
    authority: AuthorityFilter,
    site: SiteFilter,
    paging: PagingDep,
    funding: Funding | None = None,
    audience: Audience | None = None,
    sort: Sort = "registered",
) -> Page[RangeRead]:
    """List ranges, in the order of their registration unless `sort` is given."""
    rows, following = repository.page(unit.session, permit.visible(), authority, site, funding, audience, sort, paging)
    return Page(items=[read_range(row) for row in rows], next=following)


@ranges.get("/{site}/{address}/{length}", summary="Get a range", responses=documented(NOT_FOUND))
def get_range(row: Shown, _permit: ReaderOfObject, response: Response) -> RangeRead:
    """Get the range with exactly that prefix."""
    tag(response, row.revision)
    return read_range(row)


@ranges.put(
    "/{site}/{address}/{length}",
    summary="Register or change a range",
    responses={
        **documented(NOT_FOUND, NOT_PUBLISHED),
        201: {"model": RangeWritten, "description": "registered"},
    },
)
def put_range(
    at: PathPrefix,
    body: RangeWrite,
    unit: UnitDep,
    permit: OperatorOfObject,
    held: RuntimeDep,
    response: Response,
    precondition: PreconditionDep,
    dry_run: DryRun = False,
) -> RangeWritten:
    """Register the prefix to an authority, or change its label, funding and audience.

    An operator may do so inside the authority's space and outside other authorities' ranges. If the change leaves too
    little of the authority under an exempted ban, an administrator must make it. `changes` says which bans change for
    the clients of a new range, for example if it lies inside another authority's range.
    """
    known = service.demand_put(unit, permit, *at, body.authority)
    precondition.check(
        known.revision if known else None, Text("range {prefix} of site {site}", prefix=at[1], site=at[0])
    )
    before = held.publishing.current(unit)
    with keeping_enough_under_ban(unit, permit, {body.authority} if known else ()):
        row, created = service.put(unit, range_value(*at, body))
    response.status_code = 201 if created else 200
    return _written(unit, held, before if created else None, row, response, dry_run=dry_run)


@ranges.post(
    "/{site}/{address}/{length}/move",
    summary="Move a range to another authority",
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def move_range(
    row: Moved,
    body: RangeMove,
    unit: UnitDep,
    _permit: Administrator,
    held: RuntimeDep,
    response: Response,
    dry_run: DryRun = False,
) -> RangeWritten:
    """Pass the range to another authority in one act: its clients get answers all the time.

    `changes` says which bans change for them. The answer is 409 if an exemption names the range.
    """
    before = held.publishing.current(unit)
    service.move(unit, row, changed_range(row, body))
    return _written(unit, held, before, row, response, dry_run=dry_run)


@ranges.patch("/{site}/{address}/{length}", summary="Change a range", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def patch_range(
    row: Changed, body: RangePatch, unit: UnitDep, permit: OperatorOfObject, response: Response
) -> RangeRead:
    """Change only the given fields."""
    with keeping_enough_under_ban(unit, permit, {row.authority}):
        row, _ = service.put(unit, changed_range(row, body))
    tag(response, row.revision)
    return read_range(row)


@ranges.delete(
    "/{site}/{address}/{length}",
    summary="Remove a range",
    status_code=204,
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def remove_range(row: Changed, unit: UnitDep, permit: OperatorOfObject) -> None:
    """Remove the range. Its clients then belong to the next larger range, or to none.

    If this leaves too little of the authority under an exempted ban, an administrator must do it.
    """
    with keeping_enough_under_ban(unit, permit, {row.authority}):
        service.remove(unit, row)


def _written(
    unit: UnitOfWork, held: Runtime, before: Policy | None, row: RangeRow, response: Response, *, dry_run: bool
) -> RangeWritten:
    """Return the range after an act, with the bans that change against the policy `before` it."""
    unit.rehearsing = dry_run
    tag(response, row.revision)
    unit.session.flush()
    changes = () if before is None else changed_bans(before, held.publishing.current(unit), unit.now_s)
    return RangeWritten(**read_range(row).model_dump(), changes=read_changes(changes), dry_run=dry_run)
