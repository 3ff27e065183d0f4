"""/v1/coverage: does each range of an authority still ask?"""

from fastapi import APIRouter

from api.authorities import repository as authorities
from api.coverage import repository
from api.coverage.reading import read_coverage
from api.coverage.repository import RangeKey
from api.coverage.schemas import CoverageRead
from api.http.dependencies import UnitDep
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit, demand_authority
from api.http.permits import ReaderOfObject
from api.http.problems import documented
from api.http.routes import Route
from api.http.schemas import Page, Slug
from dnsfilter.policy.model import Usage

router = APIRouter(route_class=Route, prefix="/v1/coverage", tags=["usage"])


@router.get("", operation_id="list_coverage", summary="List which ranges ask", responses=documented())
def list_coverage(
    unit: UnitDep, permit: ReaderOfObject, authority: Slug, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[CoverageRead]:
    """List the authority's ranges with when each last asked and how many queries an hour it usually sends.

    A range has stopped if it was silent for a week, or for three hours in which it asked in both weeks before. Numbers
    from 1 to 4 are hidden. Ranges of fewer than 16 addresses are not counted, and none at the level `none`.
    """
    permit.demand_named(authority, "query.authority")
    demand_authority(unit.session, authority)
    usage = Usage(authorities.get(unit.session, authority).usage)
    rows, following = repository.page(unit.session, authority, limit, cursor)
    keys = {row.id: RangeKey(row.authority, row.site, row.prefix) for row in rows}
    last = repository.last_asked(unit.session, keys.values())
    hours = repository.hours(unit.session, keys.values(), unit.now_s)
    items = [read_coverage(row, usage, last.get(keys[row.id]), hours.get(keys[row.id], {}), unit.now_s) for row in rows]
    return Page(items=items, next=following)
