"""/v1/exemptions."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from api.auth.permit import Permit
from api.bans import repository as bans
from api.bans.schemas import BanReference
from api.db.models import BanRow, ExemptionRow
from api.db.unit_of_work import UnitOfWork
from api.db.unknown_names import no_ban
from api.errors import Invalid, invalid_at
from api.exemptions import approval, repository, service
from api.exemptions.reading import read_exemption
from api.exemptions.schemas import ExemptionRead, ExemptionState, ExemptionWrite
from api.exemptions.state import in_state
from api.http.dependencies import PreconditionDep, UnitDep, tag
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit, SiteFilter
from api.http.permits import ApproverOfObject, OperatorOfObject, ReaderOfObject, ReaderOfSome
from api.http.prefixes import parse_prefix
from api.http.problems import CONFLICT, NOT_FOUND, NOT_PUBLISHED, STALE, documented
from api.http.routes import Route
from api.http.schemas import Note, Page, Refusal
from api.timestamps import given_timestamp, parse_end, parse_zoned_hours
from dnsfilter.policy.calendar import zone
from dnsfilter.policy.model import Exemption, Instant, Prefix

router = APIRouter(route_class=Route, prefix="/v1/exemptions", tags=["exemptions"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]

Sort = Annotated[
    Literal["number", "-number", "start", "-start", "end", "-end", "revision", "-revision"],
    Query(description="Sort order; `-` means descending. `revision` is the last change."),
]


@router.get("", operation_id="list_exemptions", summary="List exemptions", responses=documented())
def list_exemptions(
    unit: UnitDep,
    permit: ReaderOfSome,
    site: SiteFilter,
    ban: BanReference | None = None,
    state: ExemptionState | None = None,
    sort: Sort = "number",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ExemptionRead]:
    """List exemptions, including requests, rejected and revoked ones; by number unless `sort` is given."""
    visible = permit.visible()
    row = bans.named(unit.session, ban, "query.ban") if ban is not None else None
    wanted = in_state(state, unit.now_s) if state is not None else None
    number = row.number if row is not None else None
    rows, following = repository.page(unit.session, visible, number, site, wanted, sort, limit, cursor)
    return Page(items=_read(unit, rows), next=following)


@router.get("/{number}", operation_id="get_exemption", summary="Get an exemption", responses=documented(NOT_FOUND))
def get_exemption(number: Number, unit: UnitDep, permit: ReaderOfObject, response: Response) -> ExemptionRead:
    """Get one exemption."""
    row = repository.get(unit.session, number)
    permit.demand(*repository.concerned(unit.session, row))
    return _answer(unit, row, response)


@router.post(
    "",
    operation_id="request_exemption",
    summary="Ask for an exemption",
    status_code=201,
    responses=documented(CONFLICT, NOT_PUBLISHED),
)
def request_exemption(
    body: ExemptionWrite, unit: UnitDep, permit: OperatorOfObject, response: Response
) -> ExemptionRead:
    """Ask for an exemption, as an operator of the ranges. It has no effect until another person approves it.

    The answer is 409 if the same exemption (ranges, hours, reason, and no other time) is waiting or approved already.
    """
    ban = bans.find_reference(unit.session, body.ban)
    if ban is None:
        raise Invalid.at("body.ban", no_ban(unit.session, body.ban))
    prefixes = frozenset(parse_prefix(text, f"body.ranges.{index}") for index, text in enumerate(body.ranges))
    named = [str(prefix) for prefix in prefixes]
    owners = repository.owners(unit.session, body.site, named)
    for owner in set(owners.values()) or {ban.authority}:
        permit.demand(owner)
    time_zone = body.time_zone or repository.default_zone(unit.session, ban, body.site, named)
    wanted = _wanted(unit, ban, body, prefixes, time_zone)
    service.demand_no_duplicate(unit, ban, wanted, time_zone, lambda start: _end(unit, body, start, time_zone))
    row = service.request(unit, ban, wanted, time_zone)
    response.headers["Location"] = f"/v1/exemptions/{row.number}"
    return _answer(unit, row, response)


@router.post(
    "/{number}/approve",
    operation_id="approve_exemption",
    summary="Approve an exemption",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def approve_exemption(
    number: Number,
    unit: UnitDep,
    permit: ApproverOfObject,
    response: Response,
    precondition: PreconditionDep,
    body: Note | None = None,
) -> ExemptionRead:
    """Remove the ban from the ranges, from now on or from the start of the exemption.

    The requester cannot approve it, nor can an approver whose role the requester granted. An administrator must approve
    it if, alone or with others of that time, it leaves less than a tenth of an authority's addresses under the ban.
    Only ranges count that existed when it was requested and that, at the approval, are 30 days old or as old as the
    ban.
    """
    row = _permitted(number, unit, permit)
    precondition.check(row.revision)
    approval.demand(unit, permit, row)
    service.approve(unit, row, body.note if body is not None else "")
    return _answer(unit, row, response)


@router.post(
    "/{number}/reject",
    operation_id="reject_exemption",
    summary="Reject a request for an exemption",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def reject_exemption(
    number: Number,
    body: Refusal,
    unit: UnitDep,
    permit: ApproverOfObject,
    response: Response,
    precondition: PreconditionDep,
) -> ExemptionRead:
    """Reject the request. It stays on record, without effect."""
    row = _permitted(number, unit, permit)
    precondition.check(row.revision)
    service.reject(unit, row, body.reason)
    return _answer(unit, row, response)


@router.post(
    "/{number}/revoke",
    operation_id="revoke_exemption",
    summary="Revoke an exemption",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def revoke_exemption(
    number: Number,
    body: Refusal,
    unit: UnitDep,
    permit: ApproverOfObject,
    response: Response,
    precondition: PreconditionDep,
) -> ExemptionRead:
    """Revoke the exemption. The ban applies in the ranges again from now on."""
    row = _permitted(number, unit, permit)
    precondition.check(row.revision)
    service.revoke(unit, row, body.reason)
    return _answer(unit, row, response)


@router.post(
    "/{number}/withdraw",
    operation_id="withdraw_exemption",
    summary="Withdraw a request for an exemption",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def withdraw_exemption(
    number: Number,
    body: Refusal,
    unit: UnitDep,
    permit: OperatorOfObject,
    response: Response,
    precondition: PreconditionDep,
) -> ExemptionRead:
    """Withdraw the request, as an operator of the ranges. It stays on record as revoked, without effect."""
    row = repository.get(unit.session, number)
    for owner in sorted(repository.affected(unit.session, row)):
        permit.demand(owner)
    precondition.check(row.revision)
    service.withdraw(unit, row, body.reason)
    return _answer(unit, row, response)


def _permitted(number: int, unit: UnitOfWork, permit: Permit) -> ExemptionRow:
    """Return the exemption; raise `Forbidden` unless the caller acts for the authority of its ban."""
    row = repository.get(unit.session, number)
    permit.demand(unit.session.get_one(BanRow, row.ban).authority)
    return row


def _wanted(
    unit: UnitOfWork, ban: BanRow, body: ExemptionWrite, prefixes: frozenset[Prefix], time_zone: str
) -> Exemption:
    with invalid_at("body.time_zone"):
        zone(time_zone)
    with invalid_at("body.hours"):
        hours = tuple(parse_zoned_hours(text, time_zone) for text in body.hours)
    start = given_timestamp(body.start, unit.now_s, time_zone, unit.asked_s, "body.start")
    end = _end(unit, body, start, time_zone)
    return Exemption(0, ban.number, prefixes, start, end, hours, body.site, body.reason)


def _end(unit: UnitOfWork, body: ExemptionWrite, start: Instant, time_zone: str) -> Instant:
    with invalid_at("body"):
        end = parse_end(start, body.end, body.until, body.for_, time_zone, unit.asked_s)
    if end is None:
        raise Invalid.at("body.end", "an exemption needs an end: give end, until or for")
    return end


def _answer(unit: UnitOfWork, row: ExemptionRow, response: Response) -> ExemptionRead:
    tag(response, row.revision)
    return _read(unit, [row])[0].model_copy(update={"notes": service.uncovered_notes(unit, row)})


def _read(unit: UnitOfWork, rows: Sequence[ExemptionRow]) -> list[ExemptionRead]:
    references = bans.references(unit.session, {row.ban for row in rows})
    return [read_exemption(row, references[row.ban], unit.now_s) for row in rows]
