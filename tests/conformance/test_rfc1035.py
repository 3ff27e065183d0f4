"""RFC 1034 and RFC 1035: the form of every message between a resolver, its clients and its upstreams."""

import dns.flags
import dns.message
import dns.opcode
import dns.rcode

from dnsfilter.engine.interface import Drop
from dnsfilter.telemetry.metrics import Transport
from tests.conformance.ways import WAYS, Way, ask, bytes_of
from tests.contract.cases import internet, office
from tests.support.engines import data, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply, says, truncated
from tests.support.starting import Start

NAME = "plain.example.org"
TRUTH = ["A 198.51.100.10"]
OFFERS = dns.flags.QR | dns.flags.RA
RESERVED = 0x0040
"""The only bit of the header that is still Z (section 4.1.1; RFC 4035 assigned the two others)."""

each_way = each_row("way", WAYS, ids=lambda way: str(way.id))
each_transport = each_row("transport", tuple(Transport))


# The header.


@each_way
def test_a_reply_has_the_id_the_opcode_and_the_recursion_bit_of_its_query(start: Start, way: Way) -> None:
    wire, raw, _ = ask(start, way)
    found = dns.message.from_wire(raw)
    assert found.rcode() == way.rcode
    assert raw[:2] == wire[:2]
    assert found.opcode() == dns.opcode.QUERY
    assert bool(found.flags & dns.flags.RD) == way.rd


@each_way
@each_row("edns", [False, 0])
def test_a_reply_offers_recursion_and_claims_neither_authority_nor_a_reserved_bit(
    start: Start, way: Way, edns: int | bool
) -> None:
    def boastful(asked: Asked) -> list[bytes]:
        said = way.upstream(asked)
        return [raw[:2] + bytes([raw[2] | 0x04, raw[3] | RESERVED]) + raw[4:] for raw in said]

    _, raw, _ = ask(start, way, edns=edns, upstream=boastful)
    found = dns.message.from_wire(raw)
    assert found.rcode() == way.rcode
    assert found.flags & OFFERS == OFFERS
    assert not found.flags & (dns.flags.AA | RESERVED)
    assert bool(found.flags & dns.flags.TC) == way.small


def test_an_authoritative_upstream_without_recursion_changes_nothing_for_the_client(start: Start) -> None:
    def modest(asked: Asked) -> list[bytes]:
        raw = reply(asked, (f"{NAME}. 300 A 198.51.100.10",), flags=int(dns.flags.AA))
        return [raw[:3] + bytes([raw[3] & 0x7F]) + raw[4:]]

    found = start(office(), Scripted(modest)).ask(query(NAME))
    assert (data(found), found.flags & (dns.flags.RA | dns.flags.AA)) == (TRUTH, dns.flags.RA)


# The question.


@each_way
@each_transport
def test_a_reply_repeats_the_question_byte_for_byte(start: Start, way: Way, transport: Transport) -> None:
    wire, raw, _ = ask(start, way, edns=False, transport=transport)
    assert raw[4:6] == b"\0\1"
    assert raw[12 : len(wire)] == wire[12:]


def test_names_are_compared_without_regard_to_case_and_each_client_sees_its_own(start: Start) -> None:
    rig = start(office(), internet())
    for name in (NAME, NAME.upper(), "PlAiN.eXaMpLe.OrG"):
        found = rig.ask(query(name))
        assert (data(found), found.question[0].name.to_text()) == (TRUTH, f"{name}.")
        assert found.answer[0].name.to_text() == f"{name}."
    assert len(rig.forwarded) == 1


LONGEST_LABEL = "x" * 63
LONGEST_NAME = ".".join([LONGEST_LABEL, LONGEST_LABEL, LONGEST_LABEL, "y" * 61])


@each_row("name", [".", "a.b", f"{LONGEST_LABEL}.example.org", LONGEST_NAME, ".".join("x" * 127)])
def test_labels_of_63_bytes_and_names_of_255_are_forwarded_and_answered(start: Start, name: str) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, (f"{name.rstrip('.')}. 300 A 198.51.100.10",)),)))
    wire = query(name)
    assert len(wire) - 12 - 4 - 11 <= 255
    for _ in range(2):
        assert data(rig.ask(wire)) == TRUTH
    assert len(rig.forwarded) == 1


