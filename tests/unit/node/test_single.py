"""By what the resolver of `dnsfilter up` goes on where its control plane does not start."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.config.load import default_config
from dnsfilter.config.model import Config
from dnsfilter.errors import UnavailableError
from dnsfilter.node.single import _ending, _has_pulled
from dnsfilter.snapshot.store import SnapshotStore
from tests.unit.node.conftest import compiled


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return replace(default_config(), state_dir=tmp_path)


def test_it_goes_on_by_what_it_pulled_else_by_what_the_control_plane_left(config: Config) -> None:
    SnapshotStore(config.state_dir / "snapshots").publish(compiled(2))
    assert not _has_pulled(config, "it is down")
    pulled = SnapshotStore(config.node_dir / "snapshots")
    pulled.publish(compiled(1))
    assert _has_pulled(config, "it is down")
    next(pulled.directory.glob("*.rules")).write_bytes(b"")
    assert not _has_pulled(config, "it is down")


def test_with_nothing_to_go_on_by_it_says_why(config: Config) -> None:
    with pytest.raises(UnavailableError, match=r"^it is down; there is no snapshot by which"):
        _has_pulled(config, "it is down")


@pytest.mark.parametrize(("script", "told"), [("exit 3", "with status 3"), ("kill -9 $$", "by signal SIGKILL")])
def test_how_a_program_ended_is_said(script: str, told: str) -> None:
    assert _ending(subprocess.run(["sh", "-c", script], check=False).returncode) == told
