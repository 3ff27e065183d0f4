"""One turn of an engine, one query that it handles, and the failure of a query."""

from dataclasses import dataclass, field

from dnsfilter.engine.interface import Event
from dnsfilter.policy.model import Instant, WireName
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.iana import EdeCode
from dnsfilter.wire.query import Query


@dataclass(slots=True)
class Turn:
    """One turn of an engine: the clocks, read once per turn, and the events that the caller must handle."""

    wall_s: Instant
    boot_ns: int
    events: list[Event] = field(default_factory=list)

    @property
    def boot_ms(self) -> int:
        """Boot time in milliseconds."""
        return self.boot_ns // 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """A query, its client and time, and the size limit of the reply. `range_class` is None if unregistered."""

    query: Query
    transport: Transport
    client: bytes
    range_class: int | None
    at: Instant
    boot_ms: int
    limit: int


@dataclass(frozen=True, slots=True)
class Failed:
    """No server gave a usable answer: the extended error, if any, and the targets of earlier legs of the chain.

    `remembered` says that the failure was known before the question was asked.
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
    None: None,  # no room on this node: no statement about the upstreams
    Failure.TIMEOUT: EdeCode.NO_REACHABLE_AUTHORITY,
    Failure.REFUSED: EdeCode.NO_REACHABLE_AUTHORITY,
    Failure.NO_RECURSION: EdeCode.NO_REACHABLE_AUTHORITY,
    Failure.UNREACHABLE: EdeCode.NETWORK_ERROR,
    Failure.TLS: EdeCode.NETWORK_ERROR,
    Failure.MALFORMED: EdeCode.NETWORK_ERROR,
    Failure.SERVFAIL: None,  # the server was reached, but could not resolve the name
}
"""Extended error for the client, by the failure of the last attempt."""
