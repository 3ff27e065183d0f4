"""Dashboards are complete, query only metrics that exist, and are provisioned from the right directory."""

import json
import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest

from api.nodes.schemas import State
from dnsfilter.telemetry.metrics import LABEL_VALUES, METRICS, MetricType
from tests.support.components import component
from tests.support.dashboards import dashboard_queries, load_dashboard, panels, replace_variables

GRAFANA = Path(__file__).parents[3] / "deploy" / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
SERIES = {
    metric.name + suffix
    for metric in METRICS
    for suffix in (("_bucket", "_sum", "_count") if metric.type is MetricType.HISTOGRAM else ("",))
}
SUSPENDED = "dnsfilter_suspended"
"""Metrics of the control plane, and of nodes with local suspensions."""
NODES = "dnsfilter_api_nodes"
"""Metrics of the control plane."""
each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def test_there_is_a_dashboard() -> None:
    assert [path.stem for path in DASHBOARDS] == ["dnsfilter"]


@each_dashboard
def test_every_query_is_promql(path: Path, tmp_path: Path) -> None:
    # Check the queries as recording rules, which every promtool can do. JSON is YAML.
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(dashboard_queries(path))]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": path.stem, "rules": rules}]}))
    checked = component("promtool").run("check", "rules", str(file))
    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


@each_dashboard
def test_every_query_uses_metrics_and_label_values_that_exist(path: Path) -> None:
    outcomes = LABEL_VALUES["dnsfilter_queries_total", "outcome"]
    for query in dashboard_queries(path):
        names = set(re.findall(r"\b(?:dnsfilter_\w+|up)\b", query))
        assert names
        assert names <= SERIES | {SUSPENDED, NODES, "up"}
        for given in re.findall(r'outcome=~?"([^"]+)"', query):
            assert set(given.split("|")) <= outcomes.keys()


def test_suspensions_are_the_first_panel() -> None:
    first = next(panels(load_dashboard(GRAFANA / "dashboards" / "dnsfilter.json")))
    assert (first["gridPos"]["x"], first["gridPos"]["y"]) == (0, 0)
    assert SUSPENDED in first["targets"][0]["expr"]


def test_nodes_are_shown_by_state_and_troubled_states_are_coloured() -> None:
    (panel,) = (
        panel
        for panel in panels(load_dashboard(GRAFANA / "dashboards" / "dnsfilter.json"))
        if any(NODES in target["expr"] for target in panel.get("targets", ()))
    )
    (target,) = panel["targets"]
    left_out = set(re.findall(r'state!="(\w+)"', target["expr"]))
    coloured = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
    assert (left_out, coloured) == ({"removed"}, {"held", "behind", "silent"})
    assert left_out | coloured <= set(get_args(State))
    assert target["legendFormat"] == "{{state}}"


def test_every_promised_metric_is_on_the_dashboard() -> None:
    queries = " ".join(dashboard_queries(GRAFANA / "dashboards" / "dnsfilter.json"))
    assert {metric.name for metric in METRICS if metric.name not in queries} == set()


@each_dashboard
def test_panels_have_unique_ids_and_do_not_overlap(path: Path) -> None:
    found = list(panels(load_dashboard(path)))
    assert len({panel["id"] for panel in found}) == len(found)
    for one, other in combinations([panel["gridPos"] for panel in found], 2):
        assert not _overlap(one, other), (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in found)


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@each_dashboard
def test_every_panel_uses_the_chosen_data_source(path: Path) -> None:
    dashboard = load_dashboard(path)
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    asked: list[Any] = [panel["datasource"] for panel in panels(dashboard) if panel["type"] != "row"]
    assert asked
    assert all(source == chosen for source in asked)
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert set(variables) == {"datasource", "authority"}
    assert variables["authority"]["datasource"] == chosen


def test_provider_and_data_source_fit_the_dashboards() -> None:
    provider = (GRAFANA / "provisioning" / "dashboards" / "dnsfilter.yaml").read_text()
    source = (GRAFANA / "provisioning" / "datasources" / "dnsfilter.yaml").read_text()
    interval = re.findall(r"scrape_interval: (\S+)", (GRAFANA.parent / "prometheus" / "prometheus.yml").read_text())
    assert "path: /var/lib/grafana/dashboards/dnsfilter\n" in provider
    assert "type: prometheus\n" in source
    assert re.findall(r"timeInterval: (\S+)", source) == interval


def test_variable_without_a_value_is_an_error() -> None:
    assert replace_variables("a[$span] + ${span}", {"span": "1m"}) == "a[1m] + 1m"
    with pytest.raises(ValueError, match=r"\$other"):
        replace_variables("a[$other]", {"span": "1m"})
