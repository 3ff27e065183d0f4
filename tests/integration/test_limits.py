"""Limits that an administrator sets, at a real node."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.support.engines import PATIENCE_S, query
from tests.support.knot import Knot
from tests.support.nodes import Node, eventually

pytestmark = pytest.mark.usefixtures("alone")

FLOODER, OTHER, FORWARDER, UNREGISTERED = "127.0.5.10", "127.0.7.10", "127.0.5.77", "127.0.99.10"
LIMITS = """
[limits]
queries_per_second = 1
burst = 20
unregistered_per_second = 1
connections_per_client = 2
connection_idle = 60

[[limits.override]]
prefix = "127.0.5.77"
queries_per_second = 0
"""
MANY = 400


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[Node]:
    """Run a node with tight limits."""
    with Node(tmp_path_factory.mktemp("limited"), authority.hostport, config=LIMITS) as node:
        yield node


def counted(node: Node, name: str) -> float:
    return node.metrics()[f"dnsfilter_{name}"]


def ask_much(node: Node, client: str, name: str, expected: int) -> list[dns.message.Message]:
    """Return the replies to MANY questions of one client.

    It sends them in rounds that fit a socket's buffer. The answer to a later question shows that a round was read.
    """
    found: list[dns.message.Message] = []
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind((client, 0))
        sock.connect(("127.0.0.1", node.port))
        sock.setblocking(False)

        def receive() -> bool:
            try:
                while True:
                    found.append(dns.message.from_wire(sock.recv(65535)))
            except BlockingIOError:
                return len(found) >= expected

        for number in range(MANY):
            sock.send(query(name, id=number))
            if number % 50 == 49:
                assert node.dig("health.dnsfilter.internal", "TXT", bind=FORWARDER).rcode == "NOERROR"
                receive()
        assert eventually(receive), len(found)
    return found


def test_a_flooding_client_is_limited_and_another_is_not(limited: Node) -> None:
    assert len(ask_much(limited, FLOODER, "www.tiktok.com", 20)) < MANY / 2
    assert eventually(lambda: counted(limited, 'limited_total{limit="client"}') > MANY / 2)
    assert counted(limited, 'queries_total{outcome="limited",transport="udp"}') > MANY / 2
    assert limited.dig("plain.example.org", bind=OTHER).rcode == "NOERROR"


def test_an_override_lets_a_forwarder_ask_what_it_likes(limited: Node) -> None:
    replies = ask_much(limited, FORWARDER, "www.tiktok.com", MANY)
    assert {reply.id for reply in replies} == set(range(MANY))


def test_clients_that_may_not_ask_are_rarely_refused_and_sent_to_tcp(limited: Node) -> None:
    replies = ask_much(limited, UNREGISTERED, "www.tiktok.com", MANY // 3)
    refused = [reply for reply in replies if reply.rcode() == dns.rcode.REFUSED]
    cut = [reply for reply in replies if reply.flags & dns.flags.TC]
    assert len(refused) + len(cut) == len(replies) < MANY
    assert len(refused) < MANY / 10
    assert limited.dig("www.tiktok.com", bind=UNREGISTERED, extra=["+tcp"]).rcode == "REFUSED"
    assert counted(limited, 'limited_total{limit="unregistered"}') >= MANY / 2


def test_connections_of_one_client_are_as_many_as_set(limited: Node) -> None:
    """Open five, because while the standby covers for a busy worker, each of the two holds as many as set."""
    with ExitStack() as stack:

        def is_served() -> bool:
            made = stack.enter_context(
                socket.create_connection(("127.0.0.1", limited.port), PATIENCE_S, (FORWARDER, 0))
            )
            message = query("www.tiktok.com")
            try:
                made.sendall(len(message).to_bytes(2, "big") + message)
                return made.recv(1) != b""
            except ConnectionError:
                return False

        served = [is_served() for _ in range(5)]
        assert served[:2] == [True, True], (served, limited.log.read_text())
        assert False in served, (served, limited.log.read_text())
        seen: list[float] = []

        def all_are_counted() -> bool:
            seen.append(counted(limited, 'limited_total{limit="connections"}'))
            return seen[-1] == served.count(False)

        assert eventually(all_are_counted), (served, seen[-1], limited.log.read_text())
        assert limited.dig("plain.example.org", bind=OTHER, extra=["+tcp"]).rcode == "NOERROR"
