"""Every metric of a resolver node: name, type, help and labels. `label_values.py` has the meaning of labels.

Slots, collector and `docs/reference/metrics.md` are made from this table.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Transport(StrEnum):
    """The transport of a query."""

    UDP = "udp"
    TCP = "tcp"
    DOT = "dot"
    DOH = "doh"

    @property
    def is_stream(self) -> bool:
        """Return whether it carries messages of any size, from clients whose addresses cannot be forged."""
        return self is not Transport.UDP


class Outcome(StrEnum):
    """The result of a query. Each query that was read has exactly one."""

    CACHED = "cached"
    FORWARDED = "forwarded"
    STALE = "stale"
    LOCAL = "local"
    REFUSED = "refused"
    UNREGISTERED = "unregistered"
    NOT_RECURSIVE = "not_recursive"
    FAILED = "failed"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    DROPPED = "dropped"
    LIMITED = "limited"


class QueryType(StrEnum):
    """The type of a query, or `other`."""

    A = "A"
    AAAA = "AAAA"
    HTTPS = "HTTPS"
    PTR = "PTR"
    MX = "MX"
    TXT = "TXT"
    SRV = "SRV"
    NS = "NS"
    SOA = "SOA"
    ANY = "ANY"
    OTHER = "other"


class ResponseCode(StrEnum):
    """The response code of a reply to a client, or `other`."""

    NOERROR = "NOERROR"
    NXDOMAIN = "NXDOMAIN"
    SERVFAIL = "SERVFAIL"
    REFUSED = "REFUSED"
    FORMERR = "FORMERR"
    NOTIMP = "NOTIMP"
    OTHER = "other"


class Bypass(StrEnum):
    """A way around the resolver that a client queried."""

    CANARY = "canary"
    RELAY = "relay"
    DDR = "ddr"
    ENCRYPTED_DNS = "encrypted_dns"


class BanGround(StrEnum):
    """Why a ban applies to a client: it is of the client's own authority, or bound by law or agreement."""

    OWN = "own"
    LAW = "law"
    AGREEMENT = "agreement"


class BanResult(StrEnum):
    """The effect of a ban on a query that it matches."""

    REFUSED = "refused"
    MONITORED = "monitored"
    EXEMPTED = "exempted"


class Limit(StrEnum):
    """A limit on clients that send too much."""

    CLIENT = "client"
    UNREGISTERED = "unregistered"
    WAITING = "waiting"
    DISPLACED = "displaced"
    CONNECTIONS = "connections"


class Failure(StrEnum):
    """The reason why a query to an upstream got no usable answer."""

    TIMEOUT = "timeout"
    MISMATCH = "mismatch"
    LATE = "late"
    MALFORMED = "malformed"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    NO_RECURSION = "no_recursion"
    CASE = "case"
    COOKIE = "cookie"


