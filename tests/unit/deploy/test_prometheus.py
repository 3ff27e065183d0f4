"""Prometheus accepts its configuration, which scrapes where the programs listen."""

import json
import re
from pathlib import Path

from api.server.metrics.metric_table import API_METRICS
from dnsfilter.telemetry.metrics import METRICS, MetricType
from tests.support.alert_rules import alert_rules
from tests.support.components import component

CONFIG = Path(__file__).parents[3] / "deploy" / "prometheus" / "prometheus.yml"
ALERTS = CONFIG.with_name("alerts.yml")
ALERTMANAGER = CONFIG.with_name("alertmanager.yml")
RUNBOOK = "https://dns.example.org/docs/runbook/"


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


def test_each_process_is_scraped_on_loopback() -> None:
    jobs = re.findall(r'job_name: (\S+)\n\s+static_configs:\n\s+- targets: \["(\S+)"\]', CONFIG.read_text())
    assert jobs == [("dnsfilter", "127.0.0.1:9153"), ("dnsfilter-api", "127.0.0.1:9154")]


def test_promtool_accepts_the_alerts_and_their_metrics_exist() -> None:
    checked = component("promtool").run("check", "rules", str(ALERTS))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    asked = set(re.findall(r"\bdnsfilter_\w+", " ".join(rule["expr"] for rule in alert_rules())))
    assert asked
    histogram = MetricType.HISTOGRAM
    served = {
        metric.name + part
        for metric in (*METRICS, *API_METRICS)
        for part in (("_bucket", "_sum", "_count") if metric.type is histogram else ("",))
    }
    assert asked <= served


def test_suspension_raises_an_alert_with_its_authority(tmp_path: Path) -> None:
    def alert(authority: str, name: str) -> dict[str, dict[str, str]]:
        labels = {"authority": authority} if authority else {}
        return {
            "exp_labels": {**labels, "severity": "warning"},
            "exp_annotations": {
                "summary": f"Nothing is refused for {name}.",
                "description": "A suspension is in force. It ends by itself. "
                "`dnsfilterctl suspension list` shows who made it, and why.",
                "runbook_url": f"{RUNBOOK}policy.md#dnsfiltersuspended",
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


def test_held_node_raises_another_alert_than_a_node_behind(tmp_path: Path) -> None:
    said = {
        "exp_labels": {"state": "held", "severity": "warning"},
        "exp_annotations": {
            "summary": "1 node(s) decide by an older policy that was chosen on the node.",
            "description": "The next change ends it. `dnsfilterctl node list --state held` shows which. "
            "The audit log has who did it, and why (`node.use_revision`).",
            "runbook_url": f"{RUNBOOK}policy.md#dnsfilternodesheld",
        },
    }
    case = {
        "input_series": [
            {"series": f'dnsfilter_api_nodes{{state="{state}"}}', "values": f"{nodes}x8"}
            for state, nodes in (("current", 3), ("held", 1), ("behind", 0), ("silent", 0))
        ],
        "alert_rule_test": [
            {"eval_time": "4m", "alertname": "DnsfilterNodesHeld", "exp_alerts": []},
            {"eval_time": "6m", "alertname": "DnsfilterNodesHeld", "exp_alerts": [said]},
            {"eval_time": "6m", "alertname": "DnsfilterNodesBehind", "exp_alerts": []},
        ],
    }
    file = tmp_path / "test.yml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": [case]}))
    checked = component("promtool").run("test", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_doubted_clock_raises_an_alert(tmp_path: Path) -> None:
    cases = [
        {
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
            "runbook_url": f"{RUNBOOK}node.md#dnsfilterclockdoubted",
        },
    }


def test_quarantine_and_engine_fallback_raise_alerts(tmp_path: Path) -> None:
    """Check only the names of the alerts, not their texts."""
    series = [
        {"series": 'dnsfilter_snapshots_quarantined_total{instance="node"}', "values": "0x3 1x10"},
        {"series": 'dnsfilter_engine_fallback{instance="node"}', "values": "0x3 1x10"},
    ]
    names = ("DnsfilterSnapshotQuarantined", "DnsfilterEngineFallback")
    cases = [
        {
            "input_series": series,
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
                    "eval_time": at,
                    "exp_samples": [{"labels": "{}", "value": firing}],
                }
                for name in names
                for at, firing in (("2m", 0), ("6m", 1))
            ],
        }
    ]
    file = tmp_path / "test.yml"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": cases}))
    checked = component("promtool").run("test", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
