"""/v1/bindings."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Response

from api.authorities import repository as authorities
from api.bans import repository as bans
from api.bans.schemas import BanReference
from api.bindings import repository, service
from api.bindings.reading import read_binding
from api.bindings.schemas import BindingEnding, BindingRead, BindingWrite, NewNames
from api.db.models import BindingRow
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import UnitDep, tag
from api.http.parameters import AuthorityFilter, MineFilter, PagingDep
from api.http.path_rows import by_number, demand_own, row_to_change, row_to_read
from api.http.permits import AnyAccount, OperatorOfObject
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page

router = APIRouter(route_class=Route, prefix="/v1/bindings", tags=["bindings"])

Shown = Annotated[BindingRow, row_to_read(by_number, repository.get)]
OfBound = Annotated[BindingRow, row_to_change(by_number, repository.get, demand_own)]
OfBan = Annotated[BindingRow, row_to_change(by_number, repository.get, service.demand_responsible)]


@router.get("", summary="List bindings")
def list_bindings(
    unit: UnitDep,
    _permit: AnyAccount,
    authority: AuthorityFilter,
    mine: MineFilter,
    paging: PagingDep,
    ban: BanReference | None = None,
) -> Page[BindingRead]:
    """List bindings by number. `authority` is the bound authority."""
    number = bans.number_of(unit.session, ban, "query.ban") if ban is not None else None
    rows, following = repository.page(unit.session, authority, number, mine, paging)
    return Page(items=_read(unit, rows), next=following)


@router.get("/{number}", summary="Get a binding", responses=documented(NOT_FOUND))
def get_binding(row: Shown, unit: UnitDep, _permit: AnyAccount, response: Response) -> BindingRead:
    """Get one binding."""
    return _answer(unit, row, response)


@router.post("", summary="Bind an authority to a ban", status_code=201, responses=documented(NOT_PUBLISHED))
def create_binding(body: BindingWrite, unit: UnitDep, permit: OperatorOfObject, response: Response) -> BindingRead:
    """Propose an agreement, as the ban's authority; or record a law, as an administrator."""
    row = service.bind(unit, permit, body)
    response.headers["Location"] = f"/v1/bindings/{row.number}"
    return _answer(unit, row, response)


@router.patch("/{number}", summary="Change a binding by law", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def patch_binding(
    row: OfBan, body: NewNames, unit: UnitDep, _permit: OperatorOfObject, response: Response
) -> BindingRead:
    """Set, as an administrator, whether the law asks that new names of an update are refused at once."""
    service.set_new_names(unit, row, at_once=body.new_names_at_once)
    return _answer(unit, row, response)


@router.post("/{number}/accept", summary="Accept an agreement", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def accept_binding(row: OfBound, unit: UnitDep, _permit: OperatorOfObject, response: Response) -> BindingRead:
    """Accept the agreement, as the bound authority. It takes effect now."""
    service.accept(unit, row)
    return _answer(unit, row, response)


@router.post("/{number}/withdraw", summary="Withdraw from an agreement", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def withdraw_binding(
    row: OfBound, body: BindingEnding, unit: UnitDep, _permit: OperatorOfObject, response: Response
) -> BindingRead:
    """Withdraw from the agreement, as the bound authority. Withdrawal from a law is not possible."""
    service.withdraw(unit, row, service.wanted_end(unit, row, body), body.reason, body.reference)
    return _answer(unit, row, response)


@router.post("/{number}/end", summary="End a binding early", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def end_binding(
    row: OfBan, body: BindingEnding, unit: UnitDep, _permit: OperatorOfObject, response: Response
) -> BindingRead:
    """Record that the agreement has ended or, as an administrator, that the law has ended."""
    service.end(unit, row, service.wanted_end(unit, row, body), body.reason, body.reference)
    return _answer(unit, row, response)


def _answer(unit: UnitOfWork, row: BindingRow, response: Response) -> BindingRead:
    tag(response, row.revision)
    return _read(unit, [row])[0]


def _read(unit: UnitOfWork, rows: Sequence[BindingRow]) -> list[BindingRead]:
    references = bans.references(unit.session, {row.ban for row in rows})
    zones = authorities.time_zones(unit.session, (row.authority for row in rows))
    by = repository.accounts_of(unit.session, [row.number for row in rows])
    return [read_binding(row, references[row.ban], unit.now_s, zones[row.authority], *by[row.number]) for row in rows]
