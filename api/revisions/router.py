"""/v1/revisions: what each revision changed, and rollback."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from api.http.dependencies import RuntimeDep, UnitDep
from api.http.parameters import DryRun, PagingDep
from api.http.permits import Administrator, Auditor, ReaderOfSome
from api.http.preferences import wanted_wait_s
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, OVERLOADED, TOO_MANY_AT_ONCE, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.http.waiting import waiting
from api.nodes.node_permits import FleetDep
from api.nodes.state import NodeProgress
from api.policies.reading import read_acts
from api.publish.past_policies import publication_of
from api.revisions import repository
from api.revisions.object_versions import changes
from api.revisions.reached_nodes import reached
from api.revisions.repository import RevisionActs
from api.revisions.rollback import roll_back
from api.revisions.schemas import (
    NodeOfRevision,
    NodesOfRevision,
    RevisionRead,
    RevisionSummary,
    RollbackRead,
    RollbackWrite,
)
from api.timestamps import optional_text, timestamp_text
from api.trace.service import read_publication
from dnsfilter.policy.model import Instant

router = APIRouter(route_class=Route, prefix="/v1/revisions", tags=["revisions"])

Number = Annotated[int, Path(ge=0, le=2**63 - 1, description="Number of the revision.")]


@router.get("", summary="List revisions")
def list_revisions(unit: UnitDep, _permit: Auditor, held: RuntimeDep, paging: PagingDep) -> Page[RevisionSummary]:
    """List revisions, newest first."""
    held.publishing.store_in_force()
    rows, following = repository.page(unit.session, paging)
    since = repository.in_force(unit.session, [row.number for row in rows])
    items = [RevisionSummary(**_summary(row, since.get(row.number))) for row in rows]
    return Page(items=items, next=following)


@router.get("/{number}", summary="Get a revision", responses=documented(NOT_FOUND))
def get_revision(number: Number, unit: UnitDep, _permit: Auditor, held: RuntimeDep, paging: PagingDep) -> RevisionRead:
    """Get one revision, with a page of its changes from the one before, object by object."""
    held.publishing.store_in_force()
    session = unit.session
    found = repository.get(session, number)
    versions, following = repository.versions(session, number, paging)
    replaced = repository.before(session, versions, number)
    since = repository.in_force(session, [number])
    return RevisionRead(
        **_summary(found, since.get(number)),
        publications=[
            read_publication(publication_of(session, row)) for row in repository.publications(session, number)
        ],
        changes=Page(items=changes(session, versions, replaced, found.first.time_s), next=following),
    )


@router.get(
    "/{number}/nodes",
    summary="List the nodes with and without a revision",
    responses=documented(NOT_FOUND, TOO_MANY_AT_ONCE, OVERLOADED),
)
async def list_nodes_of_revision(
    number: Number,
    request: Request,
    response: Response,
    permit: ReaderOfSome,
    held: RuntimeDep,
    fleet: FleetDep,
    paging: PagingDep,
    lacking: Annotated[bool, Query(description="Only nodes that lack the revision.")] = False,
    prefer: Annotated[
        str, Header(max_length=200, description="`wait=10`: wait up to 10 s (at most 30) until every node has it")
    ] = "",
) -> NodesOfRevision:
    """List by name which enrolled nodes apply a revision or a later one, and which do not yet.

    With `Prefer: wait=10` (RFC 7240), answer as soon as every node has it, except silent nodes, or when the time is
    over. `Preference-Applied` then has the seconds that the request could wait.
    """
    after = paging.after(str) or ""
    wait_s = wanted_wait_s([prefer])

    def read() -> Sequence[NodeProgress]:
        with held.database.reading() as session:
            repository.demand_recorded(session, number)
            return fleet.having(session, number)

    with waiting(request, response, held, permit, wait_s):
        found = await reached(read, fleet.reports.arrivals, wait_s or 0, lambda: fleet.announcements.is_closed)
    wanted = (node for node in found if node.name > after and not (lacking and node.has))
    shown, following = paging.cut(wanted, lambda node: node.name)
    without = [node for node in found if not node.has]
    return NodesOfRevision(
        revision=number,
        having=len(found) - len(without),
        lacking=len(without),
        silent=sum(node.state == "silent" for node in without),
        items=[_node(node) for node in shown],
        next=following,
    )


@router.post(
    "/{number}/rollback",
    operation_id="roll_back",
    summary="Roll back to a revision",
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def rollback(
    number: Number,
    body: RollbackWrite,
    unit: UnitDep,
    _permit: Administrator,
    held: RuntimeDep,
    dry_run: DryRun = False,
) -> RollbackRead:
    """Restore ranges, modes, scopes and replies as a new revision; never terms, bindings, exemptions or grants."""
    before = unit.revision
    unit.rehearsing = dry_run
    acts = roll_back(unit, number, body.reason, held.publishing.services(unit))
    return RollbackRead(
        acts=read_acts(acts),
        revision=before if dry_run else unit.revision,
        dry_run=dry_run,
    )


def _node(found: NodeProgress) -> NodeOfRevision:
    since = None if found.since_s is None else int(found.since_s)
    return NodeOfRevision(
        name=found.name,
        site=found.site,
        has=found.has,
        state=found.state,
        revision=found.revision,
        since=optional_text(since),
    )


def _summary(found: RevisionActs, in_force: Instant | None) -> dict[str, Any]:
    return {
        "number": found.number,
        "time": timestamp_text(found.first.time_s),
        "in_force": optional_text(in_force),
        "account": found.first.account,
        "access": found.first.access,
        "acts": found.acts,
        "first_seq": found.first.seq,
        "last_seq": found.last.seq,
        "act": found.last.act,
        "object": found.last.object,
    }
