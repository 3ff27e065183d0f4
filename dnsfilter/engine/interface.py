"""What an engine is: the contract that every implementation keeps, and the values that cross it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.listening import UdpListener
from dnsfilter.engine.unregistered import Noted
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.query import Query


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to send to whoever asked."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """Silence: the datagram deserves no answer."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A query that only an upstream can answer. `client` is the packed source address."""

    query: Query
    key: CacheKey
    client: bytes
    transport: Transport
    servers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Truncated:
    """Upstream's datagram was cut: ask `server` by stream with `message`, then `complete` the exchange.

    `client` is the address of whoever asked first. `wait_until_ms` is boot time: complete the exchange by then.
    """

    exchange: int
    server: int
    message: bytes
    client: bytes
    wait_until_ms: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply to the miss that `forward` took under this ticket."""

    ticket: int
    message: bytes


Event: TypeAlias = Truncated | Answered


class Engine(Protocol):
    """Answers queries from snapshot, cache and upstreams.

    `wall_s` is wall time in seconds UTC; `boot_ms` is CLOCK_BOOTTIME in milliseconds. No method raises for anything
    that a peer sent.
    """

    def fileno(self) -> int:
        """The epoll descriptor: readable when `poll` has work."""

    def listen(self, listener: UdpListener) -> None:
        """Read this socket too, from the next `poll` on; it stays the caller's, and open until `unlisten`."""

    def unlisten(self, listener: UdpListener) -> None:
        """Read this socket no more. What came from it is still answered through it, while it is open."""

    def in_hand(self) -> int:
        """How many questions are with upstreams."""

    def take_unregistered(self) -> Sequence[Noted]:
        """The networks in no range that have asked since this was last called, whether they may or not."""

    def poll(self, budget: int) -> Sequence[Event]:
        """Work through at most `budget` batches of datagrams and timers; hand up what needs judgement."""

    def answer(
        self, message: bytes, client: bytes, transport: Transport, wall_s: Instant, boot_ms: int
    ) -> Reply | Miss | Drop:
        """Answer one query without I/O, as far as snapshot and cache allow."""

    def forward(self, miss: Miss, ticket: int) -> Sequence[Event]:
        """Ask upstream for a stream client's miss; the reply is this ticket's `Answered`, now or from a later poll."""

    def complete(self, exchange: int, message: bytes | None, *, server_failed: bool = True) -> Sequence[Event]:
        """An exchange's answer that came another way, None when it did not come.

        Pass `server_failed=False` if there is no answer because our own connections were busy.
        """

    def is_open(self, exchange: int) -> bool:
        """Return whether an exchange still waits for `complete`: it may have given way to another."""

    def swap(self, snapshot: Snapshot, since_ms: int | None = None) -> None:
        """Decide by `snapshot` from the next batch on.

        Where the wall clock is not believed, its making time counts from the boot time `since_ms` on; None: from now.
        """

    def close(self) -> None:
        """Release every descriptor that the engine opened."""
