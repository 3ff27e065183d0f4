"""The names that a ban refuses: those of its service, by group, in pages."""

from typing import Annotated

from fastapi import Query, Response

from api.bans.schemas import BanRead
from api.console.bans.ban_page import Service, Slug, path_of
from api.console.frame.calls import calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Visiting
from api.http.parameters import Cursor
from api.services.schemas import ServiceNamesRead

router = pages()
PER_PAGE = 200
Group = Annotated[int | None, Query(ge=1, le=9)]


@router.get("/bans/{slug}/{service}/names")
@calls("get_ban", "list_service_names")
async def names(visit: Visiting, slug: Slug, service: Service, group: Group = None, cursor: Cursor = None) -> Response:
    """Show a page of the names, of all groups or of one."""
    ban = await visit.read(BanRead, "get_ban", {"slug": slug, "service": service})
    query = {"tier": group, "limit": PER_PAGE, "cursor": cursor}
    found = await visit.read(ServiceNamesRead, "list_service_names", {"slug": service}, query)
    return await visit.page(
        "ban_names.html.jinja",
        ban=ban,
        service=found,
        listed=found.items,
        group=group,
        path=path_of(slug, service),
    )
