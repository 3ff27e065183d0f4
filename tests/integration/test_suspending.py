"""Local acts at a node without an API: a local suspension refuses nothing for a while; an older snapshot decides."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, eventually, program, status_of

GHENT, MECHELEN, UNREGISTERED = "127.0.5.10", "127.0.7.10", "127.0.99.10"
NAME = "www.tiktok.com"
NOBODY = 65_534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


@pytest.fixture
def directory() -> Iterator[Path]:
    """Yield a directory that any user may enter."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def node(directory: Path, authority: Knot) -> Iterator[Node]:
    with Node(directory, authority.hostport, policy=EXAMPLE.read_text()) as running:
        yield running


def command(node: Node, *arguments: str, as_user: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    files = ("--config", str(node.config), "--policy", str(node.policy))
    words = [*as_user, program("dnsfilter"), *arguments, *files]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def done(node: Node, *arguments: str) -> str:
    ended = command(node, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def refused(node: Node, client: str = GHENT) -> bool:
    return node.dig(NAME, bind=client).rcode == "REFUSED"


def test_a_local_suspension_ends_by_itself(node: Node) -> None:
    assert refused(node)
    assert refused(node, MECHELEN)
    done(node, "suspend", "ghent", "--for", "6s", "--reason", "the council votes by video")
    assert eventually(lambda: not refused(node))
    answer = node.dig(NAME, bind=GHENT)
    assert all(record.ttl_s <= 6 for record in answer.answers)
    assert refused(node, MECHELEN)
    assert eventually(lambda: refused(node))
    assert done(node, "suspend", "--list") == "nothing is suspended on this node\n"


@pytest.mark.slow
def test_a_local_suspension_survives_a_restart_and_is_ended_locally(node: Node) -> None:
    done(node, "suspend", "--for", "1h", "--reason", "fire")
    assert eventually(lambda: not refused(node) and not refused(node, MECHELEN))
    assert status_of(node.ready_url()) == 200
    assert node.metrics()['dnsfilter_suspended{authority=""}'] == 1
    node.stop()
    node.start()
    assert not refused(node)
    assert node.process is not None
    node.process.send_signal(signal.SIGUSR2)
    assert eventually(lambda: node.log.read_text().count("node starts") == 3)
    assert eventually(lambda: status_of(node.ready_url()) == 200)
    assert not refused(node)
    done(node, "suspend", "--end")
    assert eventually(lambda: refused(node) and refused(node, MECHELEN))
    assert 'dnsfilter_suspended{authority=""}' not in node.metrics()
    journal = (node.state / "node" / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["act"] for line in journal] == ["suspend", "end_suspension"]


@pytest.mark.slow
def test_names_that_a_node_sets_by_itself_hold_at_once_and_over_a_restart(node: Node) -> None:
    def rcodes(client: str) -> tuple[str, ...]:
        return tuple(node.dig(name, bind=client).rcode for name in (NAME, "phishing.example.com"))

    before = rcodes(GHENT)
    assert before[0] == "REFUSED" != before[1]
    why = ("--authority", "ghent", "--reason", "the control plane is away")
    done(node, "name", "allow", NAME, *why)
    done(node, "name", "refuse", "phishing.example.com", *why, "--for", "7d")
    assert eventually(lambda: rcodes(GHENT)[0] != "REFUSED" == rcodes(GHENT)[1])
    assert rcodes(MECHELEN) == before
    assert node.metrics()['dnsfilter_local_names{authority="ghent",verdict="refuse"}'] == 1
    node.stop()
    node.start()
    assert rcodes(GHENT)[0] != "REFUSED" == rcodes(GHENT)[1]
    counted = 'dnsfilter_ban_queries_total{authority="ghent",ban_authority="ghent",ground="own",result="refused"'
    assert any(key.startswith(counted) and "phishing.example.com" in key for key in node.metrics())
    for name in (NAME, "phishing.example.com"):
        done(node, "name", "end", name, "--authority", "ghent")
    assert eventually(lambda: rcodes(GHENT) == before)
    journal = (node.state / "node" / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["act"] for line in journal] == ["allow_name", "refuse_name", "end_name", "end_name"]


@pytest.mark.slow
def test_a_suspension_of_all_serves_unregistered_clients_and_ends_unaided(node: Node) -> None:
    def served(*more: str) -> bool:
        return node.dig(NAME, bind=UNREGISTERED, extra=more).rcode == "NOERROR"

    assert not served()
    done(node, "suspend", "ghent", "--for", "1h", "--reason", "test")
    assert eventually(lambda: not refused(node))
    assert not served()
    said = done(node, "suspend", "--for", "6s", "--reason", "fire: nobody knows yet why")
    assert "unregistered clients are answered too" in said
    assert eventually(lambda: served() and served("+tcp"), within_s=4)
    explained = done(node, "explain", UNREGISTERED, NAME)
    assert "the client is in no registered range, and is answered because all are suspended" in explained
    assert eventually(lambda: not served() and not served("+tcp"))


@pytest.mark.slow
def test_what_is_published_meanwhile_comes_into_force_and_suspends_nothing_less(node: Node) -> None:
    done(node, "suspend", "ghent", "--for", "1h", "--reason", "test")
    assert eventually(lambda: not refused(node))
    assert node.process is not None
    assert node.policy is not None
    node.policy.write_text(EXAMPLE.read_text().replace('reference = "EXAMPLE-GNT-2023-1"', 'reference = "EXAMPLE-2"'))
    node.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: node.logged("snapshot in force", "revision=2"))
    assert not refused(node)
    done(node, "suspend", "--end", "ghent")
    assert eventually(lambda: refused(node))


@pytest.mark.slow
def test_a_node_goes_back_to_an_older_snapshot_until_the_policy_is_read_again(node: Node) -> None:
    assert node.process is not None
    assert node.policy is not None
    node.policy.write_text(EXAMPLE.read_text().replace('mode = "enforce"', 'mode = "monitor"'))
    node.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: not refused(node))
    assert "until the policy file is read again" in done(node, "snapshot", "use", "1", "--reason", "it must refuse")
    assert eventually(lambda: refused(node))
    lines = done(node, "snapshot", "list").splitlines()
    assert [line.split(":")[0] for line in lines] == ["  2", "* 1"]
    node.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: not refused(node))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_nobody_else_acts_on_a_node(node: Node) -> None:
    if command(node, "snapshot", "list", as_user=AS_NOBODY).returncode != 0:
        pytest.skip("another user may not run this program")
    for arguments in (
        ("suspend", "--for", "1h", "--reason", "x"),
        ("suspend", "--end"),
        ("suspend", "--list"),
    ):
        ended = command(node, *arguments, as_user=AS_NOBODY)
        assert ended.returncode == 1, arguments
        assert ended.stderr.startswith("dnsfilter: ")
    assert "only root and user 0" in command(node, "suspend", "--for", "1h", "--reason", "x", as_user=AS_NOBODY).stderr
    assert refused(node)
    assert not (node.state / "node" / "journal.jsonl").exists()
