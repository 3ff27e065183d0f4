"""dnsfilterctl coverage: the ranges of an authority, and those in one state."""

import json

import pytest

from tests.unit.api.ctl.conftest import Ctl, Served
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch


@pytest.fixture
def counted(served: Served) -> Served:
    """Return a control plane with counts of one range."""
    node = Machine.enrolled(served.plane, "office-1")
    start, end = "2026-09-21T12:00:00Z", "2026-09-21T12:01:00Z"
    node.use(batch(start=start, until=end, ranges=[{"prefix": "127.0.5.0/24", "queries": 1200}]))
    return served


@pytest.mark.usefixtures("counted")
def test_ranges_are_shown_with_state_time_and_number(ctl: Ctl) -> None:
    lines = ctl("coverage", "ghent").out.splitlines()
    assert lines[0].split("  ")[0] == "range"
    (line,) = (line for line in lines if "127.0.5.0/24" in line)
    assert (line.split()[-1], "asking" in line, "14:00" in line) == ("1200", True, True)
    others = [line for line in lines[1:] if "127.0.5.0/24" not in line]
    assert all("never" in line or "not counted: fewer than 16 addresses" in line for line in others)


@pytest.mark.usefixtures("counted")
def test_ranges_in_one_state_are_found_on_all_pages(ctl: Ctl) -> None:
    found = json.loads(ctl("coverage", "ghent", "--state", "asking", "--limit", "1", "--json").out)
    assert [(item["prefix"], item["usual_per_hour"]) for item in found["items"]] == [("127.0.5.0/24", 1200)]
    assert ctl("coverage", "ghent", "--state", "stopped").err == "no ranges\n"
    assert ctl("coverage", "ghent", "--state", "asleep").code == 2
