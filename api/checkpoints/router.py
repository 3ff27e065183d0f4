"""/v1/audit/export and /v1/audit/checkpoints: the record for whoever keeps and verifies it elsewhere."""

from contextlib import ExitStack
from itertools import chain
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.audit.export import export
from api.audit.reading import read_checkpoint
from api.audit.schemas import CheckpointRead
from api.checkpoints import service
from api.db.models import CheckpointRow
from api.http.dependencies import RuntimeDep, UnitDep
from api.http.downloads import Download
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit
from api.http.permits import Auditor
from api.http.problems import DATABASE, TOO_MANY_AT_ONCE, documented
from api.http.routes import Route
from api.http.schemas import Page

MEDIA_TYPE = "application/jsonl"
MAX_SEQ = 2**31 - 1

router = APIRouter(route_class=Route, prefix="/v1/audit", tags=["audit"])

_LINES = {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}


class Making(Protocol):
    """Whoever makes checkpoints."""

    def make(self) -> tuple[CheckpointRow, bool]:
        """The checkpoint of the newest entry, and whether it was made now."""


def making(request: Request) -> Making:
    """The application's maker of checkpoints."""
    found: Making = request.app.state.witness
    return found


MakingDep = Annotated[Making, Depends(making)]


@router.get(
    "/export",
    operation_id="export_audit",
    summary="Export the record",
    response_class=StreamingResponse,
    responses={
        **documented(DATABASE, TOO_MANY_AT_ONCE),
        200: {"description": "One entry a line", **_LINES},
    },
)
def export_audit(
    held: RuntimeDep,
    permit: Auditor,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ, description="begin with the entry that follows this number")] = 0,
) -> Download:
    """Every entry up to the last one there is now, in order, one JSON object a line, as its hash was made of it.

    Exports can be put together, each begun `after` the last entry of the one before. An answer that breaks off is none.
    """
    with ExitStack() as stack:
        stack.enter_context(held.downloads.held(permit.caller.account))
        parts = export(held.database, after)
        # What fails at once is answered as a problem; later the connection breaks off.
        first = next(parts, b"")
        return Download(chain((first,), parts), stack.pop_all(), MEDIA_TYPE)


@router.get("/checkpoints", operation_id="list_checkpoints", summary="List checkpoints", responses=documented(DATABASE))
def list_checkpoints(
    unit: UnitDep, _permit: Auditor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[CheckpointRead]:
    """Signed statements of the record's hash at an entry, newest first, with the places that have them."""
    rows, following = service.page(unit.session, limit, cursor)
    installation = service.identity(unit.session)
    return Page(items=[read_checkpoint(row, installation) for row in rows], next=following)


@router.post(
    "/checkpoints",
    operation_id="make_checkpoint",
    summary="Make a checkpoint",
    status_code=201,
    responses={
        **documented(DATABASE),
        200: {"description": "There is one of the newest entry already", "model": CheckpointRead},
    },
)
def make_checkpoint(held: RuntimeDep, _permit: Auditor, witness: MakingDep, response: Response) -> CheckpointRead:
    """Sign the hash of the record's newest entry. It is no entry itself, and leaves for its places soon after.

    No Idempotency-Key is needed, and none looked at: sent again, it answers with the checkpoint that there is.
    """
    row, made = witness.make()
    response.status_code = 201 if made else 200
    with held.database.reading() as session:
        installation = service.identity(session)
    return read_checkpoint(row, installation)
