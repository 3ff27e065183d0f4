"""Which nodes have a revision, and waiting until all have it."""

from collections.abc import Iterator, Mapping
from time import monotonic

from api.ctl.command import WAIT_S
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import counted, table
from api.ctl.exit_codes import DONE, FOUND
from api.ctl.remote.client import PAGE, Client, path
from api.http.preferences import MAX_WAIT_S
from api.revisions.schemas import NodeOfRevision, NodesOfRevision


def nodes_of(client: Client, number: int, *, wait: bool) -> NodesOfRevision:
    """Return the nodes with and without the revision. With `wait`, ask until none that reports lacks it."""
    deadline = monotonic() + (WAIT_S if wait else 0)
    while True:
        left = int(deadline - monotonic())
        headers: Mapping[str, str] = {"Prefer": f"wait={min(left, MAX_WAIT_S)}"} if left > 0 else {}
        found = client.get(NodesOfRevision, path("revisions", number, "nodes"), {"limit": PAGE}, headers=headers)
        if left <= 0 or found.lacking <= found.silent:
            return found


def exit_code(found: NodesOfRevision) -> int:
    """Return 0 if every node has the revision, else 1."""
    return FOUND if found.lacking else DONE


def notes(client: Client, found: NodesOfRevision) -> tuple[str, ...]:
    """Return a line that says whether every node has the revision, and a line for each that does not."""
    if not found.lacking:
        nodes = "no node has enrolled" if not found.having else f"{counted(found.having, 'node')}, every one has it"
        return (f"revision {found.revision}: {nodes}",)
    where = path("revisions", found.revision, "nodes")
    lacking = client.list(NodeOfRevision, where, found.lacking, {"lacking": "true"}).items
    return (
        f"revision {found.revision}: {counted(found.lacking, 'node')} of {found.having + found.lacking} without it",
        *(f"{node.name} at {node.site} does not have it: {_why(node)}" for node in lacking),
    )


def node_lines(items: list[NodeOfRevision]) -> Iterator[str]:
    """Return a table of nodes."""
    rows = [
        (
            node.name,
            node.site,
            "yes" if node.has else "no",
            node.state,
            "" if node.revision is None else str(node.revision),
            "" if node.since is None else at_words(node.since),
        )
        for node in items
    ]
    yield from table(("node", "site", "has it", "state", "revision", "since"), rows, ("site",))


def _why(node: NodeOfRevision) -> str:
    if node.revision is None:
        return f"{node.state}, no report yet"
    return f"{node.state}, revision {node.revision}"
