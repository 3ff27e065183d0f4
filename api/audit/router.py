"""/v1/audit: the audit log."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.accounts.repository import demand_account
from api.audit import repository
from api.audit.acts import demand_act
from api.audit.reading import read_entry
from api.audit.schemas import AuditRead
from api.db.time_zones import time_zone_of
from api.http.dependencies import UnitDep
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit
from api.http.permits import ReaderOfSome
from api.http.problems import documented
from api.http.routes import Route
from api.http.schemas import EndText, Page, Slug, TimestampText
from api.timestamps import given_bound, given_timestamp

router = APIRouter(route_class=Route, prefix="/v1/audit", tags=["audit"])


@router.get("", operation_id="list_audit", summary="List acts", responses=documented())
def list_audit(
    unit: UnitDep,
    permit: ReaderOfSome,
    act: Annotated[
        str | None, Query(max_length=64, examples=["ban.adopt"], description="an act, or its first word: `ban`")
    ] = None,
    object_: Annotated[str | None, Query(alias="object", max_length=300, examples=["ban/ghent/tiktok"])] = None,
    account: Annotated[
        int | None, Query(ge=0, le=2**31 - 1, description="the account that acted; 0 is the installation")
    ] = None,
    authority: Annotated[Slug | None, Query(description="an authority that the act concerns")] = None,
    since: Annotated[TimestampText | None, Query(description="from this instant, or the start of this day")] = None,
    until: Annotated[EndText | None, Query(description="before this instant, or through this day")] = None,
    sort: Annotated[Literal["-seq", "seq"], Query(description="`-seq` is newest first")] = "-seq",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[AuditRead]:
    """List acts, newest first: those that concern authorities in which the caller has a role.

    Times without a zone are in the time zone of `authority`, or Europe/Brussels if it is not given.
    """
    time_zone = time_zone_of(unit.session, authority)
    visible = permit.visible()
    demand_account(unit.session, visible, account)
    if act is not None:
        demand_act(unit.session, act)
    if authority is not None:
        repository.demand_concerned(unit.session, authority)
        visible = frozenset({authority}) if visible is None else visible & {authority}
    after = given_timestamp(since, None, time_zone, "query.since")
    before = given_bound(until, time_zone, "query.until")
    wanted = repository.EntryFilter(visible, act, object_, account, after, before)
    rows, following = repository.page(unit.session, wanted, limit, cursor, newest_first=sort == "-seq")
    return Page(items=[read_entry(row) for row in rows], next=following)
