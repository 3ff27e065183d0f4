"""Style and script of the console. An address holds the digest of its file, so browsers keep it for a year."""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from mimetypes import guess_type

from fastapi import APIRouter, Response

from api.errors import NotFound
from api.http.routes import LazyRoute

PREFIX = "/console/static"
HTMX = "htmx.min.js"
"""The script of the package django-js-lib-htmx, of which nothing else is used."""
REPORT = "report.css"
"""The style of reports, which a report has within its own page."""
_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(route_class=LazyRoute, prefix=PREFIX)


@router.get("/{digest}/{name}", include_in_schema=False)
def static_file(digest: str, name: str) -> Response:
    """Return a file of the console. Raise NotFound, also for the digest of another version."""
    found = contents().get(name)
    if found is None or found[0] != digest:
        raise NotFound("no such file of the console: reload the page")
    kind, _ = guess_type(name)
    return Response(found[1], media_type=kind, headers=_HEADERS)


def url_of(name: str) -> str:
    """Return the address of a file."""
    return f"{PREFIX}/{contents()[name][0]}/{name}"


@cache
def contents() -> dict[str, tuple[str, bytes]]:
    """Return the digest and the content of each file by its name."""
    own = {path.name: path.read_bytes() for path in (files("api.console") / "static").iterdir()}
    own[REPORT] = (files("api.report.pages") / "templates" / REPORT).read_bytes()
    own[HTMX] = (files("js_lib_htmx") / "static" / "htmx" / HTMX).read_bytes()
    return {name: (sha256(content).hexdigest()[:16], content) for name, content in own.items()}
