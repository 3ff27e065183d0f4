"""What passes between those who make a question's first send and those who go on with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.listening import Ancillary, PeerAddress, UdpListener
from dnsfilter.wire.query import Query, Question


@dataclass(frozen=True, slots=True)
class Waiter:
    """Who waits for an exchange, and where the reply goes: a listener's peer, or a stream's ticket."""

    query: Query
    client: bytes
    asked_ns: int
    listener: UdpListener | None = None
    peer: PeerAddress | None = None
    source: Ancillary = field(default_factory=list)
    ticket: int = 0


class Sent(Protocol):
    """The socket of an outstanding send."""

    def forget(self, number: int) -> None:
        """Nothing waits for an answer under the id `number` any more."""


class SentElsewhere(Sent, Protocol):
    """A socket that others listen to; what comes for the exchange they give to `take` and `unreachable`."""

    def adopted(self, number: int) -> None:
        """The exchange's number from now on."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An exchange whose first send others made, at `sent_ns`; `servers` are in the order to ask them.

    `plain`: the first send went without EDNS.
    """

    key: CacheKey
    question: Question
    servers: tuple[int, ...]
    first_wait_ms: int
    sent_ns: int
    sent: SentElsewhere
    number: int
    waiters: list[Waiter]
    plain: bool = False


class HealthBook(Protocol):
    """What `upstream.health.Health` does, or a twin of it."""

    def order(self, servers: Sequence[int], now_ms: int) -> tuple[int, ...]: ...
    def sent(self, server: int, now_ms: int) -> None: ...
    def heard(self, server: int) -> None: ...
    def succeeded(self, server: int, rtt_ms: int, now_ms: int) -> None: ...
    def failed(self, server: int, now_ms: int) -> None: ...
    def has_edns(self, server: int, now_ms: int) -> None: ...
    def lacks_edns(self, server: int, now_ms: int) -> None: ...
    def is_plain(self, server: int, now_ms: int) -> bool: ...
    def first_wait_ms(self, server: int) -> int: ...
    @property
    def recoveries(self) -> int: ...
    def all_dead(self, servers: Sequence[int]) -> bool: ...
    def may_try(self, servers: Sequence[int], now_ms: int) -> bool: ...
    def want_probes(self) -> None: ...
    def next_probe_ms(self) -> int | None: ...
    def due(self, now_ms: int) -> list[int]: ...
    def answered_probe(self, server: int, now_ms: int) -> None: ...
    def missed_probe(self, server: int) -> None: ...
