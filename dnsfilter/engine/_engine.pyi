from collections.abc import Callable, Sequence
from typing import ClassVar, TypeAlias

from dnsfilter.cache.answer_cache import Cache, Entry, Mark
from dnsfilter.cache.keys import CacheKey
from dnsfilter.cache.packed import Packed
from dnsfilter.config.node_config import Clients, Limits
from dnsfilter.engine.clock import EngineClock, Reference
from dnsfilter.engine.interface import (
    Capture,
    Captured,
    ClientOf,
    Drop,
    Event,
    Miss,
    NodeLabel,
    Reply,
    ReportAnswer,
    StreamListening,
    TlsSide,
    Update,
)
from dnsfilter.engine.pending_names import PendingCount
from dnsfilter.engine.refused_clients import RefusedClient
from dnsfilter.engine.udp_listener import UdpListener
from dnsfilter.engine.unregistered_counts import Noted
from dnsfilter.policy.model import Instant, WireName
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.answer import Answer

_Names: TypeAlias = tuple[bytes, ...]

def fill_slots(records: bytes, slots: bytearray, key: bytes) -> tuple[int, int, int]:
    """Do the same as `dnsfilter.snapshot.names_file.fill_slots`, while other threads run."""

class CompiledEngine:
    """Implements `Engine`: ordinary queries in C, all others by the slow path."""

    make_cache: ClassVar[Callable[[int, int, bool, Mark | None], Cache]]
    streams: StreamListening
    def __init__(
        self,
        *,
        listeners: Sequence[UdpListener],
        zones: Zones,
        cache: Cache,
        clients: Clients,
        limits: Limits,
        trust_ad: bool,
        longest_wait_ms: int = ...,
        clock: EngineClock,
        counters: CounterBlock,
        cookie_secret: bytes,
        snapshot: Snapshot,
        since_ms: int | None = None,
        reference: Reference | None = None,
    ) -> None: ...
    def name_clients(self, client_of: ClientOf) -> None: ...
    def serve_tls(self, make_side: Callable[[], TlsSide | None]) -> StreamListening: ...
    def fileno(self) -> int: ...
    def listen(self, listener: UdpListener) -> None: ...
    def unlisten(self, listener: UdpListener) -> None: ...
    def pending_count(self) -> int: ...
    def take_unregistered(self) -> Sequence[Noted]: ...
    def take_ranges(self) -> dict[str, int]: ...
    def take_pending_names(self) -> tuple[Sequence[PendingCount], int]: ...
    def take_refused_clients(self) -> Sequence[RefusedClient]: ...
    def record_upstreams(self) -> None: ...
    def introduce(self, node: NodeLabel) -> None: ...
    def capture(self, captures: Sequence[Capture]) -> None: ...
    def report_answers(self, report: ReportAnswer) -> None: ...
    def take_captured(self) -> Captured: ...
    def flush(self, name: WireName, *, below: bool) -> int: ...
    def poll(self, budget: int) -> Sequence[Event]: ...
    def watch(self, fd: int) -> None:
        """Have `serve` return when this descriptor is readable. `fileno` does not announce timers meanwhile."""

    def unwatch(self, fd: int) -> None:
        """Undo `watch`."""

    def serve(self, wait_ns: int) -> tuple[bool, bool]:
        """Answer without Python until the watched descriptor is readable, `poll` has work, or `wait_ns` have passed.

        Return whether the descriptor is readable, and whether to call `poll`: it has events, or a new policy must come
        into force before queries are read. With -1 wait without end. A signal ends the wait.
        """

    def answer(
        self, message: bytes, client: bytes, transport: Transport, wall_s: Instant, boot_ms: int
    ) -> Reply | Miss | Drop | Update: ...
    def forward(self, miss: Miss, ticket: int) -> Sequence[Event]: ...
    def complete(self, exchange: int, message: bytes | None, *, failure: Failure | None = ...) -> Sequence[Event]: ...
    def complete_probe(
        self, server: int, message: bytes | None, *, failure: Failure | None = ...
    ) -> Sequence[Event]: ...
    def is_open(self, exchange: int) -> bool: ...
    def swap(self, snapshot: Snapshot, since_ms: int | None = None, reference: Reference | None = None) -> None: ...
    def close(self) -> None: ...

class Store:
    """`AnswerCache` in C, with the same contract."""

    def __init__(self, max_bytes: int, stale_s: int, prefetch: bool = False, mark: Mark | None = None) -> None: ...
    def __len__(self) -> int: ...
    @property
    def bytes(self) -> int:
        """Memory of all entries in bytes."""

    def get(self, key: CacheKey, now_ms: int) -> Entry | None:
        """Return the entry, fresh or stale; None if there is none or it is too old to serve as stale."""

    def put(
        self, key: CacheKey, answer: Answer, targets: _Names, ad: bool, now_ms: int, *, complete: bool = True
    ) -> Entry:
        """Cache an answer if it may be cached. Return its entry in any case."""

    def note_hit(self, key: CacheKey, now_ms: int) -> bool:
        """Count a hit of a fresh entry. Return whether to ask for it again, at most once."""

    def pack(self, most_bytes: int, now_ms: int) -> bytearray:
        """Return the answers that may still be served as records, the last used first."""

    def take(self, packed: Packed, now_ms: int) -> bool:
        """Keep an answer of another cache after all checks of an upstream's. Return whether it was kept."""

    def flush(self, name: WireName, *, below: bool) -> int:
        """Remove answers about the name. Return how many these were."""
