"""Collectors of the control plane's state, which is read at each scrape, and the registry of all."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from api.audit.checkpoint_job import CheckpointJob
from api.auth.authentication_failures import Failures
from api.bans.ban_summaries import BanSummaries, BanSummary
from api.db.integrity import Integrity
from api.events.event_job import ReceiverFigures
from api.exemptions.exemption_counts import ExemptionCounts
from api.feeds.failures import Failure
from api.feeds.feed_job import FeedFigures
from api.nodes.fleet import Fleet
from api.notices.notice_job import Notifier
from api.peers.peer_job import PeerFigures
from api.publish.service import Publisher
from api.revisions.recent_changes import RecentChanges
from api.server.metrics import metric_table as table
from api.suspensions.current import CurrentSuspensions
from api.updates.schemas import UpdateState
from api.updates.update_counts import UpdateCounts
from api.usage.coverage_counts import CoverageCounts
from blocklists.signed_catalogue import Refusal
from dnsfilter import __version__
from dnsfilter.policy.model import Mode
from dnsfilter.telemetry.exposition import WrittenFamily, written_line
from dnsfilter.telemetry.metrics import PROCESS_START, Metric, MetricType
from dnsfilter.telemetry.process_times import process_start_s

Registry: TypeAlias = CollectorRegistry
Sample: TypeAlias = tuple[Sequence[str], float]
"""The values of a metric's labels, in their order, and its value."""


