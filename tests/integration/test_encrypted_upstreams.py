"""A node that asks a real Unbound over TLS: the right one, a wrong one, and in clear text only where it may."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.encrypted_unbound import NAME, EncryptedUnbound
from tests.support.nodes import Node, eventually, program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may listen at port 53")
OTHER = "other.example.org"
ASKED, CLEAR, FAILED = "queries_total", "clear_text_total", "failures_total"


def counted(node: Node, what: str, reason: str = "") -> float:
    """Return the sum of one metric of upstreams, for one reason."""
    found = node.metrics()
    wanted = f'reason="{reason}"' if reason else ""
    return sum(found[key] for key in found if key.startswith(f"dnsfilter_upstream_{what}") and wanted in key)


def asking(directory: Path, server: EncryptedUnbound, *, more: str = "", name: str = NAME, scheme: str = "tls") -> Node:
    """Return a node that asks that server only."""
    config = f'ca = "{server.ca}"\n{more}'
    return Node(directory / "node", server.url(name, scheme), config=config)


@pytest.mark.parametrize(("engine", "scheme"), [("reference", "tls"), ("compiled", "tls"), ("compiled", "https")])
def test_names_are_resolved_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, scheme: str
) -> None:
    monkeypatch.setenv("DNSFILTER_ENGINE", engine)
    with EncryptedUnbound(tmp_path, "127.0.83.1") as server, asking(tmp_path, server, scheme=scheme) as node:
        for transport in ([], ["+tcp"]):
            assert node.dig("www.example.org", bind="127.0.5.10", extra=transport).rdata("A") == ["192.0.2.80"]
        assert node.dig("none.example.org", bind="127.0.5.10").rcode == "NXDOMAIN"
        assert counted(node, ASKED) == 2
        checked = subprocess.run(
            [program("dnsfilter"), "check", "--config", str(node.config), "--policy", str(node.policy)],
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_wrong_name_gets_no_question_by_any_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.setenv("DNSFILTER_ENGINE", engine)
    with EncryptedUnbound(tmp_path, "127.0.83.2") as server, asking(tmp_path, server, name=OTHER) as node:
        for number in range(5):
            assert node.dig(f"n{number}.example.org", bind="127.0.5.10").rcode == "SERVFAIL"
        assert counted(node, FAILED, "tls") >= 3
        assert counted(node, CLEAR) == 0
        text = f"upstream=tls://127.0.83.2:{server.tls_port}#other.example.org"
        assert text in node.log.read_text()
        assert "the certificate is for another name than other.example.org" in node.log.read_text()
        checked = subprocess.run(
            [program("dnsfilter"), "check", "--config", str(node.config), "--policy", str(node.policy)],
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 2
        assert "another name than other.example.org: compare its address and name" in checked.stderr


def test_clear_text_is_logged_and_counted(tmp_path: Path) -> None:
    more = 'when_encrypted_fails = "plain"\n'
    with EncryptedUnbound(tmp_path, "127.0.83.3") as server, asking(tmp_path, server, name=OTHER, more=more) as node:
        assert node.dig("www.example.org", bind="127.0.5.10").rdata("A") == ["192.0.2.80"]
        assert counted(node, CLEAR) == 1
        assert "upstream asked in clear text" in node.log.read_text()


def test_server_that_restarts_is_asked_again(tmp_path: Path) -> None:
    with EncryptedUnbound(tmp_path, "127.0.83.4") as server, asking(tmp_path, server) as node:
        assert node.dig("www.example.org", bind="127.0.5.10").rdata("A") == ["192.0.2.80"]
        server.stop()
        assert node.dig("n1.example.org", bind="127.0.5.10").rcode == "SERVFAIL"
        server.start()
        answers = (node.dig(f"again{number}.example.org", bind="127.0.5.10").rcode for number in range(10_000))
        assert eventually(lambda: next(answers) == "NXDOMAIN")
        assert "encrypted upstream answers again" in node.log.read_text()
