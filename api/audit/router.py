"""/v1/audit."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.audit import repository
from api.audit.schemas import AuditRead, read_entry
from api.deps import PermitDep, UnitDep
from api.pagination import DEFAULT_LIMIT, Cursor, Limit
from api.problems import documented
from api.routing import Route
from api.schemas import Page

router = APIRouter(route_class=Route, prefix="/v1/audit", tags=["audit"])


@router.get("", operation_id="list_audit", summary="List acts", responses=documented())
def list_audit(
    unit: UnitDep,
    permit: PermitDep,
    act: Annotated[str | None, Query(max_length=64, examples=["ban.adopt"])] = None,
    object_: Annotated[str | None, Query(alias="object", max_length=300, examples=["ban/ghent/tiktok"])] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[AuditRead]:
    """Acts, newest first; of those that are a matter of authorities in which the caller holds a role."""
    rows, following = repository.page(unit.session, permit.visible(), act, object_, limit, cursor)
    return Page(items=[read_entry(row) for row in rows], next=following)
