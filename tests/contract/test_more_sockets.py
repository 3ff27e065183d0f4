"""Sockets that a running engine starts and stops to read, such as those of a neighbour."""

import os
import socket
from collections.abc import Iterator

import pytest

from dnsfilter.engine.udp_listener import UdpListener
from tests.contract.cases import RECORDS, internet, office
from tests.support.engines import GHENT, Client, ZoneTo, query
from tests.support.scripted import Scripted, reply, silent
from tests.support.starting import Start

NAME = "plain.example.org"
REFUSED = "www.tiktok.com"


@pytest.fixture
def other() -> Iterator[socket.socket]:
    """Yield a bound socket that the engine does not read yet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def test_socket_is_read_from_listen_until_unlisten(start: Start, other: socket.socket) -> None:
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


def test_query_from_a_socket_is_answered_after_unlisten(start: Start, other: socket.socket) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    listener = UdpListener(other)
    rig.engine.listen(listener)
    client = Client(GHENT, other.getsockname(), query(NAME))
    rig.until_asked(1)
    assert rig.engine.pending_count() == 1
    rig.engine.unlisten(listener)
    held.say(held.asked[0], reply(held.asked[0], RECORDS[NAME, "A"]))
    assert rig.wait(client).rcode() == 0
    assert rig.engine.pending_count() == 0
    client.close()


def test_hundreds_of_conditional_zones_work(start: Start) -> None:
    inner = Scripted(lambda asked: [reply(asked, (f"{asked.name}. 300 A 10.0.0.1",))])
    zones = [ZoneTo(f"z{number}.example", inner) for number in range(700)]
    rig = start(office(), internet(), inner, conditional=zones)
    assert len(rig.ask(query("www.z699.example")).answer) == 1
    assert len(inner.asked) == 1


def test_reply_never_leaves_by_a_descriptor_that_reuses_a_closed_sockets_number(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    listener = UdpListener(sock)
    rig.engine.listen(listener)
    client = Client(GHENT, sock.getsockname(), query(NAME))
    rig.until_asked(1)
    rig.engine.unlisten(listener)
    number = sock.fileno()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.close()
    with ours, theirs:
        os.dup2(ours.fileno(), number)
        try:
            held.say(held.asked[0], reply(held.asked[0], (f"{NAME}. 300 A 198.51.100.10",)))
            rig.settle()
            theirs.setblocking(False)
            with pytest.raises(BlockingIOError):
                theirs.recv(100)
        finally:
            os.close(number)
    client.close()
