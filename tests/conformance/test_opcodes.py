"""Opcodes other than QUERY, and the classes in which servers describe themselves.

RFC 8490 (DSO), RFC 2136 (UPDATE), RFC 1996 (NOTIFY), RFC 3425 (IQUERY), RFC 4892 (id.server).
"""

from struct import Struct

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
import dns.update

from dnsfilter import __version__
from dnsfilter.engine.interface import Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import DIEST, GHENT, MECHELEN, UNREGISTERED, Rig, data, edes, query
from tests.support.nodes import Node
from tests.support.row_tables import each_row
from tests.support.starting import Start

TRANSPORTS = tuple(Transport)
NAME = "plain.example.org"
ID = 0xBEEF
OPCODES = tuple(range(1, 16))
QR, AA, RD, RA = 0x8000, 0x0400, 0x0100, 0x0080
NOTIMP = 4
UPDATE = 5
WITH_RECURSION = (1, 2)
"""Opcodes with RD and RA (RFC 1035 section 4.1.1). No other flag has a meaning for an unknown opcode."""
HEADER = Struct("!5H")
"""A header without its id: flags and four counts."""


def _notify() -> bytes:
    made = dns.message.make_query("example.org", "SOA", id=ID)
    made.flags = dns.flags.Flag(AA)
    made.set_opcode(dns.opcode.NOTIFY)
    soa = "ns.example.org. hostmaster.example.org. 7 3600 600 86400 300"
    made.answer.append(dns.rrset.from_text("example.org.", 300, "IN", "SOA", soa))
    return made.to_wire()


def _update() -> bytes:
    made = dns.update.UpdateMessage("example.org", id=ID)
    made.absent("www")
    made.add("www", 300, "A", "203.0.113.66")
    return made.to_wire()


HEAD = ID.to_bytes(2, "big")
MESSAGES = {
    "iquery": (1, HEAD + b"\x08\0\0\0\0\1\0\0\0\0" + b"\0\0\1\0\1\0\0\0\0\0\4\xcb\0\x71\x42"),
    "status": (2, HEAD + b"\x10\0" + bytes(8)),
    "notify": (4, _notify()),
    "update": (5, _update()),
    "dso keepalive": (6, HEAD + b"\x30\0" + bytes(8) + b"\0\1\0\x08" + (15_000).to_bytes(4, "big") * 2),
    "dso without a tlv": (6, HEAD + b"\x30\0" + bytes(8)),
    "dso of an unknown kind": (6, HEAD + b"\x30\0" + bytes(8) + b"\xf8\1\0\2ab"),
}
"""Well-formed messages of the opcodes that have a use."""


def content(rig: Rig, message: bytes, client: str = GHENT, transport: Transport = Transport.UDP) -> bytes:
    """Return the bytes of the reply. dnspython gives some opcodes a special treatment, so it does not parse them."""
    outcome = rig.judge(message, client, transport)
    assert isinstance(outcome, Reply), outcome
    return outcome.message


@each_row("transport", TRANSPORTS)
@each_row("client", [GHENT, UNREGISTERED])
@each_row("message_of", MESSAGES)
def test_another_opcode_is_not_implemented_and_copied(
    start: Start, message_of: str, client: str, transport: Transport
) -> None:
    rig = start(office(), internet())
    opcode, message = MESSAGES[message_of]
    questions = 0 if opcode == UPDATE else int.from_bytes(message[4:6], "big")
    question = message[12 : message.index(b"\0", 12) + 5] if questions else b""
    found = content(rig, message, client, transport)
    offers = RA if opcode in WITH_RECURSION else 0
    assert found == HEAD + HEADER.pack(QR | opcode << 11 | offers | NOTIMP, questions, 0, 0, 0) + question
    assert rig.forwarded == []


@each_row("transport", TRANSPORTS)
@each_row("edns", [False, True])
@each_row("name", [NAME, "www.tiktok.com", "localhost", "version.bind"])
def test_every_opcode_with_an_ordinary_question_gets_its_question_and_opt_back(
    start: Start, name: str, edns: bool, transport: Transport
) -> None:
    rig = start(office(), internet())
    wire = query(name, edns=0 if edns else False, id=ID)
    question = wire[12 : 12 + len(name) + 2 + 4]
    for opcode in OPCODES:
        repeated = b"" if opcode == UPDATE else question  # UPDATE has a zone section here (RFC 2136 section 2.3)
        found = content(rig, wire[:2] + bytes([opcode << 3 | 7, 0xFF]) + wire[4:], transport=transport)
        recursion = RD | RA if opcode in WITH_RECURSION else 0
        head = HEADER.pack(QR | opcode << 11 | recursion | NOTIMP, bool(repeated), 0, 0, int(edns))
        assert found[:12] == HEAD + head
        assert found[12:] == repeated + (b"\0\0\x29\x04\xd0" + bytes(6) if edns else b"")
    assert rig.forwarded == []


@each_row("transport", TRANSPORTS)
def test_an_opcode_never_reached_changes_nothing_of_the_data(start: Start, transport: Transport) -> None:
    rig = start(office(), internet())
    before = data(rig.ask(query(NAME), transport=transport))
    for _opcode, message in MESSAGES.values():
        content(rig, message, transport=transport)
    assert data(rig.ask(query(NAME), transport=transport)) == before
    assert len(rig.forwarded) == 1


def test_a_response_of_another_opcode_meets_silence(start: Start) -> None:
    rig = start(office(), internet())
    clients = [
        rig.send(message[:2] + bytes([message[2] | 0x80]) + message[3:], GHENT) for _, message in MESSAGES.values()
    ]
    rig.settle()
    assert [client.receive() for client in clients] == [None] * len(MESSAGES)


# A server does not describe itself.

SELF = ("version.bind", "version.server", "id.server", "hostname.bind", "authors.bind", "bind", "VERSION.BIND")


@each_row("transport", TRANSPORTS)
@each_row("qtype", ["TXT", "ANY", "SOA", "NS"])
@each_row("name", SELF)
def test_questions_about_the_server_are_refused_and_leak_nothing(
    start: Start, name: str, qtype: str, transport: Transport
) -> None:
    rig = start(office(), internet())
    for client in (GHENT, MECHELEN, DIEST):
        found = rig.at_once(query(name, qtype, "CH"), client, transport)
        assert (found.rcode(), edes(found)) == (dns.rcode.REFUSED, [])
        assert (list(found.answer), list(found.authority), list(found.additional)) == ([], [], [])
    assert rig.forwarded == []


def test_a_real_node_gives_dig_neither_version_nor_host(node: Node) -> None:
    for name in SELF:
        found = node.dig(name, "TXT", extra=["-c", "CH", "+nsid", "+norecurse"])
        assert (found.rcode, found.answers, found.authority) == ("REFUSED", (), ())
        reply = found.raw.partition("->>HEADER<<-")[2].partition(";; Query time")[0].lower()
        assert __version__ not in reply
        assert "dnsfilter" not in reply
        assert "nsid" not in reply
