"""The commands for local acts on a node, in this process: arguments, exit codes, output."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from blocklists.catalogue import load_catalogue
from dnsfilter.cli.main import main
from dnsfilter.cli.publishing import publish_policy_file
from dnsfilter.config.load import load_config
from dnsfilter.config.resolved import resolve_policy
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Policy, Suspension
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore

pytestmark = [pytest.mark.heavy, pytest.mark.real_clock]

SERVICES = {service.slug: service for service in load_catalogue().services}
EXAMPLE = Path(__file__).parents[3] / "deploy/examples/belgium-2023.toml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "dnsfilter.toml"
    path.write_text('listen = ["127.0.0.1:5300"]\nstate_dir = "state"\n[upstream]\nservers = ["192.0.2.53"]\n')
    store = SnapshotStore(tmp_path / "state" / "policy-snapshots")
    publish_policy_file(EXAMPLE, load_config(path), store, int(time.time()))
    return path


def run(config: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--config", str(config), "--policy", str(EXAMPLE)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def made(store: SnapshotStore, revision: int) -> str:
    """Return when a snapshot was made, as the commands print it."""
    return f"made {at_words(store.manifest(revision).made_s)}, "


def explained(config: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    capsys.readouterr()
    assert run(config, "explain", *more, "127.0.5.10", "www.tiktok.com") == 0
    return capsys.readouterr().out.splitlines()


def test_suspension_is_printed_listed_explained_and_ended(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "suspend", "ghent", "--for", "30m", "--reason", "payroll is down") == 0
    said = capsys.readouterr().out
    assert run(config, "suspend", "--list", "--json") == 0
    until = datetime.fromisoformat(json.loads(capsys.readouterr().out)[0]["until"])
    words = at_words(int(until.timestamp()))
    assert said == f"ghent: nothing is refused on this node until {words}: payroll is down\n"
    assert run(config, "suspend", "--list") == 0
    assert capsys.readouterr().out == said
    first, second = explained(config, capsys)
    assert f"{first}\n" == said
    assert "pass for a client of ghent (exempted: tiktok)" in second
    assert run(config, "suspend", "--end", "ghent") == 0
    assert "ended" in capsys.readouterr().out
    assert run(config, "suspend", "--list") == 0
    assert capsys.readouterr().out == "nothing is suspended on this node\n"
    assert len(explained(config, capsys)) == 1


def test_suspend_without_an_authority_suspends_all(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "suspend", "--all", "ghent", "--for", "1h", "--reason", "fire") == 2
    for words in (["--all"], []):
        assert run(config, "suspend", *words, "--for", "1h", "--reason", "fire") == 0
        assert capsys.readouterr().out.startswith("all: ")
    assert run(config, "suspend", "--list", "--json") == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert (only["authority"], only["reason"]) == (None, "fire")
    (line,) = explained(config, capsys, "--json")
    assert json.loads(line)["suspended"] == [only]
    assert len(explained(config, capsys, "--at", "2023-04-01T00:00:00Z")) == 1


def test_explain_shows_unregistered_clients_as_answered_while_all_are_suspended(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def explained(*more: str) -> list[str]:
        capsys.readouterr()
        assert run(config, "explain", *more, "203.0.113.9", "www.tiktok.com") == 0
        return capsys.readouterr().out.splitlines()

    assert explained() == ["revision 1, www.tiktok.com: the client is in no registered range"]
    run(config, "suspend", "ghent", "--for", "1h", "--reason", "payroll is down")
    assert "unregistered" not in capsys.readouterr().out
    assert explained() == ["revision 1, www.tiktok.com: the client is in no registered range"]
    run(config, "suspend", "--for", "1h", "--reason", "fire")
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith(", and unregistered clients are answered too: fire")
    answered = (
        "revision 1, www.tiktok.com: the client is in no registered range, and is answered because all are suspended"
    )
    assert explained() == [*said, answered]
    run(config, "suspend", "--list")
    assert said[0] in capsys.readouterr().out.splitlines()
    assert json.loads(explained("--json")[0])["admitted"] is True
    run(config, "suspend", "--end")
    assert explained() == ["revision 1, www.tiktok.com: the client is in no registered range"]


def test_times_are_printed_in_one_zone_and_as_json_in_utc(
    config: Path, capsys: pytest.CaptureFixture[str], zone_here: Callable[[str], None]
) -> None:
    zone_here("Asia/Tokyo")
    assert run(config, "suspend", "ghent", "--for", "30m", "--reason", "fire") == 0
    assert capsys.readouterr().out.endswith((" CET: fire\n", " CEST: fire\n"))
    assert run(config, "suspend", "--list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["until"].endswith("Z")
    assert run(config, "snapshot", "list") == 0
    assert re.search(r" CES?T, ", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("suspend", "ghent"), 2, "--for --end --list"),
        (("suspend", "gand", "--for", "30m", "--reason", "x"), 2, "choose one of: brussels-city, "),
        (("suspend", "ghent", "--for", "5h", "--reason", "x"), 2, "4 hours"),
        (("suspend", "ghent", "--for", "30m"), 2, "--reason"),
        (("suspend", "--end"), 1, "no suspension of all was made on this node"),
        (("snapshot", "use", "7", "--reason", "x"), 2, "choose one of: 1"),
        (("snapshot", "use", "1"), 2, "--reason"),
    ],
)
def test_errors_are_printed(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert run(config, *arguments) == code
    assert said in capsys.readouterr().err


def test_published_suspension_of_an_older_snapshot_is_printed_and_listed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    store = SnapshotStore(tmp_path / "state" / "policy-snapshots")
    held = resolve_policy(EXAMPLE.read_text(), EXAMPLE, tmp_path / "state", services=SERVICES, now=now).policy
    suspended = replace(held, revision=2, suspensions=(Suspension("ghent", now - 60, now + 3600),))
    store.publish(compile_policy(suspended, now))
    store.publish(compile_policy(replace(held, revision=3), now))
    store.directory.rename(tmp_path / "state" / "snapshots")

    def done(*arguments: str) -> list[str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--config", str(config)])
        assert ended.value.code == 0
        return capsys.readouterr().out.splitlines()

    asked = ("explain", "127.0.5.10", "www.tiktok.com")
    assert done("suspend", "--list") == ["nothing is suspended on this node"]
    assert len(done(*asked)) == 1
    used, published = done("snapshot", "use", "2", "--reason", "wrong ranges")
    assert used.startswith("revision 2 is in use")
    assert published.startswith("ghent: nothing is refused until ")
    assert published.endswith(": published in revision 2; only a later revision ends it sooner")
    assert done("suspend", "--list") == [published]
    assert done(*asked)[0] == published
    done("suspend", "ghent", "--for", "30m", "--reason", "payroll is down")
    assert [line.endswith("payroll is down") for line in done(*asked)] == [True, False, False]
    listed = json.loads(done("suspend", "--list", "--json")[0])
    assert [(one["authority"], one["published"], one["reason"]) for one in listed] == [
        ("ghent", None, "payroll is down"),
        ("ghent", 2, ""),
    ]
    assert json.loads(done(*asked, "--json")[0])["suspended"] == listed
    assert len(done("explain", "127.0.6.10", "www.tiktok.com")) == 1


def test_snapshots_are_listed_and_an_older_one_used(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SnapshotStore(tmp_path / "state" / "policy-snapshots")
    other = tmp_path / "other.toml"
    other.write_text(
        EXAMPLE.read_text() + '\n[[range]]\nprefix = "192.0.2.0/24"\nauthority = "ghent"\n'
        'funding = "public"\naudience = "staff"\n'
    )
    publish_policy_file(other, load_config(config), store, int(time.time()))
    assert run(config, "snapshot", "use", "1", "--reason", "wrong ranges") == 0
    assert "until the policy file is read again" in capsys.readouterr().out
    store.quarantine(2, "workers died of it")
    assert run(config, "snapshot", "list") == 0
    newest, oldest = capsys.readouterr().out.splitlines()
    assert newest.startswith(f"  2: {made(store, 2)}")
    assert newest.endswith("quarantined: workers died of it")
    assert oldest.startswith(f"* 1: {made(store, 1)}")
    assert run(config, "snapshot", "list", "--json") == 0
    assert [each["in_use"] for each in json.loads(capsys.readouterr().out)] == [False, True]
    assert run(config, "snapshot", "use", "2", "--reason", "again") == 1
    assert "workers died of it" in capsys.readouterr().err
    assert run(config, "snapshot", "use", "1", "--reason", "again") == 0
    assert "already" in capsys.readouterr().out
    assert run(config, "snapshot", "unquarantine", "2", "--reason", "mended") == 0
    assert run(config, "snapshot", "use", "2", "--reason", "again") == 0


def test_control_characters_of_other_programs_are_escaped(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SnapshotStore(tmp_path / "state" / "policy-snapshots")
    store.quarantine(1, "\x1b]0;title\x07\nall is well")
    assert run(config, "snapshot", "list") == 0
    assert r"quarantined: \x1b]0;title\x07\x0aall is well" in capsys.readouterr().out
    assert run(config, "snapshot", "use", "1", "--reason", "again") == 1
    assert r"quarantined: \x1b]0;title\x07\x0aall is well" in capsys.readouterr().err


def test_damaged_snapshot_is_listed_and_skipped(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SnapshotStore(tmp_path / "state" / "policy-snapshots")
    store.publish(compile_policy(Policy(2), int(time.time())))
    node = tmp_path / "state" / "snapshots"
    store.directory.rename(node)
    for path in node.rglob(f"{SnapshotStore(node).manifest(2).rules.digest.hex()}.rules"):
        path.unlink()
    capsys.readouterr()
    for arguments in (("snapshot", "list"), ("explain", "127.0.5.10", "www.tiktok.com")):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--config", str(config)])
        assert ended.value.code == 0
    said = capsys.readouterr()
    newest, oldest, decision = said.out.splitlines()
    assert newest.startswith(f"  2: {made(SnapshotStore(node), 2)}")
    assert newest.endswith(", incomplete")
    assert oldest.startswith(f"* 1: {made(SnapshotStore(node), 1)}")
    assert decision.startswith("revision 1, www.tiktok.com: refuse")
    assert "decided by revision 1: read " in said.err


def test_closed_pipe_ends_the_output_quietly(config: Path) -> None:
    program = "import sys; from dnsfilter.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "snapshot", "list", "--config", str(config)]
    read, written = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(written)
    assert (done.returncode, done.stderr) == (0, b"")


def test_list_without_snapshots_prints_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text('listen = ["127.0.0.1:5300"]\nstate_dir = "state"\n[upstream]\nservers = ["192.0.2.53"]\n')
    assert run(path, "snapshot", "list") == 0
    assert capsys.readouterr().out == "no snapshot on this node: start the control plane, or give --policy\n"


def test_explain_without_access_to_local_suspensions_says_so(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "suspend", "ghent", "--for", "30m", "--reason", "x") == 0
    (tmp_path / "state" / "node").chmod(0o770)
    capsys.readouterr()
    assert run(config, "explain", "127.0.5.10", "www.tiktok.com") == 0
    assert "decided without local acts" in capsys.readouterr().err
