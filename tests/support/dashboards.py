"""Grafana dashboards, as tests read them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Values for Grafana's own variables. The range covers at least two scrapes of any test.
BUILT_IN = {"__rate_interval": "1m", "__range": "5m", "__range_s": "300", "__interval": "15s"}


def load_dashboard(path: Path) -> dict[str, Any]:
    """Return the dashboard's JSON."""
    dashboard: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return dashboard


def panels(dashboard: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every panel, including those in collapsed rows."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def dashboard_queries(path: Path) -> list[str]:
    """Return the PromQL of every panel, with variables replaced.

    Replace a list variable by its `allValue`, and Grafana's own variables by fixed spans. Raise ValueError for an
    undefined variable.
    """
    dashboard = load_dashboard(path)
    values = BUILT_IN | {
        variable["name"]: variable["allValue"] for variable in dashboard["templating"]["list"] if "allValue" in variable
    }
    return [
        replace_variables(target["expr"], values) for panel in panels(dashboard) for target in panel.get("targets", ())
    ]


def replace_variables(query: str, values: Mapping[str, str]) -> str:
    """Return the query with `$name` and `${name}` replaced. Raise ValueError for a name without a value."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in values:
            raise ValueError(f"replace ${name} in {query!r}: no variable of that name")
        return values[name]

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, query)
