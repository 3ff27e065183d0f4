"""/v1/authorities/{slug}/fleets."""

from typing import Annotated

from fastapi import APIRouter, Response

from api.auth.permit import Permit
from api.auth.roles import OPERATORS
from api.authorities import repository as authorities
from api.db.models import AuthorityRow, RangeRow
from api.db.unit_of_work import UnitOfWork
from api.fleets import repository, service
from api.fleets.reading import read_fleet
from api.fleets.schemas import FleetRead, FleetRotation, FleetWrite
from api.http.dependencies import UnitDep, tag
from api.http.parameters import PagingDep
from api.http.path_rows import Number, by_slug, row_to_change, row_to_read
from api.http.permits import OperatorOfPath, ReaderOfPath
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page, Slug
from api.ranges import repository as ranges
from dnsfilter.policy.model import DAY_S

router = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/fleets", tags=["fleets"])


async def by_fleet(slug: Slug, number: Number) -> tuple[str, int]:
    """Read `{slug}` and `{number}`."""
    return slug, number


Owner = Annotated[AuthorityRow, row_to_read(by_slug, authorities.get)]
Shown = Annotated[RangeRow, row_to_read(by_fleet, repository.get)]
Changed = Annotated[RangeRow, row_to_change(by_fleet, repository.get)]


@router.get("", summary="List an authority's fleets", responses=documented(NOT_FOUND))
def list_fleets(owner: Owner, unit: UnitDep, permit: ReaderOfPath, paging: PagingDep) -> Page[FleetRead]:
    """List the fleets of the authority. Only its operators and administrators see tokens."""
    rows, following = repository.page(unit.session, owner.slug, paging)
    return Page(items=[_read(unit, permit, row) for row in rows], next=following)


@router.post("", summary="Add a fleet", status_code=201, responses=documented(NOT_FOUND, NOT_PUBLISHED))
def add_fleet(owner: Owner, body: FleetWrite, unit: UnitDep, permit: OperatorOfPath, response: Response) -> FleetRead:
    """Add a fleet with its first name. Devices that ask by the name over DoT or DoH count as the fleet's range."""
    row = service.add(unit, owner, body)
    response.headers["Location"] = f"/v1/authorities/{owner.slug}/fleets/{row.id}"
    return _answer(unit, permit, row, response)


@router.get("/{number}", summary="Get a fleet", responses=documented(NOT_FOUND))
def get_fleet(row: Shown, unit: UnitDep, permit: ReaderOfPath, response: Response) -> FleetRead:
    """Get a fleet with its names. Only operators of the authority and administrators see tokens."""
    return _answer(unit, permit, row, response)


@router.post("/{number}/rotate", summary="Give a fleet a new name", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def rotate_fleet(
    row: Changed, body: FleetRotation, unit: UnitDep, permit: OperatorOfPath, response: Response
) -> FleetRead:
    """Give the fleet a new name. The names of before stay valid for some days, or end at once for a lost phone."""
    service.rotate(unit, row, body.overlap_days * DAY_S)
    return _answer(unit, permit, row, response)


@router.post("/{number}/end", summary="End a fleet's names", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def end_fleet(row: Changed, unit: UnitDep, permit: OperatorOfPath, response: Response) -> FleetRead:
    """End all names of the fleet now: its devices get no more answers. Its range stays, for reports and exemptions."""
    service.end(unit, row)
    return _answer(unit, permit, row, response)


def _answer(unit: UnitOfWork, permit: Permit, row: RangeRow, response: Response) -> FleetRead:
    tag(response, row.revision)
    return _read(unit, permit, row)


def _read(unit: UnitOfWork, permit: Permit, row: RangeRow) -> FleetRead:
    tokens = permit.caller.has(OPERATORS, row.authority)
    return read_fleet(row, ranges.fleet_names(unit.session, row), unit.now_s, tokens=tokens)
