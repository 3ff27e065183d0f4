"""Collectors of the control plane's state, and the registry of all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from api.nodes.fleet import NodeFigures
from api.server.metrics import metric_table as table
from api.server.metrics.families import family_of, single
from api.server.metrics.policy_metrics import (
    Bans,
    BansCollector,
    Changes,
    ChangesCollector,
    Exemptions,
    ExemptionsCollector,
    Ranges,
    RangesCollector,
)
from api.server.metrics.state_metrics import ProcessCollector
from dnsfilter import __version__

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
    def figures(self) -> Sequence[NodeFigures]: ...


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
    def newest_age_s(self) -> int | None: ...


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
        yield family_of(table.SUSPENDED, [((authority or "",), 1) for authority in suspended])


class CheckpointsCollector(Collector):
    """The number of checkpoint destinations, how far each is behind, and the age of the newest checkpoint.

    What the database knows is left out while it cannot be read.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def collect(self) -> Iterator[Metric]:
        """Yield two families with one value, and three with a series per destination."""
        yield single(table.CHECKPOINT_DESTINATIONS, self._checkpoints.destinations)
        try:
            age_s, found = self._checkpoints.newest_age_s(), self._checkpoints.status()
        except SQLAlchemyError:
            return
        yield single(table.CHECKPOINT_AGE, age_s)
        yield family_of(table.CHECKPOINTS_UNDELIVERED, [((each.name,), each.undelivered) for each in found])
        ages = [((each.name,), each.age_s) for each in found if each.age_s is not None]
        yield family_of(table.DELIVERED_AGE, ages)
        yield family_of(table.CHECKPOINT_FAILURES, [((each.name,), each.failures) for each in found])


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
        yield single(table.DATABASE_DAMAGED, int(self._integrity.damage is not None))


class FailuresCollector(Collector):
    """Authentication failures, read when scraped."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def collect(self) -> Iterator[Metric]:
        """Yield one family, with a series per reason."""
        counts = sorted(self._failures.counts().items())
        yield family_of(table.REFUSED_TOKENS, [((reason,), count) for reason, count in counts])


class NodesCollector(Collector):
    """Nodes by state, and what each reported. There is no series while the database cannot be read."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def collect(self) -> Iterator[Metric]:
        """Yield one family with a series per state, and three with a series per enrolled node."""
        try:
            counts, found = self._nodes.counts(), self._nodes.figures()
        except SQLAlchemyError:
            return
        yield family_of(table.NODES, [((state,), count) for state, count in counts.items()])
        yield family_of(table.NODE_STATE, [((one.name, one.site, one.state), 1) for one in found])
        revisions = [((one.name, one.site), one.revision) for one in found if one.revision is not None]
        yield family_of(table.NODE_REVISION, revisions)
        ages = [((one.name, one.site), one.report_age_s) for one in found if one.report_age_s is not None]
        yield family_of(table.NODE_REPORT_AGE, ages)


class RequestMetrics:
    """Requests by method, route template and status. All unknown routes are one series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counted, timed = table.REQUESTS, table.REQUEST_DURATION
        self._requests = Counter(counted.name, counted.help, counted.labels, registry=registry)
        self._duration = Histogram(timed.name, timed.help, timed.labels, buckets=timed.buckets, registry=registry)

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
            yield single(table.DATABASE_REVISION, revision)
        if status.revision is not None:
            yield single(table.PUBLISHED_REVISION, status.revision)
        yield single(table.PUBLISH_FAILURES, status.failures)
        yield SummaryMetricFamily(
            table.PUBLISH_DURATION.name,
            table.PUBLISH_DURATION.help,
            count_value=status.published,
            sum_value=status.duration_s,
        )


@dataclass(frozen=True, slots=True)
class Sources:
    """What metrics read at each scrape."""

    publishing: Publishing
    failures: Failures
    checkpoints: Checkpoints
    suspensions: Suspensions
    nodes: Nodes
    bans: Bans
    changes: Changes
    exemptions: Exemptions
    ranges: Ranges


def make_registry(sources: Sources) -> tuple[Registry, RequestMetrics]:
    """Return a new registry with the collectors of these sources, and the metrics of requests."""
    registry = CollectorRegistry()
    registry.register(PublishingCollector(sources.publishing))
    registry.register(FailuresCollector(sources.failures))
    registry.register(CheckpointsCollector(sources.checkpoints))
    registry.register(SuspensionsCollector(sources.suspensions))
    registry.register(NodesCollector(sources.nodes))
    registry.register(BansCollector(sources.bans))
    registry.register(ChangesCollector(sources.changes))
    registry.register(ExemptionsCollector(sources.exemptions))
    registry.register(RangesCollector(sources.ranges))
    registry.register(ProcessCollector())
    info = table.API_BUILD_INFO
    Gauge(info.name, info.help, info.labels, registry=registry).labels(__version__).set(1)
    return registry, RequestMetrics(registry)
