"""Known faults of other parsers and packers, as bytes from clients over UDP and TCP and from upstream.

The tests of linear work count the steps for messages of growing length. They use no clock.
"""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.query import parse_query
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, data, edes, query
from tests.support.nodes import Node
from tests.support.raw_messages import ALLOWED, BANNED, PTR, A, answer_to, outcome_of, pointer, relayed, response
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says, silent, truncated
from tests.support.scripted import reply as answering
from tests.support.starting import Start
from tests.support.work_counter import is_linear, steps
from tests.unit.wire.build import QR, message, opt, question, record

LARGEST_DATAGRAM = 65507


def body(name: str, *records: bytes) -> bytes:
    return question(name) + b"".join(records)


# Bombs: records that make a reader follow pointers, placed behind a question that ends at byte 33 or 32.


def pointer_chain(name: str, depth: int, owners: int) -> tuple[bytes, int]:
    """Return opaque data with a chain of `depth` pointers, then `owners` records whose names start at its far end.

    Also return the number of records.
    """
    first = 12 + len(question(name)) + 11
    chain = b"\x01a\0" + b"".join(map(pointer, [first, *range(first + 3, first + 3 + 2 * (depth - 1), 2)]))
    last = first + 3 + 2 * (depth - 1)
    return body(name, record(b"\0", 65280, chain), record(pointer(last), 65281, b"") * owners), owners + 1


def label_chain(name: str, links: int) -> tuple[bytes, int]:
    """Return the same with a label before each pointer, which makes careless readers recurse."""
    first = 12 + len(question(name)) + 11
    chain = b"\x01a\0"
    at = first
    for _ in range(links):
        chain += b"\x01b" + pointer(at)
        at = first + len(chain) - 4
    return body(name, record(b"\0", 65280, chain), record(pointer(at), 65281, b"")), 2


BOMBS: dict[str, Callable[[str], tuple[bytes, int]]] = {
    "62 records at a chain of 200, 1.2 KB": lambda name: pointer_chain(name, 200, 62),
    "4,876 records at a chain of 800": lambda name: pointer_chain(name, 800, 4876),
    "label and pointer by turns, 16 KB": lambda name: label_chain(name, 4070),
    "a chain of 8,000 pointers": lambda name: pointer_chain(name, 8000, 60),
}
by_bomb = each_row("bomb", BOMBS.values(), ids=list(BOMBS))


def bomb_query(bomb: Callable[[str], tuple[bytes, int]], name: str) -> bytes:
    raw, records = bomb(name)
    return message(raw, counts=(1, 0, 0, records))


def bomb_answer(bomb: Callable[[str], tuple[bytes, int]], name: str) -> bytes:
    raw, records = bomb(name)
    return message(raw, flags=QR | 0x0180, counts=(1, records, 0, 0))


# From clients.

NAMES = (ALLOWED, BANNED)
WITH_OPT = (1, 0, 0, 1)
QUERIES: dict[str, Callable[[str], bytes]] = {
    "a trailing byte": lambda name: message(question(name), b"\0"),
    "trailing bytes behind the opt": lambda name: message(question(name), opt(), b"\0\0\0", counts=WITH_OPT),
    "a name of 256 bytes": lambda name: message((b"\x3f" + b"a" * 63) * 3 + b"\x32" + b"a" * 50 + body(name)),
    "two opts": lambda name: message(question(name), opt(), opt(), counts=(1, 0, 0, 2)),
    "an opt that is not the root's": lambda name: message(question(name), opt(owner=PTR), counts=WITH_OPT),
    "an opt in the answer": lambda name: message(question(name), opt(), counts=(1, 1, 0, 0)),
    "an opt in authority": lambda name: message(question(name), opt(), counts=(1, 0, 1, 0)),
    "an option of three bytes": lambda name: message(question(name), opt(b"\0\x03\0"), counts=WITH_OPT),
    "an option beyond its record": lambda name: message(question(name), opt(b"\0\x03\0\x01"), counts=WITH_OPT),
    "label type 01": lambda name: message(b"\x41" + b"a" * 65 + question(name)),
    "label type 10": lambda name: message(b"\x81a" + question(name)),
    "a pointer to itself": lambda name: message(PTR + b"\0\x01\0\x01"),
    "a pointer in the question": lambda name: message(question(name)[:-5] + PTR + b"\0\x01\0\x01"),
    "an opt whose owner points forward": lambda name: message(
        question(name), opt(owner=pointer(12 + len(question(name)) + 2)), counts=WITH_OPT
    ),
    "an answer of five bytes": lambda name: message(question(name), record(PTR, 1, bytes(5)), counts=(1, 1, 0, 0)),
    "a cname next to the question": lambda name: message(question(name), record(PTR, 5, b"\x01"), counts=(1, 1, 0, 0)),
    "more records tha bytes": lambda name: message(question(name), opt(), counts=(1, 65535, 65535, 65535)),
    "fewer records than counted": lambda name: message(question(name), opt(), counts=(1, 0, 0, 2)),
    "data beyond the end": lambda name: message(question(name), opt(b"\0\x03\0\0")[:-1], counts=WITH_OPT),
    "a header alone": lambda _name: message(),
    "no type": lambda name: message(question(name)[:-4]),
    "half a class": lambda name: message(question(name)[:-1]),
    "a name without end": lambda name: message(question(name)[:-5]),
    "a pointer forward": lambda name: message(pointer(18) + b"\0\x01\0\x01" + question(name)),
    "a pointer into the header": lambda name: message(question(name)[:-5] + pointer(4) + b"\0\x01\0\x01"),
    "two opts around another record": lambda name: message(
        question(name), opt(), record(b"\0", 1, bytes(4)), opt(), counts=(1, 0, 0, 3)
    ),
    "a stray byte behind an option": lambda name: message(question(name), opt(b"\0\x03\0\0\0"), counts=WITH_OPT),
}
by_query = each_row("fault", QUERIES.values(), ids=list(QUERIES))


