"""Names, help and labels of every metric follow Prometheus' conventions, and label values are bounded."""

import re

import pytest

from dnsfilter.telemetry.label_values import LABEL_VALUES, OPEN_LABELS
from dnsfilter.telemetry.metrics import METRICS, PROCESS_START, Metric, MetricType

BY_NAME = {metric.name: metric for metric in METRICS}
# Dashboards and checks outside the project rely on these.
PROMISED = {
    "dnsfilter_queries_total": ("transport", "outcome"),
    "dnsfilter_query_types_total": ("type",),
    "dnsfilter_responses_total": ("rcode",),
    "process_start_time_seconds": (),
    "dnsfilter_refused_total": ("authority", "service"),
    "dnsfilter_monitored_total": ("authority", "service"),
    "dnsfilter_exempted_total": ("authority", "service"),
    "dnsfilter_bypass_attempts_total": ("kind",),
    "dnsfilter_upstream_queries_total": ("upstream",),
    "dnsfilter_upstream_failures_total": ("upstream", "reason"),
    "dnsfilter_upstream_duration_seconds": ("upstream",),
    "dnsfilter_answer_duration_seconds": (),
    "dnsfilter_cache_hits_total": (),
    "dnsfilter_cache_entries": (),
    "dnsfilter_cache_bytes": (),
    "dnsfilter_snapshot_revision": (),
    "dnsfilter_snapshot_age_seconds": (),
    "dnsfilter_build_info": ("version", "engine"),
}
each_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


@pytest.mark.parametrize("name", PROMISED)
def test_promised_metric_is_there_with_its_labels(name: str) -> None:
    assert BY_NAME[name].labels == PROMISED[name]


def test_no_name_is_used_twice() -> None:
    assert len(BY_NAME) == len(METRICS)


@each_metric
def test_name_has_prefix_and_suffix_of_its_type(metric: Metric) -> None:
    assert metric is PROCESS_START or re.fullmatch(r"dnsfilter_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)
    if metric.type is MetricType.HISTOGRAM or "duration" in metric.name or "_age" in metric.name:
        assert metric.name.endswith("_seconds")


@each_metric
def test_help_is_a_sentence(metric: Metric) -> None:
    assert metric.help[0].isupper()
    assert metric.help.endswith(".")
    assert "\n" not in metric.help


@each_metric
def test_every_label_is_bounded_and_names_no_person(metric: Metric) -> None:
    for label in metric.labels:
        assert ((metric.name, label) in LABEL_VALUES) != (label in OPEN_LABELS)
        assert label not in {"client", "address", "range", "prefix", "name", "qname", "domain", "le"}


@each_metric
def test_only_histograms_have_buckets_and_they_rise(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.type is MetricType.HISTOGRAM)
    assert sorted(set(metric.buckets)) == list(metric.buckets)
