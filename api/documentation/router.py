"""/openapi.json and /docs: the API's description, which needs no token."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from api.documentation.page import CONTENT_SECURITY_POLICY, PAGE, SCRIPT, STYLE
from api.http.permits import Anybody
from api.http.routes import Route

router = APIRouter(route_class=Route, tags=["system"])


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
