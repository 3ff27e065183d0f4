"""One question on its way to upstreams, and what can come of it."""

from dataclasses import dataclass, field
from typing import TypeAlias

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.handover import Sent, Waiter
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.upstream.attempt import Attempt
from dnsfilter.wire.answer import Answer, Chain
from dnsfilter.wire.query import Question


@dataclass(slots=True, eq=False)
class Exchange:
    """One question on its way; `client` asked first. `walked` holds the legs of a chain that earlier answers gave."""

    number: int
    key: CacheKey
    question: Question
    attempt: Attempt
    started_ms: int
    client: bytes
    waiters: list[Waiter] = field(default_factory=list)
    walked: list[tuple[Answer, Chain]] = field(default_factory=list)
    sends: list[tuple[Sent, int]] = field(default_factory=list)
    server: int = 0
    sent: int = 0
    sent_ns: int = 0
    wait_until_ms: int | None = None
    late: bool = False
    reason: Failure | None = Failure.TIMEOUT
    """How the last try failed; None if it had to end, or could not be made, for want of room here."""


@dataclass(frozen=True, slots=True)
class Got:
    """The exchange has its answer."""

    exchange: Exchange
    answer: Answer


@dataclass(frozen=True, slots=True)
class Cut:
    """The answer was truncated; `server` wants to be asked by stream with `message`, until `wait_until_ms`."""

    exchange: Exchange
    server: int
    message: bytes
    wait_until_ms: int


@dataclass(frozen=True, slots=True)
class Gone:
    """Nobody gave a usable answer."""

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Late:
    """Those who wait for the exchange get a stale answer if there is one; the exchange goes on."""

    exchange: Exchange


Result: TypeAlias = Got | Cut | Gone | Late
