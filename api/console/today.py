"""Today: the bans of the caller's authorities, what was refused, what needs attention, and whether DNS is well."""

from fastapi import Response

from api.authorities.schemas import AuthorityRead
from api.bans.schemas import BanRead
from api.console.frame.calls import calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Visit, Visiting
from api.http.schemas import Page

router = pages()


@router.get("")
@calls("list_bans")
async def today(visit: Visiting) -> Response:
    """Show today's page."""
    authorities = await own_authorities(visit)
    bans = (await visit.read(Page[BanRead], "list_bans", query={"limit": 200})).items
    own = [(authority, [ban for ban in bans if ban.authority == authority.slug]) for authority in authorities]
    return await visit.page("today.html.jinja", own=own)


async def own_authorities(visit: Visit) -> list[AuthorityRead]:
    """Return the authorities in which the caller holds a role, or all for a role in the installation."""
    found = (await visit.read(Page[AuthorityRead], "list_authorities", query={"limit": 200})).items
    held = {each.authority for each in visit.holder.held}
    return found if None in held else [each for each in found if each.slug in held]
