"""Figures of a running node between two readings of its status page."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from dnsfilter.policy.model import DAY_S
from dnsfilter.telemetry import metrics
from dnsfilter.telemetry.metrics import Metric, Outcome
from dnsfilter.telemetry.scraped import Samples

_RESOLVED = (Outcome.CACHED, Outcome.STALE, Outcome.FORWARDED, Outcome.FAILED)
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class UpstreamFigures:
    """One upstream: whether it counts as failing, and what it was sent."""

    up: bool
    queries_per_s: float
    failures_per_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The node now. Rates and shares are of the time between the readings. A share without queries is None."""

    queries_per_s: float
    outcomes: Mapping[str, float]
    """The share of each outcome that occurred."""
    cache_hit_share: float | None
    """The share of the queries for data that the cache answered."""
    cache_entries: int
    cache_bytes: int
    upstreams: Mapping[str, UpstreamFigures]
    workers: int
    worker_restarts: int
    memory_bytes: int
    cpu_share: float
    """Processor time of all processes of the node: 1 is one processor."""
    dropped_per_s: float
    revision: int | None
    snapshot_age_s: float | None
    suspended: tuple[str, ...]
    """Slugs of suspended authorities; "all" for all."""
    local_names: int = 0
    """Names that acts on this node refuse or allow."""
    configuration: str = ""
    """Why the node does not answer by its files as they are now. Empty if it does, or if it is not known."""

    def value(self) -> dict[str, object]:
        """Return a value for JSON."""
        return asdict(self)

    def on_a_screen(self) -> "Figures":
        """Return the same: it fits."""
        return self

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield labels and texts for people."""
        if self.configuration:
            yield "CONFIGURATION", self.configuration
        yield "queries", f"{self.queries_per_s:.1f} per second"
        shares = sorted(self.outcomes.items(), key=lambda item: -item[1])
        yield "outcomes", ", ".join(f"{name} {share:.1%}" for name, share in shares) or "no queries"
        hits = "" if self.cache_hit_share is None else f"{self.cache_hit_share:.1%} hits, "
        yield "cache", f"{hits}{self.cache_entries} answers, {self.cache_bytes / _MIB:.1f} MiB"
        for name, upstream in self.upstreams.items():
            state = "up" if upstream.up else "FAILING"
            sent = f"{upstream.queries_per_s:.1f} queries and {upstream.failures_per_s:.1f} failures per second"
            yield f"upstream {name}", f"{state}, {sent}"
        yield "workers", f"{self.workers} serving, {self.worker_restarts} restarts, {self.cpu_share:.0%} of a processor"
        yield "memory", f"{self.memory_bytes / _MIB:.0f} MiB of all processes, shared memory counted in each"
        if self.dropped_per_s:
            yield "DROPPED", f"{self.dropped_per_s:.1f} queries per second by the kernel: type dnsfilter doctor"
        age = "" if self.snapshot_age_s is None else f", made {_age_text(self.snapshot_age_s)} ago"
        yield "policy", "no snapshot" if self.revision is None else f"revision {self.revision}{age}"
        if self.suspended:
            yield "SUSPENDED", ", ".join(self.suspended)
        if self.local_names:
            yield "LOCAL NAMES", f"{self.local_names} set on this node: type dnsfilter name list"


def figures(before: Samples, now: Samples, for_s: float, configuration: str = "") -> Figures:
    """Return the figures between two readings, `for_s` seconds apart, of a node with this trouble of configuration."""

    def rate(metric: Metric) -> float:
        return _gained(before.value(metric.name) or 0.0, now.value(metric.name) or 0.0) / for_s

    def number(metric: Metric) -> int:
        return int(now.value(metric.name) or 0)

    counts = _gains(before, now, metrics.QUERIES, "outcome")
    total, resolved = sum(counts.values()), sum(counts.get(outcome, 0.0) for outcome in _RESOLVED)
    hits = rate(metrics.CACHE_HITS_TOTAL) * for_s
    revision = now.value(metrics.SNAPSHOT_REVISION.name)
    suspended = now.by(metrics.SUSPENDED.name, "authority")
    return Figures(
        queries_per_s=total / for_s,
        outcomes={outcome: count / total for outcome, count in counts.items() if count},
        cache_hit_share=min(1.0, hits / resolved) if resolved else None,
        cache_entries=number(metrics.CACHE_ENTRIES_NOW),
        cache_bytes=number(metrics.CACHE_BYTES_NOW),
        upstreams=_upstreams(before, now, for_s),
        workers=number(metrics.WORKERS_NOW),
        worker_restarts=number(metrics.WORKER_RESTARTS),
        memory_bytes=number(metrics.MEMORY_BYTES),
        cpu_share=rate(metrics.CPU_SECONDS),
        dropped_per_s=rate(metrics.DATAGRAMS_DROPPED),
        revision=None if revision is None else int(revision),
        snapshot_age_s=now.value(metrics.SNAPSHOT_AGE.name),
        suspended=tuple(authority or "all" for authority, value in suspended.items() if value),
        local_names=int(sum(now.by(metrics.LOCAL_NAMES.name, "verdict").values())),
        configuration=configuration,
    )


def _upstreams(before: Samples, now: Samples, for_s: float) -> dict[str, UpstreamFigures]:
    queries = _gains(before, now, metrics.UPSTREAM_QUERIES, "upstream")
    failures = _gains(before, now, metrics.UPSTREAM_FAILURES, "upstream")
    return {
        name: UpstreamFigures(up == 1, queries.get(name, 0.0) / for_s, failures.get(name, 0.0) / for_s)
        for name, up in now.by(metrics.UPSTREAM_UP.name, "upstream").items()
    }


def _gains(before: Samples, now: Samples, metric: Metric, label: str) -> dict[str, float]:
    earlier = before.by(metric.name, label)
    return {name: _gained(earlier.get(name, 0.0), value) for name, value in now.by(metric.name, label).items()}


def _gained(before: float, now: float) -> float:
    """Return what a counter gained. A lower one belongs to a node that was started again."""
    return now - before if now >= before else now


def _age_text(seconds: float) -> str:
    for size, unit in ((DAY_S, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
