"""The `dnsfilter` command in this process: arguments, exit codes, output."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsfilter.cli import options
from dnsfilter.cli.main import main
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Tier
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.answering_server import server
from tests.support.engines import KINDS
from tests.support.policies import allowed, ban, network, policy, service, wire

EXAMPLE = Path(__file__).parents[3] / "deploy/examples/belgium-2023.toml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "dnsfilter.toml"
    path.write_text('listen = ["127.0.0.1:5300"]\nstate_dir = "state"\n[upstream]\nservers = ["192.0.2.53"]\n')
    return path


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("client", "name", "words"),
    [
        ("127.0.5.10", "www.tiktok.com", "refuse by ban"),
        ("127.0.8.10", "www.tiktok.com", "monitor by ban"),
        ("127.0.4.10", "www.tiktok.com", "exempted: tiktok"),
        ("127.0.5.10", "www.example.org", "pass for a client of ghent"),
        ("192.0.2.1", "www.tiktok.com", "no registered range"),
    ],
)
def test_explain_prints_the_decision(
    config: Path, capsys: pytest.CaptureFixture[str], client: str, name: str, words: str
) -> None:
    assert run("explain", "--config", config, "--policy", EXAMPLE, client, name) == 0
    assert words in capsys.readouterr().out


def test_explain_as_json_for_a_time_before_the_bans(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--at", "2023-03-01T00:00:00+01:00", "--json", "127.0.5.10", "www.tiktok.com")
    assert run("explain", "--config", config, "--policy", EXAMPLE, *arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["authority"], said["revision"]) == ("pass", "ghent", 1)


def test_explain_refuses_times_that_the_snapshot_does_not_cover(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SnapshotStore(tmp_path / "state" / "snapshots")
    made_s = int(time.time()) - 3600
    store.publish(compile_policy(policy(ban(1, "ghent", "tiktok")), made_s))
    for hours, code in ((20, 0), (24, 0), (30, 2)):
        at = datetime.fromtimestamp(made_s - hours * 3600, UTC).isoformat()
        assert run("explain", "--config", config, "--at", at, "127.0.5.10", "www.tiktok.com") == code
        said = capsys.readouterr()
    assert said.err.startswith("dnsfilter: this snapshot does not cover times before ")


def test_explain_names_what_allows_a_name_and_until_when_it_is_pending(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_s = int(time.time())
    listed = service("video", ["video.example"], (), Tier(1, wire("new.example"), enforced_from=made_s + 3600))
    free = allowed(1, "ghent", "cdn.video.example", made_s - 60, made_s + 7200)
    made = policy(network("127.0.5.0/24", "ghent"), listed, ban(1, "ghent", "video"), free)
    SnapshotStore(tmp_path / "state" / "snapshots").publish(compile_policy(made, made_s))
    lines = {
        "video.example": [],
        "a.cdn.video.example": [
            f"allowed: cdn.video.example and all below it, since {at_words(made_s - 60)}, "
            f"until {at_words(made_s + 7200)}"
        ],
        "a.new.example": [f"pending: only monitored until {at_words(made_s + 3600)}"],
    }
    values = {
        "video.example": (None, None),
        "a.cdn.video.example": (
            {
                "name": "cdn.video.example",
                "exact": False,
                "since": instant_text(made_s - 60),
                "until": instant_text(made_s + 7200),
            },
            None,
        ),
        "a.new.example": (None, instant_text(made_s + 3600)),
    }
    for name, expected in lines.items():
        assert run("explain", "--config", config, "127.0.5.10", name) == 0
        assert capsys.readouterr().out.splitlines()[1:] == expected
        assert run("explain", "--config", config, "--json", "127.0.5.10", name) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["allowed"], said["pending_until"]) == values[name]


@pytest.mark.parametrize("typed", ["https://www.tiktok.com/@x", "www.tiktok.com/", "www.TikTok.com.:443"])
def test_explain_uses_and_prints_the_host_of_a_url(
    config: Path, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    arguments = ("explain", "--config", config, "--policy", EXAMPLE, "127.0.5.10", typed)
    assert run(*arguments) == 0
    assert capsys.readouterr().out.startswith("revision 1, www.tiktok.com: refuse by ban ")
    assert run(*arguments, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["verdict"]) == ("www.tiktok.com", "refuse")


def test_explain_writes_nothing(config: Path, tmp_path: Path) -> None:
    assert run("explain", "--config", config, "--policy", EXAMPLE, "127.0.5.10", "www.tiktok.com") == 0
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("client", "name"), [("127.0.5.300", "example.org"), ("127.0.5.1", "a..b"), ("127.0.5.1", "192.0.2.9")]
)
def test_explain_names_an_invalid_argument(
    config: Path, capsys: pytest.CaptureFixture[str], client: str, name: str
) -> None:
    assert run("explain", "--config", config, "--policy", EXAMPLE, client, name) == 2
    error = capsys.readouterr().err
    assert client in error or name in error


def test_check_of_valid_files_prints_a_summary(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--config", config, "--policy", EXAMPLE, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["problems"] == []
    assert (said["authorities"], said["upstream"]) == (7, ["192.0.2.53:53"])


def test_check_names_each_fault_of_both_files(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text() + "[cache]\nmax_bytes = -1\n")
    policy = tmp_path / "policy.toml"
    policy.write_text('[[range]]\nprefix = "192.0.2.1/24"\nauthority = "nobody"\n')
    assert run("check", "--config", config, "--policy", policy) == 2
    error = capsys.readouterr().err
    for part in ("cache.max_bytes", "range[0].prefix", "range[0].funding", str(config), str(policy)):
        assert part in error


def test_check_names_an_end_of_learning_far_ahead(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = '[clients]\nunregistered = "learn"\nallowed = ["10.0.0.0/8"]\nlearn_until = 2199-01-01\n'
    config.write_text(config.read_text() + late)
    assert run("check", "--config", config) == 2
    assert "clients.learn_until: is more than 30 days ahead" in capsys.readouterr().err


def test_check_and_start_name_an_address_that_this_machine_does_not_have(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace("127.0.0.1", "192.0.2.1"))
    for command, code in (("check", 2), ("serve", 1)):
        assert run(command, "--config", config, "--policy", EXAMPLE) == code
        assert "listen on 192.0.2.1:5300" in (said := capsys.readouterr().err)
        assert "this machine has no such address" in said


@pytest.mark.parametrize("kind", KINDS)
def test_check_prints_the_engine(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("DNSFILTER_ENGINE", kind)
    assert run("check", "--config", config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["engine"] == kind
    assert run("check", "--config", config) == 0
    assert f"engine: {kind};" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "words"),
    [("fast", "environment variable DNSFILTER_ENGINE: must be"), ("compiled", "cannot load the compiled engine: ")],
)
def test_unavailable_engine_is_reported_by_check_and_before_serving(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wanted: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, "dnsfilter.engine._engine", None)
    monkeypatch.setenv("DNSFILTER_ENGINE", wanted)
    assert run("check", "--config", config, "--json") == 2
    assert words in json.loads(capsys.readouterr().out)["problems"][0]
    assert run("serve", "--config", config, "--policy", EXAMPLE) != 0
    assert words in capsys.readouterr().err


def test_check_reports_an_upstream_that_does_not_recurse(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with server(recurses=False) as limited:
        config.write_text(config.read_text().replace("192.0.2.53", f"127.0.0.1:{limited.port}"))
        assert run("check", "--config", config) == 2
    assert f"127.0.0.1:{limited.port} answers . NS without recursion: enable recursion" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "check"])
def test_commands_need_a_configuration_or_a_policy_file(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "UNIT_CONFIG", tmp_path / "missing.toml")
    assert run(command) == 2
    assert "--config" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["localhost:53", "127.0.0.1:99999"])
def test_up_names_an_invalid_address(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("up", "--upstream", address) == 2
    assert address.rpartition(":")[0] in capsys.readouterr().err


def test_up_refuses_an_upstream_that_is_this_resolver(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("up", "--state-dir", tmp_path, "--upstream", "127.0.0.1:5300") == 2
    assert "ask itself" in capsys.readouterr().err


@pytest.mark.parametrize("at", ["2026-10-25 02:30", "25 October 2026 02:30:00 CEST", "2026-10-25T00:30:00Z"])
def test_explain_reads_its_own_times_and_uses_the_default_zone(
    config: Path, capsys: pytest.CaptureFixture[str], at: str
) -> None:
    assert run("explain", "--config", config, "--policy", EXAMPLE, "--at", at, "127.0.5.10", "www.example.org") == 0
    assert capsys.readouterr().out.startswith("revision 1 at 25 October 2026 02:30:00 CEST, www.example.org: ")


def test_explain_refuses_a_time_that_does_not_exist(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = "1 July 2026 09:00 CET"
    assert run("explain", "--config", config, "--policy", EXAMPLE, "--at", at, "127.0.5.10", "www.example.org") == 2
    assert "clocks of Europe/Brussels show CEST then, not CET: write CEST" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("check",), ("explain", "127.0.5.10", "www.tiktok.com"), ("snapshot", "list")])
def test_without_options_the_configuration_of_the_unit_is_read(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(options, "UNIT_CONFIG", config)
    store = SnapshotStore(tmp_path / "state" / "snapshots")
    store.publish(compile_policy(policy(ban(1, "ghent", "tiktok")), int(time.time())))
    assert run(*command) == 0


def test_a_policy_file_alone_is_checked_without_the_configuration_of_the_unit(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("a fault")
    monkeypatch.setattr(options, "UNIT_CONFIG", config)
    assert run("check", "--policy", EXAMPLE) == 0
