"""One turn of an engine, one query on its way through it, and how that may fail."""

from dataclasses import dataclass, field

from dnsfilter.engine.interface import Event
from dnsfilter.policy.model import Instant, WireName
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.iana import EdeCode
from dnsfilter.wire.query import Query


@dataclass(slots=True)
class Turn:
    """One turn of an engine: both clocks are read once for all that it does, and it gathers what is to be handed up."""

    wall_s: Instant
    boot_ns: int
    events: list[Event] = field(default_factory=list)

    @property
    def boot_ms(self) -> int:
        """Milliseconds of boot time."""
        return self.boot_ns // 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """Who asks what, when, and how many octets the reply may hold; `range_class` is None for an unregistered client."""

    query: Query
    transport: Transport
    client: bytes
    range_class: int | None
    at: Instant
    boot_ms: int
    limit: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Nobody gave a usable answer: why, if one can say so, and the names that earlier legs of the chain lead to.

    `remembered` is whether that was known before the question was asked.
    """

    code: EdeCode | None
    targets: tuple[WireName, ...]
    remembered: bool = False

    @property
    def edes(self) -> tuple[Ede, ...]:
        """Extended errors of the reply to the client."""
        codes = (self.code, EdeCode.CACHED_ERROR if self.remembered else None)
        return tuple(Ede(code) for code in codes if code is not None)


FAILED_AS: dict[Failure | None, EdeCode | None] = {
    None: None,  # there was no room here: it says nothing about the upstreams
    Failure.TIMEOUT: EdeCode.NO_REACHABLE_AUTHORITY,
    Failure.REFUSED: EdeCode.NO_REACHABLE_AUTHORITY,
    Failure.UNREACHABLE: EdeCode.NETWORK_ERROR,
    Failure.MALFORMED: EdeCode.NETWORK_ERROR,
    Failure.SERVFAIL: None,  # it says that resolving failed, not that nobody could be reached
}
"""What to tell a client about a question of which the last try failed in that way."""
