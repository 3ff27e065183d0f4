"""Reading clients' queries: accepted, faulty, or not answered."""

import dns.message
import pytest
from hypothesis import given

from dnsfilter.wire.edns import Ede, Edns
from dnsfilter.wire.iana import Opcode, Rcode
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.query import Fault, Query, Question, build_upstream_query, parse_query
from tests.unit.wire.build import message, noise, opt, question, record

ONE = (1, 0, 0, 0)
WITH_OPT = (1, 0, 0, 1)
SOA = record(b"\xc0\x0c", 6, b"\0\0" + bytes(20))


def test_a_query_is_read_as_asked() -> None:
    wire = b"\x03wWw\x07Example\x03org\0\x00\x1c\x00\x01"
    query = parse_query(message(wire, opt(ttl=0x8000, payload=4096), flags=0x0130, counts=WITH_OPT))
    expected = Question(wire, b"\x03www\x07example\x03org\0", 28, 1)
    assert query == Query(7, True, True, True, expected, Edns(4096, 0, True))
    assert isinstance(query, Query)
    assert query.do


@pytest.mark.parametrize(
    "data", [b"", bytes(11), message(question(), flags=0x8100), message(flags=0xF800, counts=(0,) * 4)]
)
def test_short_messages_and_responses_get_no_answer(data: bytes) -> None:
    assert parse_query(data) is None


ACCEPTED = [
    ("no opt", message(question())),
    ("no recursion wanted", message(question(), flags=0)),
    ("the reserved bit, tc, aa and an rcode", message(question(), flags=0x0743)),
    ("root", message(question("."))),
    ("binary label", message(question(r"\255\000.example.org"))),
    ("unknown type", message(question(qtype=666))),
    ("type zero", message(question(qtype=0))),
    ("any", message(question(qtype=255))),
    ("chaos", message(question("version.bind", 16, 3))),
    ("class none", message(question(qclass=254))),
    ("tsig behind opt", message(question(), opt(), record(b"\x03key\0", 250, bytes(16), 0, 255), counts=(1, 0, 0, 2))),
    ("sig(0)", message(question(), record(b"\0", 24, bytes(19), 0, 255), counts=WITH_OPT)),
    ("an unknown option", message(question(), opt(b"\xff\x00\0\x01a"), counts=WITH_OPT)),
    ("500 options", message(question(), opt(b"\0\x03\0\0" * 500), counts=WITH_OPT)),
    ("a compressed owner in additional", message(question(), record(b"\xc0\x0c", 250, b""), counts=WITH_OPT)),
]


