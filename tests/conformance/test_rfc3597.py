"""RFC 3597: unknown types and classes pass like any other."""

import dns.message
import dns.rcode
import dns.rdatatype

from dnsfilter.engine.interface import Miss
from dnsfilter.telemetry.metrics import Transport
from tests.conformance.raw import QUESTION, answers, question_of
from tests.conformance.ways import bytes_of
from tests.contract.cases import office
from tests.support.engines import GHENT, MECHELEN, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, denial
from tests.support.starting import Start
from tests.unit.wire.build import record

NAME = "plain.example.org"
TYPES = (54, 666, 1000, 32_770, 65_280, 65_400, 65_534, 65_535)
DATA = {
    "none": b"",
    "a byte": b"\0",
    "what looks like a pointer": b"\xc0\x0c",
    "what looks like a pointer without end": b"\xc0\xff\xff",
    "a name in mixed case": b"\3WwW\6TikTok\3CoM\0",
    "a label too long": b"\x7f" + b"x" * 20,
    "every byte": bytes(range(256)),
    "much": bytes(1000),
}

each_transport = each_row("transport", tuple(Transport))


@each_transport
@each_row("rdata", DATA.values(), ids=DATA)
def test_data_of_an_unknown_type_pass_byte_for_byte(start: Start, rdata: bytes, transport: Transport) -> None:
    def behave(asked: Asked) -> tuple[bytes, ...]:
        return (answers(asked, record(QUESTION, int.from_bytes(question_of(asked)[-4:-2], "big"), rdata)),)

    rig = start(office(), Scripted(behave))
    for rtype in TYPES:
        wire = query(NAME, rtype, edns=0)
        for client in (GHENT, MECHELEN):
            content = bytes_of(rig, wire, client, transport)
            assert content[6:12] == b"\0\1\0\0\0\1"
            assert content[len(wire) - 11 : -11] == record(QUESTION, rtype, rdata)
    assert len(rig.forwarded) == len(TYPES)


@each_row("rdata", DATA.values(), ids=DATA)
def test_data_of_an_unknown_type_survive_a_rebuilt_message(start: Start, rdata: bytes) -> None:
    def behave(asked: Asked) -> tuple[bytes, ...]:
        extra = record(b"\5extra\xc0\x12", 65534, b"not asked for")
        return (answers(asked, extra, record(QUESTION, 65534, rdata)),)

    rig = start(office(), Scripted(behave))
    for _ in range(2):
        found = rig.ask(query(NAME, 65534))
        assert [one.to_generic().data for rrset in found.answer for one in rrset] == [rdata]


@each_row("rtype", TYPES)
@each_row("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN])
def test_a_denial_of_an_unknown_type_is_passed_on_and_kept(start: Start, rtype: int, rcode: int) -> None:
    rig = start(office(), Scripted(lambda asked: (denial(asked, "example.org", rcode=rcode),)))
    for _ in range(2):
        found = rig.ask(query(NAME, rtype))
        assert (found.rcode(), found.answer, len(found.authority)) == (rcode, [], 1)
    assert rig.forwarded == [
        (NAME, f"TYPE{rtype}" if rtype != 54 else dns.rdatatype.to_text(dns.rdatatype.RdataType.make(54)))
    ]


@each_transport
@each_row("qclass", [2, 4, 5, 100, 253, 256, 65_279, 65_280, 65_535])
def test_an_unknown_class_is_asked_and_answered_like_any_other(start: Start, qclass: int, transport: Transport) -> None:
    # Type A may have another data format in another class, so the engine cannot interpret this record.
    sent = record(QUESTION, 1, b"\xc0\xff\1", rclass=qclass)
    rig = start(office(), Scripted(lambda asked: (answers(asked, sent),)))
    wire = query(NAME, "A", qclass)
    for _ in range(2):
        content = bytes_of(rig, wire, transport=transport)
        assert content[len(wire) - 11 : -11] == sent
    assert isinstance(rig.judge(query(NAME)), Miss)


def test_types_and_classes_are_kept_apart(start: Start) -> None:
    def behave(asked: Asked) -> tuple[bytes, ...]:
        tail = question_of(asked)[-4:]
        rtype, rclass = int.from_bytes(tail[:2], "big"), int.from_bytes(tail[2:], "big")
        return (answers(asked, record(QUESTION, rtype, tail, rclass=rclass)),)

    rig = start(office(), Scripted(behave))
    tails = [(rtype, rclass) for rtype in (666, 65_400) for rclass in (1, 5, 65_280)]
    for _ in range(2):
        for rtype, rclass in tails:
            content = bytes_of(rig, query(NAME, rtype, rclass))
            assert content[-15:-11] == rtype.to_bytes(2, "big") + rclass.to_bytes(2, "big")
    assert len(rig.upstream.asked) == len(tails)


@each_row(
    ("qtype", "before", "after"),
    [
        ("NS", b"", b""),
        ("PTR", b"", b""),
        ("MX", b"\0\5", b""),
        ("AFSDB", b"\0\1", b""),
        ("SRV", bytes(6), b""),
        ("SOA", b"\2ns\xc0\x12", bytes(20)),
        ("NAPTR", bytes(4) + b"\1u\0\0", b""),
    ],
)
def test_names_in_data_of_known_types_are_written_out_or_compressed_in_a_rebuilt_message(
    start: Start, qtype: str, before: bytes, after: bytes
) -> None:
    """Check that only types of RFC 1035 hold compressed names, here the SOA, whose names have a common end."""
    rtype = int(dns.rdatatype.from_text(qtype))

    def behave(asked: Asked) -> tuple[bytes, ...]:
        extra = record(b"\5extra\xc0\x12", rtype, before + b"\xc0\x12" + after)
        return (answers(asked, extra, record(QUESTION, rtype, before + b"\4Mail\xc0\x12" + after)),)

    rig = start(office(), Scripted(behave))
    for _ in range(2):
        content = bytes_of(rig, query(NAME, qtype))
        assert (b"\4Mail\xc0" if qtype == "SOA" else b"\4Mail\7example\3org\0" + after) in content
        assert b"extra" not in content
        assert "Mail.example.org." in dns.message.from_wire(content).answer[0][0].to_text()


@each_row("extra", [(), (record(b"\0", 1, bytes(4)),)], ids=["as it came", "rebuilt"])
def test_the_case_of_names_in_owners_and_data_is_kept(start: Start, extra: tuple[bytes, ...]) -> None:
    target = b"\5oTHER\7EXAMPLE\3org\0"

    def behave(asked: Asked) -> tuple[bytes, ...]:
        alias = record(QUESTION, 5, target.swapcase())
        return (answers(asked, *extra, alias, record(target, 1, b"\xc6\x33\x64\1")),)

    rig = start(office(), Scripted(behave))
    for _ in range(2):
        found = rig.ask(query("pLAIN.eXAMPLE.oRG"))
        assert [rrset.name.to_text() for rrset in found.answer] == ["pLAIN.eXAMPLE.oRG.", "oTHER.EXAMPLE.org."]
        assert found.answer[0][0].to_text() == "Other.example.ORG."
