"""DNS 0x20 (draft-vixie-dnsext-dns0x20) on a real node: servers that keep the case of names, and one that lowers it."""

import re
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsfilter.config.endpoint import endpoint_text
from tests.support.answering_server import server
from tests.support.knot import Knot
from tests.support.nodes import Node, eventually
from tests.support.unbound import Unbound

CLIENT = "127.0.5.10"
NAMES = ("www.example.org", "WWW.EXAMPLE.ORG", "wWw.Example.oRG")

pytestmark = pytest.mark.parametrize("engine", ["reference", "compiled"])


def varying(directory: Path, monkeypatch: pytest.MonkeyPatch, engine: str, upstream: str) -> Node:
    monkeypatch.setenv("DNSFILTER_ENGINE", engine)
    return Node(directory, upstream, config="vary_case = true\n")


def asked(node: Node, name: str) -> dns.message.Message:
    query = dns.message.make_query(name, "A")
    return dns.query.udp(query, "127.0.0.1", port=node.port, source=CLIENT, timeout=10)


def failures(node: Node) -> dict[str, float]:
    """Return the failures of each reason, without those that did not happen."""
    found = {
        re.findall('reason="([^"]+)"', key)[0]: number
        for key, number in node.metrics().items()
        if key.startswith("dnsfilter_upstream_failures_total")
    }
    return {reason: number for reason, number in found.items() if number}


def test_clients_get_answers_of_a_server_that_keeps_the_case_in_their_own_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Knot, engine: str
) -> None:
    with (
        Unbound(authority.hostport) as resolver,
        varying(tmp_path / "node", monkeypatch, engine, resolver.hostport) as node,
    ):
        for name in NAMES:
            found = asked(node, name)
            assert (str(found.question[0].name), str(found.answer[0].name)) == (f"{name}.", f"{name}.")
        for number in range(20):
            asked(node, f"n{number}.example.org")
        assert eventually(lambda: sum(node.metrics().values()) > 0)
        assert failures(node) == {}


def test_server_that_lowers_is_asked_over_tcp_thrice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    with (
        server(lowers=True) as lowering,
        varying(tmp_path / "node", monkeypatch, engine, endpoint_text(lowering)) as node,
    ):
        for name in (*NAMES, *(f"{number}.example.org" for number in ("second", "third", "fourth", "fifth"))):
            found = asked(node, name)
            assert [str(part.name) for part in found.answer] == [f"{name}."]
            assert str(found.answer[0][0]) == "192.0.2.80"
        assert eventually(lambda: failures(node).get("case") == 3)
