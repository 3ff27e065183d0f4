"""Prohibited lists: a formal decision about many services, its versions, and what waits for other authorities."""

from typing import Annotated

from fastapi import Path, Response

from api.auth.roles import OPERATORS
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting
from api.http.parameters import Cursor
from api.http.schemas import Page
from api.lists.schemas import LinkRead, ListRead, ListSummary
from dnsfilter.policy.instants import DEFAULT_ZONE

router = pages()
ON_PAGE = 50
DECISION = ("organ", "reference", "date", "legal_basis", "advice", "link")
Slug = Annotated[str, Path(max_length=64)]


@router.get("/lists")
@calls("list_prohibited_lists", "list_links")
async def lists(visit: Visiting, cursor: Cursor = None) -> Response:
    """Show the lists of all authorities, and the links with services that wait."""
    return await _page(visit, cursor, Form())


@router.post("/lists/links/{number}/accept")
@calls("accept_link", "list_prohibited_lists", "list_links")
async def accept(visit: Visiting, form: OwnForm, number: int) -> Response:
    """Accept what an agreement proposes."""
    return await _act(visit, form, "accept_link", number, None)


@router.post("/lists/links/{number}/adopt")
@calls("adopt_link", "list_prohibited_lists", "list_links")
async def adopt(visit: Visiting, form: OwnForm, number: int) -> Response:
    """Adopt what a followed list adds, by a decision of the authority itself."""
    return await _act(visit, form, "adopt_link", number, {"decision": form.given(*DECISION)})


@router.get("/lists/{slug}/{list_slug}")
@calls("get_list", "list_links")
async def one_list(visit: Visiting, slug: Slug, list_slug: Slug) -> Response:
    """Show a list with its services, its versions and its links."""
    found = await visit.read(ListRead, "get_list", {"slug": slug, "list_slug": list_slug})
    links = await visit.read(Page[LinkRead], "list_links", query={"list": f"{slug}/{list_slug}", "limit": ON_PAGE})
    return await visit.page(
        "list.html.jinja",
        found=found,
        links=links.items,
        zone=visit.zones.get(slug, DEFAULT_ZONE),
        may_act=visit.may("adopt_list", slug),
    )


async def _act(visit: Visit, form: Form, operation: str, number: int, body: object) -> Response:
    try:
        await visit.act(operation, {"number": number}, body)
    except Refused as error:
        return await _page(visit, None, form.refused(error), number, 422)
    return visit.done("/console/lists", "changed")


async def _page(visit: Visit, cursor: str | None, form: Form, faulty: int = 0, status: int = 200) -> Response:
    found = await visit.read(Page[ListSummary], "list_prohibited_lists", query={"limit": ON_PAGE, "cursor": cursor})
    links = await visit.read(Page[LinkRead], "list_links", query={"waiting": True, "limit": ON_PAGE})
    return await visit.page(
        "lists.html.jinja",
        status=status,
        form=form,
        faulty=faulty,
        found=found,
        prepares=visit.holder.anywhere(OPERATORS),
        waiting=[
            (each, "adopt" if each.ground == "following" else "accept")
            for each in links.items
            if visit.may("adopt_link" if each.ground == "following" else "accept_link", each.authority)
        ],
    )
