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
from api.errors import invalid_at
from api.http.dependencies import PreconditionDep, UnitDep, tag
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit
from api.http.permits import Administrator, AnyAccount, ApproverOfPath, OwnApproverOfPath
from api.http.problems import CONFLICT, NOT_FOUND, NOT_PUBLISHED, STALE, documented
from api.http.routes import Route
from api.http.schemas import Page, ShortLine, Slug, validated
from api.timestamps import parse_bound
from dnsfilter.policy.model import Kind

Sort = Annotated[
    Literal["slug", "-slug", "kind", "-kind", "group", "-group", "revision", "-revision"],
    Query(description="Sort order; `-` means descending. `revision` is the last change."),
]

router = APIRouter(route_class=Route, prefix="/v1/authorities", tags=["authorities"])


@router.get("", operation_id="list_authorities", summary="List authorities", responses=documented())
def list_authorities(
    unit: UnitDep,
    _permit: AnyAccount,
    kind: Kind | None = None,
    group: ShortLine | None = None,
    sort: Sort = "slug",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[AuthorityRead]:
    """List authorities, by slug unless `sort` is given."""
    rows, following = repository.page(unit.session, kind, group, sort, limit, cursor)
    return Page(items=[read_authority(row, unit.now_s) for row in rows], next=following)


@router.get("/{slug}", operation_id="get_authority", summary="Get an authority", responses=documented(NOT_FOUND))
def get_authority(slug: Slug, unit: UnitDep, _permit: AnyAccount, response: Response) -> AuthorityRead:
    """Get one authority, with its ETag."""
    row = repository.get(unit.session, slug)
    tag(response, row.revision)
    return read_authority(row, unit.now_s)


@router.put(
    "/{slug}",
    operation_id="put_authority",
    summary="Register or replace an authority",
    responses={**documented(STALE, NOT_PUBLISHED), 201: {"model": AuthorityRead, "description": "registered"}},
)
def put_authority(
    slug: Slug,
    body: AuthorityWrite,
    unit: UnitDep,
    _permit: Administrator,
    response: Response,
    precondition: PreconditionDep,
) -> AuthorityRead:
    """Register the authority, or replace its fields."""
    known = repository.find(unit.session, slug)
    precondition.check(known.revision if known else None)
    row, created = service.put(unit, body.value(slug))
    response.status_code = 201 if created else 200
    tag(response, row.revision)
    return read_authority(row, unit.now_s)


@router.patch(
    "/{slug}",
    operation_id="patch_authority",
    summary="Change an authority",
    responses=documented(NOT_FOUND, STALE, NOT_PUBLISHED),
)
def patch_authority(
    slug: Slug,
    body: AuthorityPatch,
    unit: UnitDep,
    _permit: Administrator,
    response: Response,
    precondition: PreconditionDep,
) -> AuthorityRead:
    """Change only the given fields."""
    row = repository.get(unit.session, slug)
    precondition.check(row.revision)
    known = read_authority(row, unit.now_s).model_dump(include=set(AuthorityWrite.model_fields))
    merged = validated(AuthorityWrite, {**known, **body.model_dump(exclude_none=True)})
    row, _ = service.put(unit, merged.value(slug))
    tag(response, row.revision)
    return read_authority(row, unit.now_s)


@router.patch(
    "/{slug}/off-rules",
    operation_id="patch_off_rules",
    summary="Set the rules for switching bans off",
    responses=documented(NOT_FOUND, STALE, NOT_PUBLISHED),
)
def patch_off_rules(
    slug: Slug, body: OffRules, unit: UnitDep, permit: ApproverOfPath, response: Response, precondition: PreconditionDep
) -> AuthorityRead:
    """Set whether switching a ban off needs a reason, and whether it needs an approver.

    Approvers may set both, operators neither. Only administrators may remove the need for an approver.
    """
    row = repository.get(unit.session, slug)
    precondition.check(row.revision)
    service.set_off_rules(unit, permit, row, reason=body.off_needs_reason, approver=body.off_needs_approver)
    tag(response, row.revision)
    return read_authority(row, unit.now_s)


@router.patch(
    "/{slug}/usage",
    operation_id="patch_usage_level",
    summary="Set what is counted",
    responses=documented(NOT_FOUND, STALE, NOT_PUBLISHED),
)
def patch_usage_level(
    slug: Slug,
    body: UsageLevel,
    unit: UnitDep,
    _permit: ApproverOfPath,
    response: Response,
    precondition: PreconditionDep,
) -> AuthorityRead:
    """Set the level at which queries of the authority's clients are counted, with a reason. End a level `client`.

    `none` counts nothing, `authority` counts by day, and `range` also by hour and range. What was counted stays until
    it ages or is erased.
    """
    row = repository.get(unit.session, slug)
    precondition.check(row.revision)
    service.set_usage(unit, row, body.usage, body.reason)
    tag(response, row.revision)
    return read_authority(row, unit.now_s)


@router.put(
    "/{slug}/client-level",
    operation_id="put_client_level",
    summary="Note clients of refused queries for a time",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def put_client_level(
    slug: Slug,
    body: ClientLevelWrite,
    unit: UnitDep,
    _permit: OwnApproverOfPath,
    response: Response,
    precondition: PreconditionDep,
) -> AuthorityRead:
    """Set the usage level `client`: note refused queries with a pseudonym of each client, which changes each day.

    The level ends by itself, at most six months from now, and early if another level is set. Another act replaces it.
    """
    row = repository.get(unit.session, slug)
    precondition.check(row.revision)
    with invalid_at("body.until"):
        until = parse_bound(body.until, row.time_zone, unit.asked_s)
    service.set_client_level(unit, row, until, body.model_dump(exclude={"until"}))
    tag(response, row.revision)
    return read_authority(row, unit.now_s)


@router.delete(
    "/{slug}",
    operation_id="delete_authority",
    summary="Remove an authority",
    status_code=204,
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def delete_authority(slug: Slug, unit: UnitDep, _permit: Administrator, precondition: PreconditionDep) -> None:
    """Remove an authority that nothing refers to, such as ranges, bans, bindings or accounts."""
    row = repository.get(unit.session, slug)
    precondition.check(row.revision)
    service.delete(unit, row)
