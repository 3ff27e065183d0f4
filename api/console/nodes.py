"""Nodes: what each machine that answers queries has in force, for those who may see nodes. Others see their number."""

from fastapi import Response

from api.attention.schemas import AttentionRead
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Visit, Visiting
from api.http.parameters import Cursor
from api.http.schemas import Page
from api.nodes.schemas import NodeRead
from dnsfilter.policy.instants import DEFAULT_ZONE

router = pages()
ON_PAGE = 50


@router.get("/nodes")
@calls("list_nodes", "get_attention")
async def nodes(visit: Visiting, cursor: Cursor = None) -> Response:
    """Show the nodes, or how many there are in each state."""
    found = await _nodes(visit, cursor)
    counts = None if found is not None else (await visit.read(AttentionRead, "get_attention")).nodes
    return await visit.page("nodes.html.jinja", found=found, counts=counts, zone=DEFAULT_ZONE)


async def _nodes(visit: Visit, cursor: str | None) -> Page[NodeRead] | None:
    """Return the nodes; None if the account may not see them."""
    try:
        return await visit.read(Page[NodeRead], "list_nodes", query={"limit": ON_PAGE, "cursor": cursor})
    except Refused as error:
        if error.status != 403:
            raise
        return None
