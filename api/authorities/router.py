"""/v1/authorities."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from api.authorities import repository, service
from api.authorities.reading import read_authority
from api.authorities.schemas import (
    AuthorityPatch,
    AuthorityRead,
    AuthorityWrite,
    ClientLevelWrite,
    OffRules,
    UsageLevel,
)
from api.db.models import AuthorityRow
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import UnitDep, tag
from api.http.parameters import MineFilter, PagingDep
from api.http.path_rows import by_slug, row_to_change, row_to_read
from api.http.permits import Administrator, AnyAccount, ApproverOfPath, OwnApproverOfPath
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page, ShortLine, Slug
from dnsfilter.policy.model import Kind

Sort = Annotated[
    Literal["slug", "-slug", "kind", "-kind", "group", "-group", "revision", "-revision"],
    Query(description="Sort order; `-` means descending. `revision` is the last change."),
]

Matching = Annotated[
    str | None,
    Query(
        max_length=100, description="Only those with this text in their slug or a name. Accents and case do not count."
    ),
]

Shown = Annotated[AuthorityRow, row_to_read(by_slug, repository.get)]
Changed = Annotated[AuthorityRow, row_to_change(by_slug, repository.get)]
Put = Annotated[AuthorityRow | None, row_to_change(by_slug, repository.find)]

router = APIRouter(route_class=Route, prefix="/v1/authorities", tags=["authorities"])


@router.get("", summary="List authorities")
def list_authorities(
    unit: UnitDep,
    _permit: AnyAccount,
    mine: MineFilter,
    paging: PagingDep,
    kind: Kind | None = None,
    group: ShortLine | None = None,
    matching: Matching = None,
    sort: Sort = "slug",
) -> Page[AuthorityRead]:
    """List authorities, by slug unless `sort` is given."""
    rows, following = repository.page(unit.session, kind, group, mine, matching, sort, paging)
    return Page(items=[read_authority(row, unit.now_s) for row in rows], next=following)


@router.get("/{slug}", summary="Get an authority", responses=documented(NOT_FOUND))
def get_authority(row: Shown, unit: UnitDep, _permit: AnyAccount, response: Response) -> AuthorityRead:
    """Get one authority, with its ETag."""
    return _answer(unit, row, response)


@router.put(
    "/{slug}",
    summary="Register or replace an authority",
    responses={**documented(NOT_PUBLISHED), 201: {"model": AuthorityRead, "description": "registered"}},
)
def put_authority(
    slug: Slug, _known: Put, body: AuthorityWrite, unit: UnitDep, _permit: Administrator, response: Response
) -> AuthorityRead:
    """Register the authority, or replace its fields."""
    row, created = service.put(unit, body.value(slug))
    response.status_code = 201 if created else 200
    return _answer(unit, row, response)


@router.patch("/{slug}", summary="Change an authority", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def patch_authority(
    row: Changed, body: AuthorityPatch, unit: UnitDep, _permit: Administrator, response: Response
) -> AuthorityRead:
    """Change only the given fields."""
    service.patch(unit, row, body)
    return _answer(unit, row, response)


@router.patch(
    "/{slug}/off-rules",
    summary="Set the rules for switching bans off",
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def patch_off_rules(
    row: Changed, body: OffRules, unit: UnitDep, permit: ApproverOfPath, response: Response
) -> AuthorityRead:
    """Set whether switching a ban off needs a reason, and whether it needs an approver.

    Approvers may set both, operators neither. Only administrators may remove the need for an approver.
    """
    service.set_off_rules(unit, permit, row, reason=body.off_needs_reason, approver=body.off_needs_approver)
    return _answer(unit, row, response)


@router.patch("/{slug}/usage", summary="Set what is counted", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def patch_usage_level(
    row: Changed, body: UsageLevel, unit: UnitDep, _permit: ApproverOfPath, response: Response
) -> AuthorityRead:
    """Set the level at which queries of the authority's clients are counted, with a reason. End a level `client`.

    `none` counts nothing, `authority` counts by day, and `range` also by hour and range. What was counted stays until
    it ages or is erased.
    """
    service.set_usage(unit, row, body.usage, body.reason)
    return _answer(unit, row, response)


@router.put(
    "/{slug}/client-level",
    summary="Note clients of refused queries for a time",
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def put_client_level(
    row: Changed, body: ClientLevelWrite, unit: UnitDep, _permit: OwnApproverOfPath, response: Response
) -> AuthorityRead:
    """Set the usage level `client`: note refused queries with a pseudonym of each client, which changes each day.

    The level ends by itself, at most six months from now, and early if another level is set. Another act replaces it.
    """
    service.set_client_level(unit, row, body)
    return _answer(unit, row, response)


@router.delete(
    "/{slug}", summary="Remove an authority", status_code=204, responses=documented(NOT_FOUND, NOT_PUBLISHED)
)
def remove_authority(row: Changed, unit: UnitDep, _permit: Administrator) -> None:
    """Remove an authority that nothing refers to, such as ranges, bans, bindings or accounts."""
    service.remove(unit, row)


def _answer(unit: UnitOfWork, row: AuthorityRow, response: Response) -> AuthorityRead:
    tag(response, row.revision)
    return read_authority(row, unit.now_s)
