"""The commands that ask a running node, on a real one, also with a damaged file: query, top, cache flush, acts."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsfilter.local.journal import JOURNAL_NAME, Act, Journal
from tests.support.answering_server import server
from tests.support.forked_programs import run
from tests.support.nodes import Node, eventually

pytestmark = pytest.mark.heavy

GHENT = "127.0.5.10"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Run a node. tests/contract/test_cache.py flushes the cache of each engine."""
    with server() as upstream, Node(tmp_path, f"127.0.0.1:{upstream.port}") as running:
        yield running


def command(node: Node, *words: str) -> subprocess.CompletedProcess[str]:
    files = ("--config", str(node.config), "--policy", str(node.policy))
    done = run(["dnsfilter", *words, *files])
    assert done.returncode == 0, done.stderr
    return done


def test_node_is_asked_shown_and_its_cache_flushed(node: Node) -> None:
    refused = json.loads(command(node, "query", "www.tiktok.com", "--client", GHENT, "--json").stdout)
    assert (refused["verdict"], refused["asked_as"], refused["answer"]["rcode"]) == ("refuse", GHENT, "REFUSED")
    assert "extended error 15: " in command(node, "query", "www.tiktok.com", "--client", GHENT).stdout
    unregistered = command(node, "query", "www.example.org", "--client", "127.200.0.1").stdout
    assert "extended error 18: prohibited\n" in unregistered
    shown = command(node, "query", "www.example.org", "AAAA", "--client", GHENT, "--tcp").stdout
    assert shown.startswith(f"decision for {GHENT}, revision 1: pass for a client of ghent\nanswer to {GHENT}: NOERROR")
    assert ";www.example.org.       IN      AAAA\n" in shown

    for name in ("www.example.org", "www.example.net"):
        assert node.dig(name, bind=GHENT).rdata("A") == ["192.0.2.80"]
    assert eventually(lambda: node.metrics()["dnsfilter_cache_entries"] == 2)
    assert command(node, "cache", "flush", "--suffix", "example.org").stdout == (
        "the running node forgets answers about example.org and all names below it\n"
    )
    assert eventually(lambda: node.metrics()["dnsfilter_cache_entries"] == 1)
    assert eventually(lambda: node.logged("cache flushed", "answers=1"))
    (entry,) = Journal(node.state / "node" / JOURNAL_NAME).entries()
    assert entry.act is Act.FLUSH_CACHE

    (line,) = command(node, "top", "--once", "--json", "--interval", "0.2").stdout.splitlines()
    assert json.loads(line)["revision"] == 1
    assert "policy: revision 1, made " in command(node, "top", "--once", "--interval", "0.2").stdout


def test_a_node_whose_file_is_damaged_is_suspended_asked_and_drained(node: Node) -> None:
    node.config.write_text("listen = [\n")
    damaged = f"{node.config}:2: cannot be read as TOML"
    for words, out in (
        (("suspend", "ghent", "--for", "30m", "--reason", "payroll is down"), "ghent: nothing is refused on this node"),
        (("query", "www.tiktok.com", "--client", GHENT), "exempted: tiktok"),
        (("explain", GHENT, "www.tiktok.com"), "exempted: tiktok"),
        (("cache", "flush", "--all"), "the running node forgets"),
        (("drain", "--for", "0"), "the node has ended"),
    ):
        done = command(node, *words)
        assert out in done.stdout
        assert done.stderr.count(damaged) == 1
        assert "the configuration in force since" in done.stderr
    done = run(["dnsfilter", "suspend", "--end", "--config", str(node.config)])
    assert done.returncode == 2
    assert "no node runs with this file" in done.stderr
