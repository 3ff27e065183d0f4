"""The name of a node is that of its newest enrolment. A missing or damaged identity is no name, not an error.

Servers of conditional zones do not count as default upstreams.
"""

import json
from pathlib import Path

import pytest

from dnsfilter.config.load import load_config
from dnsfilter.config.node_config import Config
from dnsfilter.control.identity import IDENTITY
from dnsfilter.supervisor.vitals.node_vitals import NodeName, default_upstreams_up


def enrolled(config: Config, name: str) -> None:
    """Replace the identity, as an enrolment does."""
    fields = {"name": name, "site": "default", "token": "t" * 16, "key": "0" * 64, "installation": "i", "url": "u"}
    config.node_dir.mkdir(exist_ok=True)
    made = config.node_dir / "new"
    made.write_text(json.dumps(fields))
    made.rename(config.node_dir / IDENTITY)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "dnsfilter.toml"
    path.write_text('state_dir = "."\n[control_plane]\nurl = "https://plane.example"\n')
    return load_config(path)


def test_name_is_that_of_the_newest_enrolment(config: Config) -> None:
    name = NodeName()
    assert name.read(config) == ""
    enrolled(config, "ns1")
    assert [name.read(config) for _ in range(2)] == ["ns1", "ns1"]
    enrolled(config, "ns2")
    assert name.read(config) == "ns2"
    (config.node_dir / IDENTITY).unlink()
    assert name.read(config) == ""


def test_damaged_identity_is_no_name(config: Config) -> None:
    enrolled(config, "ns1")
    (config.node_dir / IDENTITY).write_bytes(b"\0damaged")
    assert NodeName().read(config) == ""


def test_node_without_a_control_plane_has_no_name(config: Config, tmp_path: Path) -> None:
    enrolled(config, "ns1")
    path = tmp_path / "alone.toml"
    path.write_text('state_dir = "."\n')
    assert NodeName().read(load_config(path)) == ""


def test_only_servers_for_all_names_are_default_upstreams(tmp_path: Path) -> None:
    path = tmp_path / "dnsfilter.toml"
    zone = '[[zone]]\nsuffix = "corp.local"\nservers = ["10.0.0.53"]\n'
    path.write_text(f'state_dir = "."\n[upstream]\nservers = ["192.0.2.53", "198.51.100.53"]\n{zone}')
    config = load_config(path)
    states = {"192.0.2.53:53": False, "198.51.100.53:53": True, "10.0.0.53:53": True}
    assert default_upstreams_up(config, states) == 1
    assert default_upstreams_up(config, states | {"198.51.100.53:53": False}) == 0
    assert default_upstreams_up(config, {}) is None
