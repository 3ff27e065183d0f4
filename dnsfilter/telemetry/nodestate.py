"""What a node tells about itself at each scrape, besides what its workers count."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeState:
    """What the supervisor knows besides the counters; revision and age are None while no snapshot is in force."""

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
    """Slugs of the authorities that are suspended, whether that was published or done on this node; "" for all."""
