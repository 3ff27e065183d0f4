"""RFC 7766 and RFC 9210: DNS over TCP, tested with a real node.

The unit tests of `dnsfilter.server.stream` cover the limits of one connection in more detail.
"""

import select
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.message
import dns.rcode
import pytest

from dnsfilter.config.node_config import Limits
from tests.support.engines import PATIENCE_S, data, edes, query
from tests.support.nodes import Node, eventually
from tests.support.scripted import Asked, Scripted, reply, silent

GHENT, DIEST, POLICE = "127.0.5.10", "127.0.8.10", "127.0.14.10"
BANNED = "www.tiktok.com"
DATA_SEGMENTS_IN = 152
"""Offset of the 32-bit number tcpi_data_segs_in in `struct tcp_info` (linux/tcp.h, since 4.6)."""


def behave(asked: Asked) -> Iterable[bytes]:
    """Answer names that begin with "wide" with text, and all other names with an address.

    Do not answer names that begin with "held".
    """
    if asked.name.startswith("held"):
        return silent(asked)
    if asked.name.startswith("wide"):
        return (reply(asked, [f'{asked.name}. 300 TXT "{letter * 200}"' for letter in "abcde"]),)
    return (reply(asked, (f"{asked.name}. 300 A 198.51.100.10",)),)


class Served:
    """A node and an upstream that a thread serves."""

    def __init__(self, directory: Path) -> None:
        self.upstream = Scripted(behave)
        self.node = Node(directory, f"127.0.0.1:{self.upstream.endpoint.port}")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while not self._over.is_set():
            select.select([self.upstream], [], [], 0.05)
            self.upstream.serve()

    def __enter__(self) -> Self:
        self._thread.start()
        self.node.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.node.stop()
        self._over.set()
        self._thread.join()
        self.upstream.close()

    def asked(self, name: str) -> Asked:
        """Wait until upstream has the query for `name` and return the query."""
        assert eventually(lambda: any(each.name == name for each in self.upstream.asked))
        return next(each for each in self.upstream.asked if each.name == name)

    def release(self, name: str) -> None:
        """Answer the held query for `name`."""
        asked = self.asked(name)
        self.upstream.say(asked, reply(asked, (f"{name}. 300 A 198.51.100.10",)))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("node")) as running:
        yield running


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


class Stream:
    """A TCP client with its own source address."""

    def __init__(self, node: Node, source: str = DIEST, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_S)
        self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", node.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *messages: bytes) -> None:
        """Send several queries in one write."""
        self.socket.sendall(b"".join(map(framed, messages)))

    def _exactly(self, raw: int) -> bytes:
        found = b""
        while len(found) < raw:
            more = self.socket.recv(raw - len(found))
            if not more:
                raise EOFError(f"{len(found)} of {raw} bytes")
            found += more
        return found

    def receive(self) -> dns.message.Message:
        return dns.message.from_wire(self._exactly(int.from_bytes(self._exactly(2), "big")))

    def ask(self, message: bytes) -> dns.message.Message:
        self.send(message)
        return self.receive()

    def is_closed(self) -> bool:
        """Wait until the server sends a byte or closes the connection. Return whether it closed the connection."""
        try:
            return not self.socket.recv(1)
        except ConnectionError:
            return True


def test_tcp_serves_who_never_used_udp(served: Served) -> None:
    with Stream(served.node, "127.0.8.77") as client:
        found = client.ask(query("first.example.org"))
        assert (found.rcode(), data(found)) == (dns.rcode.NOERROR, ["A 198.51.100.10"])


def test_udp_and_tcp_serve_the_same_at_the_same_address(served: Served) -> None:
    for name in ("plain.example.org", BANNED, "localhost"):
        found = {extra: served.node.dig(name, bind=GHENT, extra=[extra]) for extra in ("+tcp", "+notcp")}
        assert {result.transport.lower() for result in found.values()} == {"tcp", "udp"}
        tcp, udp = ((result.rcode, result.ede, result.rdata("A")) for result in found.values())
        assert tcp == udp


def test_a_connection_serves_many_queries_one_after_another(served: Served) -> None:
    with Stream(served.node) as client:
        for number in range(300):
            assert client.ask(query(f"n{number % 7}.example.org", id=number)).id == number


def test_queries_need_not_wait_for_answers(served: Served) -> None:
    names = ("plain.example.org", BANNED, "localhost", "fresh{}.example.org")
    with Stream(served.node, GHENT) as client:
        client.send(*(query(names[number % 4].format(number), id=number) for number in range(400)))
        found = {message.id: message for message in (client.receive() for _ in range(400))}
    assert set(found) == set(range(400))
    for number, message in found.items():
        assert message.question[0].name.to_text(omit_final_dot=True) == names[number % 4].format(number)
        assert [code for code, _ in edes(message)] == ([15] if number % 4 == 1 else [])


