"""The control plane's metrics and their server.

Every name except `dnsfilter_suspended` begins with `dnsfilter_api_`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, Protocol, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from api.settings import Endpoint
from dnsfilter import __version__

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Registry: TypeAlias = CollectorRegistry


class PublishingStatus(Protocol):
    """The status of a publisher, as metrics read it."""

    @property
    def revision(self) -> int | None: ...
    @property
    def published(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def duration_s(self) -> float: ...


class Publishing(Protocol):
    """A publisher, as metrics read it."""

    @property
    def status(self) -> PublishingStatus: ...
    def database_revision(self) -> int: ...


class Failures(Protocol):
    """The authentication failures, as metrics read them."""

    def counts(self) -> Mapping[str, int]: ...


class Nodes(Protocol):
    """The nodes, as metrics read them."""

    def counts(self) -> Mapping[str, int]: ...


class DestinationStatus(Protocol):
    """The status of a destination of checkpoints, as metrics read it."""

    @property
    def name(self) -> str: ...
    @property
    def undelivered(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def age_s(self) -> int | None: ...


class Checkpoints(Protocol):
    """The delivery of checkpoints, as metrics read it."""

    @property
    def destinations(self) -> int: ...
    def status(self) -> Sequence[DestinationStatus]: ...


class Suspensions(Protocol):
    """The suspensions, as metrics read them."""

    def suspended(self) -> Sequence[str | None]: ...


class SuspensionsCollector(Collector):
    """Current suspensions, read when scraped. There is no series while the database cannot be read.

    Nodes have a metric with the same name, which includes local suspensions.
    """

    def __init__(self, suspensions: Suspensions) -> None:
        self._suspensions = suspensions

    def collect(self) -> Iterator[Metric]:
        """Yield one family, with a series per suspended authority."""
        try:
            suspended = self._suspensions.suspended()
        except SQLAlchemyError:
            return
        help_text = "1 while a suspension holds for the authority, or with an empty label for all."
        family = GaugeMetricFamily("dnsfilter_suspended", help_text, labels=("authority",))
        for authority in suspended:
            family.add_metric((authority or "",), 1)
        yield family


class CheckpointsCollector(Collector):
    """The number of checkpoint destinations, and how far each is behind, read when scraped.

    How far they are behind is left out while the database cannot be read.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def collect(self) -> Iterator[Metric]:
        """Yield one family with one value, and three with a series per destination."""
        help_text = "Destinations that are set for checkpoints of the audit log."
        yield GaugeMetricFamily("dnsfilter_api_checkpoint_destinations", help_text, self._checkpoints.destinations)
        try:
            destinations = self._checkpoints.status()
        except SQLAlchemyError:
            return
        help_text = "Checkpoints of the audit log that the destination does not have yet."
        undelivered = GaugeMetricFamily("dnsfilter_api_checkpoints_undelivered", help_text, labels=("place",))
        help_text = "Age of the newest checkpoint that the destination has."
        age = GaugeMetricFamily("dnsfilter_api_checkpoint_age_seconds", help_text, labels=("place",))
        help_text = "Failed attempts to send checkpoints to the destination."
        failures = CounterMetricFamily("dnsfilter_api_checkpoint_failures", help_text, labels=("place",))
        for destination in destinations:
            undelivered.add_metric((destination.name,), destination.undelivered)
            failures.add_metric((destination.name,), destination.failures)
            if destination.age_s is not None:
                age.add_metric((destination.name,), destination.age_s)
        yield from (undelivered, age, failures)


class Damaged(Protocol):
    """The check of the database, as metrics read it."""

    @property
    def damage(self) -> str | None: ...


class DamageCollector(Collector):
    """A flag that says whether the database is damaged, read when scraped."""

    def __init__(self, integrity: Damaged) -> None:
        self._integrity = integrity

    def collect(self) -> Iterator[Metric]:
        """Yield one family with one value."""
        help_text = "1 while the database's file or its audit log is known to be damaged."
        yield GaugeMetricFamily("dnsfilter_api_database_damaged", help_text, int(self._integrity.damage is not None))


