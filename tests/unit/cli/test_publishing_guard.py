"""A node without a control plane asks the guard about the own services of its policy file."""

from pathlib import Path

import pytest

from dnsfilter.cli.publishing import publish_policy_file
from dnsfilter.errors import ConfigError
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.policies import NOW

FILE = """
[[authority]]
slug = "town"
kind = "municipality"
names = { nl = "Stad" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@example.org"

[[service]]
authority = "town"
slug = "games"
name = "Games"
domains = ["games.example.org", "NAME"]
"""


def test_a_name_that_no_service_may_hit_is_a_problem_of_the_file(tmp_path: Path) -> None:
    file, store = tmp_path / "policy.toml", SnapshotStore(tmp_path / "snapshots")
    file.write_text(FILE.replace("NAME", "co.uk"))
    with pytest.raises(ConfigError) as raised:
        publish_policy_file(file, tmp_path, store, NOW)
    (problem,) = raised.value.problems
    assert "town:games tier 1: co.uk hits co.uk (Public Suffix List): leave it out" in str(problem)
    assert store.current_revision() is None
    file.write_text(FILE.replace("NAME", "example.net"))
    publish_policy_file(file, tmp_path, store, NOW)
    assert store.current_revision() is not None
