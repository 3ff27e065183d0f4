"""/v1/peers: other installations whose checkpoints are held here."""

from typing import Annotated

from fastapi import APIRouter, Response

from api.db.models import PeerRow
from api.http.dependencies import UnitDep, tag
from api.http.parameters import PagingDep
from api.http.path_rows import by_name, row_to_change, row_to_read
from api.http.permits import Administrator, Auditor
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Page, Slug
from api.peers import repository, service
from api.peers.reading import read_held, read_peer
from api.peers.schemas import HeldCheckpointRead, PeerRead, PeerWrite

router = APIRouter(route_class=Route, prefix="/v1/peers", tags=["audit"])

Shown = Annotated[PeerRow, row_to_read(by_name, repository.get)]
Changed = Annotated[PeerRow, row_to_change(by_name, repository.get)]
Put = Annotated[PeerRow | None, row_to_change(by_name, repository.find)]


@router.get("", summary="List peers")
def list_peers(unit: UnitDep, _permit: Auditor) -> Page[PeerRead]:
    """List the other installations whose checkpoints are held here, by name. There are at most 100."""
    held = repository.holdings(unit.session)
    return Page(items=[read_peer(row, held.get(row.name)) for row in repository.peers(unit.session)])


@router.get("/{name}", summary="Get a peer", responses=documented(NOT_FOUND))
def get_peer(row: Shown, unit: UnitDep, _permit: Auditor, response: Response) -> PeerRead:
    """Get a peer: the last checkpoint that is held of it, and how the last fetches went."""
    return _answer(unit, row, response)


@router.put(
    "/{name}",
    summary="Hold the checkpoints of a peer",
    responses={201: {"model": PeerRead, "description": "registered"}},
)
def put_peer(
    name: Slug, row: Put, body: PeerWrite, unit: UnitDep, _permit: Administrator, response: Response
) -> PeerRead:
    """Hold the checkpoints that another installation publishes in a register, signed with a key that it has given you.

    The register is fetched at once, and then every hour. Each checkpoint must continue the held ones; otherwise the
    state is `broken` until this is called again. The public register here shows what is held. A server at a private
    address needs `DNSFILTER_API_FEED_NETWORKS`.
    """
    response.status_code = 201 if row is None else 200
    return _answer(unit, service.put(unit, row, name, body), response)


@router.delete("/{name}", summary="End a peer", status_code=204, responses=documented(NOT_FOUND))
def end_peer(row: Changed, unit: UnitDep, _permit: Administrator) -> None:
    """Fetch no further checkpoints of a peer. The held ones stay."""
    service.end(unit, row)


@router.get("/{name}/checkpoints", summary="List held checkpoints", responses=documented(NOT_FOUND))
def list_held_checkpoints(row: Shown, unit: UnitDep, _permit: Auditor, paging: PagingDep) -> Page[HeldCheckpointRead]:
    """List the checkpoints that are held of a peer, newest first, also those that do not continue the others."""
    rows, following = repository.page(unit.session, row.name, paging)
    return Page(items=[read_held(each) for each in rows], next=following)


def _answer(unit: UnitDep, row: PeerRow, response: Response) -> PeerRead:
    tag(response, row.revision)
    return read_peer(row, repository.holdings(unit.session).get(row.name))
