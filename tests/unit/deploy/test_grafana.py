"""Dashboards are complete, query only metrics that exist, and are provisioned from the right directory."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from api.nodes.schemas import State
from api.revisions.recent_changes import Change
from api.server.metrics.metric_table import API_METRICS
from dnsfilter.telemetry.label_values import LABEL_VALUES
from dnsfilter.telemetry.metrics import METRICS, MetricType
from tests.support.alert_rules import recording_rules
from tests.support.components import component
from tests.support.dashboards import dashboard_queries, load_dashboard, panels, replace_variables

GRAFANA = Path(__file__).parents[3] / "deploy" / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
SERIES = {
    metric.name + suffix
    for metric in (*METRICS, *API_METRICS)
    for suffix in (("_bucket", "_sum", "_count") if metric.type is MetricType.HISTOGRAM else ("",))
}
NODES = "dnsfilter_api_nodes"
RECORDED = {rule["record"] for rule in recording_rules()}
PROMETHEUS_OWN = {"up", "ALERTS"}
each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def panel_of(dashboard: str, title: str) -> Mapping[str, Any]:
    """Return the panel with that title."""
    path = GRAFANA / "dashboards" / f"{dashboard}.json"
    (found,) = (panel for panel in panels(load_dashboard(path)) if panel["title"] == title)
    return found


def test_there_are_four_dashboards() -> None:
    assert [path.stem for path in DASHBOARDS] == ["bans", "capacity", "changes", "service"]


def test_the_script_builds_the_dashboards_that_are_here(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-B", GRAFANA / "build.py", tmp_path], check=True)
    built = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert built == {path.name: path.read_text() for path in DASHBOARDS}


@each_dashboard
def test_grafanas_types_have_every_field_of_a_dashboard(path: Path) -> None:
    # The SDK, made from Grafana's schema, reads only the fields that it knows, and adds defaults.
    dashboard = load_dashboard(path)
    register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            assert panel.pop("options") == {}  # a row has none
    for mark in dashboard["annotations"]["list"]:
        # Grafana's schema lacks what only annotations of Prometheus have.
        assert {type(mark.pop(name)) for name in ("titleFormat", "textFormat", "useValueForTime")} == {str, bool}
    assert list(_missing(dashboard, read)) == []


def _missing(ours: object, theirs: object, at: str = "") -> Iterator[str]:
    """Yield the paths at which `theirs` lacks or changes a value of `ours`."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            yield from _missing(value, theirs.get(name), f"{at}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _missing(mine, other, f"{at}/{number}")
    elif ours != theirs:
        yield at


def test_a_stat_shows_whose_value_it_is() -> None:
    # By default Grafana shows only the value if there is one series: 1, but not who is suspended.
    stats = [panel for path in DASHBOARDS for panel in panels(load_dashboard(path)) if panel["type"] == "stat"]
    assert stats
    modes = {panel["title"]: panel["options"]["textMode"] for panel in stats}
    versions = {"Version of the nodes", "Version of the API"}
    assert {title for title, mode in modes.items() if mode == "name"} == versions
    assert {mode for title, mode in modes.items() if title not in versions} == {"value_and_name"}


@each_dashboard
def test_every_panel_says_which_values_are_good(path: Path) -> None:
    # Grafana's own thresholds are green below 80 and red above.
    for panel in panels(load_dashboard(path)):
        if panel["type"] != "row":
            steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            assert "value" not in steps[0] or steps[0]["value"] is None
            assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


@each_dashboard
def test_graphs_begin_at_zero_and_show_their_thresholds(path: Path) -> None:
    for panel in panels(load_dashboard(path)):
        if panel["type"] == "timeseries":
            defaults = panel["fieldConfig"]["defaults"]
            first = [step["value"] for step in defaults["thresholds"]["steps"][1:2]]
            assert defaults["min"] == 0
            drawn = defaults.get("custom", {})
            assert [drawn["axisSoftMax"]] == first if first else "axisSoftMax" not in drawn
            assert (drawn.get("thresholdsStyle") == {"mode": "dashed"}) == bool(first)


def test_shares_of_failures_and_limits_have_threshold_lines() -> None:
    shares = {
        panel["title"]: len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"])
        for path in DASHBOARDS
        for panel in panels(load_dashboard(path))
        if panel["type"] == "timeseries" and panel["fieldConfig"]["defaults"]["unit"] == "percentunit"
    }
    assert shares.pop("Share answered from the cache") == 1
    assert set(shares.values()) == {3}


