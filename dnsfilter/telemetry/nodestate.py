"""The state of a node at a scrape, in addition to its workers' counters."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeState:
    """State that the supervisor adds to the counters. Revision and age are None if no snapshot is in force."""

    version: str
    engine: str
    workers: int
    worker_restarts: int
    snapshot_revision: int | None = None
    snapshot_age_s: float | None = None
    clock_doubted: bool = False
    snapshots_quarantined: int = 0
    fallen_back: bool = False
    receive_buffer_bytes: int = 0
    suspended: tuple[str, ...] = ()
    """Slugs of the suspended authorities; "" for all. The suspension is published or local."""
