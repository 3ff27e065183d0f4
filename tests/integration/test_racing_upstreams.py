"""A node that asks two upstreams at once, one of them silent or slow: clients wait for the other only."""

import socket
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests.support.knot import Knot
from tests.support.nodes import Node, eventually

CLIENT = "127.0.5.10"


@pytest.fixture
def quiet() -> Iterator[socket.socket]:
    """Return a socket of an upstream that answers only what a test lets it answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(10)
        yield made


def counted(node: Node, what: str, server: str = "") -> float:
    """Return the sum of one metric of upstreams, or of one of them."""
    found = node.metrics()
    return sum(found[key] for key in found if key.startswith(f"dnsfilter_upstream_{what}_total") and server in key)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_client_waits_for_the_faster_upstream_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Knot, quiet: socket.socket, engine: str
) -> None:
    monkeypatch.setenv("DNSFILTER_ENGINE", engine)
    slow = f"127.0.0.1:{quiet.getsockname()[1]}"
    with Node(tmp_path / "node", f'{slow}", "{authority.hostport}', config='strategy = "race"\n') as node:
        for number in range(2):
            assert node.dig(f"n{number}.example.org", bind=CLIENT).rcode == "NXDOMAIN"
            asked, peer = quiet.recvfrom(4096)
            quiet.sendto(dns.message.make_response(dns.message.from_wire(asked)).to_wire(), peer)
        assert eventually(lambda: counted(node, "queries", slow) == 2)
        assert counted(node, "queries", authority.hostport) == 2
        assert counted(node, "failures") == 0