@each_dashboard
def test_tables_name_their_columns(path: Path) -> None:
    for panel in panels(load_dashboard(path)):
        if panel["type"] == "table":
            shown, named = (each["options"] for each in panel["transformations"])
            headings = named["renameByName"]
            assert shown["include"]["names"] == sorted(headings, key=named["indexByName"].__getitem__)
            assert all(heading != name and heading[0].isupper() for name, heading in headings.items())
            (target,) = panel["targets"]
            labels = re.search(r"max by \(([\w, ]+)\)|sum by \(([\w, ]+)\)", target["expr"])
            assert labels is not None
            assert headings.keys() - {"Value"} == set((labels[1] or labels[2]).split(", "))


@each_dashboard
def test_numbers_with_a_graph_are_unknown_when_nothing_answers(path: Path) -> None:
    # A range query without a last value would go on to show the last one that it found.
    for panel in panels(load_dashboard(path)):
        if panel["type"] == "stat" and panel["options"]["graphMode"] == "area":
            (target,) = panel["targets"]
            assert target["range"]
            assert target["expr"].endswith(" or vector(NaN)")
            (unknown,) = panel["fieldConfig"]["defaults"]["mappings"]
            assert (unknown["type"], unknown["options"]["match"]) == ("special", "null+nan")
            assert unknown["options"]["result"]["text"] == "unknown"


def first_screen_query(title: str, number: int = 0) -> str:
    """Return the PromQL of a panel of the dashboard Service."""
    expression: str = panel_of("service", title)["targets"][number]["expr"]
    return replace_variables(expression, {"authority": ".*", "site": ".*", "node": ".*", "__rate_interval": "1m"})


API_UP: dict[str, int | str] = {'up{job="dnsfilter-api",instance="api"}': 1}
# Two bans enforce, of which one is suspended; one has lapsed; one is in monitor mode, one is off.
FIVE_BANS: dict[str, int | str] = {**API_UP, 'dnsfilter_suspended{authority="e"}': 1}
for _authority, _mode, _in_force in (
    ("a", "enforce", 1), ("b", "enforce", 0), ("c", "monitor", 1), ("d", "off", 1), ("e", "enforce", 1)
):  # fmt: skip
    _ban = f'authority="{_authority}",service="tiktok"'
    FIVE_BANS[f'dnsfilter_ban_mode{{{_ban},mode="{_mode}"}}'] = 1
    FIVE_BANS[f"dnsfilter_ban_in_force{{{_ban}}}"] = _in_force
    FIVE_BANS[f'dnsfilter_ban_info{{{_ban},reply="refused",reference="C-1"}}'] = 1
STOPPED = {'up{job="dnsfilter-api",instance="api"}': 0}


@pytest.mark.parametrize(
    ("series", "enforced", "not_enforced"),
    [
        pytest.param(FIVE_BANS, 1, [1, 1, 1], id="bans"),
        pytest.param(FIVE_BANS | {'dnsfilter_suspended{authority=""}': 1}, 0, [1, 1, 1], id="all-suspended"),
        pytest.param(API_UP, 0, [0, 0, 0], id="no-ban"),
        pytest.param(STOPPED, None, [None, None, None], id="stopped"),
    ],
)
def test_bans_are_counted_by_whether_they_refuse(
    series: Mapping[str, int | str], enforced: int | None, not_enforced: Sequence[int | None], tmp_path: Path
) -> None:
    queries = [first_screen_query("Bans enforced"), *(first_screen_query("Bans not enforced", n) for n in range(3))]
    expected = [enforced, *not_enforced]
    # A comparison leaves out what is not a number.
    check_values(
        series, [(f"({query}) < Inf", value) for query, value in zip(queries, expected, strict=True)], tmp_path
    )
    check_values(series, [(f"count({query})", 1) for query in queries], tmp_path)


