"""Peers: other installations whose checkpoints are held here, so that each side watches the other."""

from typing import Annotated

from fastapi import Path, Response

from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting, query_form
from api.errors import Fault
from api.http.schemas import Page
from api.peers.schemas import PeerRead
from dnsfilter.policy.instants import DEFAULT_ZONE

router = pages()
PATH = "/console/peers"


@router.get("/peers")
@calls("list_peers")
async def peers(visit: Visiting) -> Response:
    """Show the peers, and the form that adds one. The address may fill in the form."""
    return await _page(visit, query_form(visit.request))


@router.post("/peers")
@calls("put_peer", "list_peers")
async def put(visit: Visiting, form: OwnForm) -> Response:
    """Add a peer, or begin again with a known one."""
    name = form.text("name")
    if not name or "/" in name:
        text = visit.words.translate("Give a short name: lower-case letters, digits and hyphens.")
        return await _page(visit, Form(form.fields, [Fault("name", text)]), 422)
    try:
        await visit.act("put_peer", {"name": name}, {"url": form.text("url"), "key": form.text("key")})
    except Refused as error:
        return await _page(visit, form.refused(error), 422)
    return visit.done(PATH, "peer-set")


@router.post("/peers/{name}/end")
@calls("end_peer", "list_peers")
async def end(visit: Visiting, form: OwnForm, name: Annotated[str, Path(max_length=64)]) -> Response:
    """Fetch no further checkpoints of a peer."""
    try:
        await visit.act("end_peer", {"name": name})
    except Refused as error:
        return await _page(visit, form.refused(error), 422)
    return visit.done(PATH, "peer-ended")


async def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    found = await visit.read(Page[PeerRead], "list_peers")
    return await visit.page(
        "peers.html.jinja",
        status=status,
        form=form,
        peers=found.items,
        changes=visit.may("put_peer", None),
        zone=DEFAULT_ZONE,
    )
