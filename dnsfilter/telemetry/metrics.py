"""Every metric of a resolver node: name, type, help, labels and the values a label may take.

The one table that slots, collector and `docs/metrics.md` are made from. Labels are bounded: their values stand here, or
come from the configuration (`upstream`) or the policy in force (`authority`, `service`); none ever names a client, a
range or a query.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Transport(StrEnum):
    """How a query came in."""

    UDP = "udp"
    TCP = "tcp"


class Outcome(StrEnum):
    """What became of a query; each query that was read has exactly one outcome."""

    CACHED = "cached"
    FORWARDED = "forwarded"
    STALE = "stale"
    LOCAL = "local"
    BLOCKED = "blocked"
    UNREGISTERED = "unregistered"
    NOT_RECURSIVE = "not_recursive"
    FAILED = "failed"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    DROPPED = "dropped"
    LIMITED = "limited"


class Bypass(StrEnum):
    """A way around the resolver that a client asked for."""

    CANARY = "canary"
    RELAY = "relay"
    DDR = "ddr"
    ENCRYPTED_DNS = "encrypted_dns"


class Limit(StrEnum):
    """What was reached by those who ask too much."""

    CLIENT = "client"
    UNREGISTERED = "unregistered"
    WAITING = "waiting"
    DISPLACED = "displaced"
    CONNECTIONS = "connections"


class Failure(StrEnum):
    """Why a try at an upstream brought no answer."""

    TIMEOUT = "timeout"
    MISMATCH = "mismatch"
    MALFORMED = "malformed"
    UNREACHABLE = "unreachable"
    SERVFAIL = "servfail"
    REFUSED = "refused"


class MetricType(StrEnum):
    """The exposition format's type of a family."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family as Prometheus sees it; `buckets` are a histogram's upper bounds in seconds, without +Inf."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# From a hit in the cache (tens of microseconds) to the end of a client's patience (five seconds).
ANSWER_BUCKETS: Final = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
# Nothing answers over a network in less than a quarter of a millisecond, save a resolver on the same machine.
UPSTREAM_BUCKETS: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

QUERIES: Final = Metric(
    "dnsfilter_queries_total", MetricType.COUNTER, "Queries read, by transport and outcome.", ("transport", "outcome")
)
REFUSED: Final = Metric(
    "dnsfilter_refused_total", MetricType.COUNTER,
    "Queries refused by a ban, by the client's authority and the service.", ("authority", "service"),
)  # fmt: skip
MONITORED: Final = Metric(
    "dnsfilter_monitored_total", MetricType.COUNTER,
    "Queries that matched a monitoring ban, by the client's authority and the service.", ("authority", "service"),
)  # fmt: skip
EXEMPTED: Final = Metric(
    "dnsfilter_exempted_total", MetricType.COUNTER,
    "Queries passed because only exempted or suspended bans concern them, by the client's authority and the service.",
    ("authority", "service"),
)  # fmt: skip
BYPASS_ATTEMPTS: Final = Metric(
    "dnsfilter_bypass_attempts_total", MetricType.COUNTER,
    "Queries for a way around the resolver, by kind.", ("kind",),
)  # fmt: skip
LIMITED: Final = Metric(
    "dnsfilter_limited_total", MetricType.COUNTER,
    "Queries that met a limit; `connections` counts TCP connections, `displaced` questions to upstreams.", ("limit",),
)  # fmt: skip
UPSTREAM_QUERIES: Final = Metric(
    "dnsfilter_upstream_queries_total",
    MetricType.COUNTER,
    "Queries sent to an upstream, tries and probes included.",
    ("upstream",),
)
UPSTREAM_FAILURES: Final = Metric(
    "dnsfilter_upstream_failures_total", MetricType.COUNTER,
    "Tries and probes that brought no usable answer, by reason.", ("upstream", "reason"),
)  # fmt: skip
UPSTREAM_DURATION: Final = Metric(
    "dnsfilter_upstream_duration_seconds", MetricType.HISTOGRAM,
    "Time from a query's sending to an upstream until its answer.", ("upstream",), UPSTREAM_BUCKETS,
)  # fmt: skip
ANSWER_DURATION_SECONDS: Final = Metric(
    "dnsfilter_answer_duration_seconds", MetricType.HISTOGRAM,
    "Time from reading a query until its answer, of a sample of the queries.", (), ANSWER_BUCKETS,
)  # fmt: skip
CACHE_HITS_TOTAL: Final = Metric(
    "dnsfilter_cache_hits_total", MetricType.COUNTER, "Lookups in the cache that found a usable answer, fresh or stale."
)
CACHE_ENTRIES_NOW: Final = Metric("dnsfilter_cache_entries", MetricType.GAUGE, "Answers in the caches of all workers.")
CACHE_BYTES_NOW: Final = Metric("dnsfilter_cache_bytes", MetricType.GAUGE, "Memory held by the caches of all workers.")
TCP_CONNECTIONS_NOW: Final = Metric("dnsfilter_tcp_connections", MetricType.GAUGE, "Clients' TCP connections now open.")
SNAPSHOT_REVISION: Final = Metric(
    "dnsfilter_snapshot_revision", MetricType.GAUGE, "Revision of the policy snapshot in force."
)
SNAPSHOT_AGE: Final = Metric(
    "dnsfilter_snapshot_age_seconds", MetricType.GAUGE, "Time since the snapshot in force was made."
)
CLOCK_DOUBTED: Final = Metric(
    "dnsfilter_clock_doubted", MetricType.GAUGE,
    "Whether the wall clock is earlier than the snapshot's making and not believed: 1 or 0.",
)  # fmt: skip
BUILD_INFO: Final = Metric(
    "dnsfilter_build_info", MetricType.GAUGE, "Always 1; the running version and its engine.", ("version", "engine")
)
WORKERS_NOW: Final = Metric("dnsfilter_workers", MetricType.GAUGE, "Workers that clients are served by now.")
WORKER_RESTARTS: Final = Metric(
    "dnsfilter_worker_restarts_total", MetricType.COUNTER, "Workers started again after one died or was stopped."
)
SNAPSHOTS_QUARANTINED: Final = Metric(
    "dnsfilter_snapshots_quarantined_total", MetricType.COUNTER,
    "Snapshots set aside because workers died of them; an older one is in force since.",
)  # fmt: skip
ENGINE_FALLBACK: Final = Metric(
    "dnsfilter_engine_fallback", MetricType.GAUGE,
    "Whether workers run the reference engine because they died too often: 1 or 0.",
)  # fmt: skip
RECEIVE_BUFFER_BYTES: Final = Metric(
    "dnsfilter_receive_buffer_bytes",
    MetricType.GAUGE,
    "What the kernel grants each listening UDP socket for waiting queries, about 1664 octets each.",
)
SUSPENDED: Final = Metric(
    "dnsfilter_suspended", MetricType.GAUGE,
    "Authorities for which nothing is refused here because of a suspension, published or made on this node: 1.",
    ("authority",),
)  # fmt: skip
COUNTS_LOST: Final = Metric(
    "dnsfilter_policy_counts_lost_total", MetricType.COUNTER,
    "Refused, monitored and exempted queries that no authority and service could be found for.",
)  # fmt: skip

