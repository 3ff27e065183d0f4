"""The marks of the dashboards appear on a real Prometheus, at each step and each alignment of Grafana's queries."""

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.components import component
from tests.support.dashboards import load_dashboard, replace_variables
from tests.support.prometheus import Prometheus, prometheus

pytestmark = pytest.mark.heavy

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "service.json"
SCRAPE_S, HOUR_S = 15, 3600
POLICY, CHANGE, SUSPENDED = (
    f"dnsfilter_{name}" for name in ("api_policy_changed_timestamp_seconds", "change_timestamp_seconds", "suspended")
)
# Seconds from the first scrape, none at a scrape. The policy changes also with other acts.
CHANGES = {
    ("ghent", "tiktok", "off"): 1801,
    ("ghent", "tiktok", "enforce"): 1822,
    ("mechelen", "tiktok", "adopted"): 4444,
    ("diest", "tiktok", "lapsed"): 5003,
    ("", "", "suspended"): 6006,
}
POLICY_CHANGED = (1801, 4444, 6006)
SUSPENSIONS = {"": (6006, 6600), "ghent": (2003, 2019)}
"""The second is shorter than most steps, and only one scrape saw it."""


@pytest.fixture(scope="module")
def begin() -> int:
    """Return the time of the first scrape: three hours ago."""
    return int(time.time()) // HOUR_S * HOUR_S - 3 * HOUR_S


@pytest.fixture(scope="module")
def recorded(begin: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Run Prometheus on two hours of scrapes, one each fifteen seconds."""
    directory = tmp_path_factory.mktemp("prometheus")
    samples = directory / "samples.txt"
    samples.write_text("\n".join([*_scrapes(begin), "# EOF\n"]))
    made = component("promtool").run("tsdb", "create-blocks-from", "openmetrics", str(samples), str(directory / "data"))
    assert made.returncode == 0, made.stderr
    with prometheus(directory, {}) as server:
        yield server


def _scrapes(begin: int) -> Iterator[str]:
    def series(name: str, values: Mapping[str, tuple[int, int, float]]) -> Iterator[str]:
        """Yield the samples of series: from when until when each is exported, and its value."""
        yield f"# TYPE {name} gauge"
        for labels, (first, last, value) in values.items():
            for at in range(-(-first // SCRAPE_S) * SCRAPE_S, last, SCRAPE_S):
                yield f"{name}{labels} {value} {begin + at}"

    end = 2 * HOUR_S
    changes = {_labels(*of): (at, end, float(begin + at)) for of, at in CHANGES.items()}
    yield from series(CHANGE, changes)
    suspended = {f'{{authority="{of}"}}': (first, last, 1.0) for of, (first, last) in SUSPENSIONS.items()}
    yield from series(SUSPENDED, suspended)
    yield f"# TYPE {POLICY} gauge"
    for first, last in zip(POLICY_CHANGED, (*POLICY_CHANGED[1:], end), strict=True):
        yield from [*series(POLICY, {"": (first, last, float(begin + first))})][1:]


def _labels(authority: str, service: str, change: str) -> str:
    return f'{{authority="{authority}",service="{service}",change="{change}"}}'


def _marks(server: Prometheus, name: str, start: int, end: int, step: int) -> list[tuple[float, str]]:
    """Return the marks that Grafana makes of the query of one name: their times and titles.

    It asks at multiples of the step. A value of `useValueForTime` is a time in milliseconds, and equal times are one.
    """
    (entry,) = (each for each in load_dashboard(DASHBOARD)["annotations"]["list"] if each["name"] == name)
    expression = replace_variables(entry["expr"], {"authority": ".*", "__interval": f"{step}s"})
    found = set()
    for series in server.query_range(expression, start // step * step, end // step * step, step):
        title = _title(entry["titleFormat"], series["metric"])
        for at, value in series["values"]:
            found.add((float(value) / 1000 if entry["useValueForTime"] else float(at), title))
    return sorted(found)


def _title(template: str, labels: Mapping[str, Any]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: str(labels.get(found[1], "")), template)


STEPS = (SCRAPE_S, 60, 300, 900)
each_alignment = pytest.mark.parametrize(
    ("step", "shift"), [(step, step * part // 5) for step in STEPS for part in range(5)]
)


@each_alignment
def test_each_change_has_a_mark_at_its_instant(recorded: Prometheus, begin: int, step: int, shift: int) -> None:
    found = _marks(recorded, "Bans and suspensions", begin + shift, begin + 2 * HOUR_S + shift, step)
    named = {
        (begin + at, f"{authority or 'everybody'} {service}: {change}")
        for (authority, service, change), at in CHANGES.items()
    }
    assert set(found) == named


@each_alignment
def test_each_change_of_the_policy_has_a_mark(recorded: Prometheus, begin: int, step: int, shift: int) -> None:
    found = _marks(recorded, "Policy changed", begin + shift, begin + 2 * HOUR_S + shift, step)
    assert [at - begin for at, _ in found] == list(POLICY_CHANGED)


@each_alignment
def test_each_suspension_has_a_mark(recorded: Prometheus, begin: int, step: int, shift: int) -> None:
    found = _marks(recorded, "Suspended", begin + shift, begin + 2 * HOUR_S + shift, step)
    assert {title for _, title in found} == {"everybody: suspended", "ghent: suspended"}
    for at, title in found:
        first, last = SUSPENSIONS["" if title.startswith("everybody") else "ghent"]
        assert first - step <= at - begin <= last
