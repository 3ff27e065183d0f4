"""By what the resolver of `dnsfilter up` goes on where its control plane does not start; what it advises."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from blocklists.catalogue import load_catalogue
from dnsfilter.cli.single_machine import Options, _banner, _ending, _has_pulled
from dnsfilter.config.endpoint import parse_endpoint
from dnsfilter.config.load import default_config
from dnsfilter.config.node_config import Config
from dnsfilter.config.resolved import load_policy_file
from dnsfilter.errors import UnavailableError
from dnsfilter.policy.model import Mode
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.unit.control.conftest import compiled

EXAMPLE = Path(__file__).parents[3] / "deploy/examples/belgium-2023.toml"
NOW = 1_790_000_000


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return replace(default_config(), state_dir=tmp_path)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dnsfilterctl").touch()
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin" / "dnsfilter"), "up"])


def test_it_goes_on_by_what_it_pulled_else_by_what_the_control_plane_left(config: Config) -> None:
    SnapshotStore(config.state_dir / "snapshots").publish(compiled(2))
    assert not _has_pulled(config, "it is down")
    pulled = SnapshotStore(config.node_dir / "snapshots")
    pulled.publish(compiled(1))
    assert _has_pulled(config, "it is down")
    for path in pulled.directory.rglob("*.rules"):
        path.write_bytes(b"")
    assert not _has_pulled(config, "it is down")


def test_with_nothing_to_go_on_by_it_says_why(config: Config) -> None:
    with pytest.raises(UnavailableError, match=r"^it is down; there is no snapshot by which"):
        _has_pulled(config, "it is down")


@pytest.mark.parametrize(("script", "told"), [("exit 3", "with status 3"), ("kill -9 $$", "by signal SIGKILL")])
def test_how_a_program_ended_is_said(script: str, told: str) -> None:
    assert _ending(subprocess.run(["sh", "-c", script], check=False).returncode) == told


def _up(state_dir: Path, api: str) -> Options:
    endpoints = [parse_endpoint(text) for text in ("127.0.0.1:5300", "127.0.0.1:9153", api, "127.0.0.1:9154")]
    return Options(state_dir, None, (), None, *endpoints)


@pytest.mark.usefixtures("programs")
def test_examples_are_given_where_the_policy_is_the_examples(config: Config, tmp_path: Path) -> None:
    services = {service.slug: service for service in load_catalogue().services}
    policy = load_policy_file(EXAMPLE, services=services, now=NOW)
    options = _up(tmp_path, "127.0.0.1:8080")
    assert "onboard" in _banner(options, config, NOW)
    store = SnapshotStore(config.state_dir / "snapshots")
    store.publish(compile_policy(policy, NOW))
    assert "this machine counts as Brussels City's" in _banner(options, config, NOW)
    bans = tuple(replace(ban, mode=Mode.OFF) for ban in policy.bans)
    store.publish(compile_policy(replace(policy, revision=policy.revision + 1, bans=bans), NOW))
    advice = _banner(options, config, NOW)
    assert "Brussels" not in advice
    assert "authority onboard AUTHORITY" in advice


@pytest.mark.usefixtures("programs")
def test_where_the_api_and_its_token_are_is_told_unless_it_is_found_by_itself(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "DNSFILTER_URL" not in _banner(_up(Path(".run"), "127.0.0.1:8080"), config, NOW)
    told = f"export DNSFILTER_URL=http://127.0.0.1:8180 DNSFILTER_TOKEN_FILE={tmp_path}/.run/admin-token\n"
    for api in ("127.0.0.1:8180", "0.0.0.0:8180"):
        assert told in _banner(_up(Path(".run"), api), config, NOW)
    elsewhere = f"export DNSFILTER_URL=http://127.0.0.1:8080 DNSFILTER_TOKEN_FILE='{tmp_path}/a b/admin-token'\n"
    assert elsewhere in _banner(_up(Path("a b"), "127.0.0.1:8080"), config, NOW)
