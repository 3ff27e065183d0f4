"""`dnsfilter up`: the snapshot of the resolver if the control plane does not start, and the banner."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from blocklists.catalogue import load_catalogue
from dnsfilter.cli.single_machine import Options, _banner, _ending_text, _uses_pulled_snapshots, _write_config
from dnsfilter.config.endpoint import parse_endpoint
from dnsfilter.config.load import default_config, load_config
from dnsfilter.config.node_config import Config, Endpoint
from dnsfilter.config.resolved import load_policy_file
from dnsfilter.config.upstreams.server_url import parse_server
from dnsfilter.errors import UnavailableError
from dnsfilter.policy.model import Mode
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.unit.control.conftest import compiled

EXAMPLE = Path(__file__).parents[3] / "deploy/examples/belgium-2023.toml"
LINK = "http://localhost:8080/console/sign-in/code"
NOW = 1_790_000_000


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return replace(default_config(), state_dir=tmp_path)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dnsfilterctl").touch()
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin" / "dnsfilter"), "up"])


def test_resolver_continues_with_pulled_snapshots_else_with_published_files(config: Config) -> None:
    SnapshotStore(config.state_dir / "snapshots").publish(compiled(2))
    assert not _uses_pulled_snapshots(config, "it is down")
    pulled = SnapshotStore(config.node_dir / "snapshots")
    pulled.publish(compiled(1))
    assert _uses_pulled_snapshots(config, "it is down")
    for path in pulled.directory.rglob("*.rules"):
        path.write_bytes(b"")
    assert not _uses_pulled_snapshots(config, "it is down")


def test_error_without_a_snapshot_has_the_reason(config: Config) -> None:
    with pytest.raises(UnavailableError, match=r"^it is down; the resolver has no snapshot"):
        _uses_pulled_snapshots(config, "it is down")


@pytest.mark.parametrize(("script", "text"), [("exit 3", "with status 3"), ("kill -9 $$", "by signal SIGKILL")])
def test_end_of_a_program_is_described(script: str, text: str) -> None:
    assert _ending_text(subprocess.run(["sh", "-c", script], check=False).returncode) == text


def _up(state_dir: Path, api: str) -> Options:
    endpoints = [parse_endpoint(text) for text in ("127.0.0.1:5300", "127.0.0.1:9153", api, "127.0.0.1:9154")]
    return Options(state_dir, None, (), None, *endpoints)


@pytest.mark.parametrize(
    ("upstreams", "line"),
    [
        ("dns4eu", 'servers = "dns4eu"'),
        ((parse_server("tls://192.0.2.1#dns.example.org"),), 'servers = ["tls://192.0.2.1:853#dns.example.org"]'),
    ],
)
def test_upstreams_are_written_to_the_configuration(
    tmp_path: Path, upstreams: tuple[Endpoint, ...] | str, line: str
) -> None:
    path = _write_config(replace(_up(tmp_path, "127.0.0.1:8080"), upstreams=upstreams), follows=False)
    assert line in path.read_text().splitlines()
    assert all(server.tls for server in load_config(path).upstream.servers)


@pytest.mark.usefixtures("programs")
def test_banner_has_examples_only_for_the_example_policy(config: Config, tmp_path: Path) -> None:
    services = {service.slug: service for service in load_catalogue().services}
    policy = load_policy_file(EXAMPLE, services=services, now=NOW)
    options = _up(tmp_path, "127.0.0.1:8080")
    assert "onboard" in _banner(options, config, NOW, LINK)
    store = SnapshotStore(config.state_dir / "snapshots")
    store.publish(compile_policy(policy, NOW))
    assert "this machine is in a range of Brussels City" in _banner(options, config, NOW, LINK)
    bans = tuple(replace(ban, mode=Mode.OFF) for ban in policy.bans)
    store.publish(compile_policy(replace(policy, revision=policy.revision + 1, bans=bans), NOW))
    advice = _banner(options, config, NOW, LINK)
    assert "Brussels" not in advice
    assert "authority onboard AUTHORITY" in advice


@pytest.mark.usefixtures("programs")
def test_banner_has_variables_only_if_dnsfilterctl_needs_them(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "DNSFILTER_URL" not in _banner(_up(Path(".run"), "127.0.0.1:8080"), config, NOW, LINK)
    variables = f"export DNSFILTER_URL=http://127.0.0.1:8180 DNSFILTER_TOKEN_FILE={tmp_path}/.run/admin-token\n"
    for api in ("127.0.0.1:8180", "0.0.0.0:8180"):
        assert variables in _banner(_up(Path(".run"), api), config, NOW, LINK)
    elsewhere = f"export DNSFILTER_URL=http://127.0.0.1:8080 DNSFILTER_TOKEN_FILE='{tmp_path}/a b/admin-token'\n"
    assert elsewhere in _banner(_up(Path("a b"), "127.0.0.1:8080"), config, NOW, LINK)
