"""/v1/bans and /v1/authorities/{slug}/bans."""

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from api.auth.permit import Permit
from api.auth.roles import READERS
from api.authorities import repository as authorities
from api.bans import repository
from api.bans import service as acts
from api.bans.reading import Subject, decision_value, read_ban, read_bans, term_value, term_values, with_suspensions
from api.bans.schemas import BanRead, BanReference, BanWarningRead, BanWrite, Ending, Renewal, State
from api.bans.state import gapless_start
from api.bans.wanted_change import BanChange
from api.db.models import AuthorityRow, BanRow, TermRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Invalid, NotFound, invalid_at, unknown
from api.http.dependencies import PreconditionDep, Runtime, RuntimeDep, UnitDep, tag
from api.http.parameters import DEFAULT_LIMIT, AuthorityFilter, Cursor, Limit, ServiceFilter
from api.http.permits import AnyAccount, OperatorOfPath
from api.http.problems import CONFLICT, NOT_FOUND, NOT_PUBLISHED, STALE, documented
from api.http.routes import Route
from api.http.schemas import Page, ServiceSlug, Slug
from api.suspensions.repository import suspended
from api.timestamps import given_timestamp, parse_end
from dnsfilter.policy.model import Instant, Mode

bans = APIRouter(route_class=Route, prefix="/v1/bans", tags=["bans"])
of_authority = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/bans", tags=["bans"])

StateFilter = Annotated[
    State | None,
    Query(
        description="State of the ban. `ending`: its end or review is within thirty days; `in_force` has these too. "
        "`suspended` and `off` bans have a term in force, and are in neither list."
    ),
]
FollowsFilter = Annotated[
    BanReference | None, Query(description="Only bans whose formal decision, or that of a term, follows this ban.")
]

Sort = Annotated[
    Literal[
        "number", "-number", "authority", "-authority", "service", "-service", "mode", "-mode", "revision", "-revision"
    ],
    Query(description="Sort order; `-` means descending. `mode` is the mode set last, `revision` the last change."),
]


class BanWarnings(Protocol):
    """Warns about a ban from what depends on it. The application hands it in, as exemptions import bans."""

    def __call__(self, session: Session, row: BanRow, now: Instant, time_zone: str) -> list[BanWarningRead]:
        """Return the warnings about a ban."""


def ban_warnings(request: Request) -> BanWarnings:
    """Return the application's warnings about bans."""
    found: BanWarnings = request.app.state.ban_warnings
    return found


WarningsDep = Annotated[BanWarnings, Depends(ban_warnings)]


