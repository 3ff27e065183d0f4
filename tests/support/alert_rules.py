"""The alerts and recorded series of deploy/prometheus, as tests read them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
RECORDING = ALERTS.with_name("recording.yml")
RUNBOOK = "https://wiki.example.org/"
"""Address of the runbook in tests. The shipped prometheus.yml sets it, for each office."""
TABLE = "| alert | severity | after | summary in the mail |\n|---|---|---|---|\n"
"""Head of the table in docs/reference/alerts.md."""
SHORT_MS = {"d": 20_000, "h": 10_000, "m": 500, "s": 1_000}
"""Milliseconds that replace a day, an hour, a minute and a second, so that tests do not wait for minutes."""
SHORT_S = {86400: 2, 3600: 10, 900: 5, 60: 15}
"""Seconds that replace numbers of seconds in expressions. A node reports every ten seconds."""


def alert_rules() -> list[dict[str, Any]]:
    """Return every alert, with `alert`, `expr`, `labels` and `annotations`."""
    return _rules(ALERTS)


def recording_rules() -> list[dict[str, Any]]:
    """Return every recorded series, with `record` and `expr`."""
    return _rules(RECORDING)


def _rules(path: Path) -> list[dict[str, Any]]:
    groups = yaml.safe_load(path.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def renewed(page: str) -> str:
    """Return docs/reference/alerts.md with the rows of the alerts as they are now. `scripts/alerts` writes them."""
    head, mark, _ = page.partition(TABLE)
    return head + mark + "".join(_row(rule) for rule in alert_rules())


def _row(rule: Mapping[str, Any]) -> str:
    name, notes = rule["alert"], rule["annotations"]
    section = notes["runbook_url"].removeprefix("{{ $externalLabels.runbook }}").replace(".html#", ".md#")
    summary = re.sub(r"\{\{ with (.*?) \}\}\{\{ \. \}\}", r"{{ \1 }}{{ if there is one }}", notes["summary"])
    summary = re.sub(r"\{\{ if .*?\}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}", r"\1 or \2", summary)
    summary = re.sub(r"\{\{.*?\}\}", lambda found: _named(found[0]), summary)
    severity, after = rule["labels"]["severity"], rule.get("for", "at once")
    return f"| [{name}](../runbook/{section}) | {severity} | {after} | {summary} |\n"


def _named(template: str) -> str:
    """Return what an expression of a template stands for: its label in capitals, or N for a number."""
    label = re.search(r"\$labels\.(\w+)", template)
    return label[1].upper() if label else "N"


def write_short_rules(path: Path) -> None:
    """Write the same rules with short times: `for`, ranges, offsets, and numbers of seconds that are days or hours.

    No alert outlasts its condition.
    """
    rules = [_shortened(rule) for rule in (*recording_rules(), *alert_rules())]
    path.write_text(json.dumps({"groups": [{"name": "short", "rules": rules}]}))


def _shortened(rule: Mapping[str, Any]) -> dict[str, Any]:
    spans = {"for": _short(rule["for"])} if "for" in rule else {}
    kept = {key: value for key, value in rule.items() if key != "keep_firing_for"}
    expression = re.sub(
        r"(?<=[\[:])\d+[dhms](?=[\]:])|(?<=offset )\d+[dhms]", lambda found: _short(found[0]), rule["expr"]
    )
    for seconds, short_s in SHORT_S.items():
        expression = re.sub(rf"\b{seconds}\b", str(short_s), expression)
    return {**kept, **spans, "expr": expression}


def _short(span: str) -> str:
    return f"{int(span[:-1]) * SHORT_MS[span[-1]]}ms"
