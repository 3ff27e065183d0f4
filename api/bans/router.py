"""/v1/bans and /v1/authorities/{slug}/bans."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Protocol, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from api.auth.roles import READERS
from api.authorities import repository as authorities
from api.bans import repository
from api.bans import service as acts
from api.bans.reading import read_ban, read_bans
from api.bans.schemas import (
    MAX_MOVED,
    BanReachRead,
    BanRead,
    BanReference,
    BanWarningRead,
    BanWrite,
    Ending,
    MovedRangeRead,
    MovedRangesRead,
    Renewal,
    State,
)
from api.bans.wanted_change import Subject
from api.db.models import AuthorityRow, BanRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Invalid, did_you_mean
from api.http.dependencies import PermitDep, RuntimeDep, UnitDep, tag
from api.http.parameters import (
    DEFAULT_LIMIT,
    AuthorityFilter,
    Cursor,
    DryRun,
    Limit,
    MineFilter,
    NamedService,
    ServiceFilter,
)
from api.http.path_rows import by_slug, row_to_change, row_to_read
from api.http.permits import AnyAccount, OperatorOfPath, ReaderOfPath
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page, ServiceSlug, Slug
from api.publish.ban_reach import Moved, ban_reach, moved_ranges
from api.suspensions.repository import suspended
from dnsfilter.policy.model import Audience, Funding, Instant, Mode

bans = APIRouter(route_class=Route, prefix="/v1/bans", tags=["bans"])
of_authority = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/bans", tags=["bans"])


async def by_service(slug: Slug, service: ServiceSlug) -> tuple[str, str]:
    """Read `{slug}` and `{service}`."""
    return slug, service


Owner = Annotated[AuthorityRow, row_to_read(by_slug, authorities.get)]
Shown = Annotated[BanRow, row_to_read(by_service, repository.get)]
Changed = Annotated[BanRow, row_to_change(by_service, repository.get)]
Put = Annotated[BanRow | None, row_to_change(by_service, repository.find)]

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

OtherFunding = Annotated[
    str | None,
    Query(max_length=60, description="Compare with a ban that covers devices paid for so, such as `public,private`."),
]
OtherAudience = Annotated[
    str | None, Query(max_length=60, description="Compare with a ban that covers devices of these: `staff,pupils`.")
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


async def ban_warnings(request: Request) -> BanWarnings:
    """Return the application's warnings about bans."""
    found: BanWarnings = request.app.state.ban_warnings
    return found


Word = TypeVar("Word", Funding, Audience)
Answer = Callable[[AuthorityRow, BanRow], BanRead]


async def answering(
    unit: UnitDep, permit: PermitDep, response: Response, warnings: Annotated[BanWarnings, Depends(ban_warnings)]
) -> Answer:
    """Return the function that reads a ban once all is done, with the warnings that the caller may see."""

    def answer(owner: AuthorityRow, row: BanRow) -> BanRead:
        tag(response, row.revision)
        session, now = unit.session, unit.now_s
        found = read_ban(session, row, now, owner.time_zone, suspended(session, now))
        if permit.caller.has(READERS, owner.slug):
            found.warnings = warnings(session, row, now, owner.time_zone)
        return found

    return answer


AnswerDep = Annotated[Answer, Depends(answering)]


