"""The names that a ban refuses: those of its service, by group, in pages."""

from typing import Annotated

from fastapi import Query, Response

from api.bans.schemas import BanRead
from api.console.bans.ban_page import Service, Slug, path_of
from api.console.frame.calls import calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Visiting
from api.services.schemas import ServiceRead

router = pages()
PER_PAGE = 200


@router.get("/bans/{slug}/{service}/names")
@calls("get_ban", "get_service")
async def names(
    visit: Visiting, slug: Slug, service: Service, page: Annotated[int, Query(ge=1, le=100_000)] = 1
) -> Response:
    """Show a page of the names, those of the ban's groups first."""
    ban = await visit.read(BanRead, "get_ban", {"slug": slug, "service": service})
    found = await visit.read(ServiceRead, "get_service", {"slug": service})
    tiers = sorted(found.tiers, key=lambda tier: (tier.number not in ban.tiers, tier.number))
    listed = [
        (tier, name, below)
        for tier in tiers
        for names_of, below in ((tier.domains, True), (tier.hosts, False))
        for name in names_of
    ]
    first = (page - 1) * PER_PAGE
    return await visit.page(
        "ban_names.html.jinja",
        ban=ban,
        service=found,
        tiers=tiers,
        listed=listed[first : first + PER_PAGE],
        count=len(listed),
        page=page,
        has_more=len(listed) > first + PER_PAGE,
        path=path_of(slug, service),
    )
