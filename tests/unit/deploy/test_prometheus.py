"""Prometheus accepts its configuration, which scrapes where the programs listen."""

import json
import re
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from api.server.metrics.metric_table import API_METRICS
from dnsfilter.telemetry.metrics import (
    ANSWER_BUCKETS,
    ANSWER_DURATION_SECONDS,
    METRICS,
    UPSTREAM_BUCKETS,
    UPSTREAM_DURATION,
    MetricType,
)
from tests.support.alert_rules import ALERTS, RECORDING, RUNBOOK, alert_rules, recording_rules
from tests.support.components import component

CONFIG = Path(__file__).parents[3] / "deploy" / "prometheus" / "prometheus.yml"
ALERTMANAGER = CONFIG.with_name("alertmanager.yml")
TEMPLATE = CONFIG.with_name("dnsfilter.tmpl")
DASHBOARDS = CONFIG.parents[1] / "grafana" / "dashboards"


def test_promtool_accepts_the_configuration() -> None:
    checked = component("promtool").run("check", "config", str(CONFIG))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "WARN" not in checked.stdout + checked.stderr


def test_amtool_accepts_the_configuration_of_alertmanager() -> None:
    checked = component("amtool").run("check-config", str(ALERTMANAGER))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_alertmanager_names_alerts_that_exist() -> None:
    names = {rule["alert"] for rule in alert_rules()}
    named = set(re.findall(r"Dnsfilter\w+", ALERTMANAGER.read_text()))
    assert named
    assert named <= names


def test_alerts_go_to_alertmanager_on_loopback() -> None:
    assert re.findall(r'targets: \["(\S+:9093)"\]', CONFIG.read_text()) == ["127.0.0.1:9093"]