@bans.get("", summary="List bans")
def list_bans(
    unit: UnitDep,
    _permit: AnyAccount,
    authority: AuthorityFilter,
    service: ServiceFilter,
    mine: MineFilter,
    state: StateFilter = None,
    mode: Mode | None = None,
    follows: FollowsFilter = None,
    sort: Sort = "number",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[BanRead]:
    """List bans of all authorities, by number unless `sort` is given."""
    return _listed(unit, repository.Wanted(state, authority, service, mode, follows, mine), sort, limit, cursor)


@of_authority.get("", summary="List an authority's bans", responses=documented(NOT_FOUND))
def list_authority_bans(
    owner: Owner,
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
    return _listed(unit, repository.Wanted(state, owner.slug, None, mode, follows), sort, limit, cursor)


@of_authority.get("/{service}", summary="Get a ban", responses=documented(NOT_FOUND))
def get_ban(owner: Owner, row: Shown, _permit: AnyAccount, answer: AnswerDep) -> BanRead:
    """Get the authority's ban on the service."""
    return answer(owner, row)


@of_authority.get("/{service}/reach", summary="Count the ranges of a ban", responses=documented(NOT_FOUND))
def get_ban_reach(
    row: Shown,
    unit: UnitDep,
    held: RuntimeDep,
    _permit: ReaderOfPath,
    funding: OtherFunding = None,
    audience: OtherAudience = None,
) -> BanReachRead:
    """Count the ranges in which the ban applies while it refuses: those that switching it changes.

    With `funding` or `audience`, also say which ranges it would gain and lose if it covered these.
    """
    policy = held.publishing.current(unit)
    found = ban_reach(policy, row.number, unit.now_s)
    gained, lost = None, None
    if funding is not None or audience is not None:
        wanted = _words(Funding, funding, row.funding, "funding"), _words(Audience, audience, row.audience, "audience")
        gained, lost = map(_moved, moved_ranges(policy, row.number, *wanted, unit.now_s))
    return BanReachRead(
        ranges=found.ranges,
        exempted=found.exempted,
        uncovered=found.uncovered,
        bound=found.bound,
        bound_ranges=found.bound_ranges,
        gained=gained,
        lost=lost,
    )


@of_authority.put(
    "/{service}",
    summary="Adopt, change or toggle a ban",
    responses={**documented(NOT_FOUND, NOT_PUBLISHED), 201: {"model": BanRead, "description": "adopted"}},
)
def put_ban(
    owner: Owner,
    row: Put,
    service: NamedService,
    body: BanWrite,
    unit: UnitDep,
    _permit: OperatorOfPath,
    response: Response,
    answer: AnswerDep,
    dry_run: DryRun = False,
) -> BanRead:
    """Adopt the ban with its formal decision and terms, or provisionally. Change the given fields if the ban exists.

    Without terms, a formal decision that `follows` a ban takes over that ban's terms. Later renewals or ends of that
    ban have no effect here. `{"mode": "off"}` and `{"mode": "enforce"}` toggle an existing ban. Terms that have begun
    are never rewritten. With `until` or `for` the earlier mode returns by itself. With `dry_run` the answer is the ban
    as it would be.
    """
    response.status_code = 201 if row is None else 200
    unit.rehearsing = dry_run
    change = Subject(unit, owner, service.slug, row).change(body)
    return answer(owner, acts.put(unit, owner, service, row, change))


@of_authority.patch("/{service}", summary="Change or toggle a ban", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def patch_ban(
    owner: Owner,
    row: Changed,
    service: NamedService,
    body: BanWrite,
    unit: UnitDep,
    _permit: OperatorOfPath,
    answer: AnswerDep,
) -> BanRead:
    """Change the given fields of an existing ban."""
    change = Subject(unit, owner, service.slug, row).change(body)
    return answer(owner, acts.put(unit, owner, service, row, change))


@of_authority.delete(
    "/{service}",
    summary="Remove a ban that has not begun",
    status_code=204,
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def remove_ban(owner: Owner, row: Changed, unit: UnitDep, _permit: OperatorOfPath) -> None:
    """Remove a ban if none of its terms has begun."""
    acts.remove(unit, owner, row)


@of_authority.post(
    "/{service}/terms", summary="Renew a ban", status_code=201, responses=documented(NOT_FOUND, NOT_PUBLISHED)
)
def renew_ban(
    owner: Owner,
    row: Changed,
    body: Renewal,
    unit: UnitDep,
    _permit: OperatorOfPath,
    response: Response,
    answer: AnswerDep,
) -> BanRead:
    """Add a term, with the formal decision to renew. The decision needs a reference.

    Without `start` the term begins where the terms in force end. The answer is 409 if a term that has not ended already
    has the same reference. Without a term, a formal decision that `follows` a ban takes over the rest of that ban's
    terms, and its scope.
    """
    acts.renew(unit, owner, row, body)
    response.headers["Location"] = f"/v1/authorities/{owner.slug}/bans/{row.service}"
    return answer(owner, row)


@of_authority.post("/{service}/end", summary="End a ban early", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def end_ban(
    owner: Owner, row: Changed, body: Ending, unit: UnitDep, _permit: OperatorOfPath, answer: AnswerDep
) -> BanRead:
    """End the ban at `at`, now or later. Terms that begin after that are removed."""
    acts.end(unit, owner, row, body)
    return answer(owner, row)


def _words(kind: type[Word], text: str | None, held: Sequence[str], name: str) -> frozenset[Word]:
    """Return the words of a comma-separated text, or without one those held."""
    known, given = [str(each) for each in kind], held if text is None else text.split(",")
    wrong = next((each for each in given if each not in known), None)
    if wrong is not None:
        message = f'"{wrong}" is none of {", ".join(known)}.{did_you_mean(wrong, known)}'
        raise Invalid.at(f"query.{name}", message)
    return frozenset(map(kind, given))


def _moved(found: Moved) -> MovedRangesRead:
    first = [MovedRangeRead(site=each.site, prefix=str(each.prefix), label=each.label) for each in found.own]
    return MovedRangesRead(ranges=len(first), first=first[:MAX_MOVED], bound_ranges=found.bound_ranges)


def _listed(unit: UnitOfWork, wanted: repository.Wanted, sort: str, limit: int, cursor: str | None) -> Page[BanRead]:
    session = unit.session
    rows, following = repository.page(session, unit.now_s, wanted, sort, limit, cursor)
    if not rows:
        return Page(items=[], next=None)
    zones = authorities.time_zones(session, (row.authority for row in rows))
    suspended_now = suspended(session, unit.now_s)
    return Page(items=read_bans(session, rows, unit.now_s, zones, suspended_now), next=following)
