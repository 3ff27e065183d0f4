"""Names, help and labels of the API's metrics follow Prometheus' conventions, and label values are listed."""

import re
from typing import get_args

import pytest

from api.nodes.schemas import State
from api.server.metrics.metric_table import API_LABEL_VALUES, API_METRICS, API_OPEN_LABELS, NODES
from dnsfilter.telemetry.metrics import METRICS, PROCESS_START, Metric, MetricType

each_metric = pytest.mark.parametrize("metric", API_METRICS, ids=lambda metric: metric.name)


def test_nodes_and_api_share_only_the_suspensions_and_the_start() -> None:
    names = [metric.name for metric in API_METRICS]
    assert len(set(names)) == len(names)
    assert set(names) & {metric.name for metric in METRICS} == {"dnsfilter_suspended", PROCESS_START.name}


@each_metric
def test_name_and_help_follow_the_conventions(metric: Metric) -> None:
    assert metric is PROCESS_START or re.fullmatch(r"dnsfilter_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)
    if any(word in metric.name for word in ("duration", "_age", "_timestamp")):
        assert metric.name.endswith("_seconds")
    assert re.fullmatch(r"[A-Z].*\.", metric.help)


@each_metric
def test_every_label_is_explained_and_names_no_person(metric: Metric) -> None:
    for label in metric.labels:
        assert (metric.name, label) in API_LABEL_VALUES or label in API_OPEN_LABELS
        assert label not in {"client", "address", "range", "prefix", "name", "qname", "domain", "account", "le"}


@each_metric
def test_only_histograms_have_buckets(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.type is MetricType.HISTOGRAM)


def test_every_state_of_a_node_is_explained() -> None:
    assert set(API_LABEL_VALUES[NODES.name, "state"]) == set(get_args(State))