def test_each_process_is_scraped_on_loopback_and_has_a_name_of_its_own() -> None:
    found = {
        (job["job_name"], target, each["labels"]["instance"])
        for job in yaml.safe_load(CONFIG.read_text())["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    }
    assert found == {
        ("dnsfilter", "127.0.0.1:9153", "this-machine"),
        ("dnsfilter-api", "127.0.0.1:9154", "control-plane"),
    }


def test_the_example_of_a_further_node_can_be_uncommented(tmp_path: Path) -> None:
    text = (
        CONFIG.read_text().replace("      # - targets", "      - targets").replace("      #   labels", "        labels")
    )
    found = {each["labels"]["instance"] for each in yaml.safe_load(text)["scrape_configs"][0]["static_configs"]}
    assert len(found) == 2


def test_alerts_are_evaluated_as_often_as_values_arrive() -> None:
    times = yaml.safe_load(CONFIG.read_text())["global"]
    assert times["evaluation_interval"] == times["scrape_interval"] == "15s"


def test_a_critical_mail_waits_for_others_of_its_machine_for_a_minute_at_most() -> None:
    route = yaml.safe_load(ALERTMANAGER.read_text())["route"]
    (critical,) = (each for each in route["routes"] if each["matchers"] == ['severity="critical"'])
    assert (critical["group_wait"], critical["group_interval"]) == ("10s", "1m")
    assert "instance" in critical.get("group_by", route["group_by"])


def test_alerts_name_the_runbook_that_the_configuration_of_prometheus_sets() -> None:
    labels = yaml.safe_load(CONFIG.read_text())["global"]["external_labels"]
    assert all(rule["annotations"]["runbook_url"].startswith("{{ $externalLabels.runbook }}") for rule in alert_rules())
    assert "example.org" not in ALERTS.read_text()
    assert labels["runbook"].endswith("/help/runbook/")
    for dashboard in DASHBOARDS.glob("*.json"):
        assert labels["runbook"] in dashboard.read_text(), "one substitution of the guide sets both"
    assert {*re.findall(r"\.Labels\.(\w+)", TEMPLATE.read_text())} <= {*labels, "severity"}


def test_promtool_accepts_the_rules_and_their_metrics_exist() -> None:
    for path in (ALERTS, RECORDING):
        checked = component("promtool").run("check", "rules", str(path))
        assert checked.returncode == 0, checked.stdout + checked.stderr
    recorded = {rule["record"] for rule in recording_rules()}
    asked = set(
        re.findall(r"\bdnsfilter[_:][\w:]+", " ".join(rule["expr"] for rule in (*alert_rules(), *recording_rules())))
    )
    assert asked
    histogram = MetricType.HISTOGRAM
    served = {
        metric.name + part
        for metric in (*METRICS, *API_METRICS)
        for part in (("_bucket", "_sum", "_count") if metric.type is histogram else ("",))
    }
    assert asked <= served | recorded


def test_each_bound_that_rules_compare_with_is_one_of_the_histogram() -> None:
    expressions = " ".join(rule["expr"] for rule in (*alert_rules(), *recording_rules()))
    assert {float(bound) for bound in re.findall(r'le="([\d.]+)"', expressions)} <= {*ANSWER_BUCKETS}
    quantiles = re.findall(r"(dnsfilter_\w+)_bucket\[\d+m\]\)\)\) > ([\d.]+)", expressions)
    assert {name for name, _ in quantiles} == {ANSWER_DURATION_SECONDS.name, UPSTREAM_DURATION.name}
    assert {float(bound) for _, bound in quantiles} <= {*ANSWER_BUCKETS} & {*UPSTREAM_BUCKETS}


def test_suspension_raises_an_alert_with_its_authority(tmp_path: Path) -> None:
    def alert(authority: str, name: str) -> dict[str, dict[str, str]]:
        labels = {"authority": authority} if authority else {}
        return {
            "exp_labels": {**labels, "severity": "warning"},
            "exp_annotations": {
                "summary": f"Nothing is refused for {name}.",
                "description": "A suspension is in force. It ends by itself. "
                "`dnsfilterctl suspend list` shows who made it, and why.",
                "runbook_url": f"{RUNBOOK}policy.html#dnsfiltersuspended",
            },
        }

    series = [
        {"series": 'dnsfilter_suspended{instance="api",authority="ghent"}', "values": "1x5 stale"},
        {"series": 'dnsfilter_suspended{instance="node",authority="ghent"}', "values": "1x5 stale"},
        {"series": 'dnsfilter_suspended{instance="node",authority=""}', "values": "1x5 stale"},
    ]
    expected = [alert("", "everybody"), alert("ghent", "ghent")]
    cases = [
        {
            "external_labels": {"runbook": RUNBOOK},
            "input_series": series,
            "alert_rule_test": [
                {"eval_time": "4m", "alertname": "DnsfilterSuspended", "exp_alerts": expected},
                {"eval_time": "7m", "alertname": "DnsfilterSuspended", "exp_alerts": []},
            ],
        }
    ]
    file = tmp_path / "test.yml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": cases}))
    checked = component("promtool").run("test", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_doubted_clock_raises_an_alert(tmp_path: Path) -> None:
    cases = [
        {
            "external_labels": {"runbook": RUNBOOK},
            "input_series": [{"series": 'dnsfilter_clock_doubted{instance="node"}', "values": values}],
            "alert_rule_test": [{"eval_time": "4m", "alertname": "DnsfilterClockDoubted", "exp_alerts": alerts}],
        }
        for values, alerts in (("1x5", [_clock_alert()]), ("0x5", []))
    ]
    file = tmp_path / "test.yml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": cases}))
    checked = component("promtool").run("test", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _clock_alert() -> dict[str, dict[str, str]]:
    return {
        "exp_labels": {"instance": "node", "severity": "warning"},
        "exp_annotations": {
            "summary": "The clock of node is not trusted: it is earlier than its policy, or it has jumped ahead, "
            "or the machine was off for over a week.",
            "description": "Bans hold by the last believed time. Set the clock by NTP. If it is right and timedatectl "
            "does not say synchronized, see the runbook: chrony needs rtcsync, other means need trust_clock.",
            "runbook_url": f"{RUNBOOK}node.html#dnsfilterclockdoubted",
        },
    }
