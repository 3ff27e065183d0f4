"""The one table of a worker's counters: the meaning of each uint64 slot.

A block has fixed slots (this file's constants), then one run of slots per upstream. The policy areas are separate:
`policy_words.py` has their layout.

On the answer path: `slots[QUERY["udp"]["cached"]] += 1`, `slots[CACHE_HITS] += 1`,
`ANSWER_DURATION.observe(slots, ns)`.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from dnsfilter.telemetry import metrics
from dnsfilter.telemetry.metrics import ANSWER_BUCKETS as ANSWER_BUCKETS
from dnsfilter.telemetry.metrics import (
    UPSTREAM_BUCKETS,
    Bypass,
    Failure,
    Limit,
    Metric,
    Outcome,
    QueryType,
    ResponseCode,
    Transport,
)

Labels = tuple[tuple[str, str], ...]
NS_PER_S: Final = 1_000_000_000


class SlotKind(StrEnum):
    """The unit of a slot. A bucket counts one interval (not cumulative); a sum is in nanoseconds.

    A state has no sum: the supervisor compares the states of all workers.
    """

    COUNTER = "counter"
    GAUGE = "gauge"
    BUCKET = "bucket"
    SUM = "sum"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Slot:
    """One uint64: its index and the sample it feeds. A bucket's labels end in `le`, its upper bound in seconds."""

    index: int
    metric: str
    labels: Labels
    help: str
    kind: SlotKind


@dataclass(frozen=True, slots=True)
class HistogramSlots:
    """A histogram: one slot per bucket from `first`, one for values beyond the last bound, and the sum (ns)."""

    first: int
    bounds_ns: tuple[int, ...]

    @property
    def sum(self) -> int:
        return self.first + len(self.bounds_ns) + 1

    def bucket(self, duration_ns: int) -> int:
        """Return the slot of the bucket for this duration. A bound belongs to its own bucket (`le`)."""
        return self.first + bisect_left(self.bounds_ns, duration_ns)

    def observe(self, slots: "MutableSequence[int] | memoryview[int]", duration_ns: int) -> None:
        """Count one duration. A negative one counts as 0: the clock was set."""
        duration_ns = max(duration_ns, 0)
        slots[self.first + bisect_left(self.bounds_ns, duration_ns)] += 1
        slots[self.first + len(self.bounds_ns) + 1] += duration_ns

    def table(self, metric: Metric, labels: Labels) -> Iterator[Slot]:
        for offset, bound in enumerate((*metric.buckets, float("inf"))):
            le = "+Inf" if bound == float("inf") else repr(bound)
            yield Slot(self.first + offset, metric.name, (*labels, ("le", le)), metric.help, SlotKind.BUCKET)
        yield Slot(self.sum, metric.name, labels, metric.help, SlotKind.SUM)


def _histogram_size(bounds_s: Sequence[float]) -> int:
    return len(bounds_s) + 2


def _bounds_ns(bounds_s: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(bound * NS_PER_S) for bound in bounds_s)


QUERY_FIRST: Final = 0
QUERY: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {
        transport: MappingProxyType(
            {outcome: QUERY_FIRST + row * len(Outcome) + column for column, outcome in enumerate(Outcome)}
        )
        for row, transport in enumerate(Transport)
    }
)
"""Transport, outcome -> slot."""
_TYPE_FIRST: Final = QUERY_FIRST + len(Transport) * len(Outcome)
QUERY_TYPE: Final[Mapping[str, int]] = MappingProxyType({kind: _TYPE_FIRST + i for i, kind in enumerate(QueryType)})
"""Type of a query -> slot."""
_RESPONSE_FIRST: Final = _TYPE_FIRST + len(QueryType)
RESPONSE: Final[Mapping[str, int]] = MappingProxyType(
    {code: _RESPONSE_FIRST + i for i, code in enumerate(ResponseCode)}
)
"""Response code of a reply -> slot."""
_BYPASS_FIRST: Final = _RESPONSE_FIRST + len(ResponseCode)
BYPASS: Final[Mapping[str, int]] = MappingProxyType({kind: _BYPASS_FIRST + i for i, kind in enumerate(Bypass)})
"""Kind of bypass attempt -> slot."""
CACHE_HITS: Final = _BYPASS_FIRST + len(Bypass)
CACHE_ENTRIES: Final = CACHE_HITS + 1
CACHE_BYTES: Final = CACHE_HITS + 2
TCP_CONNECTIONS: Final = CACHE_HITS + 3
POLICY_COUNTS_LOST: Final = CACHE_HITS + 4
CACHE_PREFETCHES: Final = CACHE_HITS + 5
REBINDING_BLOCKED: Final = CACHE_HITS + 6
ANSWER_DURATION: Final = HistogramSlots(CACHE_HITS + 7, _bounds_ns(ANSWER_BUCKETS))
_LIMITED_FIRST: Final = ANSWER_DURATION.first + _histogram_size(ANSWER_BUCKETS)
LIMITED: Final[Mapping[str, int]] = MappingProxyType({limit: _LIMITED_FIRST + i for i, limit in enumerate(Limit)})
"""Limit reached -> slot."""
_CONNECTIONS_FIRST: Final = _LIMITED_FIRST + len(Limit)
ENCRYPTED: Final = (Transport.DOT, Transport.DOH)
ENCRYPTED_CONNECTIONS: Final[Mapping[str, int]] = MappingProxyType(
    {transport: _CONNECTIONS_FIRST + i for i, transport in enumerate(ENCRYPTED)}
)
"""Encrypted transport -> slot of its open connections."""
FIXED_SLOTS: Final = _CONNECTIONS_FIRST + len(ENCRYPTED)