@by_query
@each_row("name", NAMES)
def test_a_malformed_query_is_formerr_and_goes_nowhere(start: Start, name: str, fault: Callable[[str], bytes]) -> None:
    rig = start(office(), internet())
    for transport in Transport:
        raw = outcome_of(rig, fault(name), transport)
        reply = dns.message.from_wire(raw)
        assert (reply.rcode(), reply.id, reply.answer) == (dns.rcode.FORMERR, 7, [])
        assert len(raw) <= len(fault(name)) + 11
    assert rig.forwarded == []
    assert data(rig.ask(query("plain.example.org"))) == ["A 198.51.100.10"]


@by_bomb
@each_row("name", NAMES)
def test_a_pointer_bomb_from_a_client_is_formerr(
    start: Start, name: str, bomb: Callable[[str], tuple[bytes, int]]
) -> None:
    rig = start(office(), internet())
    for transport in Transport:
        raw = outcome_of(rig, bomb_query(bomb, name), transport)
        assert raw[3] & 15 == dns.rcode.FORMERR
        assert len(raw) == 12 + len(question(name))
    assert rig.forwarded == []


@each_row("depth", [15, 17, 200, 800])
def test_pointers_of_a_query_are_followed_at_most_in_proportion_to_its_length(depth: int) -> None:
    queries = [
        message(raw, counts=(1, 0, 0, n)) for raw, n in (pointer_chain(ALLOWED, depth, 50 * 2**k) for k in range(6))
    ]
    costs = [steps(lambda raw=raw: parse_query(raw)) for raw in queries]  # type: ignore[misc]
    assert is_linear(costs)
    assert max(costs) <= len(queries[-1])


# A real node, over UDP and TCP.


@pytest.fixture(scope="module")
def stream(node: Node) -> Iterator[socket.socket]:
    """Open one connection to the node for all tests. It must survive every message."""
    with socket.socket() as sock:
        sock.bind((GHENT, 0))
        sock.settimeout(10)
        sock.connect(("127.0.0.1", node.port))
        yield sock


def by_frame(sock: socket.socket, raw: bytes) -> bytes:
    sock.sendall(len(raw).to_bytes(2, "big") + raw)
    with sock.makefile("rb", buffering=0) as file:
        return exactly(file, int.from_bytes(exactly(file, 2), "big"))