@bans.get("", operation_id="list_bans", summary="List bans", responses=documented())
def list_bans(
    unit: UnitDep,
    _permit: AnyAccount,
    authority: AuthorityFilter,
    service: ServiceFilter,
    state: StateFilter = None,
    mode: Mode | None = None,
    follows: FollowsFilter = None,
    sort: Sort = "number",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[BanRead]:
    """List bans of all authorities, by number unless `sort` is given."""
    wanted = repository.Wanted(state, authority, service, mode, _number(unit, follows))
    return _listed(unit, wanted, sort, limit, cursor)


@of_authority.get(
    "", operation_id="list_authority_bans", summary="List an authority's bans", responses=documented(NOT_FOUND)
)
def list_authority_bans(
    slug: Slug,
    unit: UnitDep,
    _permit: AnyAccount,
    state: StateFilter = None,
    mode: Mode | None = None,
    follows: FollowsFilter = None,
    sort: Sort = "number",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[BanRead]:
    """List the bans of one authority, by number unless `sort` is given."""
    authorities.get(unit.session, slug)
    return _listed(unit, repository.Wanted(state, slug, None, mode, _number(unit, follows)), sort, limit, cursor)


@of_authority.get("/{service}", operation_id="get_ban", summary="Get a ban", responses=documented(NOT_FOUND))
def get_ban(
    slug: Slug, service: ServiceSlug, unit: UnitDep, permit: AnyAccount, response: Response, warnings: WarningsDep
) -> BanRead:
    """Get the authority's ban on the service."""
    owner = authorities.get(unit.session, slug)
    row = repository.get(unit.session, slug, service)
    read = read_ban(unit.session, row, unit.now_s, owner.time_zone, frozenset())
    return _answer(unit, permit, owner, row, read, response, warnings)


@of_authority.put(
    "/{service}",
    operation_id="put_ban",
    summary="Adopt, change or toggle a ban",
    responses={
        **documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
        201: {"model": BanRead, "description": "adopted"},
    },
)
def put_ban(
    slug: Slug,
    service: ServiceSlug,
    body: BanWrite,
    unit: UnitDep,
    permit: OperatorOfPath,
    held: RuntimeDep,
    response: Response,
    warnings: WarningsDep,
    precondition: PreconditionDep,
) -> BanRead:
    """Adopt the ban with its formal decision and terms, or provisionally. Change the given fields if the ban exists.

    Without terms, a formal decision that `follows` a ban takes over that ban's terms. Later renewals or ends of that
    ban have no effect here. `{"mode": "off"}` and `{"mode": "enforce"}` toggle an existing ban. Terms that have begun
    are never rewritten. With `until` or `for` the earlier mode returns by itself.
    """
    owner = authorities.get(unit.session, slug)
    row = repository.find(unit.session, slug, service)
    precondition.check(row.revision if row else None)
    return _put(unit, held, permit, owner, service, row, body, response, warnings)


@of_authority.patch(
    "/{service}",
    operation_id="patch_ban",
    summary="Change or toggle a ban",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def patch_ban(
    slug: Slug,
    service: ServiceSlug,
    body: BanWrite,
    unit: UnitDep,
    permit: OperatorOfPath,
    held: RuntimeDep,
    response: Response,
    warnings: WarningsDep,
    precondition: PreconditionDep,
) -> BanRead:
    """Change the given fields of an existing ban."""
    owner = authorities.get(unit.session, slug)
    row = repository.get(unit.session, slug, service)
    precondition.check(row.revision)
    return _put(unit, held, permit, owner, service, row, body, response, warnings)


@of_authority.delete(
    "/{service}",
    operation_id="delete_ban",
    summary="Remove a ban that has not begun",
    status_code=204,
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def delete_ban(
    slug: Slug, service: ServiceSlug, unit: UnitDep, _permit: OperatorOfPath, precondition: PreconditionDep
) -> None:
    """Remove a ban if none of its terms has begun."""
    owner = authorities.get(unit.session, slug)
    row = repository.get(unit.session, slug, service)
    precondition.check(row.revision)
    acts.delete(unit, owner, row)


@of_authority.post(
    "/{service}/terms",
    operation_id="renew_ban",
    summary="Renew a ban",
    status_code=201,
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def renew_ban(
    slug: Slug,
    service: ServiceSlug,
    body: Renewal,
    unit: UnitDep,
    permit: OperatorOfPath,
    response: Response,
    warnings: WarningsDep,
    precondition: PreconditionDep,
) -> BanRead:
    """Add a term, with the formal decision to renew. The decision needs a reference.

    Without `start` the term begins where the terms in force end. The answer is 409 if a term that has not ended already
    has the same reference. Without a term, a formal decision that `follows` a ban takes over the rest of that ban's
    terms, and its scope.
    """
    owner = authorities.get(unit.session, slug)
    row = repository.get(unit.session, slug, service)
    precondition.check(row.revision)
    subject = _subject(unit, owner, row.service, row)
    if body.decision is not None and body.decision.follows is not None and body.says_no_term:
        decision = decision_value(unit.session, body.decision, subject, "body.decision")
        read = acts.renew_following(unit, owner, row, decision)
    else:
        if body.start is None and body.decision is not None and body.decision.reference:
            acts.demand_new_reference(row, body.decision.reference, unit.now_s)
        begins = gapless_start(row.terms, unit.now_s)
        term = term_value(unit.session, body, unit.now_s, subject, "body", begins=begins)
        read = acts.renew(unit, owner, row, term)
    response.headers["Location"] = f"/v1/authorities/{slug}/bans/{service}"
    return _answer(unit, permit, owner, row, read, response, warnings)


@of_authority.post(
    "/{service}/end",
    operation_id="end_ban",
    summary="End a ban early",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def end_ban(
    slug: Slug,
    service: ServiceSlug,
    body: Ending,
    unit: UnitDep,
    permit: OperatorOfPath,
    response: Response,
    warnings: WarningsDep,
    precondition: PreconditionDep,
) -> BanRead:
    """End the ban at `at`, now or later. Terms that begin after that are removed."""
    owner = authorities.get(unit.session, slug)
    row = repository.get(unit.session, slug, service)
    precondition.check(row.revision)
    return _answer(unit, permit, owner, row, _end(unit, owner, row, body), response, warnings)


def _number(unit: UnitOfWork, follows: str | None) -> int | None:
    return None if follows is None else repository.named(unit.session, follows, "query.follows").number


def _put(
    unit: UnitOfWork,
    held: Runtime,
    permit: Permit,
    owner: AuthorityRow,
    slug: str,
    row: BanRow | None,
    body: BanWrite,
    response: Response,
    warnings: BanWarnings,
) -> BanRead:
    known = held.services.get(slug)
    if known is None:
        raise NotFound(unknown("service", slug, held.services))
    # A provisional ban is confirmed by new terms, not by its provisional one.
    terms = [] if row is None or row.provisional else row.terms
    change = _change(unit, body, terms, _subject(unit, owner, slug, row))
    response.status_code = 201 if row is None else 200
    row, read = acts.put(unit, owner, known, row, change)
    return _answer(unit, permit, owner, row, read, response, warnings)


def _end(unit: UnitOfWork, owner: AuthorityRow, row: BanRow, body: Ending) -> BanRead:
    decision = None
    if body.decision is not None:
        decision = decision_value(unit.session, body.decision, _subject(unit, owner, row.service, row), "body.decision")
    at = given_timestamp(body.at, unit.now_s, owner.time_zone, unit.asked_s, "body.at", second=True)
    return acts.end(unit, owner, row, unit.not_past(at), body.reason, decision)


def _change(unit: UnitOfWork, body: BanWrite, known: Sequence[TermRow], subject: Subject) -> BanChange:
    session, decision, terms = unit.session, None, None
    if body.decision is not None:
        decision = decision_value(session, body.decision, subject, "body.decision")
    if body.terms is not None:
        terms = term_values(session, body.terms, known, unit.now_s, subject)
    return BanChange(
        mode=body.mode,
        mode_reason=body.mode_reason,
        off_until=_off_until(unit, body, subject.time_zone),
        reply=body.reply,
        addresses=None if body.addresses is None else tuple(body.addresses),
        tiers=None if body.tiers is None else frozenset(body.tiers),
        funding=None if body.funding is None else frozenset(body.funding),
        audience=None if body.audience is None else frozenset(body.audience),
        decision=decision,
        terms=terms,
        provisional=body.provisional,
    )


def _off_until(unit: UnitOfWork, body: BanWrite, time_zone: str) -> Instant | None:
    """Return when the ban is no longer off. A day counts to its end, as in a term."""
    if body.until is None and body.for_ is None:
        return None
    place = "body.for" if body.until is None else "body.until"
    if body.mode is not Mode.OFF:
        raise Invalid.at(place, "only the mode off takes an end: set the mode to off, or omit the end")
    with invalid_at(place):
        found = parse_end(unit.asked_s, None, body.until, body.for_, time_zone, unit.asked_s)
    if found is None or found <= unit.now_s:
        raise Invalid.at(place, f"{body.until or body.for_} has passed: give a later time")
    return found


def _subject(unit: UnitOfWork, owner: AuthorityRow, service: str, row: BanRow | None) -> Subject:
    return Subject(owner.slug, service, owner.time_zone, unit.asked_s, None if row is None else row.number)


def _listed(unit: UnitOfWork, wanted: repository.Wanted, sort: str, limit: int, cursor: str | None) -> Page[BanRead]:
    session = unit.session
    rows, following = repository.page(session, unit.now_s, wanted, sort, limit, cursor)
    zones = authorities.time_zones(session, (row.authority for row in rows))
    suspended_now = suspended(session, unit.now_s)
    return Page(items=read_bans(session, rows, unit.now_s, zones, suspended_now), next=following)


def _answer(
    unit: UnitOfWork,
    permit: Permit,
    owner: AuthorityRow,
    row: BanRow,
    read: BanRead,
    response: Response,
    warnings: BanWarnings,
) -> BanRead:
    tag(response, row.revision)
    found = with_suspensions(read, suspended(unit.session, unit.now_s))
    if permit.caller.has(READERS, owner.slug):
        found.warnings = warnings(unit.session, row, unit.now_s, owner.time_zone)
    return found
