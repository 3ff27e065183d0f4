"""/v1/nodes for accounts, /v1/suspensions/local, /v1/unregistered and /v1/snapshot-key."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import event

from api.audit.service import identity
from api.auth.roles import AUDITORS
from api.db.models import NodeRow
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import RuntimeDep, UnitDep, tag
from api.http.parameters import AuthorityFilter, PagingDep, SiteFilter
from api.http.path_rows import by_name, row_to_change, row_to_read
from api.http.permits import Administrator, AnyAccount, Auditor
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.nodes import repository, service
from api.nodes.fleet import Fleet
from api.nodes.node_permits import FleetDep
from api.nodes.reading import position, reported
from api.nodes.schemas import OLDER, NodeMade, NodeRead, NodeWrite, SnapshotKeyRead, State, UnregisteredRead
from api.nodes.unregistered_prefixes import named_position
from api.suspensions.schemas import LocalSuspensionRead

router = APIRouter(route_class=Route, prefix="/v1/nodes", tags=["nodes"])
other_routes = APIRouter(route_class=Route, prefix="/v1", tags=["nodes"])
local_suspensions = APIRouter(route_class=Route, prefix="/v1/suspensions", tags=["suspensions"])

Shown = Annotated[NodeRow, row_to_read(by_name, repository.get)]
Changed = Annotated[NodeRow, row_to_change(by_name, repository.get)]


@router.get("", summary="List nodes")
def list_nodes(
    unit: UnitDep,
    _permit: Auditor,
    fleet: FleetDep,
    site: SiteFilter,
    paging: PagingDep,
    state: State | None = None,
    behind: Annotated[bool, Query(description="only nodes with an older policy: `behind` or `held`")] = False,
) -> Page[NodeRead]:
    """List nodes by name, with their last reports."""
    after = paging.after(str) or ""
    if behind or state is not None:
        summaries = repository.summaries(unit.session, site, after)
        states = zip(summaries, fleet.states(unit.session, summaries), strict=True)
        found = (row.name for row, now in states if state in (None, now) and (now in OLDER or not behind))
        rows = repository.named(unit.session, tuple(islice(found, paging.limit + 1)))
    else:
        rows = repository.all_of(unit.session, site, after, paging.limit + 1)
    shown, following = paging.cut(rows, lambda row: row.name)
    return Page(items=[fleet.read(row) for row in shown], next=following)


@router.post("", summary="Register a node", status_code=201)
def register_node(
    body: NodeWrite, unit: UnitDep, _permit: Administrator, held: RuntimeDep, fleet: FleetDep, response: Response
) -> NodeMade:
    """Register a node. The answer contains its enrolment token: shown only once, and valid once within 24 hours."""
    unit.shown_once = True
    row, fresh = service.register(unit, held.token_key, body.name, body.site)
    return _invited(unit, fleet, row, fresh.text, response)


@router.get("/{name}", summary="Get a node", responses=documented(NOT_FOUND))
def get_node(row: Shown, _permit: Auditor, fleet: FleetDep, response: Response) -> NodeRead:
    """Get a node with its last report."""
    tag(response, row.revision)
    return fleet.read(row)


@router.delete("/{name}", summary="Remove a node", status_code=204, responses=documented(NOT_FOUND))
def remove_node(row: Changed, unit: UnitDep, _permit: Administrator, fleet: FleetDep) -> None:
    """Remove a node and revoke its token. The node keeps its current snapshot and gets no newer one."""
    service.remove(unit, row)
    _forget_then(unit, fleet, row.number)


@router.post(
    "/{name}/enrolment", summary="Make a new enrolment token", status_code=201, responses=documented(NOT_FOUND)
)
def renew_enrolment(
    row: Changed, unit: UnitDep, _permit: Administrator, held: RuntimeDep, fleet: FleetDep, response: Response
) -> NodeMade:
    """Make a new enrolment token, for example to replace a machine. The node's token stays valid until it enrols."""
    unit.shown_once = True
    fresh = service.invite(unit, held.token_key, row)
    return _invited(unit, fleet, row, fresh.text, response)


@other_routes.get("/unregistered", summary="List unregistered prefixes")
def list_unregistered(
    unit: UnitDep, _permit: Auditor, fleet: FleetDep, site: SiteFilter, paging: PagingDep
) -> Page[UnregisteredRead]:
    """List unregistered prefixes that sent queries in the last 24 hours, by site and address. They are not stored."""
    last = paging.after(str)
    found = fleet.unregistered(unit.session, site, None if last is None else named_position(last), paging.limit + 1)
    shown, following = paging.cut(found, lambda one: f"{one.site} {one.prefix}")
    return Page(items=list(shown), next=following)


@other_routes.get("/snapshot-key", summary="Get the public key of snapshots")
def get_snapshot_key(unit: UnitDep, _permit: AnyAccount, fleet: FleetDep) -> SnapshotKeyRead:
    """Get the public key that verifies snapshots. Nodes pin it when they enrol."""
    return SnapshotKeyRead(key=fleet.publisher.public_key, installation=identity(unit.session))


@local_suspensions.get("/local", summary="List local suspensions")
def list_local_suspensions(
    unit: UnitDep, permit: AnyAccount, fleet: FleetDep, authority: AuthorityFilter, site: SiteFilter, paging: PagingDep
) -> Page[LocalSuspensionRead]:
    """List local suspensions in force, by node. The control plane knows one once the node has reported it.

    With `authority`, list those that concern it: its own and those of all authorities.
    """
    found = reported(fleet.local_suspensions(unit.session, unit.now_s), named=permit.caller.has(AUDITORS, None))
    after = paging.after(str) or ""
    wanted = (
        one
        for one in found
        if position(one) > after and authority in (None, one.authority or authority) and site in (None, one.site)
    )
    shown, following = paging.cut(wanted, position)
    return Page(items=list(shown), next=following)


def _invited(unit: UnitOfWork, fleet: Fleet, row: NodeRow, token: str, response: Response) -> NodeMade:
    unit.session.flush()
    response.headers["Location"] = f"/v1/nodes/{row.name}"
    tag(response, row.revision)
    return NodeMade(**fleet.read(row).model_dump(), enrolment_token=token, key=fleet.publisher.public_key)


def _forget_then(unit: UnitOfWork, fleet: Fleet, number: int) -> None:
    """Forget a removed node after the commit. Its waiting request ends, and its next one is refused."""
    event.listen(unit.session, "after_commit", lambda _session: fleet.forget(number), once=True)