@pytest.mark.parametrize("data", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_well_formed_message_is_a_query(data: bytes) -> None:
    query = parse_query(data)
    assert isinstance(query, Query)
    assert query.question.wire == data[12 : 12 + len(query.question.wire)]


CHAIN = question() + b"".join(
    record((0xC000 | at).to_bytes(2, "big"), 99, b"") for at in [12, *range(33, 33 + 12 * 60, 12)]
)
NOTHING_ELSE = (Rcode.FORMERR, b"", None)
OURS = Edns(1232, 0, False)
READABLE = (Rcode.FORMERR, question(), None)
FAULTS = [
    ("no question", message(counts=(0, 0, 0, 0)), NOTHING_ELSE),
    ("two questions", message(question(), question("tiktok.com"), counts=(2, 0, 0, 0)), NOTHING_ELSE),
    ("no question but an opt", message(opt(), counts=(0, 0, 0, 1)), (Rcode.FORMERR, b"", OURS)),
    ("two questions and an opt", message(question(), b"\xc0\x0c\0\x01\0\x01", opt(), counts=(2, 0, 0, 1)),
     (Rcode.FORMERR, b"", OURS)),
    ("65,535 questions", message(question(), opt(), counts=(65535, 0, 0, 1)), NOTHING_ELSE),
    ("second question cut short", message(question(), question()[:-1], counts=(2, 0, 0, 0)), NOTHING_ELSE),
    ("question cut short", message(question()[:-1]), NOTHING_ELSE),
    ("compressed question", message(b"\x03www\xc0\x0c\0\x01\0\x01"), NOTHING_ELSE),
    ("label type 01", message(b"\x41" + b"a" * 65 + b"\0\0\x01\0\x01"), NOTHING_ELSE),
    ("name too long", message((b"\x3f" + b"a" * 63) * 4 + b"\0\0\x01\0\x01"), NOTHING_ELSE),
    ("an answer", message(question(), record(b"\0", 1, bytes(4)), counts=(1, 1, 0, 0)), READABLE),
    ("an authority", message(question(), SOA, counts=(1, 0, 1, 0)), READABLE),
    ("an authority and opt", message(question(), SOA, opt(), counts=(1, 0, 1, 1)), (Rcode.FORMERR, question(), OURS)),
    ("trailing byte", message(question(), b"\0"), READABLE),
    ("missing opt", message(question(), counts=WITH_OPT), READABLE),
    ("two opts", message(question(), opt(), opt(), counts=(1, 0, 0, 2)), READABLE),
    ("opt with an owner", message(question(), opt(owner=b"\x01a\0"), counts=WITH_OPT), READABLE),
    ("opt in the answer", message(question(), opt(), counts=(1, 1, 0, 0)), READABLE),
    ("option cut short", message(question(), opt(b"\0\x03\0"), counts=WITH_OPT), READABLE),
    ("opt data cut short", message(question(), opt(b"\0\x03\0\0")[:-1], counts=WITH_OPT), READABLE),
    ("opt header cut short", message(question(), opt()[:-1], counts=WITH_OPT), READABLE),
    ("65,535 records", message(question(), opt(), counts=(1, 0, 0, 65535)), READABLE),
    ("chain of 61 pointers", message(CHAIN, counts=(1, 0, 0, 61)), READABLE),
    ("opt as type", message(question(qtype=41)), (Rcode.FORMERR, question(qtype=41), None)),
    ("tsig as type", message(question(qtype=250)), (Rcode.FORMERR, question(qtype=250), None)),
    ("nxname as type", message(question(qtype=128)), (Rcode.FORMERR, question(qtype=128), None)),
    ("axfr", message(question(qtype=252)), (Rcode.NOTIMP, question(qtype=252), None)),
    ("ixfr", message(question(qtype=251), SOA, counts=(1, 0, 1, 0)), (Rcode.NOTIMP, question(qtype=251), None)),
    ("mailb", message(question(qtype=253)), (Rcode.NOTIMP, question(qtype=253), None)),
    ("maila", message(question(qtype=254)), (Rcode.NOTIMP, question(qtype=254), None)),
    ("client subnet cut short", message(question(), opt(b"\0\x08\0\x04\0\1\x08\0"), counts=WITH_OPT),
     (Rcode.FORMERR, question(), Edns(1232, 0, False, ((8, b"\0\1\x08\0"),)))),
    ("edns 1", message(question(), opt(ttl=0x0001_8000), counts=WITH_OPT),
     (Rcode.BADVERS, question(), Edns(1232, 1, True))),
    ("edns 1 and bad options", message(question(), opt(b"\0", ttl=0x00FF_0000), counts=WITH_OPT),
     (Rcode.BADVERS, question(), Edns(1232, 255, False))),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_fault_has_its_rcode(data: bytes, expected: tuple[int, bytes, Edns | None]) -> None:
    fault = parse_query(data)
    assert isinstance(fault, Fault)
    assert (fault.id, fault.opcode, fault.rd) == (7, 0, True)
    assert (fault.rcode, fault.question, fault.edns) == expected


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
@pytest.mark.parametrize(
    ("body", "counts", "wire", "edns"),
    [
        (b"", (0, 0, 0, 0), b"", None),
        (question(), ONE, question(), None),
        (question() + opt(), WITH_OPT, question(), Edns(1232, 0, False)),
        (b"garbage", (1, 2, 3, 4), b"", None),
        (question() + SOA, (1, 1, 0, 0), question(), None),
    ],
)
def test_other_opcodes_get_notimp_and_are_copied(
    opcode: int, body: bytes, counts: tuple[int, int, int, int], wire: bytes, edns: Edns | None
) -> None:
    fault = parse_query(message(body, flags=opcode << 11 | 0x0110, counts=counts))
    repeated = b"" if opcode == Opcode.UPDATE else wire
    assert fault == Fault(7, opcode, True, True, Rcode.NOTIMP, repeated, edns)


def test_nxname_query_gets_the_invalid_query_type_error() -> None:
    fault = parse_query(message(question(qtype=128)))
    assert isinstance(fault, Fault)
    assert fault.ede == Ede(30)


@given(noise(message(question(), opt(b"\0\x03\0\0"), record(b"\xc0\x0c", 250, b"ab"), counts=(1, 0, 0, 2))))
def test_any_bytes_are_a_query_a_fault_or_silence(data: bytes) -> None:
    found = parse_query(data)
    if len(data) < 12 or data[2] & 0x80:
        assert found is None
    elif isinstance(found, Query):
        # An independent parser accepts every query that we accept, and reads the same question.
        parsed = dns.message.from_wire(data, question_only=True)
        assert parsed.question[0].name.canonicalize().to_wire() == found.question.name
    else:
        assert isinstance(found, Fault)
        assert found.id == int.from_bytes(data[:2], "big")


@pytest.mark.parametrize("cd", [False, True])
@pytest.mark.parametrize("do", [False, True])
@pytest.mark.parametrize("ad", [False, True])
def test_our_query_carries_our_opt_and_the_bits_given(cd: bool, do: bool, ad: bool) -> None:
    asked = parse_query(message(question(), opt(b"\0\x08\0\x04\0\1\0\0", payload=4096), counts=WITH_OPT))
    assert isinstance(asked, Query)
    wire = build_upstream_query(asked.question, id=0xBEEF, cd=cd, do=do, ad=ad)
    sent = parse_query(wire)
    assert sent == Query(0xBEEF, True, ad, cd, asked.question, Edns(1232, 0, do))


def test_our_query_can_ask_for_another_name() -> None:
    asked = parse_query(message(question(qtype=65)))
    assert isinstance(asked, Query)
    sent = parse_query(build_upstream_query(asked.question, id=1, cd=False, do=False, name_wire=b"\x03cDn\x03OrG\0"))
    assert isinstance(sent, Query)
    assert sent.question == Question(b"\x03cDn\x03OrG\0\x00\x41\x00\x01", parse_name("cdn.org"), 65, 1)
