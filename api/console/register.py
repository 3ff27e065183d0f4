"""The public register as pages, for anybody."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from api.console.frame.language import language_of
from api.console.frame.page_route import PageRoute
from api.console.frame.rendering import render
from api.http.dependencies import RuntimeDep
from api.http.pagination import Paging
from api.http.parameters import Cursor
from api.register import repository
from api.register.reading import read_entry
from api.register.router import CACHING, RegistersDep

HOME = "/register"
PAGE_SIZE = 50
"""Authorities or bans on one page."""

router = APIRouter(route_class=PageRoute, prefix=HOME)


@router.get("")
def list_of_registers(request: Request, held: RuntimeDep, cursor: Cursor = None) -> Response:
    """Show the authorities that publish a register."""
    with held.database.reading() as session:
        rows, following = repository.page(session, Paging(PAGE_SIZE, cursor))
        entries = [read_entry(row) for row in rows]
    return _page(request, "register_list.html.jinja", entries=entries, following=following)


@router.get("/{rest:path}")
def register(
    request: Request,
    held: RuntimeDep,
    kept: RegistersDep,
    rest: Annotated[str, Path(max_length=300)],
    page: int = 1,
) -> Response:
    """Show an authority's register, one of its bans, or the bans of a reference that a refusal quotes.

    Raise HTTPException with the same answer for all that is not published, whether it exists or not.
    """
    services, now = held.publishing.services(), int(held.clock())
    slug, _, service = rest.partition("/")
    with held.database.reading() as session:
        found = kept.find(session, slug, services, now)
        named = [] if found is not None else kept.named_by(session, rest, services, now)
    if len(named) == 1:
        of, ban = named[0]
        return RedirectResponse(f"{HOME}/{of.authority}/{quote(ban.service, safe='')}", 303, {"Cache-Control": CACHING})
    if named:
        return _page(request, "register_reference.html.jinja", reference=rest, named=named)
    bans = [] if found is None else [ban for ban in found.bans if service in ("", ban.service)]
    if found is None or (service and not bans):
        raise HTTPException(404)
    first = max(0, page - 1) * PAGE_SIZE
    shown, more = bans[first : first + PAGE_SIZE], len(bans) > first + PAGE_SIZE
    values = {"found": found, "bans": shown, "service": service, "number": len(bans)}
    return _page(request, "register.html.jinja", following=page + 1 if more else None, **values)


def _page(request: Request, template: str, **values: Any) -> Response:
    answer = render(template, language_of(request), home=HOME, here=request.url.path, **values)
    answer.headers["Cache-Control"] = CACHING
    answer.headers["Vary"] = "Accept-Language, Cookie"
    return answer
