"""The alerts of deploy/prometheus, as tests read them."""

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"


def alert_rules() -> list[dict[str, Any]]:
    """Return every rule of the file, with `alert`, `expr`, `labels` and `annotations`."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]
