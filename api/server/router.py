"""/healthz, /readyz, /version: the state of the process, without a token."""

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from api.http.dependencies import Runtime, part_of
from api.http.permits import Anybody
from api.http.routes import Route
from api.nodes.fleet import Fleet, Reach
from api.publish.service import Publisher
from api.server.schemas import HealthRead, ReadinessRead, VersionRead
from api.suspensions.current import CurrentSuspensions
from dnsfilter import __version__

router = APIRouter(route_class=Route, tags=["system"])


@router.get("/healthz", summary="Check that the process is alive")
def health(_permit: Anybody) -> HealthRead:
    """Answer as long as the process runs. This checks nothing else."""
    return HealthRead(status="ok")


@router.get(
    "/readyz",
    summary="Check that the control plane is ready",
    responses={503: {"model": ReadinessRead, "description": "acts are not recorded, or not published"}},
)
def readiness(_permit: Anybody, request: Request, response: Response) -> ReadinessRead:
    """Report whether acts can be recorded, for which a write is tried, and whether the last revision is published."""
    publisher, holding = part_of(request, "publisher", Publisher), part_of(request, "holding", CurrentSuspensions)
    revision: int | None = None
    suspensions: int | None = None
    reach: Reach | None = None
    try:
        revision, suspensions = publisher.database_revision(), len(holding.suspended())
        reach = part_of(request, "fleet", Fleet).reach()
    except SQLAlchemyError:
        revision = None
    published = publisher.status.revision
    database = part_of(request, "runtime", Runtime).database
    reason = database.obstacle
    if revision is None:
        reason = reason or "the database is unreachable"
    else:
        reason = reason or database.write_fault()
        if published is None or published < revision:
            reason = reason or f"revision {revision} is not published yet"
    ready = reason is None
    response.status_code = 200 if ready else 503
    return ReadinessRead(
        ready=ready,
        reason=reason,
        database=revision is not None,
        revision=revision,
        published=published,
        suspensions=suspensions,
        nodes=None if reach is None else reach.nodes,
        nodes_in_force=None if reach is None else reach.in_force,
        learning_until=None if reach is None else reach.learning_until,
    )


@router.get("/version", summary="Get the version")
def version(_permit: Anybody) -> VersionRead:
    """Return the program's version."""
    return VersionRead(version=__version__)
