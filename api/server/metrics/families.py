"""Make a metric family from its line of the table and its values."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from dnsfilter.telemetry.metrics import Metric, MetricType

Sample: TypeAlias = tuple[Sequence[str], float]
"""The values of a metric's labels, in their order, and its value."""


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
