"""/v1/suspensions."""

from typing import Annotated

from fastapi import APIRouter, Response

from api.authorities.repository import time_zones
from api.db.models import SuspensionRow
from api.db.time_zones import time_zone_of
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import UnitDep, tag
from api.http.parameters import AuthorityFilter, PagingDep
from api.http.path_rows import by_number, row_to_change, row_to_read
from api.http.permits import AnyAccount, SuspenderOfObject
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.suspensions import repository, service
from api.suspensions.reading import read_suspension
from api.suspensions.schemas import SuspensionEnding, SuspensionRead, SuspensionState, SuspensionWrite
from dnsfilter.policy.instants import DEFAULT_ZONE

router = APIRouter(route_class=Route, prefix="/v1/suspensions", tags=["suspensions"])

Shown = Annotated[SuspensionRow, row_to_read(by_number, repository.get)]
Ended = Annotated[SuspensionRow, row_to_change(by_number, repository.get, service.demand_of)]


@router.get("", summary="List suspensions")
def list_suspensions(
    unit: UnitDep,
    _permit: AnyAccount,
    authority: AuthorityFilter,
    paging: PagingDep,
    state: SuspensionState | None = None,
) -> Page[SuspensionRead]:
    """List suspensions, newest first; with `authority`, its own and those of all."""
    rows, following = repository.page(unit.session, unit.now_s, state, authority, paging)
    since = repository.unbroken_since(unit.session, rows)
    zones = time_zones(unit.session, (row.authority for row in rows if row.authority is not None))
    items = [
        read_suspension(row, unit.now_s, since[row.number], zones.get(row.authority or "", DEFAULT_ZONE))
        for row in rows
    ]
    return Page(items=items, next=following)


@router.get("/{number}", summary="Get a suspension", responses=documented(NOT_FOUND))
def get_suspension(row: Shown, unit: UnitDep, _permit: AnyAccount, response: Response) -> SuspensionRead:
    """Get one suspension."""
    return _answer(unit, row, response)


@router.post("", summary="Start a suspension", status_code=201, responses=documented(NOT_PUBLISHED))
def start_suspension(
    body: SuspensionWrite, unit: UnitDep, permit: SuspenderOfObject, response: Response
) -> SuspensionRead:
    """Suspend the authority or, as an administrator, all: nothing is refused. The suspension ends by itself.

    During a suspension, a new one must end later, at most four hours from now. More than four hours in 24, or a ban
    that applies by law, needs an approver or an administrator.
    """
    permit.demand_named(body.authority)
    row = service.start(unit, permit.caller, body)
    response.headers["Location"] = f"/v1/suspensions/{row.number}"
    return _answer(unit, row, response)


@router.post("/{number}/end", summary="End a suspension early", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def end_suspension(
    row: Ended, body: SuspensionEnding, unit: UnitDep, _permit: SuspenderOfObject, response: Response
) -> SuspensionRead:
    """End the suspension now, and every other one of the same authority in force. The bans apply again."""
    service.end(unit, row, body.reason)
    return _answer(unit, row, response)


def _answer(unit: UnitOfWork, row: SuspensionRow, response: Response) -> SuspensionRead:
    tag(response, row.revision)
    since = repository.unbroken_since(unit.session, [row])[row.number]
    return read_suspension(row, unit.now_s, since, time_zone_of(unit.session, row.authority))