def check_values(
    series: Mapping[str, int | str],
    expected: Sequence[tuple[str, float | None]],
    directory: Path,
    *,
    interval: str = "15s",
    at: str = "1m",
) -> None:
    """Check the value of each expression without labels at a time. None is no series."""
    test = {
        "interval": interval,
        "input_series": [
            {"series": name, "values": value if isinstance(value, str) else f"{value}x4"}
            for name, value in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": at,
                "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
            }
            for expr, value in expected
        ],
    }
    file = directory / "values.yml"
    file.write_text(json.dumps({"tests": [test]}))
    checked = component("promtool").run("test", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_lapsed_ban_is_not_shown_as_enforced(tmp_path: Path) -> None:
    panel = panel_of("bans", "Mode of each ban")
    mode = replace_variables(panel["targets"][0]["expr"], {"authority": ".*"})
    expected = [(f"sum(({mode}) == {value})", count) for value, count in ((2, 4), (1, 1), (0, 0), (-1, -1))]
    check_values(FIVE_BANS, expected, tmp_path)
    overrides = panel["fieldConfig"]["overrides"]
    (texts,) = (each["value"] for each in overrides[0]["properties"] if each["id"] == "mappings")
    shown = {value: (text["text"], text["color"]) for value, text in texts[1]["options"].items()}
    assert shown["2"] == ("enforce", "green")
    assert shown["-1"] == ("no term", "purple")


def test_the_first_screen_answers_three_questions() -> None:
    shown = list(panels(load_dashboard(GRAFANA / "dashboards" / "service.json")))
    rows = {panel["title"]: panel["gridPos"]["y"] for panel in shown if panel["type"] == "row"}
    first = [panel for panel in shown if panel["gridPos"]["y"] < rows["Error budgets of 30 days"]]
    assert list(rows)[:3] == ["Is DNS well?", "Are the bans enforced?", "What changed last?"]
    # A screen of 1080 lines has room for 24.
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in first) <= 24
    graphs = {panel["title"] for panel in first if panel.get("options", {}).get("graphMode") == "area"}
    assert graphs == {"Queries per second", "99 % answered within", "SERVFAIL", "Bans enforced", "Refused per second"}
    assert {"Upstreams", "Nodes", "Alerts", "Bans not enforced", "Suspended", "Last change", "Last changes"} <= {
        panel["title"] for panel in first
    }


@pytest.mark.parametrize(
    ("failed", "in_time", "unanswered", "slow"),
    [(0, 1000, 1, 1), (0.5, 999, 0.5, 0.9), (2, 980, -1, -1)],
    ids=["nothing-used", "some-used", "exceeded"],
)
def test_error_budgets_count_queries_of_30_days(
    failed: float, in_time: int, unanswered: float, slow: float, tmp_path: Path
) -> None:
    counters = {
        'dnsfilter_queries_total{instance="n",outcome="cached"}': 1000 - failed,
        'dnsfilter_queries_total{instance="n",outcome="failed"}': failed,
        'dnsfilter_answer_duration_seconds_count{instance="n"}': 1000,
        'dnsfilter_answer_duration_seconds_bucket{instance="n",le="0.1"}': in_time,
    }
    values: dict[str, int | str] = {name: f"0+{each}x300" for name, each in counters.items()}
    values['dnsfilter_node_info{instance="n",site="s",node="n"}'] = "1x300"
    expected = {"Budget for unanswered queries": unanswered, "Budget for slow answers": slow}
    queries = [(f"round({first_screen_query(title)}, 0.001)", value) for title, value in expected.items()]
    check_values(values, queries, tmp_path, interval="10m", at="2d")


def test_every_change_has_a_text() -> None:
    overrides = panel_of("service", "Last changes")["fieldConfig"]["overrides"]
    (texts,) = (each["properties"][0]["value"] for each in overrides if each["matcher"]["options"] == "Change")
    assert texts[0]["options"].keys() == set(Change)


@each_dashboard
def test_every_panel_has_a_title_of_its_own_and_a_question(path: Path) -> None:
    found = [panel for panel in panels(load_dashboard(path)) if panel["type"] != "row"]
    assert all("?" in panel["description"] for panel in found)
    titles = [panel["title"] for panel in found]
    assert len(set(titles)) == len(titles)


@each_dashboard
def test_every_dashboard_links_to_the_runbook(path: Path) -> None:
    links = {link["url"] for link in load_dashboard(path)["links"] if link["type"] == "link"}
    pages = {f"{page.stem}.html" for page in (GRAFANA.parents[1] / "docs" / "runbook").glob("*.md")}
    assert links == {f"https://dns.example.org/help/runbook/{name}" for name in pages}


@each_dashboard
def test_acts_are_marked_by_expressions_on_metrics_that_exist(path: Path, tmp_path: Path) -> None:
    marks = load_dashboard(path)["annotations"]["list"]
    assert [mark["useValueForTime"] for mark in marks] == [True, True, False]
    assert all(mark["titleFormat"] and mark["textFormat"] for mark in marks)
    marked = [mark["expr"] for mark in marks]
    assert {name for query in marked for name in re.findall(r"\bdnsfilter_\w+", query)} <= SERIES
    check_promql([replace_variables(query, {"authority": ".*", "__interval": "1m"}) for query in marked], tmp_path)


