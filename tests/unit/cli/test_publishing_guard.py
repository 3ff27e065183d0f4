"""A node without a control plane asks the guard, with its own conditional zones, about the names of its policy file."""

from pathlib import Path

import pytest

from dnsfilter.cli.main import main
from dnsfilter.cli.publishing import policy_files, publish_policy_file
from dnsfilter.config.load import load_config
from dnsfilter.errors import ConfigError
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.policies import NOW

TOWN = """
[[authority]]
slug = "town"
kind = "municipality"
names = { nl = "Stad" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@example.org"
"""
SERVICE = f"""{TOWN}
[[service]]
authority = "town"
slug = "games"
name = "Games"
domains = ["games.example.com", "NAME"]
"""
NAME = f"""{TOWN}
[[name]]
authority = "town"
name = "NAME"
verdict = "refuse"
start = 2026-09-01
"""
CONFIG = """
listen = ["127.0.0.1:5300"]
state_dir = "state"
[upstream]
servers = ["192.0.2.53"]
[[zone]]
suffix = "corp.example.org"
servers = ["192.0.2.54"]
[control_plane]
url = "https://policy.example.net"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "dnsfilter.toml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        (SERVICE, "co.uk", "town:games tier 1: co.uk hits co.uk (Public Suffix List): leave it out"),
        (SERVICE, "www.corp.example.org", "hits corp.example.org (a conditional zone): leave it out"),
        (SERVICE, "example.net", "example.net hits policy.example.net (the control plane): leave it out"),
        (NAME, "co.uk", "name[0].name (town): co.uk is a public suffix"),
        (NAME, "example.org", "example.org hits corp.example.org, which must always be answered (a conditional zone)"),
        (NAME, "www.corp.example.org", "name[0].name (town): www.corp.example.org hits corp.example.org"),
        (NAME, "policy.example.net", "policy.example.net must always be answered (the control plane)"),
    ],
)
def test_a_name_that_must_be_answered_is_a_problem_of_the_file(
    config: Path, tmp_path: Path, text: str, name: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, store = tmp_path / "policy.toml", SnapshotStore(tmp_path / "snapshots")
    file.write_text(text.replace("NAME", name))
    node = load_config(config)
    for reading in (
        lambda: publish_policy_file(file, node, store, NOW),
        lambda: policy_files(file, node, NOW, NOW),
    ):
        with pytest.raises(ConfigError) as raised:
            reading()
        assert problem in str(raised.value)
    assert store.current_revision() is None
    with pytest.raises(SystemExit) as left:
        main(["check", "--config", str(config), "--policy", str(file)])
    assert left.value.code == 2
    assert problem in capsys.readouterr().err
    file.write_text(text.replace("NAME", "www.example.com"))
    publish_policy_file(file, node, store, NOW)
    assert store.current_revision() is not None
