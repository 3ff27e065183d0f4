"""/v1/requests."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.auth.permit import Permit
from api.auth.second_person import demand_second_person
from api.bans.requests import repository, service
from api.bans.requests.carrying_out import carry_out
from api.bans.requests.reading import read_request
from api.bans.requests.schemas import RequestRead, RequestState
from api.db.models import RequestRow
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import PreconditionDep, UnitDep, tag
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit
from api.http.permits import ApproverOfObject, OperatorOfObject, ReaderOfObject, ReaderOfSome
from api.http.problems import CONFLICT, NOT_FOUND, NOT_PUBLISHED, STALE, documented
from api.http.routes import Route
from api.http.schemas import Note, Page, Refusal

router = APIRouter(route_class=Route, prefix="/v1/requests", tags=["requests"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("", operation_id="list_requests", summary="List requests", responses=documented())
def list_requests(
    unit: UnitDep,
    permit: ReaderOfSome,
    state: RequestState | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[RequestRead]:
    """List the acts that wait, or have waited, for an approver, by number."""
    rows, following = repository.page(unit.session, permit.visible(), state, unit.now_s, limit, cursor)
    return Page(items=[read_request(row, unit.now_s) for row in rows], next=following)


@router.get("/{number}", operation_id="get_request", summary="Get a request", responses=documented(NOT_FOUND))
def get_request(number: Number, unit: UnitDep, permit: ReaderOfObject, response: Response) -> RequestRead:
    """Get one request."""
    return _answer(unit, _permitted(number, unit, permit), response)


@router.post(
    "/{number}/approve",
    operation_id="approve_request",
    summary="Approve a request",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def approve_request(
    request: Request,
    number: Number,
    unit: UnitDep,
    permit: ApproverOfObject,
    response: Response,
    precondition: PreconditionDep,
    body: Note | None = None,
) -> RequestRead:
    """Approve the request and carry it out, as it was sent.

    The requester cannot approve it, nor can an approver whose role the requester granted. If the policy has changed and
    more would be lifted than the request says, it is 409.
    """
    row = _permitted(number, unit, permit)
    precondition.check(row.revision)
    demand_second_person(permit.caller, unit.session, row.requested_by, permit.rule.roles, row.authority, unit.now_s)
    if row.approved_s is None:
        service.approve(unit, row, body.note if body is not None else "")
        carry_out(row, unit, request)
    return _answer(unit, row, response)


@router.post(
    "/{number}/reject",
    operation_id="reject_request",
    summary="Reject a request",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def reject_request(
    number: Number,
    body: Refusal,
    unit: UnitDep,
    permit: ApproverOfObject,
    response: Response,
    precondition: PreconditionDep,
) -> RequestRead:
    """Reject the request. It stays on record, without effect."""
    row = _permitted(number, unit, permit)
    precondition.check(row.revision)
    service.reject(unit, row, body.reason)
    return _answer(unit, row, response)


@router.post(
    "/{number}/withdraw",
    operation_id="withdraw_request",
    summary="Withdraw a request",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def withdraw_request(
    number: Number,
    body: Refusal,
    unit: UnitDep,
    permit: OperatorOfObject,
    response: Response,
    precondition: PreconditionDep,
) -> RequestRead:
    """Withdraw the request, as an operator of the authority. It stays on record, without effect."""
    row = _permitted(number, unit, permit)
    precondition.check(row.revision)
    service.withdraw(unit, row, body.reason)
    return _answer(unit, row, response)


def _permitted(number: int, unit: UnitOfWork, permit: Permit) -> RequestRow:
    """Return the request; raise `Forbidden` unless the caller has the role in its authority."""
    row = repository.get(unit.session, number)
    permit.demand(row.authority)
    return row


def _answer(unit: UnitOfWork, row: RequestRow, response: Response) -> RequestRead:
    tag(response, row.revision)
    return read_request(row, unit.now_s)
