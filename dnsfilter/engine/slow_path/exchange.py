"""A question to upstreams, its waiting queries, and its results."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.rules.stale import STALE_AFTER_MS
from dnsfilter.engine.udp_listener import Ancillary, PeerAddress, UdpListener
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.upstream.attempt import Attempt
from dnsfilter.wire.answer import Answer, Chain
from dnsfilter.wire.query import Query, Question, question_of


@dataclass(frozen=True, slots=True)
class Waiter:
    """A query that waits for an exchange, and where its reply goes: a listener's peer, or a stream.

    `reply` answers a stream that the engine serves itself. Another has a ticket. `transport` is that of a stream.
    """

    query: Query
    client: bytes
    asked_ns: int
    listener: UdpListener | None = None
    peer: PeerAddress | None = None
    source: Ancillary = field(default_factory=list)
    ticket: int = 0
    reply: Callable[[bytes], object] | None = None
    transport: Transport = Transport.UDP


@dataclass(slots=True, eq=False)
class Exchange:
    """A pending question; `client` asked first. `legs` holds the legs of the chain from earlier answers."""

    number: int
    key: CacheKey
    question: Question
    started_ms: int
    client: bytes
    attempt: Attempt = field(init=False)
    legs: list[tuple[Answer, Chain]] = field(default_factory=list)
    server: int = 0
    sent: int = 0
    asked_ns: dict[int, int] = field(default_factory=dict)
    """When each server was first asked this question: nothing shows which of its sends an answer is for."""
    wait_until_ms: int | None = None
    late: bool = False
    reason: Failure | None = Failure.TIMEOUT
    """The failure of the last attempt; None if it ended, or could not be made, because this node had no room."""

    @property
    def late_at_ms(self) -> int | None:
        """Return when waiting queries get a stale answer; None once that time has passed."""
        return None if self.late else self.started_ms + STALE_AFTER_MS

    @property
    def deadline_ms(self) -> int | None:
        """Return when the exchange is due if no answer comes before; None while only a stream can end it."""
        late_ms, wait_ms = self.late_at_ms, self.wait_until_ms
        return late_ms if wait_ms is None else wait_ms if late_ms is None else min(late_ms, wait_ms)


def resume_exchange(
    number: int,
    key: CacheKey,
    servers: Sequence[int],
    first_wait_ms: int,
    plain: Collection[int],
    sent_ns: int,
    client: bytes,
    raced: bool = False,
) -> Exchange:
    """Return an exchange whose first query was already sent, to the first of `servers`, and is outstanding.

    With `raced`, it was sent to the second one at once.
    """
    started_ms = sent_ns // 1_000_000
    exchange = Exchange(number, key, question_of(key.name, key.qtype, key.qclass), started_ms, client)
    exchange.attempt = Attempt(servers, first_wait_ms, plain, rival=servers[1] if raced else None)
    step = exchange.attempt.start(started_ms)
    exchange.server, exchange.sent, exchange.asked_ns = step.server, 1, {step.server: sent_ns}
    exchange.wait_until_ms = step.wait_until_ms
    if raced:
        exchange.attempt.race()
        exchange.sent, exchange.asked_ns[servers[1]] = 2, sent_ns
    return exchange


@dataclass(frozen=True, slots=True)
class Got:
    """The exchange got its answer."""

    exchange: Exchange
    answer: Answer


@dataclass(frozen=True, slots=True)
class ToStream:
    """Ask `server` by stream with `message`, until `wait_until_ms`."""

    exchange: Exchange
    server: int
    message: bytes
    wait_until_ms: int


@dataclass(frozen=True, slots=True)
class Gone:
    """No server gave a usable answer."""

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Late:
    """The waiting queries get a stale answer if there is one. The exchange goes on."""

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class ToProbe:
    """Probe a failing server by stream with `message`, until `wait_until_ms`."""

    server: int
    message: bytes
    wait_until_ms: int


Result: TypeAlias = Got | ToStream | Gone | Late | ToProbe
