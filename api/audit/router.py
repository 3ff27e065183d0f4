"""/v1/audit."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.accounts.repository import demand_account
from api.audit import repository
from api.audit.acts import demand_act
from api.audit.schemas import AuditRead, read_entry
from api.deps import PermitDep, UnitDep
from api.moments import parse_moment
from api.pagination import DEFAULT_LIMIT, Cursor, Limit
from api.problems import documented
from api.routing import Route
from api.schemas import MomentText, Page, Slug

router = APIRouter(route_class=Route, prefix="/v1/audit", tags=["audit"])


@router.get("", operation_id="list_audit", summary="List acts", responses=documented())
def list_audit(
    unit: UnitDep,
    permit: PermitDep,
    act: Annotated[
        str | None, Query(max_length=64, examples=["ban.adopt"], description="an act, or its first word: `ban`")
    ] = None,
    object_: Annotated[str | None, Query(alias="object", max_length=300, examples=["ban/ghent/tiktok"])] = None,
    account: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="who acted; 0 is the installation")] = None,
    authority: Annotated[Slug | None, Query(description="whose matter it is")] = None,
    since: Annotated[MomentText | None, Query(description="not before this instant")] = None,
    until: Annotated[MomentText | None, Query(description="before this instant")] = None,
    sort: Annotated[Literal["-seq", "seq"], Query(description="`-seq` is newest first")] = "-seq",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[AuditRead]:
    """Acts, newest first; of those that are a matter of authorities in which the caller holds a role."""
    visible = permit.visible()
    demand_account(unit.session, visible, account)
    if act is not None:
        demand_act(unit.session, act)
    if authority is not None:
        repository.demand_concerned(unit.session, authority)
        visible = frozenset({authority}) if visible is None else visible & {authority}
    span = (None if text is None else parse_moment(text, "UTC") for text in (since, until))
    wanted = repository.Wanted(visible, act, object_, account, *span)
    rows, following = repository.page(unit.session, wanted, limit, cursor, newest_first=sort == "-seq")
    return Page(items=[read_entry(row) for row in rows], next=following)