class MetricType(StrEnum):
    """The type of a family in the exposition format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family in Prometheus. `buckets` are a histogram's upper bounds in seconds, without +Inf."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# From a cache hit (tens of microseconds) to the usual timeout of a client (five seconds). Alerts compare with 0.1, 0.25
# and 0.3 s; the bounds between 0.25 and 1 s show how slow answers are that people notice.
ANSWER_BUCKETS: Final = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0,
    2.5, 5.0,
)  # fmt: skip
# Only a resolver on the same machine answers in less than a quarter of a millisecond.
UPSTREAM_BUCKETS: Final = ANSWER_BUCKETS[2:]

QUERIES: Final = Metric(
    "dnsfilter_queries_total", MetricType.COUNTER, "Queries read, by transport and outcome.", ("transport", "outcome")
)
QUERY_TYPES: Final = Metric(
    "dnsfilter_query_types_total", MetricType.COUNTER, "Well-formed queries read, by type, with any outcome.", ("type",)
)
RESPONSES: Final = Metric(
    "dnsfilter_responses_total", MetricType.COUNTER,
    "Replies to queries, by response code. A query that gets no reply has none.", ("rcode",),
)  # fmt: skip
REFUSED: Final = Metric(
    "dnsfilter_refused_total", MetricType.COUNTER,
    "Queries refused by a ban, by the client's authority and the service.", ("authority", "service"),
)  # fmt: skip
MONITORED: Final = Metric(
    "dnsfilter_monitored_total", MetricType.COUNTER,
    "Queries that matched a ban in monitor mode, by the client's authority and the service.", ("authority", "service"),
)  # fmt: skip
EXEMPTED: Final = Metric(
    "dnsfilter_exempted_total", MetricType.COUNTER,
    "Queries answered because all matching bans are exempted or suspended, by the client's authority and the service.",
    ("authority", "service"),
)  # fmt: skip
BAN_QUERIES: Final = Metric(
    "dnsfilter_ban_queries_total", MetricType.COUNTER,
    "Queries that matched a ban, by the client's authority, the service, the authority whose ban it is, "
    "the ground on which it applies, and the result. A query counts once for each such ban.",
    ("authority", "service", "ban_authority", "ground", "result"),
)  # fmt: skip
BYPASS_ATTEMPTS: Final = Metric(
    "dnsfilter_bypass_attempts_total", MetricType.COUNTER,
    "Queries for a way around the resolver, by kind.", ("kind",),
)  # fmt: skip
AUTHORITY_BYPASS: Final = Metric(
    "dnsfilter_authority_bypass_attempts_total", MetricType.COUNTER,
    "Queries of registered clients for a way around the resolver, by the client's authority and kind.",
    ("authority", "kind"),
)  # fmt: skip
LIMITED: Final = Metric(
    "dnsfilter_limited_total", MetricType.COUNTER,
    "Queries stopped by a limit. `connections` counts connections, `displaced` questions to upstreams.", ("limit",),
)  # fmt: skip
UPSTREAM_QUERIES: Final = Metric(
    "dnsfilter_upstream_queries_total",
    MetricType.COUNTER,
    "Queries sent to an upstream, including retries and probes.",
    ("upstream",),
)
UPSTREAM_FAILURES: Final = Metric(
    "dnsfilter_upstream_failures_total", MetricType.COUNTER,
    "Queries and probes to an upstream without a usable answer, and datagrams that answer no open one, by reason.",
    ("upstream", "reason"),
)  # fmt: skip
UPSTREAM_CLEAR_TEXT: Final = Metric(
    "dnsfilter_upstream_clear_text_total", MetricType.COUNTER,
    "Queries sent to an encrypted upstream in clear text, with `when_encrypted_fails` = `plain`.", ("upstream",),
)  # fmt: skip
UPSTREAM_DURATION: Final = Metric(
    "dnsfilter_upstream_duration_seconds", MetricType.HISTOGRAM,
    "Time between first sending a query to an upstream and its answer.", ("upstream",), UPSTREAM_BUCKETS,
)  # fmt: skip
ANSWER_DURATION_SECONDS: Final = Metric(
    "dnsfilter_answer_duration_seconds", MetricType.HISTOGRAM,
    "Time between reading a query and answering it, for a sample of the queries.", (), ANSWER_BUCKETS,
)  # fmt: skip
CACHE_HITS_TOTAL: Final = Metric(
    "dnsfilter_cache_hits_total", MetricType.COUNTER, "Cache lookups that found a usable answer, fresh or stale."
)
CACHE_PREFETCHES: Final = Metric(
    "dnsfilter_cache_prefetches_total", MetricType.COUNTER,
    "Popular answers that were asked for again before their TTL ended, with `[cache] prefetch`.",
)  # fmt: skip
REBINDING_BLOCKED: Final = Metric(
    "dnsfilter_rebinding_blocked_total", MetricType.COUNTER,
    "Queries whose answer was withheld because a public name led to a private address.",
)  # fmt: skip
CACHE_ENTRIES_NOW: Final = Metric("dnsfilter_cache_entries", MetricType.GAUGE, "Answers in the caches of all workers.")
CACHE_BYTES_NOW: Final = Metric("dnsfilter_cache_bytes", MetricType.GAUGE, "Memory used by the caches of all workers.")
TCP_CONNECTIONS_NOW: Final = Metric("dnsfilter_tcp_connections", MetricType.GAUGE, "Open TCP connections of clients.")
ENCRYPTED_CONNECTIONS_NOW: Final = Metric(
    "dnsfilter_encrypted_connections", MetricType.GAUGE, "Open encrypted connections of clients, by transport.",
    ("transport",),
)  # fmt: skip
CERTIFICATE_EXPIRY: Final = Metric(
    "dnsfilter_certificate_expiry_timestamp_seconds", MetricType.GAUGE,
    "Unix time at which the certificate in use for `[encrypted]` listeners expires.",
)  # fmt: skip
CLIENT_CA_EXPIRY: Final = Metric(
    "dnsfilter_client_ca_expiry_timestamp_seconds", MetricType.GAUGE,
    "Unix time at which the first CA of `client_ca` expires. Only if fleets need certificates.",
)  # fmt: skip
CERTIFICATE_REJECTED: Final = Metric(
    "dnsfilter_certificate_rejected", MetricType.GAUGE,
    "Set to 1 while the files of `[encrypted]` hold a pair that cannot be used, and the last good one stays, else 0.",
)  # fmt: skip
SNAPSHOT_REVISION: Final = Metric(
    "dnsfilter_snapshot_revision", MetricType.GAUGE, "Revision of the policy snapshot in force."
)
SNAPSHOT_AGE: Final = Metric(
    "dnsfilter_snapshot_age_seconds", MetricType.GAUGE, "Time since the snapshot in force was created."
)
TIME: Final = Metric(
    "dnsfilter_time_seconds", MetricType.GAUGE,
    "Unix time by the wall clock of the node, to compare with Prometheus' own.",
)  # fmt: skip
CLOCK_DOUBTED: Final = Metric(
    "dnsfilter_clock_doubted", MetricType.GAUGE,
    "Set to 1 if the wall clock is not trusted: it is earlier than the creation of the snapshot, or has jumped ahead.",
)  # fmt: skip
PROCESS_START: Final = Metric(
    "process_start_time_seconds", MetricType.GAUGE, "Unix time at which the process that serves these metrics started."
)
BUILD_INFO: Final = Metric(
    "dnsfilter_build_info",
    MetricType.GAUGE,
    "Always 1. The labels are the version and its engine.",
    ("version", "engine"),
)
WORKERS_NOW: Final = Metric("dnsfilter_workers", MetricType.GAUGE, "Workers that serve clients.")
WORKER_RESTARTS: Final = Metric(
    "dnsfilter_worker_restarts_total", MetricType.COUNTER, "Workers restarted after a worker died or was stopped."
)
SNAPSHOTS_QUARANTINED: Final = Metric(
    "dnsfilter_snapshots_quarantined_total", MetricType.COUNTER,
    "Snapshots set aside because they made workers crash. An older snapshot is in force instead.",
)  # fmt: skip
BANS_LIFTED: Final = Metric(
    "dnsfilter_bans_lifted", MetricType.GAUGE,
    "Set to 1 while an older snapshot had to take the place of the current one and bans are lifted by that, else 0.",
)  # fmt: skip
ENGINE_FALLBACK: Final = Metric(
    "dnsfilter_engine_fallback", MetricType.GAUGE,
    "Set to 1 if workers run the reference engine because they crashed too often, else 0.",
)  # fmt: skip
UNWRITTEN: Final = Metric(
    "dnsfilter_unwritten", MetricType.GAUGE,
    "Set to 1 while a snapshot or local acts are only in memory, because the disk does not take them, else 0.",
)  # fmt: skip
RECEIVE_BUFFER_BYTES: Final = Metric(
    "dnsfilter_receive_buffer_bytes",
    MetricType.GAUGE,
    "Receive buffer of each listening UDP socket as granted by the kernel. A waiting query takes about 1664 bytes.",
)
UPSTREAM_UP: Final = Metric(
    "dnsfilter_upstream_up", MetricType.GAUGE,
    "Set to 0 while a worker that recently asked the upstream counts it as failing, else 1.", ("upstream",),
)  # fmt: skip
DEFAULT_UPSTREAMS_UP: Final = Metric(
    "dnsfilter_default_upstreams_up", MetricType.GAUGE,
    "Upstreams of `[upstream] servers` that do not fail. Servers of conditional zones are left out.",
)  # fmt: skip
DATAGRAMS_DROPPED: Final = Metric(
    "dnsfilter_datagrams_dropped_total", MetricType.COUNTER,
    "Queries that the kernel dropped because the receive buffer of a listening UDP socket was full.",
)  # fmt: skip
RECEIVE_QUEUE_BYTES: Final = Metric(
    "dnsfilter_receive_queue_bytes", MetricType.GAUGE,
    "Receive buffer in use in the listening UDP socket with the most waiting queries.",
)  # fmt: skip
OPEN_FILES: Final = Metric(
    "dnsfilter_process_open_files", MetricType.GAUGE, "Open file descriptors of a process.", ("process",)
)
OPEN_FILES_LIMIT: Final = Metric(
    "dnsfilter_process_open_files_limit", MetricType.GAUGE, "Limit of open file descriptors of a process.", ("process",)
)
MEMORY_BYTES: Final = Metric(
    "dnsfilter_process_memory_bytes", MetricType.GAUGE,
    "Resident memory of a process, including the memory that it shares with others.", ("process",),
)  # fmt: skip
CPU_SECONDS: Final = Metric(
    "dnsfilter_process_cpu_seconds_total", MetricType.COUNTER, "User and system CPU time of a process.", ("process",)
)
WORKER_QUERIES: Final = Metric(
    "dnsfilter_worker_queries_total", MetricType.COUNTER, "Queries read by a worker, with any outcome.", ("worker",)
)
NODE_INFO: Final = Metric(
    "dnsfilter_node_info", MetricType.GAUGE, "Always 1. The labels are the node's site and name.", ("site", "node")
)
STATE_DISK_FREE_BYTES: Final = Metric(
    "dnsfilter_state_disk_free_bytes", MetricType.GAUGE, "Free space of the disk with the state directory."
)
STATE_DISK_SIZE_BYTES: Final = Metric(
    "dnsfilter_state_disk_size_bytes", MetricType.GAUGE, "Size of the disk with the state directory."
)
SUSPENDED: Final = Metric(
    "dnsfilter_suspended", MetricType.GAUGE,
    "Set to 1 for each authority of this node's site that is suspended, by a published or local suspension.",
    ("authority",),
)  # fmt: skip
LOCAL_NAMES: Final = Metric(
    "dnsfilter_local_names", MetricType.GAUGE,
    "Names that acts on this node itself refuse or allow now, by the authority and what they do.",
    ("authority", "verdict"),
)  # fmt: skip
PENDING: Final = Metric(
    "dnsfilter_pending_total", MetricType.COUNTER,
    "Queries that a ban only monitored because the name is a pending one of the service: it will be refused.",
    ("service",),
)  # fmt: skip
PENDING_LOST: Final = Metric(
    "dnsfilter_pending_lost_total", MetricType.COUNTER,
    "Queries for pending names that found no room in a table, and are in no count by name.",
)  # fmt: skip
COUNTS_LOST: Final = Metric(
    "dnsfilter_policy_counts_lost_total", MetricType.COUNTER,
    "Counts of bans and of ways around the resolver that could not be assigned to an authority.",
)  # fmt: skip

METRICS: Final = (
    QUERIES, QUERY_TYPES, RESPONSES, REFUSED, MONITORED, EXEMPTED, BAN_QUERIES, PENDING, PENDING_LOST, BYPASS_ATTEMPTS,
    AUTHORITY_BYPASS, LIMITED, UPSTREAM_QUERIES, UPSTREAM_FAILURES, UPSTREAM_CLEAR_TEXT, UPSTREAM_DURATION,
    ANSWER_DURATION_SECONDS,
    CACHE_HITS_TOTAL, CACHE_PREFETCHES, REBINDING_BLOCKED, CACHE_ENTRIES_NOW, CACHE_BYTES_NOW, TCP_CONNECTIONS_NOW,
    ENCRYPTED_CONNECTIONS_NOW, CERTIFICATE_EXPIRY, CLIENT_CA_EXPIRY, CERTIFICATE_REJECTED, SNAPSHOT_REVISION,
    SNAPSHOT_AGE, TIME, CLOCK_DOUBTED,
    BUILD_INFO, PROCESS_START, WORKERS_NOW, WORKER_RESTARTS, SNAPSHOTS_QUARANTINED, BANS_LIFTED, UNWRITTEN,
    ENGINE_FALLBACK, RECEIVE_BUFFER_BYTES, SUSPENDED, LOCAL_NAMES, COUNTS_LOST, UPSTREAM_UP, DEFAULT_UPSTREAMS_UP,
    DATAGRAMS_DROPPED, RECEIVE_QUEUE_BYTES, OPEN_FILES, OPEN_FILES_LIMIT, MEMORY_BYTES, CPU_SECONDS, WORKER_QUERIES,
    NODE_INFO, STATE_DISK_FREE_BYTES, STATE_DISK_SIZE_BYTES,
)  # fmt: skip
