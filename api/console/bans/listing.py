"""The bans of the caller's authorities, with their states."""

from fastapi import Response

from api.bans.schemas import BanRead, State
from api.console.authority_choice import listed_authorities
from api.console.frame.calls import calls
from api.console.frame.page_route import pages
from api.console.frame.page_words import N_
from api.console.frame.visit import Visiting, query_form
from api.http.schemas import Page

router = pages()
PER_PAGE = 50
STATES = (
    (State.IN_FORCE, N_("In force")),
    (State.ENDING, N_("Ends or is reviewed within thirty days")),
    (State.OFF, N_("Switched off")),
    (State.SUSPENDED, N_("Suspended")),
    (State.PLANNED, N_("Planned")),
    (State.LAPSED, N_("Ended")),
)
"""States to filter by, with their names."""


@router.get("/bans")
@calls("list_bans")
async def bans(visit: Visiting, authority: str = "", state: str = "", cursor: str = "") -> Response:
    """List the bans of the caller's authorities, or of one authority."""
    own, _ = await listed_authorities(visit), visit.words.translate
    whose = {"authority": authority} if authority else {"mine": True}
    query = {**whose, "state": state or None, "sort": "service", "limit": PER_PAGE, "cursor": cursor or None}
    found = await visit.read(Page[BanRead], "list_bans", query=query)
    return await visit.page(
        "bans.html.jinja",
        bans=found.items,
        following=found.next,
        authority=authority,
        state=state,
        zones=visit.zones,
        form=query_form(visit.request),
        authorities=[(each.slug, visit.words.name(each.names)) for each in own],
        has_several=visit.has_more_authorities or len(own) > 1,
        states=[("", _("All")), *((str(key), _(name)) for key, name in STATES)],
    )
