"""/v1/requests."""

from typing import Annotated

from fastapi import APIRouter, Request, Response

from api.bans.repository import number_of
from api.bans.requests import repository, service
from api.bans.requests.carrying_out import carry_out
from api.bans.requests.reading import read_request
from api.bans.requests.schemas import RequestRead, RequestState
from api.bans.schemas import BanReference
from api.db.models import RequestRow
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import UnitDep, tag
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit
from api.http.path_rows import by_number, demand_own, row_to_change, row_to_read
from api.http.permits import ApproverOfObject, OperatorOfObject, ReaderOfObject, ReaderOfSome
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Note, Page, Refusal

router = APIRouter(route_class=Route, prefix="/v1/requests", tags=["requests"])

Shown = Annotated[RequestRow, row_to_read(by_number, repository.get, demand_own)]
Decided = Annotated[RequestRow, row_to_change(by_number, repository.get, demand_own)]


@router.get("", summary="List requests")
def list_requests(
    unit: UnitDep,
    permit: ReaderOfSome,
    ban: BanReference | None = None,
    state: RequestState | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[RequestRead]:
    """List the acts that wait, or have waited, for an approver, by number."""
    if ban is not None:
        number_of(unit.session, ban, "query.ban")
    rows, following = repository.page(unit.session, permit.visible(), ban, state, unit.now_s, limit, cursor)
    return Page(items=[read_request(row, unit.now_s) for row in rows], next=following)


@router.get("/{number}", summary="Get a request", responses=documented(NOT_FOUND))
def get_request(row: Shown, unit: UnitDep, _permit: ReaderOfObject, response: Response) -> RequestRead:
    """Get one request."""
    return _answer(unit, row, response)


@router.post("/{number}/approve", summary="Approve a request", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def approve_request(
    request: Request,
    row: Decided,
    unit: UnitDep,
    permit: ApproverOfObject,
    response: Response,
    body: Note | None = None,
) -> RequestRead:
    """Approve the request and carry it out, as it was sent.

    The requester cannot approve it, nor can an approver whose role the requester granted. If the policy has changed and
    more would be lifted than the request says, it is 409.
    """
    if service.approve(unit, permit, row, body.note if body is not None else ""):
        carry_out(row, unit, request)
    return _answer(unit, row, response)


@router.post("/{number}/reject", summary="Reject a request", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def reject_request(
    row: Decided, body: Refusal, unit: UnitDep, _permit: ApproverOfObject, response: Response
) -> RequestRead:
    """Reject the request. It stays on record, without effect."""
    service.reject(unit, row, body.reason)
    return _answer(unit, row, response)


@router.post("/{number}/withdraw", summary="Withdraw a request", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def withdraw_request(
    row: Decided, body: Refusal, unit: UnitDep, _permit: OperatorOfObject, response: Response
) -> RequestRead:
    """Withdraw the request, as an operator of the authority. It stays on record, without effect."""
    service.withdraw(unit, row, body.reason)
    return _answer(unit, row, response)


def _answer(unit: UnitOfWork, row: RequestRow, response: Response) -> RequestRead:
    tag(response, row.revision)
    return read_request(row, unit.now_s)