METRICS: Final = (
    QUERIES, REFUSED, MONITORED, EXEMPTED, BYPASS_ATTEMPTS, LIMITED, UPSTREAM_QUERIES, UPSTREAM_FAILURES,
    UPSTREAM_DURATION, ANSWER_DURATION_SECONDS, CACHE_HITS_TOTAL, CACHE_ENTRIES_NOW, CACHE_BYTES_NOW,
    TCP_CONNECTIONS_NOW, SNAPSHOT_REVISION, SNAPSHOT_AGE, CLOCK_DOUBTED, BUILD_INFO, WORKERS_NOW, WORKER_RESTARTS,
    SNAPSHOTS_QUARANTINED, ENGINE_FALLBACK, RECEIVE_BUFFER_BYTES, SUSPENDED, COUNTS_LOST,
)  # fmt: skip

LABEL_VALUES: Final[Mapping[tuple[str, str], Mapping[str, str]]] = MappingProxyType(
    {
        (QUERIES.name, "transport"): {Transport.UDP: "a datagram", Transport.TCP: "a TCP connection"},
        (QUERIES.name, "outcome"): {
            Outcome.CACHED: "answered from the cache",
            Outcome.FORWARDED: "answered by an upstream",
            Outcome.STALE: "answered from the cache although expired, because no upstream answered (RFC 8767)",
            Outcome.LOCAL: "answered from special names, local records or the health name",
            Outcome.BLOCKED: "refused by a ban, in whichever form the ban replies",
            Outcome.UNREGISTERED: "refused because the client is in no range",
            Outcome.NOT_RECURSIVE: "refused because recursion was not asked for",
            Outcome.FAILED: "SERVFAIL: no upstream answered and nothing stale was kept",
            Outcome.MALFORMED: "FORMERR: not a well-formed query",
            Outcome.UNSUPPORTED: "NOTIMP, BADVERS or refused: an opcode, type or version that is not served",
            Outcome.DROPPED: "left without an answer: a response or a runt",
            Outcome.LIMITED: "beyond a limit: left without an answer, told to come by TCP, or over TCP SERVFAIL",
        },
        (LIMITED.name, "limit"): {
            Limit.CLIENT: "a client asks more a second than `queries_per_second`",
            Limit.UNREGISTERED: "a network that may not ask gets more replies than `unregistered_per_second`",
            Limit.WAITING: "too many queries of one client, or of all, wait for an upstream",
            Limit.DISPLACED: "an unanswered question of a heavy zone or client gave way to another one",
            Limit.CONNECTIONS: "one client, or all together, have too many TCP connections open",
        },
        (BYPASS_ATTEMPTS.name, "kind"): {
            Bypass.CANARY: "`use-application-dns.net`: a browser asks whether it may use its own resolver",
            Bypass.RELAY: "`mask.icloud.com`, `mask-h2.icloud.com`: Private Relay",
            Bypass.DDR: "`resolver.arpa` and below: discovery of designated resolvers (RFC 9462)",
            Bypass.ENCRYPTED_DNS: "a name of the service `encrypted_dns`",
        },
        (UPSTREAM_FAILURES.name, "reason"): {
            Failure.TIMEOUT: "no answer in time",
            Failure.MISMATCH: "a datagram with another id, question or case than was sent",
            Failure.MALFORMED: "an answer that is no well-formed message",
            Failure.UNREACHABLE: "the network or the server refused the packet or connection",
            Failure.SERVFAIL: "the upstream answered SERVFAIL",
            Failure.REFUSED: "the upstream answered REFUSED",
        },
    }
)
"""(metric, label) -> value -> meaning, for every label whose values the program itself fixes."""

OPEN_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "authority": "slug of an authority of the policy in force that lets itself be counted; "
        "of `dnsfilter_suspended` any authority's, empty for all",
        "service": "slug of a service of the catalogue that one of its bans concerns",
        "upstream": "address and port of a configured upstream or zone server",
        "version": "the running version",
        "engine": "`reference` or `compiled`",
    }
)
"""Labels whose values the configuration or the policy bounds."""
