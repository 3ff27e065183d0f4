"""RFC 9619: a query of opcode QUERY asks exactly one question."""

import dns.message
import dns.opcode
import dns.rcode

from dnsfilter.telemetry.metrics import Transport
from tests.conformance.ways import bytes_of
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, query
from tests.support.row_tables import each_row
from tests.support.starting import Start

PLAIN = query("plain.example.org", edns=False)[12:]
BANNED = query("www.tiktok.com", edns=False)[12:]
OPT = query(".", edns=0)[-11:]

each_transport = each_row("transport", tuple(Transport))


def _message(*parts: bytes, questions: int, additional: int = 0, opcode: int = 0) -> bytes:
    flags = opcode << 11 | 0x0100
    counts = (questions, 0, 0, additional)
    return b"\xbe\xef" + flags.to_bytes(2, "big") + b"".join(n.to_bytes(2, "big") for n in counts) + b"".join(parts)


SEVERAL = {
    "two": _message(PLAIN, PLAIN, questions=2),
    "an allowed one before a banned one": _message(PLAIN, BANNED, questions=2),
    "a banned one before an allowed one": _message(BANNED, PLAIN, questions=2),
    "the second by a pointer": _message(PLAIN, b"\xc0\x0c\0\x1c\0\1", questions=2),
    "three": _message(PLAIN, BANNED, PLAIN, questions=3),
    "as many as can be announced": _message(PLAIN, questions=65535),
}


@each_transport
@each_row("client", [GHENT, MECHELEN])
@each_row("raw", SEVERAL.values(), ids=SEVERAL)
def test_a_query_with_several_questions_is_formerr_and_goes_nowhere(
    start: Start, raw: bytes, client: str, transport: Transport
) -> None:
    rig = start(office(), internet())
    assert bytes_of(rig, raw, client, transport) == b"\xbe\xef\x81\x81" + bytes(8)
    assert rig.forwarded == []


@each_transport
def test_a_query_without_a_question_is_formerr(start: Start, transport: Transport) -> None:
    rig = start(office(), internet())
    assert bytes_of(rig, _message(questions=0), transport=transport) == b"\xbe\xef\x81\x81" + bytes(8)


@each_row("parts", [(), (PLAIN, BANNED)], ids=["none", "two"])
def test_an_opt_with_the_wrong_number_of_questions_is_answered_with_one(start: Start, parts: tuple[bytes, ...]) -> None:
    rig = start(office(), internet())
    found = dns.message.from_wire(bytes_of(rig, _message(*parts, OPT, questions=len(parts), additional=1)))
    assert (found.rcode(), found.question, found.edns, found.options) == (dns.rcode.FORMERR, [], 0, ())


@each_row("opcode", [dns.opcode.STATUS, 15])
@each_row("parts", [(), (PLAIN, BANNED)], ids=["none", "two"])
def test_other_opcodes_keep_their_own_answer_for_any_number(
    start: Start, parts: tuple[bytes, ...], opcode: int
) -> None:
    rig = start(office(), internet())
    found = dns.message.from_wire(bytes_of(rig, _message(*parts, questions=len(parts), opcode=opcode)))
    assert (found.rcode(), found.opcode()) == (dns.rcode.NOTIMP, opcode)


def test_what_goes_upstream_has_one_question_that_is_the_client_s(start: Start) -> None:
    rig = start(office(), internet())
    rig.ask(query("plain.example.org"))
    (asked,) = rig.upstream.asked
    assert asked.message[4:6] == b"\0\1"
    assert asked.message[12 : 12 + len(PLAIN)] == PLAIN
