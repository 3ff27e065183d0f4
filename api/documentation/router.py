"""/openapi.json and /docs: the API's description, without a token."""

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
    summary="Get the API's description",
    response_class=JSONResponse,
    response_model=dict[str, Any],
)
def description(_permit: Anybody, request: Request) -> Response:
    """Return the description in OpenAPI 3.1."""
    # Rendered once as bytes: rendering takes tens of milliseconds, and anybody may ask.
    return Response(request.app.state.description(), media_type="application/json")


@router.get("/docs", operation_id="documentation", summary="Read the API's description", response_class=HTMLResponse)
def documentation(_permit: Anybody) -> HTMLResponse:
    """Return a page that loads nothing from other hosts."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get("/docs/page.js", operation_id="documentation_script", include_in_schema=False)
def documentation_script(_permit: Anybody) -> Response:
    """Return the page's script."""
    return Response(SCRIPT, media_type="text/javascript")


@router.get("/docs/page.css", operation_id="documentation_style", include_in_schema=False)
def documentation_style(_permit: Anybody) -> Response:
    """Return the page's style sheet."""
    return Response(STYLE, media_type="text/css")
