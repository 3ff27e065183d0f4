"""The state of a node at a scrape, in addition to its workers' counters."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What one process uses. A value is None if the kernel did not give it."""

    open_files: int | None = None
    open_files_limit: float | None = None
    memory_bytes: int | None = None
    cpu_s: float | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """A node's upstreams, sockets, processes, disk and clock. A value is None if the kernel did not give it."""

    site: str = ""
    node: str = ""
    upstreams_up: Mapping[str, bool] = field(default_factory=dict)
    default_upstreams_up: int | None = None
    datagrams_dropped: int | None = None
    receive_queue_bytes: int | None = None
    processes: Mapping[str, ProcessUse] = field(default_factory=dict)
    worker_queries: Mapping[int, int] = field(default_factory=dict)
    disk_free_bytes: int | None = None
    disk_size_bytes: int | None = None
    time_s: float | None = None
    started_s: float | None = None
    """Unix time at which the supervisor's process started."""
    certificate_expires_s: int | None = None
    client_ca_expires_s: int | None = None
    certificate_rejected: bool | None = None
    """Whether a certificate of the files cannot be used. All three are None without encrypted listeners."""


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
    vitals: Vitals = Vitals()
    bans_lifted: bool = False
    """Whether an older snapshot had to take the place of the current one, and does not refuse all that it refuses."""
    unwritten: bool = False
    """Whether a snapshot or local acts are only in memory, because the disk does not take them."""
    local_names: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """The number of names that acts on this node set, by authority and verdict."""
