"""A node's totals and state as Prometheus' metric families."""

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import HistogramMetricFamily, Metric

from dnsfilter.telemetry import metrics
from dnsfilter.telemetry.exposition import Page, WrittenFamily, line_head, number_text, write_page
from dnsfilter.telemetry.metrics import MetricType
from dnsfilter.telemetry.nodestate import NodeState, Vitals
from dnsfilter.telemetry.slots import NS_PER_S, Labels
from dnsfilter.telemetry.totals import Counts


class NodePages:
    """Write the pages of a node's metrics, one at a time, in any thread.

    Of a page, only the lines' names and labels are kept for the next one: to write them takes most of the time.
    """

    def __init__(self) -> None:
        self._heads: Mapping[str, Mapping[Labels, str]] = {}

    def write(self, counts: Counts, state: NodeState, accept: str, accept_encoding: str) -> Page:
        """Return the page for a request with these two headers."""
        return write_page(self.families(counts, state), accept, accept_encoding)

    def families(self, counts: Counts, state: NodeState) -> Iterator[Metric]:
        """Yield the families of `metrics.METRICS`."""
        by_metric: dict[str, dict[Labels, int]] = {}
        for (name, labels), value in counts.samples.items():
            by_metric.setdefault(name, {})[labels] = value
        given = _state_samples(state)
        heads: dict[str, Mapping[Labels, str]] = {}
        for metric in metrics.METRICS:
            match metric.type:
                case MetricType.HISTOGRAM:
                    yield _histogram(metric, by_metric.get(metric.name, {}))
                case MetricType.COUNTER | MetricType.GAUGE:
                    samples = given.get(metric.name, by_metric.get(metric.name, {}))
                    known = self._heads.get(metric.name, {})
                    heads[metric.name] = {
                        labels: known.get(labels) or line_head(metric.name, labels) for labels in samples
                    }
                    yield _plain(metric, samples, heads[metric.name])
        self._heads = heads


def _state_samples(state: NodeState) -> Mapping[str, Mapping[Labels, float]]:
    samples: dict[str, Mapping[Labels, float]] = {
        metrics.CLOCK_DOUBTED.name: {(): int(state.clock_doubted)},
        metrics.BUILD_INFO.name: {(("version", state.version), ("engine", state.engine)): 1},
        metrics.WORKERS_NOW.name: {(): state.workers},
        metrics.WORKER_RESTARTS.name: {(): state.worker_restarts},
        metrics.SNAPSHOTS_QUARANTINED.name: {(): state.snapshots_quarantined},
        metrics.BANS_LIFTED.name: {(): int(state.bans_lifted)},
        metrics.UNWRITTEN.name: {(): int(state.unwritten)},
        metrics.ENGINE_FALLBACK.name: {(): int(state.fallen_back)},
        metrics.RECEIVE_BUFFER_BYTES.name: {(): state.receive_buffer_bytes},
        metrics.SUSPENDED.name: {(("authority", authority),): 1 for authority in state.suspended},
        metrics.LOCAL_NAMES.name: {
            (("authority", authority), ("verdict", verdict)): count
            for (authority, verdict), count in state.local_names.items()
        },
    }
    samples.update(_vital_samples(state.vitals))
    if state.snapshot_revision is not None:
        samples[metrics.SNAPSHOT_REVISION.name] = {(): state.snapshot_revision}
    if state.snapshot_age_s is not None:
        samples[metrics.SNAPSHOT_AGE.name] = {(): state.snapshot_age_s}
    return samples


def _vital_samples(vitals: Vitals) -> Iterator[tuple[str, Mapping[Labels, float]]]:
    """Yield the samples of each metric. What the kernel did not give has no sample."""
    yield metrics.NODE_INFO.name, {(("site", vitals.site), ("node", vitals.node)): 1}
    yield metrics.UPSTREAM_UP.name, {(("upstream", name),): int(up) for name, up in vitals.upstreams_up.items()}
    yield metrics.WORKER_QUERIES.name, {(("worker", str(n)),): count for n, count in vitals.worker_queries.items()}
    for metric, value in (
        (metrics.DEFAULT_UPSTREAMS_UP, vitals.default_upstreams_up),
        (metrics.DATAGRAMS_DROPPED, vitals.datagrams_dropped),
        (metrics.RECEIVE_QUEUE_BYTES, vitals.receive_queue_bytes),
        (metrics.STATE_DISK_FREE_BYTES, vitals.disk_free_bytes),
        (metrics.STATE_DISK_SIZE_BYTES, vitals.disk_size_bytes),
        (metrics.TIME, vitals.time_s),
        (metrics.PROCESS_START, vitals.started_s),
        (metrics.CERTIFICATE_EXPIRY, vitals.certificate_expires_s),
        (metrics.CLIENT_CA_EXPIRY, vitals.client_ca_expires_s),
        (metrics.CERTIFICATE_REJECTED, None if vitals.certificate_rejected is None else +vitals.certificate_rejected),
    ):
        yield metric.name, {} if value is None else {(): value}
    for metric, attribute in (
        (metrics.OPEN_FILES, "open_files"),
        (metrics.OPEN_FILES_LIMIT, "open_files_limit"),
        (metrics.MEMORY_BYTES, "memory_bytes"),
        (metrics.CPU_SECONDS, "cpu_s"),
    ):
        uses = ((name, getattr(use, attribute)) for name, use in vitals.processes.items())
        yield metric.name, {(("process", name),): value for name, value in uses if value is not None}


def _plain(metric: metrics.Metric, samples: Mapping[Labels, float], heads: Mapping[Labels, str]) -> Metric:
    texts = zip(heads.values(), map(number_text, samples.values()), strict=True)
    return WrittenFamily(metric, "".join([f"{head}{number}\n" for head, number in texts]))


def _histogram(metric: metrics.Metric, samples: Mapping[Labels, int]) -> Metric:
    """Return a family from slots that each count one interval. The format wants cumulative counts (`le`)."""
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    bounds = (*(repr(bound) for bound in metric.buckets), "+Inf")
    for labels, sum_ns in samples.items():
        if labels and labels[-1][0] == "le":
            continue
        buckets, cumulated = [], 0
        for bound in bounds:
            cumulated += samples[(*labels, ("le", bound))]
            buckets.append((bound, cumulated))
        family.add_metric([value for _, value in labels], buckets, sum_ns / NS_PER_S)
    return family
