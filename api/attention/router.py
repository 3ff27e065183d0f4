"""/v1/attention."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.attention import matters
from api.attention.schemas import AttentionRead, NodeCountsRead
from api.auth.roles import AUDITORS
from api.http.dependencies import RuntimeDep, UnitDep, part_of
from api.http.permits import ReaderOfSome
from api.http.routes import Route
from api.nodes import repository as nodes
from api.nodes.node_permits import FleetDep
from api.usage.coverage_counts import CoverageCounts

router = APIRouter(route_class=Route, prefix="/v1/attention", tags=["attention"])


async def coverage_counts(request: Request) -> CoverageCounts:
    """Return the application's counts of ranges."""
    return part_of(request, "coverage_counts", CoverageCounts)


@router.get("", summary="List what needs attention")
def get_attention(
    unit: UnitDep,
    permit: ReaderOfSome,
    held: RuntimeDep,
    fleet: FleetDep,
    ranges: Annotated[CoverageCounts, Depends(coverage_counts)],
) -> AttentionRead:
    """List what ends, waits or is behind in the authorities in which the caller has a role, the most urgent first.

    Each matter has its number and its first ten objects. Only auditors and administrators see the names of nodes, which
    peers are broken, and whether the newest checkpoint is old. Bans end or are reviewed within thirty days. Ranges are
    counted every five minutes.
    """
    visible, named = permit.visible(), permit.caller.has(AUDITORS, None)
    summaries = nodes.summaries(unit.session)
    states = fleet.states(unit.session, summaries)
    counted = Counter(states)
    found = [
        *matters.of_audit_log(unit.session, unit.now_s, damaged=held.database.damage is not None, named=named),
        *matters.of_peers(unit.session, named=named),
        *matters.of_nodes(list(zip(summaries, states, strict=True)), named=named),
        *matters.of_ranges(ranges.counts(), visible),
        *matters.Look(unit.session, unit.now_s, visible).matters(),
    ]
    counts = NodeCountsRead(
        current=counted["current"], held=counted["held"], behind=counted["behind"], silent=counted["silent"]
    )
    return AttentionRead(nodes=counts, matters=found)
