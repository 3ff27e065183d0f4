"""The alerts of deploy/prometheus, as tests read them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
SHORT_MS = {"d": 2_000, "h": 10_000, "m": 500, "s": 1_000}
"""Milliseconds that replace a day, an hour, a minute and a second, so that tests do not wait for minutes."""


def alert_rules() -> list[dict[str, Any]]:
    """Return every rule of the file, with `alert`, `expr`, `labels` and `annotations`."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def write_short_rules(path: Path) -> None:
    """Write the same rules with short times: `for`, ranges, offsets, and numbers of seconds that are days.

    No alert outlasts its condition.
    """
    path.write_text(json.dumps({"groups": [{"name": "short", "rules": [_shortened(rule) for rule in alert_rules()]}]}))


def _shortened(rule: Mapping[str, Any]) -> dict[str, Any]:
    spans = {"for": _short(rule["for"])} if "for" in rule else {}
    kept = {key: value for key, value in rule.items() if key != "keep_firing_for"}
    expression = re.sub(r"(?<=\[)\d+[dhms](?=\])|(?<=offset )\d+[dhms]", lambda found: _short(found[0]), rule["expr"])
    return {**kept, **spans, "expr": re.sub(r"\b86400\b", "2", expression)}


def _short(span: str) -> str:
    return f"{int(span[:-1]) * SHORT_MS[span[-1]]}ms"