def test_refused_queries_are_shown_without_decimals_per_hour_and_day() -> None:
    for title, span in (("Refused per hour", "1h"), ("Refused per day", "1d")):
        panel = panel_of("bans", title)
        (target,) = panel["targets"]
        assert "round(" in target["expr"]
        assert (f"[{span}]" in target["expr"], panel["interval"]) == (True, span)
        assert panel["fieldConfig"]["defaults"]["decimals"] == 0


@pytest.mark.parametrize(
    ("started", "up", "refused", "counted"),
    [
        pytest.param(0, "1x200", "_x190 3 3 5x8", 5, id="first-queries"),
        pytest.param(0, "1x200", "7x190 7 7 8x8", 1, id="further-queries"),
        pytest.param(11_000, "_x180 1x20", "_x180 2x20", 2, id="node-is-new"),
        pytest.param(0, "_x190 1x10", "_x190 900x10", 0, id="prometheus-is-new"),
    ],
)
def test_the_first_refusals_of_a_ban_count(started: int, up: str, refused: str, counted: int, tmp_path: Path) -> None:
    panel = panel_of("bans", "Refused per hour")
    query = replace_variables(panel["targets"][0]["expr"], {"authority": ".*", "site": ".*", "node": ".*"})
    series: dict[str, int | str] = {
        'up{job="dnsfilter",instance="n"}': up,
        'process_start_time_seconds{instance="n"}': f"{started}x200",
        'dnsfilter_node_info{instance="n",site="s",node="n"}': "1x200",
        'dnsfilter_refused_total{instance="n",authority="a",service="tiktok"}': refused,
    }
    check_values(series, [(f"sum({query})", counted)], tmp_path, interval="1m", at="200m")


def test_the_first_act_of_its_kind_counts_and_a_reading_does_not(tmp_path: Path) -> None:
    panel = panel_of("changes", "Acts through the API per hour")
    series: dict[str, int | str] = {
        'up{job="dnsfilter-api",instance="a"}': "1x200",
        'process_start_time_seconds{instance="a"}': "0x200",
        **{
            f'dnsfilter_api_requests_total{{instance="a",method="{method}",route="/v1/x",status="200"}}': "_x190 1x10"
            for method in ("PUT", "GET", "HEAD")
        },
    }
    check_values(series, [(f"sum({panel['targets'][0]['expr']})", 1)], tmp_path, interval="1m", at="200m")


@each_dashboard
def test_every_query_is_promql(path: Path, tmp_path: Path) -> None:
    check_promql(dashboard_queries(path), tmp_path)


def check_promql(queries: Sequence[str], directory: Path) -> None:
    assert queries
    # Check the queries as recording rules, which every promtool can do. JSON is YAML.
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = directory / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    checked = component("promtool").run("check", "rules", str(file))
    assert checked.returncode == 0, checked.stderr


@each_dashboard
def test_every_query_uses_metrics_and_label_values_that_exist(path: Path) -> None:
    outcomes = LABEL_VALUES["dnsfilter_queries_total", "outcome"]
    for query in dashboard_queries(path):
        names = set(re.findall(r"\b(?:dnsfilter[_:][\w:]+|up|ALERTS)\b", query))
        assert names
        assert names <= SERIES | PROMETHEUS_OWN | RECORDED
        for given in re.findall(r'outcome=~?"([^"]+)"', query):
            assert set(given.split("|")) <= outcomes.keys()


def test_nodes_are_shown_by_state_and_troubled_states_are_coloured() -> None:
    (panel,) = (
        panel
        for panel in panels(load_dashboard(GRAFANA / "dashboards" / "service.json"))
        if any(NODES in target["expr"] for target in panel.get("targets", ()))
    )
    (target,) = panel["targets"]
    left_out = set(re.findall(r'state!="(\w+)"', target["expr"]))
    coloured = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
    assert (left_out, coloured) == ({"removed"}, {"held", "behind", "silent"})
    assert left_out | coloured <= set(get_args(State))
    assert target["legendFormat"] == "{{state}}"


def test_every_metric_of_a_node_is_on_a_dashboard() -> None:
    queries = " ".join(query for path in DASHBOARDS for query in dashboard_queries(path))
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
    assert set(variables) == {"datasource", "site", "node", "authority"}
    assert all(variables[name]["datasource"] == chosen for name in ("site", "node", "authority"))


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