_FAILURE: Final[Mapping[str, int]] = MappingProxyType({reason: 1 + i for i, reason in enumerate(Failure)})
_UPSTREAM_DURATION: Final = 1 + len(Failure)
_UPSTREAM_STATE: Final = _UPSTREAM_DURATION + _histogram_size(UPSTREAM_BUCKETS)
_UPSTREAM_CLEAR_TEXT: Final = _UPSTREAM_STATE + 1
UPSTREAM_STRIDE: Final = _UPSTREAM_CLEAR_TEXT + 1
_UPSTREAM_BOUNDS_NS: Final = _bounds_ns(UPSTREAM_BUCKETS)
MAX_UPSTREAMS: Final = 1_024
UPSTREAM_UNKNOWN: Final = 0
"""State of an upstream that this worker has not had an answer from."""
UPSTREAM_ANSWERS: Final = 1
"""State of an upstream that answers."""


@dataclass(frozen=True, slots=True)
class UpstreamSlots:
    """The slots of one upstream server: `first` is the first slot, `server` the upstream's index."""

    first: int
    server: int

    @property
    def queries(self) -> int:
        return self.first

    def failure(self, reason: str) -> int:
        """Return the slot of one reason. KeyError for a reason that is not in `Failure`."""
        return self.first + _FAILURE[reason]

    @property
    def duration(self) -> HistogramSlots:
        return HistogramSlots(self.first + _UPSTREAM_DURATION, _UPSTREAM_BOUNDS_NS)

    @property
    def state(self) -> int:
        """The slot of `UPSTREAM_UNKNOWN`, `UPSTREAM_ANSWERS`, or 1 plus the consecutive failures if it is failing."""
        return self.first + _UPSTREAM_STATE

    @property
    def clear_text(self) -> int:
        """The slot of queries that were sent in clear text because all encrypted servers failed."""
        return self.first + _UPSTREAM_CLEAR_TEXT

    def table(self, upstream: str) -> Iterator[Slot]:
        labels = (("upstream", upstream),)
        yield _counter(self.queries, metrics.UPSTREAM_QUERIES, labels)
        for reason in Failure:
            yield _counter(self.failure(reason), metrics.UPSTREAM_FAILURES, (*labels, ("reason", reason.value)))
        yield from self.duration.table(metrics.UPSTREAM_DURATION, labels)
        yield Slot(self.state, metrics.UPSTREAM_UP.name, labels, metrics.UPSTREAM_UP.help, SlotKind.STATE)
        yield _counter(self.clear_text, metrics.UPSTREAM_CLEAR_TEXT, labels)


def upstream_slots(count: int) -> tuple[UpstreamSlots, ...]:
    """Return the slots of upstreams 0 to `count` - 1, in the order of the configuration."""
    return tuple(UpstreamSlots(FIXED_SLOTS + server * UPSTREAM_STRIDE, server) for server in range(count))


def fixed_size(upstreams: int) -> int:
    """Return the number of slots of a block with that many upstreams, without policy areas."""
    if not 0 <= upstreams <= MAX_UPSTREAMS:
        raise ValueError(f"lay out counters for {upstreams} upstreams: at most {MAX_UPSTREAMS}")
    return FIXED_SLOTS + upstreams * UPSTREAM_STRIDE


def slot_table(upstreams: Sequence[str]) -> tuple[Slot, ...]:
    """Return every slot of a block with these upstreams, in the order of their indices."""
    return (
        *_fixed_table(),
        *(slot for run in upstream_slots(len(upstreams)) for slot in run.table(upstreams[run.server])),
    )


def _counter(index: int, metric: Metric, labels: Labels = ()) -> Slot:
    return Slot(index, metric.name, labels, metric.help, SlotKind.COUNTER)


def _gauge(index: int, metric: Metric, labels: Labels = ()) -> Slot:
    return Slot(index, metric.name, labels, metric.help, SlotKind.GAUGE)


def _fixed_table() -> Iterator[Slot]:
    for transport in Transport:
        for outcome in Outcome:
            labels = (("transport", transport.value), ("outcome", outcome.value))
            yield _counter(QUERY[transport][outcome], metrics.QUERIES, labels)
    for asked in QueryType:
        yield _counter(QUERY_TYPE[asked], metrics.QUERY_TYPES, (("type", asked.value),))
    for code in ResponseCode:
        yield _counter(RESPONSE[code], metrics.RESPONSES, (("rcode", code.value),))
    for kind in Bypass:
        yield _counter(BYPASS[kind], metrics.BYPASS_ATTEMPTS, (("kind", kind.value),))
    yield _counter(CACHE_HITS, metrics.CACHE_HITS_TOTAL)
    yield _gauge(CACHE_ENTRIES, metrics.CACHE_ENTRIES_NOW)
    yield _gauge(CACHE_BYTES, metrics.CACHE_BYTES_NOW)
    yield _gauge(TCP_CONNECTIONS, metrics.TCP_CONNECTIONS_NOW)
    yield _counter(POLICY_COUNTS_LOST, metrics.COUNTS_LOST)
    yield _counter(CACHE_PREFETCHES, metrics.CACHE_PREFETCHES)
    yield _counter(REBINDING_BLOCKED, metrics.REBINDING_BLOCKED)
    yield from ANSWER_DURATION.table(metrics.ANSWER_DURATION_SECONDS, ())
    for limit in Limit:
        yield _counter(LIMITED[limit], metrics.LIMITED, (("limit", limit.value),))
    for transport in ENCRYPTED:
        index = ENCRYPTED_CONNECTIONS[transport]
        yield _gauge(index, metrics.ENCRYPTED_CONNECTIONS_NOW, (("transport", transport.value),))
