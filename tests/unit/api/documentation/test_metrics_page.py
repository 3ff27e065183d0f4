"""The metrics page of the documentation matches the tables."""

from pathlib import Path

from api.documentation.metrics_page import render_markdown
from api.server.metrics.metric_table import API_METRICS
from dnsfilter.telemetry.metrics import METRICS

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "metrics.md"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_markdown()


def test_page_names_every_metric_with_its_help() -> None:
    page = render_markdown()
    assert all(
        f"- `{metric.name}` ({metric.type}" in page and metric.help in page for metric in (*METRICS, *API_METRICS)
    )
