"""/v1/suspensions."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.db.models import SuspensionRow
from api.db.time_zones import time_zone_of
from api.db.unit_of_work import UnitOfWork
from api.errors import Invalid
from api.http.dependencies import PreconditionDep, UnitDep, tag
from api.http.parameters import DEFAULT_LIMIT, AuthorityFilter, Cursor, Limit
from api.http.permits import AnyAccount, SuspenderOfObject
from api.http.problems import CONFLICT, NOT_FOUND, NOT_PUBLISHED, STALE, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.suspensions import repository, service
from api.suspensions.reading import read_suspension
from api.suspensions.schemas import SuspensionEnding, SuspensionRead, SuspensionState, SuspensionWrite
from api.timestamps import given_bound
from dnsfilter.policy.calendar import parse_duration
from dnsfilter.policy.model import Instant

router = APIRouter(route_class=Route, prefix="/v1/suspensions", tags=["suspensions"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("", operation_id="list_suspensions", summary="List suspensions", responses=documented())
def list_suspensions(
    unit: UnitDep,
    _permit: AnyAccount,
    authority: AuthorityFilter,
    state: SuspensionState | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[SuspensionRead]:
    """List suspensions, newest first; with `authority`, its own and those of all."""
    rows, following = repository.page(unit.session, unit.now_s, state, authority, limit, cursor)
    since = repository.unbroken_since(unit.session, rows)
    return Page(items=[read_suspension(row, unit.now_s, since[row.number]) for row in rows], next=following)


@router.get("/{number}", operation_id="get_suspension", summary="Get a suspension", responses=documented(NOT_FOUND))
def get_suspension(number: Number, unit: UnitDep, _permit: AnyAccount, response: Response) -> SuspensionRead:
    """Get one suspension."""
    return _answer(unit, repository.get(unit.session, number), response)


@router.post(
    "",
    operation_id="start_suspension",
    summary="Suspend all bans for some minutes",
    status_code=201,
    responses=documented(CONFLICT, NOT_PUBLISHED),
)
def start_suspension(
    body: SuspensionWrite, unit: UnitDep, permit: SuspenderOfObject, response: Response
) -> SuspensionRead:
    """Refuse nothing for the authority or, as an administrator, for all. The suspension ends by itself.

    During a suspension, a new one must end later, at most four hours from now. More than four hours in 24, or a ban
    that applies by law, needs an approver or an administrator.
    """
    permit.demand_named(body.authority)
    row = service.start(unit, permit.caller, body.authority, _end(unit, body), body.reason)
    response.headers["Location"] = f"/v1/suspensions/{row.number}"
    return _answer(unit, row, response)


@router.post(
    "/{number}/end",
    operation_id="end_suspension",
    summary="End a suspension early",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def end_suspension(
    number: Number,
    body: SuspensionEnding,
    unit: UnitDep,
    permit: SuspenderOfObject,
    response: Response,
    precondition: PreconditionDep,
) -> SuspensionRead:
    """End the suspension now, and every other one of the same authority in force. The bans apply again."""
    row = repository.get(unit.session, number)
    permit.demand_named(row.authority)
    precondition.check(row.revision)
    service.end(unit, row, body.reason)
    return _answer(unit, row, response)


def _end(unit: UnitOfWork, body: SuspensionWrite) -> Instant:
    """Return the wanted end; raise `Invalid` if it is missing or wrong."""
    if (body.for_ is None) == (body.until is None):
        raise Invalid.at("body", 'give either "for" or "until", not both')
    until = given_bound(body.until, time_zone_of(unit.session, body.authority), unit.asked_s, "body.until")
    return unit.now_s + parse_duration(body.for_ or "") if until is None else until


def _answer(unit: UnitOfWork, row: SuspensionRow, response: Response) -> SuspensionRead:
    tag(response, row.revision)
    return read_suspension(row, unit.now_s, repository.unbroken_since(unit.session, [row])[row.number])
