"""RFC 5625: a DNS proxy between clients and resolvers passes on what it does not know."""

from itertools import product

import dns.flags
import dns.message
import dns.rcode

from dnsfilter.telemetry.metrics import Transport
from tests.conformance.ways import bytes_of
from tests.contract.cases import internet, office
from tests.support.engines import data, query
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, denial, reply
from tests.support.starting import Start
from tests.unit.wire.build import record

NAME = "plain.example.org"
TRUTH = ["A 198.51.100.10"]
NAMESERVERS = tuple(f"example.org. 300 NS ns{n}.example.org." for n in range(3))
GLUE = tuple(f"ns{n}.example.org. 300 A 198.51.100.{n}" for n in range(3))
SOA = "example.org. 300 SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 300"

each_transport = each_row("transport", tuple(Transport))


@each_transport
@each_row(
    ("qtype", "answer", "authority", "additional", "rcode"),
    [
        ("A", (f"{NAME}. 300 A 198.51.100.10",), (), (), 0),
        ("A", tuple(f"{NAME}. 300 A 198.51.100.{n}" for n in (7, 3, 9, 1)), NAMESERVERS, GLUE, 0),
        ("MX", (f"{NAME}. 300 MX 5 mail.example.org.",), NAMESERVERS, ("mail.example.org. 300 A 192.0.2.1",), 0),
        ("A", (f"{NAME}. 300 CNAME www.example.net.", "www.example.net. 300 A 192.0.2.1"), (), (), 0),
        ("HTTPS", (f"{NAME}. 300 HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 key65500=x",), (), (), 0),
        ("TXT", tuple(f'{NAME}. 300 TXT "{n}" ""' for n in range(9)), (), (), 0),
        ("TYPE65400", (f"{NAME}. 300 TYPE65400 \\# 4 c00cffff", f"{NAME}. 300 TYPE65400 \\# 0"), NAMESERVERS, (), 0),
        ("A", (), (SOA,), (), 3),
        ("AAAA", (), (SOA,), (), 0),
        ("A", (f"{NAME}. 300 A 198.51.100.10",), (), (), 6),
    ],
)
def test_an_answer_passes_byte_for_byte_and_in_its_order(
    start: Start,
    qtype: str,
    answer: tuple[str, ...],
    authority: tuple[str, ...],
    additional: tuple[str, ...],
    rcode: int,
    transport: Transport,
) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, answer, authority, additional, rcode=rcode),)))
    wire = query(NAME, qtype, id=8)  # the id rotates the addresses: with four addresses, id 8 puts the first one first
    for _ in range(2):
        raw = bytes_of(rig, wire, transport=transport)
        asked = rig.upstream.asked[-1]
        sent = reply(asked, answer, authority, additional, rcode=rcode)
        assert raw[:2] == wire[:2]
        assert raw[2:-11] == sent[2:-11]
        assert raw[-11:] == wire[-11:]


@each_transport
def test_no_type_or_class_is_refused_for_being_unknown(start: Start, transport: Transport) -> None:
    rig = start(office(), Scripted(lambda asked: (denial(asked, "example.org", rcode=0),)))
    types = (0, 3, 10, 22, 54, 99, 110, 127, 129, 248, 256, 259, 32768, 32769, 65280, 65535)
    for qtype, qclass in product(types, (0, 1, 2, 4, 5, 32768, 65535)):
        assert rig.ask(query(NAME, qtype, qclass), transport=transport).rcode() == dns.rcode.NOERROR
        assert len(rig.upstream.asked) == 1
        rig.upstream.asked.clear()


def test_no_flag_of_a_query_keeps_it_from_its_answer(start: Start) -> None:
    rig = start(office(), internet())
    bits = (dns.flags.AA, dns.flags.TC, dns.flags.RA, 0x0040, dns.flags.AD, dns.flags.CD)
    for chosen in product(*((0, bit) for bit in bits)):
        for rcode in (0, 5, 15):
            flags = dns.flags.RD | sum(chosen) | rcode
            wire = query(NAME, id=7)
            found = rig.ask(wire[:2] + flags.to_bytes(2, "big") + wire[4:])
            assert data(found) == TRUTH
            assert found.flags & ~dns.flags.CD == dns.flags.QR | dns.flags.RD | dns.flags.RA


@each_transport
@each_row(
    "extra",
    [record(b"\0", 250, bytes(30), 0, 255), record(b"\0", 24, bytes(40), 0, 255), record(b"\1x\xc0\x0c", 65400, b"")],
    ids=["tsig", "sig(0)", "unknown"],
)
def test_a_record_after_the_question_does_not_prevent_an_answer(
    start: Start, extra: bytes, transport: Transport
) -> None:
    rig = start(office(), internet())
    wire = query(NAME, edns=False)
    found = rig.ask(wire[:10] + b"\0\1" + wire[12:] + extra, transport=transport)
    assert data(found) == TRUTH


@each_transport
@each_row("counts", [b"\0\1\0\0", b"\0\0\0\1"], ids=["answer", "authority"])
@each_row("rtype", [1, 65400])
def test_a_record_in_answer_or_authority_of_a_query_is_formerr(
    start: Start, rtype: int, counts: bytes, transport: Transport
) -> None:
    rig = start(office(), internet())
    wire = query(NAME, edns=False)
    found = rig.ask(wire[:6] + counts + wire[10:] + record(b"\xc0\x0c", rtype, bytes(4)), transport=transport)
    assert (found.rcode(), found.answer, rig.forwarded) == (dns.rcode.FORMERR, [], [])


@each_transport
@each_row("size", [512, 1232, 1500, 4096, 16_384])
def test_large_queries_are_taken(start: Start, size: int, transport: Transport) -> None:
    rig = start(office(), internet())
    bare = query(NAME)
    padding = size - len(bare) - 4
    wire = bare[:-2] + (padding + 4).to_bytes(2, "big") + b"\0\x0c" + padding.to_bytes(2, "big") + bytes(padding)
    assert len(wire) == size
    assert data(rig.ask(wire, transport=transport)) == TRUTH