class FailuresCollector(Collector):
    """Authentication failures, read when scraped."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def collect(self) -> Iterator[Metric]:
        """Yield one family, with a series per reason that occurred."""
        help_text = "Authentication failures by reason; limited ones were not stored."
        family = CounterMetricFamily("dnsfilter_api_refused_tokens", help_text, labels=("reason",))
        for reason, count in sorted(self._failures.counts().items()):
            family.add_metric((reason,), count)
        yield family


class NodesCollector(Collector):
    """Nodes by state, read when scraped. There is no series while the database cannot be read."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def collect(self) -> Iterator[Metric]:
        """Yield one family, with a series per state."""
        try:
            counts = self._nodes.counts()
        except SQLAlchemyError:
            return
        family = GaugeMetricFamily("dnsfilter_api_nodes", "Nodes by state.", labels=("state",))
        for state, count in counts.items():
            family.add_metric((state,), count)
        yield family


class RequestMetrics:
    """Requests by method, route template and status. All unknown routes are one series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "dnsfilter_api_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._duration = Histogram(
            "dnsfilter_api_request_duration_seconds",
            "Time from a request's headers to the end of its answer.",
            ("method", "route"),
            buckets=BUCKETS_S,
            registry=registry,
        )

    def note(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one request."""
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(method, route).observe(duration_s)


class PublishingCollector(Collector):
    """Revisions, and the results of publishing, read when scraped."""

    def __init__(self, publishing: Publishing) -> None:
        self._publishing = publishing

    def collect(self) -> Iterator[Metric]:
        """Yield every family. The database's revision is left out while the database cannot be read."""
        status = self._publishing.status
        try:
            revision = self._publishing.database_revision()
        except SQLAlchemyError:
            revision = None
        if revision is not None:
            yield GaugeMetricFamily("dnsfilter_api_database_revision", "Revision of the policy as recorded.", revision)
        if status.revision is not None:
            help_text = "Revision of the last snapshot that was published."
            yield GaugeMetricFamily("dnsfilter_api_published_revision", help_text, status.revision)
        yield CounterMetricFamily(
            "dnsfilter_api_publish_failures", "Snapshots that failed to publish.", status.failures
        )
        yield SummaryMetricFamily(
            "dnsfilter_api_publish_duration_seconds",
            "Time to compile and store a snapshot.",
            count_value=status.published,
            sum_value=status.duration_s,
        )


def make_registry(
    publishing: Publishing, failures: Failures, checkpoints: Checkpoints, suspensions: Suspensions
) -> tuple[Registry, RequestMetrics]:
    """Return a new registry with all collectors, and the metrics of requests."""
    registry = CollectorRegistry()
    registry.register(PublishingCollector(publishing))
    registry.register(FailuresCollector(failures))
    registry.register(CheckpointsCollector(checkpoints))
    registry.register(SuspensionsCollector(suspensions))
    build = Gauge("dnsfilter_api_build_info", "Always 1; the label has the version.", ("version",), registry=registry)
    build.labels(__version__).set(1)
    return registry, RequestMetrics(registry)


class OneAtATime(Collector):
    """Collect for one scrape at a time: concurrent scrapes share one connection to the database."""

    def __init__(self, found: Any, turn: Lock) -> None:
        self._found, self._turn = found, turn

    def collect(self) -> list[Metric]:
        """Collect every family."""
        with self._turn:
            return list(self._found.collect())

    def restricted_registry(self, names: Iterable[str]) -> "OneAtATime":
        """Return a collector of the named metrics only, for `?name[]=`."""
        return OneAtATime(self._found.restricted_registry(names), self._turn)


class MetricsServer:
    """Serve metrics on a separate port, in a thread. Raise OSError if the port is in use."""

    def __init__(self, endpoint: Endpoint, registry: CollectorRegistry) -> None:
        self._server, self._thread = start_http_server(endpoint.port, endpoint.host, OneAtATime(registry, Lock()))
        self.endpoint = Endpoint(endpoint.host, int(self._server.server_port))

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
