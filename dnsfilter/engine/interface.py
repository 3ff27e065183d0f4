"""The interface of an engine, and the values that cross it."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, TypeAlias

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.clock import Reference
from dnsfilter.engine.pending_names import PendingCount
from dnsfilter.engine.refused_clients import RefusedClient
from dnsfilter.engine.udp_listener import Ancillary, PeerAddress, UdpListener
from dnsfilter.engine.unregistered_counts import Noted
from dnsfilter.policy.model import Instant, WireName
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.metrics import Failure, Outcome, Transport
from dnsfilter.wire.edns import OUR_PAYLOAD
from dnsfilter.wire.query import Query

LARGEST_UPDATE_ANSWER = OUR_PAYLOAD
"""Maximum answer to an update over UDP, in bytes. A larger update may get an answer of its own size."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to send to the client."""

    message: bytes


@dataclass(frozen=True, slots=True)
class NodeLabel:
    """The site of this node, and the name with which it has enrolled. Empty: not known."""

    node: str = ""
    site: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """What the client's probe shows of it."""
        return tuple(f"{key}={value}" for key, value in (("node", self.node), ("site", self.site)) if value)


@dataclass(frozen=True, slots=True)
class Drop:
    """No answer: the datagram is dropped."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A query that only an upstream can answer. `client` is the packed source address."""

    query: Query
    key: CacheKey
    client: bytes
    transport: Transport
    servers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskStream:
    """Ask `server` by stream with `message`, then `complete` the exchange by the boot time `wait_until_ms`.

    Its datagram was truncated, or it is asked by stream only. `group` are the servers that may be asked this question.
    `client` is the address of the first client that asked.
    """

    exchange: int
    server: int
    message: bytes
    client: bytes
    wait_until_ms: int
    group: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ProbeStream:
    """Ask a failing server by stream, then call `complete_probe` by the boot time `wait_until_ms`."""

    server: int
    message: bytes
    wait_until_ms: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply to the miss that `forward` accepted under this ticket."""

    ticket: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """A dynamic update for one of these servers. `reply` answers the client; it is None for a caller of `answer`.

    Call `count` with the outcome, FORWARDED, FAILED or LIMITED, and the response code.
    """

    message: bytes
    client: bytes
    servers: tuple[int, ...]
    count: Callable[[Outcome, int], object]
    reply: Callable[[bytes], object] | None = None

    def answered_by(self, listener: UdpListener, peer: PeerAddress, source: Ancillary) -> "Update":
        """Return the update with the way back to a datagram's sender. An answer that is too large is not sent."""

        def reply(answer: bytes) -> None:
            if len(answer) <= max(LARGEST_UPDATE_ANSWER, len(self.message)):
                listener.send(answer, peer, source)

        return replace(self, reply=reply)


ReportAnswer: TypeAlias = Callable[[bytes, bytes], None]
"""Takes a packed client and the reply that it gets."""

Event: TypeAlias = AskStream | ProbeStream | Answered | Update


class ClientOf(Protocol):
    """Returns the packed client of a server name, as `ClientNames.client_of` does."""

    def __call__(self, server_name: str | None, peer: bytes, is_certified: bool = False, /) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Capture:
    """Record the queries of one range, given as prefix and authority, until the boot time `end_ms`."""

    number: int
    authority: str
    prefix: str
    end_ms: int


class CapturedQuery(NamedTuple):
    """One query of a captured range. `verdict` is that of the queried name. Without an answer, `rcode` is None."""

    capture: int
    at_s: Instant
    client: str
    transport: str
    name: str
    qtype: str
    verdict: str
    rcode: str | None
    ede: int | None


@dataclass(frozen=True, slots=True)
class Captured:
    """What an engine has recorded, and the number of queries that it had no room for, by capture."""

    queries: Sequence[CapturedQuery] = ()
    dropped: Mapping[int, int] = field(default_factory=dict)


