"""Alerts fire, do not fire too early, and resolve, as promtool evaluates the files in `rules/`."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.alert_rules import ALERTS, RECORDING, alert_rules, recording_rules
from tests.support.components import component

FILES = sorted((Path(__file__).parent / "rules").glob("*.yml"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.mark.heavy
@each_file
def test_promtool_confirms_each_case(path: Path) -> None:
    checked = component("promtool").run("test", "rules", str(path))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_resolves() -> None:
    # Alerts of one name differ in their severity, days, or both.
    wanted = {_key(rule["alert"], rule["labels"]) for rule in alert_rules()}
    seen = {key for path in FILES for case in yaml.safe_load(path.read_text())["tests"] for key in _resolved(case)}
    assert wanted - seen == {("DnsfilterWatchdog", "info", "")}  # fires always


def test_cases_ask_for_all_alerts_so_that_no_other_alert_fires() -> None:
    cases = [case for path in FILES for case in yaml.safe_load(path.read_text())["tests"]]
    # Most cases have no target of either job.
    assert {step["expr"] for case in cases for step in _steps(case)} == {
        'ALERTS{alertstate="firing",alertname!~"DnsfilterWatchdog|DnsfilterNotScraped"}',
        'ALERTS{alertstate="firing",alertname!="DnsfilterWatchdog"}',
        'ALERTS{alertstate="firing"}',
    }
    assert {rule for path in FILES for rule in yaml.safe_load(path.read_text())["rule_files"]} == {
        f"../../../../deploy/prometheus/{path.name}" for path in (ALERTS, RECORDING)
    }


def test_no_alert_fires_in_a_quiet_night() -> None:
    (quiet,) = (path for path in FILES if path.stem == "quiet")
    (case,) = yaml.safe_load(quiet.read_text())["tests"]
    assert all(step["exp_samples"] == [] for step in case["promql_expr_test"])
    covered = {re.match(r"\w+", series["series"])[0] for series in case["input_series"]}  # type: ignore[index]
    rules = (*alert_rules(), *recording_rules())
    used = set(re.findall(r"\bdnsfilter_\w+|\bup\b", " ".join(rule["expr"] for rule in rules)))
    # Suspensions, bans that are off, and new names of services are somebody's act. A percentile has its own case of a
    # quiet office.
    assert used - covered == {
        "dnsfilter_suspended",
        "dnsfilter_updates",
        "dnsfilter_pending_names",
        "dnsfilter_ban_off_since_timestamp_seconds",
        "dnsfilter_answer_duration_seconds_bucket",
        "dnsfilter_answer_duration_seconds_count",
        "dnsfilter_api_state_disk_free_bytes",
        "dnsfilter_api_state_disk_size_bytes",
    }


def _steps(case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the steps of a case that ask for alerts. Others ask for a recorded series."""
    return [step for step in case["promql_expr_test"] if step["expr"].startswith("ALERTS")]


def _resolved(case: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    firing: set[tuple[str, ...]] = set()
    for step in _steps(case):
        now = {_key_of_sample(sample["labels"]) for sample in step["exp_samples"]}
        yield from firing - now
        firing |= now


def _key_of_sample(labels: str) -> tuple[str, ...]:
    values = dict(re.findall(r'(\w+)="([^"]*)"', labels))
    return _key(values["alertname"], values)


def _key(name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    return (name, labels["severity"], labels.get("days", ""))


def test_alerts_are_where_the_cases_look() -> None:
    assert (FILES[0].parent / "../../../../deploy/prometheus/alerts.yml").resolve() == ALERTS
