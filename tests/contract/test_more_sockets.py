"""Sockets that an engine is told to read, or to leave, while it runs: those of a neighbour."""

import socket
from collections.abc import Iterator

import pytest

from dnsfilter.engine.listening import UdpListener
from tests.contract.cases import RECORDS, internet, office
from tests.support.engines import GHENT, Client, query
from tests.support.scripted import Scripted, reply, silent
from tests.support.starting import Start

NAME = "plain.example.org"
REFUSED = "www.tiktok.com"


@pytest.fixture
def other() -> Iterator[socket.socket]:
    """Another bound socket than the engine's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def test_a_socket_is_read_from_when_the_engine_is_told_until_it_is_told_otherwise(
    start: Start, other: socket.socket
) -> None:
    rig = start(office(), internet())
    listener = UdpListener(other)
    client = Client(GHENT, other.getsockname(), query(REFUSED))
    rig.settle()
    assert client.receive() is None
    rig.engine.listen(listener)
    assert rig.wait(client).rcode() == 5
    rig.engine.unlisten(listener)
    late = Client(GHENT, other.getsockname(), query(REFUSED))
    rig.settle()
    assert late.receive() is None
    assert rig.ask(query(REFUSED)).rcode() == 5
    client.close()
    late.close()


def test_what_came_from_a_socket_is_answered_after_it_was_left(start: Start, other: socket.socket) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    listener = UdpListener(other)
    rig.engine.listen(listener)
    client = Client(GHENT, other.getsockname(), query(NAME))
    rig.until_asked(1)
    assert rig.engine.in_hand() == 1
    rig.engine.unlisten(listener)
    held.say(held.asked[0], reply(held.asked[0], RECORDS[NAME, "A"]))
    assert rig.wait(client).rcode() == 0
    assert rig.engine.in_hand() == 0
    client.close()