class Scraped(Collector):
    """The families that `read` yields at each scrape. They end where the database cannot be read."""

    def __init__(self, read: Callable[[], Iterable[Family]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Family]:
        """Yield the families."""
        with suppress(SQLAlchemyError):
            yield from self._read()


class RequestMetrics:
    """Requests by method, route template and status. All unknown routes are one series."""

    def __init__(self, registry: Registry) -> None:
        counted, timed = table.REQUESTS, table.REQUEST_DURATION
        self._requests = Counter(counted.name, counted.help, counted.labels, registry=registry)
        self._duration = Histogram(timed.name, timed.help, timed.labels, buckets=timed.buckets, registry=registry)

    def note(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one request."""
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(method, route).observe(duration_s)


@dataclass(frozen=True, slots=True)
class Sources:
    """What metrics read at each scrape."""

    publisher: Publisher
    failures: Failures
    checkpoints: CheckpointJob
    suspensions: CurrentSuspensions
    fleet: Fleet
    bans: BanSummaries
    changes: RecentChanges
    exemptions: ExemptionCounts
    updates: UpdateCounts
    ranges: CoverageCounts
    receivers: Callable[[], Sequence[ReceiverFigures]]
    refused_catalogues: Mapping[str, int]


def new_registry() -> Registry:
    """Return an empty registry. A request that names metrics also gets those that are read at each scrape."""
    return CollectorRegistry(support_collectors_without_names=True)


def make_registry(sources: Sources) -> tuple[Registry, RequestMetrics]:
    """Return a new registry with the collectors of these sources, and the metrics of requests."""
    registry = new_registry()
    for read in (
        partial(publishing, sources.publisher),
        partial(refused_tokens, sources.failures),
        partial(refused_catalogues, sources.refused_catalogues),
        partial(checkpoints, sources.checkpoints),
        partial(suspensions, sources.suspensions),
        partial(nodes, sources.fleet),
        BanFamilies(sources.bans),
        partial(changes, sources.changes),
        partial(exemptions, sources.exemptions),
        partial(updates, sources.updates),
        partial(ranges, sources.ranges),
        lambda: receivers(sources.receivers()),
        process,
    ):
        registry.register(Scraped(read))
    info = table.API_BUILD_INFO
    Gauge(info.name, info.help, info.labels, registry=registry).labels(__version__).set(1)
    return registry, RequestMetrics(registry)


def publishing(publisher: Publisher) -> Iterator[Family]:
    """Yield the results of publishing and the revisions, last the one that is read from the database."""
    status = publisher.status
    if status.revision is not None:
        yield single(table.PUBLISHED_REVISION, status.revision)
    yield single(table.PUBLISH_FAILURES, status.failures)
    timed = table.PUBLISH_DURATION
    yield SummaryMetricFamily(timed.name, timed.help, count_value=status.published, sum_value=status.duration_s)
    yield single(table.DATABASE_REVISION, publisher.database_revision())


def refused_tokens(failures: Failures) -> Iterator[Family]:
    """Yield authentication failures, with a series per reason."""
    counts = sorted(failures.counts().items())
    yield family_of(table.REFUSED_TOKENS, [((reason,), count) for reason, count in counts])


def refused_catalogues(counts: Mapping[str, int]) -> Iterator[Family]:
    """Yield signed catalogues that were refused, with a series per reason."""
    yield family_of(table.CATALOGUE_REFUSED, [((reason,), counts.get(reason, 0)) for reason in Refusal])


def checkpoints(job: CheckpointJob) -> Iterator[Family]:
    """Yield the number of destinations, the age of the newest checkpoint, and how far each destination is behind."""
    yield single(table.CHECKPOINT_DESTINATIONS, job.destinations)
    age_s, found = job.newest_age_s(), job.status()
    yield single(table.CHECKPOINT_AGE, age_s)
    yield family_of(table.CHECKPOINTS_UNDELIVERED, [((each.name,), each.undelivered) for each in found])
    ages = [((each.name,), each.age_s) for each in found if each.age_s is not None]
    yield family_of(table.DELIVERED_AGE, ages)
    yield family_of(table.CHECKPOINT_FAILURES, [((each.name,), each.failures) for each in found])


def suspensions(current: CurrentSuspensions) -> Iterator[Family]:
    """Yield a series per suspended authority.

    Nodes have a metric with the same name, which includes local suspensions.
    """
    yield family_of(table.SUSPENDED, [((authority or "",), 1) for authority in current.suspended()])


def nodes(fleet: Fleet) -> Iterator[Family]:
    """Yield nodes by state, and what each enrolled node reported."""
    counts, found = fleet.counts(), fleet.figures()
    yield family_of(table.NODES, [((state,), count) for state, count in counts.items()])
    yield family_of(table.NODE_STATE, [((one.name, one.site, one.state), 1) for one in found])
    revisions = [((one.name, one.site), one.revision) for one in found if one.revision is not None]
    yield family_of(table.NODE_REVISION, revisions)
    ages = [((one.name, one.site), one.report_age_s) for one in found if one.report_age_s is not None]
    yield family_of(table.NODE_REPORT_AGE, ages)


class BanFamilies:
    """The families of every ban.

    The lines of a ban are kept while it does not change: those of thousands take a fifth of a second of a core.
    """

    def __init__(self, bans: BanSummaries) -> None:
        self._bans = bans
        self._summaries: Sequence[BanSummary] | None = None
        self._lines: Mapping[BanSummary, Sequence[str]] = {}
        self._families: tuple[Family, ...] = ()

    def __call__(self) -> Iterable[Family]:
        """Return six families. Those with timestamps have a series only for bans that have one."""
        summaries = self._bans.summaries()
        if summaries is not self._summaries:
            self._lines = {ban: self._lines.get(ban) or _lines_of(ban) for ban in summaries}
            texts = map("".join, zip(*self._lines.values(), strict=True)) if self._lines else ("" for _ in _OF_BANS)
            self._families = tuple(map(WrittenFamily, _OF_BANS, texts))
            self._summaries = summaries
        return self._families


_OF_BANS: Final = (
    *(table.BAN_INFO, table.BAN_MODE, table.BAN_IN_FORCE),
    *(table.BAN_END, table.BAN_REVIEW, table.BAN_OFF_SINCE),
)


def _lines_of(ban: BanSummary) -> Sequence[str]:
    """Return the lines of a ban, for each of the families."""
    of = (ban.authority, ban.service)
    samples: Sequence[Iterable[tuple[Sequence[str], float | None]]] = (
        [((*of, ban.reply, ban.reference), 1)],
        [((*of, mode), int(ban.mode is mode)) for mode in Mode],
        *([(of, value)] for value in (int(ban.in_force), ban.end, ban.review, ban.off_since)),
    )
    return [
        "".join(written_line(metric, labels, value) for labels, value in found if value is not None)
        for metric, found in zip(_OF_BANS, samples, strict=True)
    ]


def changes(recent: RecentChanges) -> Iterator[Family]:
    """Yield a series for each of the newest changes, and the time of the last act."""
    found, changed_s = recent.changes(), recent.policy_changed_s()
    yield family_of(table.CHANGE, [((one.authority, one.service, one.change), one.at) for one in found])
    yield single(table.POLICY_CHANGED, changed_s)


def exemptions(counted: ExemptionCounts) -> Iterator[Family]:
    """Yield exemptions, with series for each authority and state that has any."""
    found = counted.counts()
    in_force = [((one.authority, table.IN_FORCE), one.in_force) for one in found if one.in_force]
    waiting = [((one.authority, table.WAITING), one.waiting) for one in found if one.waiting]
    yield family_of(table.EXEMPTIONS, [*in_force, *waiting])
    yield family_of(table.EXEMPTION_WAITING, [((one.authority,), one.waiting_s) for one in found if one.waiting])


def updates(counted: UpdateCounts) -> Iterator[Family]:
    """Yield updates that are held back or pending, and names that are only monitored, of those that have any."""
    found = counted.counts()
    held = [((one.authority or "", UpdateState.HELD_BACK), one.held_back) for one in found if one.held_back]
    waits = [((one.authority or "", UpdateState.PENDING), one.pending) for one in found if one.pending]
    yield family_of(table.UPDATES, [*held, *waits])
    names = [((one.authority or "",), one.pending_names) for one in found if one.pending_names]
    yield family_of(table.PENDING_NAMES, names)


def ranges(counted: CoverageCounts) -> Iterator[Family]:
    """Yield ranges, with a series for each authority and state that has one."""
    yield family_of(table.RANGES, sorted(counted.counts().items()))


def receivers(found: Sequence[ReceiverFigures]) -> Iterator[Family]:
    """Yield how the receivers of events do. A receiver counts from the first attempt to serve it."""
    failing = sum(one.is_failing for one in found)
    counts = ((table.RECEIVES, len(found) - failing), (table.FAILS, failing))
    yield family_of(table.EVENT_RECEIVERS, [((state,), count) for state, count in counts])
    yield family_of(table.EVENT_WAITING, [((one.name,), one.waiting_s) for one in found])
    yield family_of(table.EVENTS_PARKED, [((one.name,), one.parked) for one in found])


def feeds(failures: Mapping[Failure, int], found: Sequence[FeedFigures]) -> Iterator[Family]:
    """Yield failed fetches, and how each feed does."""
    yield family_of(table.FEED_FAILURES, [((failure,), count) for failure, count in failures.items()])
    yield family_of(table.FEED_AGE, [((one.authority, one.service), one.good_age_s) for one in found])
    yield family_of(table.FEED_FAILING, [((one.authority, one.service), int(one.is_failing)) for one in found])


def peers(found: Sequence[PeerFigures]) -> Iterator[Family]:
    """Yield how each peer does."""
    yield family_of(table.PEER_AGE, [((one.name,), one.good_age_s) for one in found])
    yield family_of(table.PEER_BROKEN, [((one.name,), int(one.is_broken)) for one in found])


def notices(notifier: Notifier) -> Iterator[Family]:
    """Yield waiting and failed notices."""
    status = notifier.status()
    yield single(table.NOTICES_WAITING, status.waiting)
    yield single(table.NOTICE_WAITING, status.oldest_age_s)
    yield single(table.NOTICES_GIVEN_UP, status.abandoned)
    yield single(table.NOTICE_FAILURES, status.failures)


def damage(integrity: Integrity) -> Iterator[Family]:
    """Yield whether the database is damaged."""
    yield single(table.DATABASE_DAMAGED, int(integrity.damage is not None))


def state_dir(path: Path, backup_age_s: Callable[[], int | None]) -> Iterator[Family]:
    """Yield the age of the last backup, None if there is none, and the disk of the state directory if it is there."""
    yield single(table.BACKUP_AGE, backup_age_s())
    with suppress(OSError):
        found = os.statvfs(path)
        yield single(table.DISK_FREE, found.f_bavail * found.f_frsize)
        yield single(table.DISK_SIZE, found.f_blocks * found.f_frsize)


def process() -> Iterator[Family]:
    """Yield the start of this process, without a value if the kernel does not give it."""
    yield single(PROCESS_START, process_start_s())


def family_of(metric: Metric, samples: Iterable[Sample]) -> Family:
    """Return the family of a counter or gauge with these samples."""
    new = CounterMetricFamily if metric.type is MetricType.COUNTER else GaugeMetricFamily
    family = new(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def single(metric: Metric, value: float | None) -> Family:
    """Return the family of a metric without labels. With None it has no series."""
    return family_of(metric, () if value is None else (((), value),))
