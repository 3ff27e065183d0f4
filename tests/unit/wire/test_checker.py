"""Checking upstreams' messages."""

import dns.exception
import dns.message
import pytest
from hypothesis import given, settings

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire import names
from dnsfilter.wire.checker import ADDITIONAL, ANSWER, AUTHORITY, Record, check_message, parse_answer
from dnsfilter.wire.edns import Edns
from dnsfilter.wire.names import HopBudget, parse_name
from dnsfilter.wire.rdata import LAYOUTS
from tests.unit.wire.build import QR, RICH, answered, message, noise, opt, question, record

PTR = b"\xc0\x0c"
NAME = parse_name("www.example.org")


def response(*records: bytes, counts: tuple[int, int, int] | None = None, flags: int = QR) -> bytes:
    """Return a response with these records, all in the answer section unless `counts` is given."""
    return message(question(), *records, flags=flags, counts=(1, *(counts or (len(records), 0, 0))))


def test_answer_is_read_with_the_position_of_each_record() -> None:
    data = response(
        record(PTR, 1, b"\xc0\0\x02\x01", 60),
        record(b"\0", 2, PTR),
        opt(ttl=0x0100_8000),
        counts=(1, 1, 1),
        flags=0x87B3,
    )
    answer = parse_answer(data)
    assert (answer.id, answer.flags, answer.rcode) == (7, 0x87B3, 0x13)
    assert (answer.aa, answer.tc, answer.ad, answer.ra) == (True, True, True, True)
    assert answer.edns == Edns(1232, 0, True)
    assert answer.question.wire == question()
    assert answer.section(ANSWER) == (Record(NAME, 1, 1, 60, 33, 39, 45, 49, ANSWER),)
    assert answer.section(AUTHORITY) == (Record(b"\0", 2, 1, 300, 49, 54, 60, 62, AUTHORITY),)
    assert answer.section(ADDITIONAL) == ()


def test_owners_are_folded() -> None:
    answer = parse_answer(response(record(b"\x01A\x01B\0", 1, bytes(4))))
    assert answer.records[0].owner == b"\x01a\x01b\0"


@pytest.mark.parametrize(
    ("ttl", "read"),
    [(0, 0), (604_800, 604_800), (604_801, 604_800), (0x7FFFFFFF, 604_800), (0x80000000, 0), (0xFFFFFFFF, 0)],
)
def test_a_ttl_is_a_week_at_most_and_with_its_top_bit_zero(ttl: int, read: int) -> None:
    assert parse_answer(response(record(PTR, 1, bytes(4), ttl))).records[0].ttl == read


VALID = [
    ("empty", response()),
    ("unknown type without data", response(record(PTR, 65280, b""))),
    ("unknown type with what looks like pointers", response(record(PTR, 65280, b"\xc0\xff\xc0"))),
    ("null", response(record(PTR, 10, b""))),
    ("binary label", response(record(b"\x02\xff\0\0", 1, bytes(4)))),
    ("chaos address", response(record(PTR, 1, b"\0\0\1", 0, 3))),
    ("compressed rdata", response(record(PTR, 15, b"\0\x0a" + PTR))),
    ("naptr", response(record(PTR, 35, bytes(4) + b"\x01s\0\x02ab" + PTR))),
    ("svcb with parameters", response(record(PTR, 65, b"\0\x01\0\0\x01\0\x03\x02h2"))),
    ("rrsig", response(record(PTR, 46, bytes(18) + b"\x01a\0sig"))),
    ("nsec", response(record(PTR, 47, b"\x01a\0\0\x01\x40"))),
    ("tsig", response(record(b"\0", 250, b"abc", 0, 255))),
    ("soa", response(record(PTR, 6, PTR + PTR + bytes(20)))),
]


@pytest.mark.parametrize("data", [row[1] for row in VALID], ids=[row[0] for row in VALID])
def test_valid_answers_are_accepted(data: bytes) -> None:
    assert parse_answer(data).message == data


A = record(PTR, 1, bytes(4))
MALFORMED = [
    ("nothing", b""),
    ("header cut short", response()[:11]),
    ("a query", response(flags=0)),
    ("opcode notify", response(flags=QR | 4 << 11)),
    ("no question", message(flags=QR, counts=(0, 0, 0, 0))),
    ("two questions", message(question(), question(), flags=QR, counts=(2, 0, 0, 0))),
    ("compressed question", message(b"\x01a\xc0\x0c\0\x01\0\x01", flags=QR)),
    ("counts beyond its length", response(A, counts=(60000, 60000, 60000))),
    ("a record missing", response(A, counts=(2, 0, 0))),
    ("record header cut short", response(A + PTR + bytes(9), counts=(2, 0, 0))),
    ("data past the end", response(A[:-1], counts=(1, 0, 0))),
    ("a of three bytes", response(record(PTR, 1, bytes(3)))),
    ("a of five bytes", response(record(PTR, 1, bytes(5)))),
    ("a without data", response(record(PTR, 1, b""))),
    ("aaaa of four bytes", response(record(PTR, 28, bytes(4)))),
    ("cname without data", response(record(PTR, 5, b""), A)),
    ("cname that ends early", response(record(PTR, 5, PTR + b"\0"))),
    ("cname that runs into the next record", response(record(PTR, 5, b"\x02"), A)),
    ("cname forward", response(record(PTR, 5, b"\xc0\xff"), A)),
    ("mx without a name", response(record(PTR, 15, b"\0\x0a"), A)),
    ("soa cut short", response(record(PTR, 6, PTR + PTR + bytes(19)))),
    ("soa too long", response(record(PTR, 6, PTR + PTR + bytes(21)))),
    ("naptr string past the end", response(record(PTR, 35, bytes(4) + b"\xff"))),
    ("naptr without strings", response(record(PTR, 35, bytes(4)), A)),
    ("https without a target", response(record(PTR, 65, b"\0\x01"), A)),
    ("https target past the end", response(record(PTR, 65, b"\0\x01\x07exa"), A)),
    ("rrsig with a compressed signer", response(record(PTR, 46, bytes(18) + PTR))),
    ("rrsig cut short", response(record(PTR, 46, bytes(17)), A)),
    ("nsec with a compressed name", response(record(PTR, 47, PTR + b"\0\x01\x40"))),
    ("opt in the answer", response(opt())),
    ("opt in authority", response(opt(), counts=(0, 1, 0))),
    ("two opts", response(opt(), opt(), counts=(0, 0, 2))),
    ("opt with an owner", response(opt(owner=PTR), counts=(0, 0, 1))),
    ("option cut short", response(opt(b"\0\x03\0"), counts=(0, 0, 1))),
    ("owner with label type 01", response(record(b"\x41" + b"a" * 65 + b"\0", 1, bytes(4)))),
]


