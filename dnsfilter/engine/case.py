"""One query on its way through an engine, and how it may fail."""

from dataclasses import dataclass

from dnsfilter.policy.model import Instant, WireName
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.wire.iana import EdeCode
from dnsfilter.wire.query import Query


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
    """Nobody gave a usable answer: why, if one can say so, and the names that earlier legs of the chain lead to."""

    code: EdeCode | None
    targets: tuple[WireName, ...]


FAILED_AS: dict[Failure | None, EdeCode | None] = {
    None: None,  # our own connections were busy: it says nothing about the upstreams
    Failure.TIMEOUT: EdeCode.NO_REACHABLE_AUTHORITY,
    Failure.REFUSED: EdeCode.NO_REACHABLE_AUTHORITY,
    Failure.UNREACHABLE: EdeCode.NETWORK_ERROR,
    Failure.MALFORMED: EdeCode.NETWORK_ERROR,
    Failure.SERVFAIL: None,  # it says that resolving failed, not that nobody could be reached
}
"""What to tell a client about a question of which the last try failed in that way."""