def test_an_answer_waits_for_no_other(served: Served) -> None:
    names = ("held-a.example.org", "held-b.example.org", "quick.example.org", BANNED)
    with Stream(served.node, GHENT) as client, Stream(served.node, DIEST) as other:
        client.send(*(query(name, id=number) for number, name in enumerate(names)))
        assert {client.receive().id for _ in range(2)} == {2, 3}
        assert data(other.ask(query("other.example.org"))) == ["A 198.51.100.10"]
        for number in (1, 0):
            served.release(names[number])
            assert client.receive().id == number


def test_an_answer_waits_for_no_other_connection_either(served: Served) -> None:
    with Stream(served.node) as waiting:
        waiting.send(query("held-c.example.org", id=1))
        served.asked("held-c.example.org")
        for number in range(20):
            with Stream(served.node) as client:
                assert client.ask(query("plain.example.org", id=number)).id == number
        served.release("held-c.example.org")
        assert waiting.receive().id == 1


@pytest.mark.parametrize(
    ("name", "qtype"), [("plain.example.org", "A"), ("wide.example.org", "TXT"), (BANNED, "A"), ("localhost", "A")]
)
def test_length_and_message_come_in_one_segment(served: Served, name: str, qtype: str) -> None:
    with Stream(served.node, GHENT) as client:
        for number in range(20):
            client.ask(query(name, qtype, id=number))
        info = client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        assert struct.unpack_from("=I", info, DATA_SEGMENTS_IN) == (20,)


def test_a_query_may_come_byte_by_byte(served: Served) -> None:
    with Stream(served.node, GHENT) as client:
        for byte in framed(query("plain.example.org", id=5)) + framed(query(BANNED, id=6)):
            client.socket.send(bytes([byte]))
        assert {client.receive().id for _ in range(2)} == {5, 6}


@pytest.mark.parametrize("cut", [1, 2, 3, 14, 40])
def test_a_query_in_parts_is_answered_once_it_is_complete(served: Served, cut: int) -> None:
    raw = framed(query("plain.example.org", id=7))
    with Stream(served.node) as client, Stream(served.node) as other:
        client.socket.sendall(raw[:cut])
        assert other.ask(query("plain.example.org", id=1)).id == 1  # by now the node has read the first part
        client.socket.sendall(raw[cut:] + raw[:cut])
        assert client.receive().id == 7
        client.socket.sendall(raw[cut:])
        assert client.receive().id == 7


def test_a_client_that_is_done_sending_gets_what_it_waits_for(served: Served) -> None:
    with Stream(served.node) as client:
        client.send(query("held-d.example.org", id=1), query("plain.example.org", id=2))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.receive().id == 2
        served.release("held-d.example.org")
        assert client.receive().id == 1
        assert client.is_closed()


def test_a_client_has_a_bounded_number_of_connections_and_others_have_theirs(served: Served) -> None:
    clients = [Stream(served.node, POLICE) for _ in range(Limits().connections_per_client + 10)]
    try:
        answered = 0
        for number, client in enumerate(clients):
            try:
                answered += client.ask(query("plain.example.org", id=number)).id == number
            except (EOFError, ConnectionError):
                continue
        assert answered == Limits().connections_per_client
        with Stream(served.node, GHENT) as other:
            assert other.ask(query("plain.example.org", id=9)).id == 9
    finally:
        for client in clients:
            client.socket.close()

    def is_served() -> bool:
        with Stream(served.node, POLICE) as again:
            try:
                return again.ask(query("plain.example.org", id=3)).id == 3
            except (EOFError, ConnectionError):
                return False

    assert eventually(is_served)


def test_a_client_that_asks_and_never_reads_starves_nobody(served: Served) -> None:
    with Stream(served.node, GHENT, receive_buffer=4_096) as greedy:
        greedy.ask(query("wide.example.org", "TXT"))
        wire = framed(query("wide.example.org", "TXT")) * 100
        greedy.socket.settimeout(0.2)
        unread = False
        for _ in range(1_000):
            try:
                greedy.socket.send(wire)
            except TimeoutError:
                unread = True  # the node stops reading from a client that does not read
                break
            with Stream(served.node) as client:
                assert client.ask(query("plain.example.org", id=1)).id == 1
        assert unread
        assert served.node.dig("plain.example.org", bind=DIEST).rdata("A") == ["198.51.100.10"]


@pytest.mark.parametrize("raw", [b"\0\0", b"\0\x05abcde", b"\0\x0c\0\1\x80\0" + bytes(8)])
def test_what_deserves_no_answer_ends_its_connection_and_no_other(served: Served, raw: bytes) -> None:
    with Stream(served.node) as other, Stream(served.node) as client:
        client.socket.sendall(raw)
        assert client.is_closed()
        assert other.ask(query("plain.example.org", id=1)).id == 1