def _asking(name: bytes, tail: bytes = b"\0\1\0\1") -> bytes:
    return b"\xbe\xef\1\0\0\1\0\0\0\0\0\0" + name + tail


@each_transport
@each_row("size", range(12))
def test_what_is_too_short_for_a_header_meets_silence(start: Start, size: int, transport: Transport) -> None:
    rig = start(office(), internet())
    assert isinstance(rig.judge(query(NAME)[:size], transport=transport), Drop)


@each_transport
@each_row("rcode", [dns.rcode.NOERROR, dns.rcode.FORMERR, dns.rcode.SERVFAIL])
def test_a_response_sent_to_the_service_meets_silence(start: Start, rcode: int, transport: Transport) -> None:
    rig = start(office(), internet())
    for raw in (query(NAME), query(NAME)[:12], query(NAME)[:20]):
        response = raw[:2] + bytes([raw[2] | 0x80, rcode]) + raw[4:]
        assert isinstance(rig.judge(response, transport=transport), Drop)


def test_two_resolvers_that_are_shown_to_each_other_fall_silent(start: Start) -> None:
    rig = start(office(), internet())
    client = rig.send(_asking(b"\xc0\x0c"))
    error = rig.until(client.receive)
    echo = rig.send(error)
    rig.settle()
    assert echo.receive() is None


# Messages that an upstream may send.


@each_transport
@each_row("behind", [b"\0", b"\xff" * 40], ids=["a byte", "bytes"])
def test_bytes_behind_the_last_record_of_an_answer_are_ignored(
    start: Start, behind: bytes, transport: Transport
) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, (f"{NAME}. 300 A 198.51.100.10",)) + behind,)))
    first = rig.ask(query(NAME), transport=transport)
    kept = rig.at_once(query(NAME, id=first.id), transport=transport)
    assert (data(first), kept) == (TRUTH, first)
    assert len(rig.forwarded) == 1


def test_bytes_behind_the_last_record_of_an_answer_by_stream_are_ignored(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: (truncated(asked),)))
    wait = rig.begin(query(NAME))
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.upstream.behave = lambda asked: (reply(asked, (f"{NAME}. 300 A 198.51.100.10",)) + b"\0",)
    rig.complete()
    assert data(wait()) == TRUTH


# Sizes and framing.


# Aliases and failures.


def test_an_alias_comes_before_what_it_leads_to(start: Start) -> None:
    lines = ("b.example.org. 300 A 198.51.100.1", "a.example.org. 300 CNAME b.example.org.")
    rig = start(office(), Scripted(says({("a.example.org", "A"): lines})))
    for _ in range(2):
        assert data(rig.ask(query("a.example.org"))) == ["CNAME b.example.org.", "A 198.51.100.1"]


@each_row("rest", [(), ("plain.example.org. 300 A 198.51.100.9",)], ids=["legs alone", "records that go"])
def test_a_chain_that_is_put_together_is_as_small_as_any_message(start: Start, rest: tuple[str, ...]) -> None:
    """Check that it fits into 512 bytes. Written out, its names alone take 600."""
    zone = "a-name-of-some-length.in-a-large-network.example.org"
    chain = {(f"c{n}.{zone}", "A"): (f"c{n}.{zone}. 300 CNAME c{n + 1}.{zone}.", *rest) for n in range(8)}
    chain[f"c8.{zone}", "A"] = tuple(f"c8.{zone}. 300 A 198.51.100.{n}" for n in range(5)) + rest
    rig = start(office(), Scripted(says(chain)))
    wire = query(f"c0.{zone}", edns=False)
    for _ in range(2):
        content = bytes_of(rig, wire)
        found = dns.message.from_wire(content)
        assert not found.flags & dns.flags.TC
        targets = [f"CNAME c{n}.{zone}." for n in range(1, 9)]
        assert sorted(data(found)) == sorted([*targets, *(f"A 198.51.100.{n}" for n in range(5))])
        # No name shares the question's end, whose spelling is the client's.
        assert len(content) <= len(found.to_wire()) + len(zone)


def test_an_alias_that_is_asked_for_is_not_followed(start: Start) -> None:
    rig = start(office(), Scripted(says({("a.example.org", "CNAME"): ("a.example.org. 300 CNAME b.example.net.",)})))
    assert data(rig.ask(query("a.example.org", "CNAME"))) == ["CNAME b.example.net."]
    assert len(rig.forwarded) == 1
