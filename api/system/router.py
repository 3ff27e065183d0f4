"""/healthz, /readyz, /version, /openapi.json, /docs: what needs no token."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from api.deps import part_of, runtime
from api.nodes.fleet import Fleet, Reach
from api.permits import Anybody
from api.publish.service import Publisher
from api.routing import Route
from api.suspensions.holding import Holding
from api.system.documentation import CONTENT_SECURITY_POLICY, PAGE, SCRIPT, STYLE
from api.system.schemas import HealthRead, ReadinessRead, VersionRead
from dnsfilter import __version__

router = APIRouter(route_class=Route, tags=["system"])


@router.get("/healthz", operation_id="health", summary="Is the process alive?")
def health(_permit: Anybody) -> HealthRead:
    """Answers as long as the process does; asks nothing else."""
    return HealthRead(status="ok")


@router.get(
    "/readyz",
    operation_id="readiness",
    summary="Is the control plane ready?",
    responses={503: {"model": ReadinessRead, "description": "acts are not recorded, or not published"}},
)
def readiness(_permit: Anybody, request: Request, response: Response) -> ReadinessRead:
    """Ready: acts can be recorded, and the database's last revision is published."""
    publisher, holding = part_of(request, "publisher", Publisher), part_of(request, "holding", Holding)
    revision: int | None = None
    suspensions: int | None = None
    reach: Reach | None = None
    try:
        revision, suspensions = publisher.database_revision(), len(holding.suspended())
        reach = part_of(request, "fleet", Fleet).reach()
    except SQLAlchemyError:
        revision = None
    published = publisher.status.revision
    reason = runtime(request).database.obstacle
    if revision is None:
        reason = reason or "the database is away"
    elif published is None or published < revision:
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
    )


@router.get("/version", operation_id="version", summary="Which version is this?")
def version(_permit: Anybody) -> VersionRead:
    """The program's version."""
    return VersionRead(version=__version__)


@router.get(
    "/openapi.json",
    operation_id="description",
    summary="The API's description",
    response_class=JSONResponse,
    response_model=dict[str, Any],
)
def description(_permit: Anybody, request: Request) -> Response:
    """OpenAPI 3.1."""
    # As octets: to write it takes tens of milliseconds, and anybody may ask.
    return Response(request.app.state.description(), media_type="application/json")


@router.get(
    "/docs", operation_id="documentation", summary="The API's description, to read", response_class=HTMLResponse
)
def documentation(_permit: Anybody) -> HTMLResponse:
    """A page that needs nothing from elsewhere."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get("/docs/page.js", operation_id="documentation_script", include_in_schema=False)
def documentation_script(_permit: Anybody) -> Response:
    """The page's script."""
    return Response(SCRIPT, media_type="text/javascript")


@router.get("/docs/page.css", operation_id="documentation_style", include_in_schema=False)
def documentation_style(_permit: Anybody) -> Response:
    """The page's style."""
    return Response(STYLE, media_type="text/css")
