"""/openapi.json, /docs and /problems: the API's description, without a token."""

from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse, JSONResponse

from api.documentation.page import CONTENT_SECURITY_POLICY, PAGE, SCRIPT, STYLE
from api.errors import NotFound, did_you_mean
from api.http.permits import Anybody
from api.http.problems import INVALID, KINDS, NOT_FOUND, responses_of
from api.http.routes import Route
from api.http.schemas import ProblemTypeRead

router = APIRouter(route_class=Route, tags=["system"])


@router.get(
    "/openapi.json", summary="Get the API's description", response_class=JSONResponse, response_model=dict[str, Any]
)
def description(_permit: Anybody) -> Response:
    """Return the description in OpenAPI 3.1."""
    return Response(_stored(), media_type="application/json")


@cache
def _stored() -> bytes:
    # Not made from the routes, which takes seconds.
    return files("api.documentation").joinpath("openapi.json").read_bytes()


@router.get("/docs", summary="Read the API's description", response_class=HTMLResponse)
def documentation(_permit: Anybody) -> HTMLResponse:
    """Return a page that loads nothing from other hosts."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get("/docs/page.js", include_in_schema=False)
def documentation_script(_permit: Anybody) -> Response:
    """Return the page's script."""
    return Response(SCRIPT, media_type="text/javascript")


@router.get("/docs/page.css", include_in_schema=False)
def documentation_style(_permit: Anybody) -> Response:
    """Return the page's style sheet."""
    return Response(STYLE, media_type="text/css")


@router.get(
    "/problems/{kind}",
    operation_id="get_problem_type",
    summary="Explain a type of problem",
    responses=responses_of(NOT_FOUND, INVALID),
)
def problem_type(
    _permit: Anybody, kind: Annotated[str, Path(max_length=64, description="the last part of the `type`")]
) -> ProblemTypeRead:
    """Return what the problems with the `type` of this address mean, and what to do next."""
    found = KINDS.get(kind)
    if found is None:
        raise NotFound(f'no type of problem "{kind}".{did_you_mean(kind, KINDS)}')
    return ProblemTypeRead(
        type=f"/problems/{found.slug}", title=found.title, status=found.status, meaning=found.meaning
    )
