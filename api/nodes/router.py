"""/v1/nodes for accounts, /v1/unregistered and /v1/snapshot-key."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import event

from api.db.models import InstallationRow, NodeRow
from api.db.models.audit_log import INSTALLATION
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import PreconditionDep, RuntimeDep, UnitDep, tag
from api.http.pagination import cut_page, decode_cursor, not_ours
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit, SiteFilter
from api.http.permits import Administrator, AnyAccount, Auditor
from api.http.problems import CONFLICT, NOT_FOUND, STALE, documented
from api.http.routes import Route
from api.http.schemas import Page, Slug
from api.node_api.node_permits import FleetDep
from api.nodes import repository, service
from api.nodes.fleet import Fleet
from api.nodes.schemas import OLDER, NodeMade, NodeRead, NodeWrite, SnapshotKeyRead, State, UnregisteredRead
from api.unregistered.networks import Position, position_of

router = APIRouter(route_class=Route, prefix="/v1/nodes", tags=["nodes"])
other_routes = APIRouter(route_class=Route, prefix="/v1", tags=["nodes"])


@router.get("", operation_id="list_nodes", summary="List nodes", responses=documented())
def list_nodes(
    unit: UnitDep,
    _permit: Auditor,
    fleet: FleetDep,
    site: SiteFilter,
    state: State | None = None,
    behind: Annotated[bool, Query(description="only nodes with an older policy: `behind` or `held`")] = False,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[NodeRead]:
    """List nodes by name, with their last reports."""
    after = decode_cursor(cursor, str) if cursor is not None else ""
    if behind or state is not None:
        briefs = repository.briefs(unit.session, site, after)
        states = zip(briefs, fleet.states(unit.session, briefs), strict=True)
        found = (row.name for row, now in states if state in (None, now) and (now in OLDER or not behind))
        rows = repository.named(unit.session, tuple(islice(found, limit + 1)))
    else:
        rows = repository.all_of(unit.session, site, after, limit + 1)
    shown, following = cut_page(rows, limit, lambda row: row.name)
    return Page(items=[fleet.read(row) for row in shown], next=following)


@router.post(
    "",
    operation_id="register_node",
    summary="Register a node",
    status_code=201,
    responses=documented(CONFLICT),
)
def register_node(
    body: NodeWrite, unit: UnitDep, _permit: Administrator, held: RuntimeDep, fleet: FleetDep, response: Response
) -> NodeMade:
    """Register a node. The answer contains its enrolment token: shown only once, and valid once within 24 hours."""
    unit.shown_once = True
    row, fresh = service.register(unit, held.token_key, body.name, body.site)
    return _invited(unit, fleet, row, fresh.text, response)


@router.get("/{name}", operation_id="get_node", summary="Get a node", responses=documented(NOT_FOUND))
def get_node(name: Slug, unit: UnitDep, _permit: Auditor, fleet: FleetDep, response: Response) -> NodeRead:
    """Get a node with its last report."""
    row = repository.get(unit.session, name)
    tag(response, row.revision)
    return fleet.read(row)


@router.delete(
    "/{name}",
    operation_id="remove_node",
    summary="Remove a node",
    status_code=204,
    responses=documented(NOT_FOUND, CONFLICT, STALE),
)
def remove_node(
    name: Slug, unit: UnitDep, _permit: Administrator, fleet: FleetDep, precondition: PreconditionDep
) -> None:
    """Remove a node and revoke its token. The node keeps its current snapshot and gets no newer one."""
    row = repository.get(unit.session, name)
    precondition.check(row.revision)
    service.remove(unit, row)
    _forget_then(unit, fleet, row.number)


@router.post(
    "/{name}/enrolment",
    operation_id="renew_enrolment",
    summary="Make a new enrolment token",
    status_code=201,
    responses=documented(NOT_FOUND, CONFLICT, STALE),
)
def renew_enrolment(
    name: Slug,
    unit: UnitDep,
    _permit: Administrator,
    held: RuntimeDep,
    fleet: FleetDep,
    response: Response,
    precondition: PreconditionDep,
) -> NodeMade:
    """Make a new enrolment token, for example to replace a machine. The node's token stays valid until it enrols."""
    row = repository.get(unit.session, name)
    precondition.check(row.revision)
    unit.shown_once = True
    fresh = service.invite(unit, held.token_key, row)
    return _invited(unit, fleet, row, fresh.text, response)


@other_routes.get(
    "/unregistered", operation_id="list_unregistered", summary="List unregistered prefixes", responses=documented()
)
def list_unregistered(
    unit: UnitDep,
    _permit: Auditor,
    fleet: FleetDep,
    site: SiteFilter,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[UnregisteredRead]:
    """List unregistered prefixes that sent queries in the last 24 hours, by site and address. They are not stored."""
    after = _position(decode_cursor(cursor, str)) if cursor is not None else None
    found = fleet.unregistered(unit.session, site, after, limit + 1)
    shown, following = cut_page(found, limit, lambda one: f"{one.site} {one.prefix}")
    return Page(items=list(shown), next=following)


@other_routes.get(
    "/snapshot-key", operation_id="get_snapshot_key", summary="Get the public key of snapshots", responses=documented()
)
def get_snapshot_key(unit: UnitDep, _permit: AnyAccount, fleet: FleetDep) -> SnapshotKeyRead:
    """Get the public key that verifies snapshots. Nodes pin it when they enrol."""
    identity = unit.session.get_one(InstallationRow, INSTALLATION).identity
    return SnapshotKeyRead(key=fleet.publisher.public_key, installation=identity)


def _position(key: str) -> Position:
    """Return the position in the list of prefixes that a cursor names. Raise Invalid."""
    site, _, prefix = key.partition(" ")
    try:
        return position_of(site, prefix)
    except ValueError as error:
        raise not_ours() from error


def _invited(unit: UnitOfWork, fleet: Fleet, row: NodeRow, token: str, response: Response) -> NodeMade:
    unit.session.flush()
    response.headers["Location"] = f"/v1/nodes/{row.name}"
    tag(response, row.revision)
    return NodeMade(**fleet.read(row).model_dump(), enrolment_token=token, key=fleet.publisher.public_key)


def _forget_then(unit: UnitOfWork, fleet: Fleet, number: int) -> None:
    """Forget a removed node after the commit. Its waiting request ends, and its next one is refused."""
    event.listen(unit.session, "after_commit", lambda _session: fleet.forget(number), once=True)