@pytest.mark.parametrize("data", [row[1] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_malformed_answers_are_rejected(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_answer(data)


@pytest.mark.parametrize("behind", [b"\0", b"\xff" * 40, A], ids=["a byte", "bytes", "a record too many"])
@pytest.mark.parametrize("sound", [response(A), response(A, opt(), counts=(1, 0, 1)), response()])
def test_bytes_behind_the_last_record_are_dropped(sound: bytes, behind: bytes) -> None:
    assert parse_answer(sound + behind) == parse_answer(sound)


@pytest.mark.parametrize("rtype", sorted(LAYOUTS))
def test_every_type_with_names_is_checked_against_its_layout(rtype: int) -> None:
    layout = LAYOUTS[rtype]
    sound = bytes(layout.before) + b"\0" * layout.strings + PTR * layout.names + bytes(layout.after or 0)
    assert parse_answer(response(record(PTR, rtype, sound))).records[0].rtype == rtype
    broken = [b"", sound[:-1]] + ([sound + b"\0"] if layout.after is not None else [])
    for rdata in broken:
        with pytest.raises(MalformedMessage):
            parse_answer(response(record(PTR, rtype, rdata)))


def bomb(size: int, depth: int) -> bytes:
    """Return a response of about `size` bytes in which every owner starts a chain of `depth` pointers."""
    # The chain is opaque data of the first record: question 12..33, record header 33..44, data from 44.
    first = 44
    pointers = [first, *range(first + 3, first + 3 + 2 * (depth - 1), 2)]
    chain = b"\x01a\0" + b"".join((0xC000 | at).to_bytes(2, "big") for at in pointers[:depth])
    last = first + 3 + 2 * (depth - 1)
    records = [record(b"\0", 65280, chain)]
    room = size - 12 - len(question()) - len(records[0])
    records += [record((0xC000 | last).to_bytes(2, "big"), 65281, b"")] * (room // 12)
    return response(*records)


BOMBS = [(1232, 200), (16_384, 200), (16_384, 7_000), (65_535, 800), (65_535, 15)]


@pytest.mark.parametrize(("size", "depth"), BOMBS)
def test_pointer_bombs_take_linear_work(size: int, depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets: list[HopBudget] = []
    runs = 0

    def counted(message: bytes, offset: int) -> int:
        nonlocal runs
        runs += 1
        return skip(message, offset)

    def budget(size: int) -> HopBudget:
        budgets.append(HopBudget(512 + size // 4))
        return budgets[-1]

    skip = names.skip_labels
    monkeypatch.setattr(names, "skip_labels", counted)
    monkeypatch.setattr(HopBudget, "for_message", budget)
    data = bomb(size, depth)
    if depth < names.MAX_HOPS_PER_NAME:
        assert len(parse_answer(data).records) > size // 13
    else:
        with pytest.raises(MalformedMessage, match="pointers"):
            parse_answer(data)
    assert len(budgets) == 1
    assert 512 + size // 4 - budgets[0].left <= len(data) // 12 + names.MAX_HOPS_PER_NAME
    assert runs <= len(data) // 4


def test_a_message_of_nothing_but_pointers_stays_within_its_budget() -> None:
    data = response(*[record(PTR, 5, PTR)] * 4_600)
    assert len(parse_answer(data).records) == 4_600


@given(noise(RICH))
@settings(max_examples=400)
def test_any_bytes_are_an_answer_or_malformed(data: bytes) -> None:
    try:
        answer = parse_answer(data)
    except MalformedMessage:
        return
    position = 12 + len(answer.question.wire)
    for found in answer.records:
        assert position <= found.start < found.ttl_offset < found.rdata <= found.end <= len(data)
        position = found.end
    parsed = dns.message.from_wire(data, question_only=True)
    assert parsed.question[0].name.canonicalize().to_wire() == answer.question.name


@given(noise(RICH))
@settings(max_examples=400)
def test_independent_parser_finds_the_same_records(data: bytes) -> None:
    try:
        parsed = dns.message.from_wire(data, one_rr_per_rrset=True)
        answer = check_message(data)
    except (dns.exception.DNSException, MalformedMessage, ValueError):
        return
    for section, number in ((parsed.answer, ANSWER), (parsed.authority, AUTHORITY), (parsed.additional, ADDITIONAL)):
        found = [(rrset.name.canonicalize().to_wire(), int(rrset.rdtype)) for rrset in section]
        mine = [(r.owner, r.rtype) for r in answer.section(number) if r.rtype != 250]
        assert found == mine or any(r.rclass in (254, 255) for r in answer.records)


def test_dnspython_answers_are_accepted() -> None:
    assert len(parse_answer(RICH).records) == 10
    assert parse_answer(answered("nowhere.example.org", rcode=3)).rcode == 3