class StreamListening(Protocol):
    """Serves the connections of listening TCP sockets: DNS over TCP for clients (RFC 7766)."""

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections on this socket. The caller owns it and keeps it open until `unlisten`."""

    def unlisten(self, sock: socket.socket) -> None:
        """Stop accepting on this socket. Open connections stay open."""

    @property
    def is_busy(self) -> bool:
        """Return whether any connection waits for an answer or has one to read."""

    def close(self) -> None:
        """Stop accepting and end every connection."""


class TlsSide(Protocol):
    """The server's side of one TLS connection, without I/O. Any exception ends the connection.

    `server_name` is the name that the client asked for. `is_open`: the handshake is complete. `has_ended`: the client
    has closed its sending side. `is_certified`: it showed a certificate of a device.
    """

    is_open: bool
    is_certified: bool
    has_ended: bool

    @property
    def server_name(self) -> str | None: ...

    def receive(self, data: bytes) -> bytes:
        """Return what the client has sent with `data`."""

    def send(self, data: bytes) -> None:
        """Encrypt bytes for the client."""

    def take(self) -> bytes:
        """Return the bytes to send to the client."""

    def end(self) -> bytes:
        """End this side. Return the last bytes to send."""


def nobody(_server_name: str | None, _peer: bytes, _is_certified: bool = False, /) -> None:
    """Know no server name."""


class Engine(Protocol):
    """Answers queries from snapshot, cache and upstreams.

    `wall_s` is wall time in seconds UTC; `boot_ms` is CLOCK_BOOTTIME in milliseconds. No method raises because of data
    from a peer.
    """

    @property
    def streams(self) -> StreamListening | None:
        """Return what serves streams as part of `poll`; None if a StreamServer must, by `answer` and `forward`."""

    def name_clients(self, client_of: ClientOf) -> None:
        """Take the clients of server names, in handshakes and in headers of proxies, from `ClientNames.client_of`.

        Before this call, no name is known.
        """

    def serve_tls(self, make_side: Callable[[], TlsSide | None]) -> StreamListening | None:
        """Return what serves DNS over TLS as part of `poll`; None if a TlsStreamServer must.

        `make_side` returns the TLS of a new connection, None if there is no certificate. Call this at most once.
        """

    def fileno(self) -> int:
        """Return the epoll descriptor, readable when `poll` has work."""

    def listen(self, listener: UdpListener) -> None:
        """Read this socket too, from the next `poll` on. The caller owns it and keeps it open until `unlisten`."""

    def unlisten(self, listener: UdpListener) -> None:
        """Stop reading this socket. Queries from it are still answered through it, while it is open."""

    def pending_count(self) -> int:
        """Return the number of questions that wait for upstreams."""

    def take_unregistered(self) -> Sequence[Noted]:
        """Return the unregistered networks that sent queries since the last call, whether they may ask or not."""

    def take_ranges(self) -> dict[str, int]:
        """Return the queries of some ranges since they were last taken, by prefix. Call it a few times a second."""

    def take_refused_clients(self) -> Sequence[RefusedClient]:
        """Return the clients noted since the last call. Call this a few times a second: there is room for some."""

    def take_pending_names(self) -> tuple[Sequence[PendingCount], int]:
        """Return queries for some pending names since they were last taken, and how many found no room.

        Call this a few times a second: there is room for some names.
        """

    def record_upstreams(self) -> None:
        """Write the state of each upstream to its slot. Call this a few times a second."""

    def poll(self, budget: int) -> Sequence[Event]:
        """Process at most `budget` batches of datagrams and timers. Return the events that the caller must handle."""

    def answer(
        self, message: bytes, client: bytes, transport: Transport, wall_s: Instant, boot_ms: int
    ) -> Reply | Miss | Drop | Update:
        """Answer one query without I/O, as far as snapshot and cache allow."""

    def forward(self, miss: Miss, ticket: int) -> Sequence[Event]:
        """Ask upstream for a stream client's miss. The reply is this ticket's `Answered`, now or from a later poll."""

    def complete(
        self, exchange: int, message: bytes | None, *, failure: Failure | None = Failure.UNREACHABLE
    ) -> Sequence[Event]:
        """Complete an exchange with an answer that came by stream; None if there is none.

        `failure` is why there is none. None: this node's connections were busy.
        """

    def complete_probe(
        self, server: int, message: bytes | None, *, failure: Failure | None = Failure.UNREACHABLE
    ) -> Sequence[Event]:
        """Complete a probe by stream, as `complete` does an exchange."""

    def is_open(self, exchange: int) -> bool:
        """Return whether an exchange still waits for `complete`. It may have been ended for another."""

    def swap(self, snapshot: Snapshot, since_ms: int | None = None, reference: Reference | None = None) -> None:
        """Decide by `snapshot` from the next batch on.

        If the wall clock is behind the snapshot's creation, time runs on from there: it counts as the boot time
        `since_ms`; None is now. If the wall clock is ahead of the reference, time runs on from the reference.
        """

    def introduce(self, node: NodeLabel) -> None:
        """Show this name and site to clients that ask for the probe's name, from the next query on."""

    def capture(self, captures: Sequence[Capture]) -> None:
        """Record the queries of these ranges, and of no others, from the next batch on."""

    def report_answers(self, report: ReportAnswer) -> None:
        """Call `report` with the packed client and each reply, before the reply is sent."""

    def take_captured(self) -> Captured:
        """Return what was recorded since the last call."""

    def flush(self, name: WireName, *, below: bool) -> int:
        """Forget every failure, and answers about the name, or with `below` also about names below it.

        Return how many answers these were.
        """

    def close(self) -> None:
        """Release every descriptor that the engine opened."""
