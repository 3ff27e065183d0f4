"""/v1/audit/checkpoints: signed statements about the audit log, to keep elsewhere."""

from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Request, Response

from api.audit.reading import read_checkpoint
from api.audit.schemas import CheckpointRead
from api.checkpoints import service
from api.db.models import CheckpointRow
from api.http.dependencies import RuntimeDep, UnitDep
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit
from api.http.permits import Auditor
from api.http.problems import DATABASE, documented
from api.http.routes import Route
from api.http.schemas import Page

router = APIRouter(route_class=Route, prefix="/v1/audit", tags=["audit"])


class CheckpointMaker(Protocol):
    """Makes checkpoints."""

    def make(self) -> tuple[CheckpointRow, bool]:
        """Return the checkpoint of the newest entry, and whether this call made it."""


def checkpoint_maker(request: Request) -> CheckpointMaker:
    """Return the application's maker of checkpoints."""
    found: CheckpointMaker = request.app.state.checkpoint_job
    return found


CheckpointMakerDep = Annotated[CheckpointMaker, Depends(checkpoint_maker)]


@router.get("/checkpoints", operation_id="list_checkpoints", summary="List checkpoints", responses=documented(DATABASE))
def list_checkpoints(
    unit: UnitDep, _permit: Auditor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[CheckpointRead]:
    """List checkpoints, newest first: signed statements of an entry's hash, with the destinations that have them."""
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
        200: {"description": "the newest entry already has a checkpoint", "model": CheckpointRead},
    },
)
def make_checkpoint(
    held: RuntimeDep, _permit: Auditor, maker: CheckpointMakerDep, response: Response
) -> CheckpointRead:
    """Sign the hash of the newest entry. A checkpoint is not an entry. It is soon sent to its destinations.

    No Idempotency-Key is needed, and the header is ignored: a repeated request answers with the existing checkpoint.
    """
    row, made = maker.make()
    response.status_code = 201 if made else 200
    with held.database.reading() as session:
        installation = service.identity(session)
    return read_checkpoint(row, installation)
