"""One query on its way through an engine, and how it may fail."""

from dataclasses import dataclass

from dnsfilter.policy.model import Instant, WireName
from dnsfilter.telemetry.metrics import Transport
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
