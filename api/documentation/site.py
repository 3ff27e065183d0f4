"""/help: the documents as pages, without a token. `make docs` builds them; a package contains them."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from mimetypes import guess_type
from pathlib import Path
from re import DOTALL, findall
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Path as OfPath
from fastapi.responses import RedirectResponse

from api.errors import NotFound
from api.http.permits import Anybody
from api.http.routes import Route

router = APIRouter(route_class=Route, tags=["system"])

SITE = Path(str(files("api.documentation"))) / "site"
"""The directory into which `make docs` builds the pages."""


@router.get("/help", operation_id="help", include_in_schema=False)
def front_page(_permit: Anybody) -> RedirectResponse:
    """Redirect to the first page."""
    return RedirectResponse("/help/index.html")


@router.get("/help/{page:path}", operation_id="help_page", include_in_schema=False)
def page(_permit: Anybody, page: Annotated[str, OfPath(max_length=200)]) -> Response:
    """Return a page of the documents, or a file that a page shows. Raise NotFound if there is none of this name."""
    path = _paths().get(page)
    if path is None:
        built = "See /help for the pages." if _paths() else "The documents are not built here. Type: make docs"
        raise NotFound(f'no page "{page}". {built}')
    kind, _ = guess_type(page)
    headers = {"Content-Security-Policy": _security_policy(), "Cache-Control": "max-age=300"}
    return Response(path.read_bytes(), media_type=kind, headers=headers)


@cache
def _paths() -> dict[str, Path]:
    """Return the path of each file below SITE by its name there. No other file can be requested."""
    return {path.relative_to(SITE).as_posix(): path for path in SITE.rglob("*") if path.is_file()}


@cache
def _security_policy() -> str:
    """Return the Content-Security-Policy of the pages: they load nothing from other hosts.

    Each page of the theme has the same short script inline. Its hash permits this script and no other.
    """
    scripts = findall(r"<script>(.*?)</script>", _paths()["index.html"].read_text(), DOTALL)
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
