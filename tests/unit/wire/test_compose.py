"""Composing messages from records."""

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.checker import LONGEST_TTL_S, parse_answer
from dnsfilter.wire.compose import RawRecord, compose, raw
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.query import Question
from tests.unit.wire.build import QR, RICH, question, wire_names

NAME = parse_name("www.example.org")
ASKED = Question(question(), NAME, 1, 1)


def test_repeated_owners_become_pointers_in_any_case() -> None:
    other = b"\x05OTHER\0"
    records = [RawRecord(NAME.upper(), 1, 1, 60, bytes(4)), RawRecord(other, 1, 1, 60, bytes(4)),
               RawRecord(other.lower(), 1, 1, 60, bytes(4))]  # fmt: skip
    composed = compose(ASKED, QR, 3, (records, [], []))
    body = composed.message[12 + len(ASKED.wire) :]
    fixed = b"\0\x01\0\x01\0\0\0\x3c\0\x04\0\0\0\0"
    assert body == b"\xc0\x0c" + fixed + other + fixed + (0xC000 | 49).to_bytes(2, "big") + fixed
    assert (composed.rcode, composed.flags) == (3, QR | 3)


def test_composing_the_records_of_a_message_gives_the_same_records() -> None:
    answer = parse_answer(RICH)
    sections = tuple([raw(answer, record) for record in answer.section(number)] for number in range(3))
    composed = compose(answer.question, answer.flags, answer.rcode, sections)
    parsed, again = dns.message.from_wire(RICH), dns.message.from_wire(composed.message)
    assert (parsed.answer, parsed.authority, parsed.additional) == (again.answer, again.authority, again.additional)


def test_names_in_data_share_ends_that_are_spelled_alike_but_not_the_questions() -> None:
    mail, upper, other = parse_name("mail.example.org"), b"\x02MX\x07EXAMPLE\x03ORG\0", parse_name("mx.example.org")
    exchanges = [RawRecord(NAME, 15, 1, 60, b"\0\x05" + name) for name in (mail, other, upper, mail)]
    composed = compose(ASKED, QR, 0, (exchanges,), shrink_data=True)
    assert [composed.message[record.rdata + 2 : record.end] for record in composed.records] == [
        mail,
        b"\x02mx" + (0xC000 | composed.records[0].rdata + 7).to_bytes(2),
        upper,
        (0xC000 | composed.records[0].rdata + 2).to_bytes(2),
    ]
    assert [raw(composed, record) for record in composed.records] == exchanges


@pytest.mark.parametrize("rtype", [33, 39, 65280])
def test_names_in_data_that_readers_may_not_decompress_are_written_out(rtype: int) -> None:
    name = parse_name("mail.example.net")
    rdata = {33: bytes(6) + name, 39: name, 65280: name}[rtype]
    records = [RawRecord(name, 5, 1, 60, name), RawRecord(name, rtype, 1, 60, rdata)]
    composed = compose(ASKED, QR, 0, (records,), shrink_data=True)
    assert composed.message.endswith(rdata)


def test_a_name_takes_few_pointers_to_read() -> None:
    names = [b"".join(b"\x01%c" % (97 + index) for index in reversed(range(count))) + b"\0" for count in range(1, 27)]
    composed = compose(ASKED, QR, 0, ([RawRecord(name, 5, 1, 60, name) for name in names],), shrink_data=True)
    assert [raw(composed, record).rdata for record in composed.records] == names
    assert len(dns.message.from_wire(composed.message).answer) == len(names)


def test_no_pointer_reaches_beyond_16_kib() -> None:
    late = parse_name("late.example.net")
    records = [RawRecord(NAME, 16, 1, 60, b"\xff" + bytes(255))] * 70
    records += [RawRecord(late, 1, 1, 60, bytes(4))] * 2
    composed = compose(ASKED, QR, 0, (records,))
    assert composed.message.count(late) == 2
    dns.message.from_wire(composed.message)


def test_many_owners_are_written_once_each() -> None:
    records = [RawRecord(parse_name(f"a{index}.example.net"), 1, 1, 60, bytes(4)) for index in range(400)] * 2
    composed = compose(ASKED, QR, 0, (records,))
    assert parse_answer(composed.message).records == composed.records
    assert composed.message.count(b"\x07example\x03net\0") == 1


def test_records_that_do_not_fit_are_left_out_except_in_the_answer_section() -> None:
    big = RawRecord(NAME, 65280, 1, 60, bytes(30_000))
    composed = compose(ASKED, QR, 0, ([big], [big], [big, RawRecord(NAME, 1, 1, 60, bytes(4))]))
    assert [record.section for record in composed.records] == [0, 1]
    assert parse_answer(composed.message).records == composed.records
    with pytest.raises(MalformedMessage, match="do not fit"):
        compose(ASKED, QR, 0, ([big] * 3,))


@given(
    st.lists(
        st.tuples(
            wire_names,
            st.integers(65280, 65534),
            st.integers(1, 4),
            st.integers(0, LONGEST_TTL_S),
            st.binary(max_size=40),
            st.integers(0, 2),
        ),
        max_size=12,
    ),
    st.integers(0, 0xFFF),
)
@settings(max_examples=100)
def test_a_composed_message_is_read_as_composed(
    rows: list[tuple[bytes, int, int, int, bytes, int]], rcode: int
) -> None:
    sections = tuple([RawRecord(*row[:5]) for row in rows if row[5] == number] for number in range(3))
    composed = compose(ASKED, QR | 0x0180, rcode, sections)
    read = parse_answer(composed.message)
    assert (read.records, read.question, read.flags) == (composed.records, ASKED, composed.flags)
    assert (composed.rcode, read.rcode) == (rcode, rcode & 15)
    found = [raw(read, record) for record in read.records]
    expected = [record for section in sections for record in section]
    assert [(r.owner.lower(), r.rtype, r.rclass, r.ttl, r.rdata) for r in found] == [
        (r.owner.lower(), r.rtype, r.rclass, r.ttl, r.rdata) for r in expected
    ]