def exactly(file: Any, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = file.read(size - len(found))
        assert more, "the connection ended"
        found += more
    return found


def by_datagram(node: Node, raw: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((GHENT, 0))
        sock.settimeout(10)
        sock.sendto(raw, ("127.0.0.1", node.port))
        return sock.recv(65535)


SENT = {
    **{what: fault(BANNED) for what, fault in QUERIES.items()},
    **{what: bomb_query(b, BANNED) for what, b in BOMBS.items()},
}


@pytest.mark.parametrize("raw", SENT.values(), ids=list(SENT))
def test_worker_and_connection_live_through_a_malformed_query(node: Node, stream: socket.socket, raw: bytes) -> None:
    worker = node.worker_pid()
    assert by_frame(stream, raw)[3] & 15 == dns.rcode.FORMERR
    assert by_datagram(node, raw)[3] & 15 == dns.rcode.FORMERR
    for good in (by_frame(stream, query("plain.example.org")), by_datagram(node, query("plain.example.org"))):
        assert data(dns.message.from_wire(good)) == ["A 198.51.100.10"]
    assert node.worker_pid() == worker


# From upstream.


LONG = (b"\x3f" + b"a" * 63) * 3 + b"\x3f" + b"a" * 62 + b"\0"
ANSWERS = {
    "an owner of 256 bytes": response(record((b"\x3f" + b"a" * 63) * 4 + b"\0", 1, bytes(4)), A),
    "an owner that a pointer makes too long": response(record(LONG[:-1] + PTR, 1, bytes(4)), A),
    "two opts": response(A, opt(), opt(), counts=(1, 0, 2)),
    "an opt that is not the root's": response(A, opt(owner=PTR), counts=(1, 0, 1)),
    "an opt in the answer": response(A, opt(), counts=(2, 0, 0)),
    "an opt in authority": response(A, opt(), counts=(1, 1, 0)),
    "an option of three bytes": response(A, opt(b"\0\x0f\0"), counts=(1, 0, 1)),
    "an address of five bytes": response(record(PTR, 1, bytes(5))),
    "an address of three bytes": response(record(PTR, 1, bytes(3))),
    "an ipv6 address of four bytes": response(record(PTR, 28, bytes(4)), A),
    "a cname that ends early": response(record(PTR, 5, PTR + b"\0"), A),
    "a cname that runs into the next record": response(record(PTR, 5, b"\x06tik"), A),
    "a cname without data": response(record(PTR, 5, b""), A),
    "a cname of label type 01": response(record(PTR, 5, b"\x41" + b"a" * 65 + b"\0"), A),
    "an owner of label type 01": response(record(b"\x41" + b"a" * 65 + b"\0", 1, bytes(4)), A),
    "an owner of label type 10": response(record(b"\x80\0", 1, bytes(4)), A),
    "a dname that points forward": response(record(PTR, 39, b"\xc1\0"), A),
    "an owner that points to itself": response(record(pointer(33), 1, bytes(4))),
    "an owner that points into the header": response(record(pointer(2), 1, bytes(4))),
    "an owner that points forward": response(record(pointer(48), 1, bytes(4))),
    "a record cut short": response(PTR + b"\0\x01\0\x01\0\0\x01", counts=(1, 0, 0)),
    "an https target beyond its record": response(record(PTR, 65, b"\0\x01\x06tik"), A),
    "an https record of two bytes": response(record(PTR, 65, b"\0\x01"), A),
    "an soa cut short": response(A, record(PTR, 6, PTR + PTR + bytes(19)), counts=(1, 1, 0)),
    "a signature without signer": response(A, record(PTR, 46, bytes(17))),
    "a signature whose signer is compressed": response(A, record(PTR, 46, bytes(18) + PTR)),
    "a denial without next name": response(A, record(PTR, 47, b""), counts=(1, 1, 0)),
    "more records tha bytes": response(A, counts=(1, 65535, 65535)),
    "fewer records than counted": response(A, counts=(2, 0, 0)),
    "data beyond the end": response(A)[:-1],
    "no question": message(A, flags=QR, counts=(0, 1, 0, 0)),
    "two questions": message(question(ALLOWED), question(BANNED), A, flags=QR, counts=(2, 1, 0, 0)),
    **{what: bomb_answer(bomb, ALLOWED) for what, bomb in BOMBS.items()},
}
by_answer = each_row("raw", ANSWERS.values(), ids=list(ANSWERS))


@by_answer
def test_a_malformed_datagram_of_upstream_is_discarded_and_the_truth_still_taken(start: Start, raw: bytes) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    client = rig.send(query(ALLOWED))
    rig.until_asked(1)
    held.say(held.asked[0], answer_to(held.asked[0], raw)[:LARGEST_DATAGRAM])
    rig.settle()
    assert client.receive() is None
    held.say(held.asked[0], answering(held.asked[0], (f"{ALLOWED}. 300 A 198.51.100.99",)))
    assert data(rig.wait(client)) == ["A 198.51.100.99"]


@by_answer
def test_an_upstream_that_has_only_malformed_answers_is_a_failure(start: Start, raw: bytes) -> None:
    rig = start(office(), Scripted(lambda sent: [truncated(sent)]))
    for transport in Transport:
        waiting = rig.begin(query(ALLOWED), MECHELEN, transport)
        for _ in range(8):
            rig.pass_time(1000)
            rig.complete(lambda _upstream, sent: sent[:2] + raw[2:])
        reply = waiting()
        assert (reply.rcode(), reply.answer, edes(reply)) == (dns.rcode.SERVFAIL, [], [(23, "")])
    rig.upstream.behave = says({("plain.example.org", "A"): ("plain.example.org. 300 A 198.51.100.10",)})
    assert data(rig.ask(query("plain.example.org"))) == ["A 198.51.100.10"]


@each_row("depth", [15, 17, 200, 800])
def test_pointers_of_an_answer_are_followed_at_most_in_proportion_to_its_length(depth: int) -> None:
    answers = [bomb_answer(lambda name, k=k: pointer_chain(name, depth, 50 * 2**k), ALLOWED) for k in range(7)]  # type: ignore[misc]
    costs = [steps(lambda raw=raw: relayed(raw)) for raw in answers]  # type: ignore[misc]
    assert is_linear(costs)
    assert max(costs) <= 12 * len(answers[-1])
