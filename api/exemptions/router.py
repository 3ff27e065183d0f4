"""/v1/exemptions."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from api.bans import repository as bans
from api.bans.schemas import BanReference
from api.db.models import ExemptionRow
from api.db.unit_of_work import UnitOfWork
from api.exemptions import approval, repository, service
from api.exemptions.reading import read_exemption
from api.exemptions.schemas import ExemptionRead, ExemptionState, ExemptionWrite
from api.http.dependencies import UnitDep, tag
from api.http.parameters import PagingDep, SiteFilter
from api.http.path_rows import by_number, row_to_change, row_to_read
from api.http.permits import ApproverOfObject, OperatorOfObject, ReaderOfObject, ReaderOfSome
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Note, Page, Refusal

router = APIRouter(route_class=Route, prefix="/v1/exemptions", tags=["exemptions"])

Shown = Annotated[ExemptionRow, row_to_read(by_number, repository.get, approval.demand_concerned)]
OfBan = Annotated[ExemptionRow, row_to_change(by_number, repository.get, approval.demand_of_ban)]
OfRanges = Annotated[ExemptionRow, row_to_change(by_number, repository.get, approval.demand_of_ranges)]

Sort = Annotated[
    Literal["number", "-number", "start", "-start", "end", "-end", "revision", "-revision"],
    Query(description="Sort order; `-` means descending. `revision` is the last change."),
]


@router.get("", summary="List exemptions")
def list_exemptions(
    unit: UnitDep,
    permit: ReaderOfSome,
    site: SiteFilter,
    paging: PagingDep,
    ban: BanReference | None = None,
    state: ExemptionState | None = None,
    sort: Sort = "number",
) -> Page[ExemptionRead]:
    """List exemptions, including requests, rejected and revoked ones; by number unless `sort` is given."""
    visible = permit.visible()
    number = bans.number_of(unit.session, ban, "query.ban") if ban is not None else None
    rows, following = repository.page(unit.session, visible, number, site, state, unit.now_s, sort, paging)
    return Page(items=_read(unit, rows), next=following)


@router.get("/{number}", summary="Get an exemption", responses=documented(NOT_FOUND))
def get_exemption(row: Shown, unit: UnitDep, _permit: ReaderOfObject, response: Response) -> ExemptionRead:
    """Get one exemption."""
    return _answer(unit, row, response)


@router.post("", summary="Ask for an exemption", status_code=201, responses=documented(NOT_PUBLISHED))
def request_exemption(
    body: ExemptionWrite, unit: UnitDep, permit: OperatorOfObject, response: Response
) -> ExemptionRead:
    """Ask for an exemption, as an operator of the ranges. It has no effect until another person approves it.

    The answer is 409 if the same exemption (ranges, hours, reason, and no other time) is waiting or approved already.
    """
    row = service.ask(unit, permit, body)
    response.headers["Location"] = f"/v1/exemptions/{row.number}"
    return _answer(unit, row, response)


@router.post("/{number}/approve", summary="Approve an exemption", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def approve_exemption(
    row: OfBan, unit: UnitDep, permit: ApproverOfObject, response: Response, body: Note | None = None
) -> ExemptionRead:
    """Remove the ban from the ranges, from now on or from the start of the exemption.

    The requester cannot approve it, nor can an approver whose role the requester granted. An administrator must approve
    it if, alone or with others of that time, it leaves less than a tenth of an authority's addresses under the ban.
    Only ranges count that existed when it was requested and that, at the approval, are 30 days old or as old as the
    ban.
    """
    approval.demand(unit, permit, row)
    service.approve(unit, row, body.note if body is not None else "")
    return _answer(unit, row, response)


@router.post(
    "/{number}/reject", summary="Reject a request for an exemption", responses=documented(NOT_FOUND, NOT_PUBLISHED)
)
def reject_exemption(
    row: OfBan, body: Refusal, unit: UnitDep, _permit: ApproverOfObject, response: Response
) -> ExemptionRead:
    """Reject the request. It stays on record, without effect."""
    service.reject(unit, row, body.reason)
    return _answer(unit, row, response)


@router.post("/{number}/revoke", summary="Revoke an exemption", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def revoke_exemption(
    row: OfBan, body: Refusal, unit: UnitDep, _permit: ApproverOfObject, response: Response
) -> ExemptionRead:
    """Revoke the exemption. The ban applies in the ranges again from now on."""
    service.revoke(unit, row, body.reason)
    return _answer(unit, row, response)


@router.post(
    "/{number}/withdraw", summary="Withdraw a request for an exemption", responses=documented(NOT_FOUND, NOT_PUBLISHED)
)
def withdraw_exemption(
    row: OfRanges, body: Refusal, unit: UnitDep, _permit: OperatorOfObject, response: Response
) -> ExemptionRead:
    """Withdraw the request, as an operator of the ranges. It stays on record as revoked, without effect."""
    service.withdraw(unit, row, body.reason)
    return _answer(unit, row, response)


def _answer(unit: UnitOfWork, row: ExemptionRow, response: Response) -> ExemptionRead:
    tag(response, row.revision)
    return _read(unit, [row])[0].model_copy(update={"notes": service.uncovered_notes(unit, row)})


def _read(unit: UnitOfWork, rows: Sequence[ExemptionRow]) -> list[ExemptionRead]:
    references = bans.references(unit.session, {row.ban for row in rows})
    return [read_exemption(row, references[row.ban], unit.now_s) for row in rows]
