"""Grafana dashboards as tests see them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What Grafana would put in their place; the range is long enough for two scrapes of any test.
BUILT_IN = {"__rate_interval": "1m", "__range": "5m", "__interval": "15s"}


def load_dashboard(path: Path) -> dict[str, Any]:
    """The dashboard's JSON."""
    dashboard: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return dashboard


def panels(dashboard: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every panel, also those within collapsed rows."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def dashboard_queries(path: Path) -> list[str]:
    """Every panel's PromQL, variables replaced: a list variable by its `allValue`, Grafana's own by fixed spans.

    Raises ValueError for a variable that nothing defines.
    """
    dashboard = load_dashboard(path)
    values = BUILT_IN | {
        variable["name"]: variable["allValue"] for variable in dashboard["templating"]["list"] if "allValue" in variable
    }
    return [
        replace_variables(target["expr"], values) for panel in panels(dashboard) for target in panel.get("targets", ())
    ]


def replace_variables(query: str, values: Mapping[str, str]) -> str:
    """The query with `$name` and `${name}` replaced; ValueError for a name without a value."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in values:
            raise ValueError(f"replace ${name} in {query!r}: no variable of that name")
        return values[name]

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, query)
