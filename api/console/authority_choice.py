"""Choose an authority: from a list if there are few, else by its short name, which a page of its own finds."""

from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Query, Response

from api.authorities.schemas import AuthorityRead
from api.console.frame.calls import calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Looking, Visit, Visiting
from api.http.parameters import Cursor
from api.http.schemas import Page

router = pages()
IN_LIST = 100
"""The most authorities that a form lists."""
ON_PAGE = 50
SUGGESTED = 20
UNLISTED = 2
"""The authorities that a form reads if there are too many to list: enough to say which of them comes first."""
Found = Annotated[str, Query(max_length=100)]
Back = Annotated[str, Query(max_length=300)]


async def own_authorities(visit: Visit) -> list[AuthorityRead]:
    """Return the first authorities in which the caller has a role, or of all for a role in the installation.

    If there are others, forms let the caller type the short name of one: `ui.authority` in `components.html.jinja`.
    """
    # Who holds roles in the installation alone may do the same in each, so a few show what.
    is_alike = all(each.authority is None for each in visit.holder.held)
    found = await _page_of(visit, "", UNLISTED if is_alike and len(visit.zones) > IN_LIST else IN_LIST)
    visit.has_more_authorities = found.next is not None
    return found.items


async def listed_authorities(visit: Visit) -> list[AuthorityRead]:
    """Return `own_authorities` for a form alone: none, unread, if a role in the installation reads too many to list."""
    if visit.holder.authorities is None and len(visit.zones) > IN_LIST:
        visit.has_more_authorities = True
        return []
    return await own_authorities(visit)


async def chosen_authority(visit: Visit, slug: str, first: list[AuthorityRead]) -> AuthorityRead | None:
    """Return the authority of that short name, or without one the first, or None. What the page reads of it decides."""
    known = next((each for each in first if each.slug == slug or not slug), None)
    return known if known or not slug else await visit.read(AuthorityRead, "get_authority", {"slug": slug})


@router.get("/authorities")
@calls("list_authorities")
async def find(visit: Visiting, find: Found = "", back: Back = "/console/bans", cursor: Cursor = None) -> Response:
    """List the caller's authorities, or those whose name has a text. Each link goes back with the authority."""
    found = await _page_of(visit, find, ON_PAGE, cursor)
    own = back.startswith("/console") and not set("\\#") & set(back) and "//" not in back
    back = back if own else "/console/bans"
    return await visit.page(
        "authorities.html.jinja",
        found=found,
        find=find,
        back=back,
        links={each.slug: _with_authority(back, each.slug) for each in found.items},
        following=found.next,
    )


def _with_authority(back: str, slug: str) -> str:
    """Return an address with an authority in its query."""
    path, _, query = back.partition("?")
    return f"{path}?{urlencode([*parse_qsl(query), ('authority', slug)])}"


@router.get("/authorities/known")
@calls("list_authorities")
async def suggest(visit: Looking, authority: Found = "") -> Response:
    """Show what a field offers while somebody types a short name or a name."""
    return visit.fragment("authorities_known.html.jinja", found=(await _page_of(visit, authority, SUGGESTED)).items)


async def _page_of(visit: Visit, text: str, limit: int, cursor: str | None = None) -> Page[AuthorityRead]:
    query = {"mine": True, "matching": text or None, "limit": limit, "cursor": cursor}
    return await visit.read(Page[AuthorityRead], "list_authorities", query=query)
