"""Replies to clients."""

import dns.edns
import dns.flags
import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsfilter.wire.answer import Answer, RawRecord, follow, parse_answer, prune_answer
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.own_records import soa_record
from dnsfilter.wire.query import Fault, Query, parse_query
from dnsfilter.wire.reply import empty_reply, local_reply, relay, truncated_reply, udp_limit
from tests.unit.wire.build import RICH, answered, asked, message, opt, question

WWW = "www.example.org"
FLAGS = 0x8180


def edes(reply: bytes) -> list[tuple[int, str]]:
    """Return the extended errors of a reply, as an independent parser finds them."""
    options = dns.message.from_wire(reply).options
    assert all(isinstance(option, dns.edns.EDEOption) for option in options)
    return [(int(o.code), o.text or "") for o in options if isinstance(o, dns.edns.EDEOption)]


def query_of(data: bytes) -> Query:
    query = parse_query(data)
    assert isinstance(query, Query)
    return query


def texts(count: int, size: int = 100) -> tuple[str, ...]:
    return tuple(f"{WWW}. 60 TXT {index:03d}{'x' * size}" for index in range(count))


def sound(data: bytes) -> Answer:
    answer = parse_answer(data)
    return prune_answer(answer, follow(answer, answer.question), True)


@pytest.mark.parametrize(
    ("payload", "limit"), [(None, 512), (0, 512), (512, 512), (700, 700), (1232, 1232), (4096, 1232), (65535, 1232)]
)
def test_udp_limit_is_what_both_sides_accept(payload: int | None, limit: int) -> None:
    data = message(question()) if payload is None else message(question(), opt(payload=payload), counts=(1, 0, 0, 1))
    assert udp_limit(query_of(data)) == limit


@pytest.mark.parametrize("flags", [0, 0x0100, 0x0010, 0x0110, 0x0130, 0x0220])
def test_an_empty_reply_copies_question_recursion_and_checking(flags: int) -> None:
    wire = b"\x03wWw\x07Example\x03org\0\0\x01\0\x01"
    reply = empty_reply(query_of(message(wire, flags=flags)), 5)
    assert reply == message(wire, flags=0x8085 | (flags & 0x0110))


@pytest.mark.parametrize("do", [False, True])
def test_an_opt_is_answered_with_one_of_ours(do: bool) -> None:
    query = query_of(
        message(question(), opt(b"\0\x0a\0\x08cookies!", 4096, 0x8000 if do else 0x7000), counts=(1, 0, 0, 1))
    )
    assert empty_reply(query, 3) == message(
        question(), opt(ttl=0x8000 if do else 0), flags=FLAGS | 3, counts=(1, 0, 0, 1)
    )


def test_an_extended_rcode_needs_the_opt() -> None:
    fault = parse_query(message(question(), opt(ttl=0x0001_8000), counts=(1, 0, 0, 1)))
    assert isinstance(fault, Fault)
    reply = empty_reply(fault, fault.rcode)
    assert reply == message(question(), opt(ttl=0x0100_8000), flags=FLAGS, counts=(1, 0, 0, 1))
    assert dns.message.from_wire(reply).rcode() == 16
    assert empty_reply(asked(), 16) == empty_reply(asked(), 2)


def test_a_fault_is_answered_with_its_opcode_and_the_question_it_had() -> None:
    fault = parse_query(message(flags=15 << 11, counts=(0, 0, 0, 0)))
    assert isinstance(fault, Fault)
    assert empty_reply(fault, fault.rcode) == message(flags=0x8004 | 15 << 11, counts=(0, 0, 0, 0))
    fault = parse_query(message(question(qtype=128), opt(), counts=(1, 0, 0, 1)))
    assert isinstance(fault, Fault)
    assert edes(empty_reply(fault, fault.rcode)) == [(30, "")]
    assert udp_limit(fault) == 1232


@pytest.mark.parametrize(
    ("given_edes", "limit", "shown"),
    [
        (None, 512, []),
        (Ede(15, "by order"), 512, [(15, "by order")]),
        ((Ede(15, "by order"), Ede(4)), 512, [(15, "by order"), (4, "")]),
        (Ede(15, "é" * 300), 512, [(15, "")]),
        (Ede(15, "x" * 70_000), 65535, [(15, "")]),
        ([Ede(1)] * 100, 512, [(1, "")] * 8),
        ([Ede(1, "x" * 70)] * 100, 512, [(1, "")] * 8),
    ],
)
def test_an_extended_error_loses_its_text_then_itself(
    given_edes: Ede | list[Ede] | None, limit: int, shown: list[tuple[int, str]]
) -> None:
    reply = empty_reply(asked(edns=0), 5, given_edes, limit)
    assert edes(reply) == shown
    assert len(reply) <= limit
    assert not dns.message.from_wire(reply).flags & dns.flags.TC


def test_without_opt_there_is_no_extended_error() -> None:
    assert empty_reply(asked(), 5, Ede(15, "x")) == empty_reply(asked(), 5)


@pytest.mark.parametrize("edns", [True, False])
def test_truncated_reply_sets_tc_and_is_no_longer_than_the_query(edns: bool) -> None:
    wire = dns.message.make_query(WWW, "A", use_edns=edns).to_wire()
    found = truncated_reply(query_of(wire))
    read = dns.message.from_wire(found)
    assert read.flags & dns.flags.TC
    assert (read.rcode(), read.sections[1:], read.edns) == (0, [[], [], []], 0 if edns else -1)
    assert dns.message.from_wire(wire).is_response(read)
    assert len(found) == len(wire)


def test_a_local_reply_carries_its_records() -> None:
    query = asked(edns=0, do=True)
    name = query.question.name
    soa = soa_record(name[4:], 10, 10)
    reply = local_reply(query, 3, [RawRecord(name, 1, 1, 7, bytes(4))], [soa], Ede(15, "why"), 512)
    parsed = dns.message.from_wire(reply)
    assert (parsed.rcode(), parsed.flags) == (3, 0x8183)
    assert [rrset.to_text() for rrset in parsed.answer] == [f"{WWW}. 7 IN A 0.0.0.0"]
    assert [rrset.ttl for rrset in parsed.authority] == [10]
    assert edes(reply) == [(15, "why")]
    assert parsed.ednsflags == 0x8000


def test_a_relayed_answer_has_our_header_and_the_clients_question() -> None:
    query = query_of(message(b"\x03wWw\x07eXample\x03oRg\0\0\x01\0\x01", id=0xABCD, flags=0x0130))
    data = answered(WWW, "A", (f"{WWW}. 60 A 192.0.2.1",))
    upstream = data[:2] + (0x8FF0).to_bytes(2, "big") + data[4:]
    reply = relay(query, parse_answer(upstream[:2] + (0x87B0).to_bytes(2, "big") + upstream[4:]))
    assert reply[:12] == b"\xab\xcd\x81\x90\0\1\0\1\0\0\0\0"
    assert reply[12:33] == query.question.wire
    assert reply[33:] == data[33:]
    assert relay(query, parse_answer(data), ad=True)[3] == 0xB0


@pytest.mark.parametrize(
    ("age", "cap", "stale", "expected"),
    [
        (0, None, None, [300, 60, 60, 3600, 60]),
        (59, None, None, [241, 1, 1, 3541, 1]),
        (61, None, None, [239, 0, 0, 3539, 0]),
        (-5, None, None, [300, 60, 60, 3600, 60]),
        (10, 60, None, [60, 50, 50, 60, 50]),
        (0, 1, None, [1, 1, 1, 1, 1]),
        (9999, None, 30, [30, 30, 30, 30, 30]),
        (9999, 5, 30, [5, 5, 5, 5, 5]),
    ],
)
def test_every_ttl_ages_and_is_capped(age: int, cap: int | None, stale: int | None, expected: list[int]) -> None:
    sig = "A 8 2 60 20300101000000 20200101000000 1 example.net. AAAA"
    lines = (
        f"{WWW}. 300 CNAME cdn.example.net.",
        "cdn.example.net. 60 A 192.0.2.1",
        f"cdn.example.net. 60 RRSIG {sig}",
    )
    soa = "example.org. 3600 SOA a. b. 1 2 3 4 5"
    answer = sound(answered(WWW, "A", lines, (soa,), ("b. 60 A 192.0.2.9",), edns=0))
    reply = relay(asked(edns=0, do=True), answer, age_s=age, ttl_cap_s=cap, stale_ttl_s=stale)
    parsed = dns.message.from_wire(reply)
    rrsets = [*parsed.answer, *parsed.authority, *parsed.additional]
    assert [rrset.ttl for rrset in rrsets] == expected
    assert rrsets[2][0].to_text().split()[3] == "60"
    assert answer.records[0].ttl == 300


def test_a_ttl_with_its_top_bit_leaves_as_zero() -> None:
    data = bytearray(answered(WWW, "A", (f"{WWW}. 60 A 192.0.2.1",)))
    data[39] |= 0x80
    assert relay(asked(), parse_answer(bytes(data)))[39:43] == bytes(4)


def test_an_opt_of_upstream_is_never_passed_on() -> None:
    answer = parse_answer(RICH)
    assert dns.message.from_wire(relay(asked(), answer)).edns == -1
    assert relay(asked(), answer)[12:] == RICH[12:-11]


def test_an_extended_rcode_of_upstream_becomes_a_failure_for_clients_without_opt() -> None:
    data = message(question(), opt(ttl=0x0100_0000), flags=0x8187, counts=(1, 0, 0, 1))
    assert dns.message.from_wire(relay(asked(edns=0), parse_answer(data))).rcode() == 23
    assert dns.message.from_wire(relay(asked(), parse_answer(data))).rcode() == 2


@pytest.mark.parametrize(("name", "qtype"), [("a.example.org", "A"), (WWW, "AAAA")])
def test_relay_of_an_answer_to_another_question_raises_value_error(name: str, qtype: str) -> None:
    with pytest.raises(ValueError, match="relay answer"):
        relay(asked(name, qtype), parse_answer(answered(WWW, "A")))


def test_extended_error_is_dropped_before_any_record() -> None:
    answer = sound(answered(WWW, "TXT", texts(3)))
    query = asked(WWW, "TXT", edns=0)
    full = len(relay(query, answer, ede=Ede(15, "why")))
    for limit, shown in [(full, [(15, "why")]), (full - 1, [(15, "")]), (full - 4, []), (full - 9, [])]:
        reply = relay(query, answer, ede=Ede(15, "why"), limit=limit)
        parsed = dns.message.from_wire(reply)
        assert len(reply) <= limit
        assert edes(reply) == shown
        assert (len(parsed.answer[0]), bool(parsed.flags & dns.flags.TC)) == (3, False)


def test_additional_records_are_dropped_by_complete_rrsets_without_tc() -> None:
    extra = tuple(f"b. 60 A 192.0.2.{index}" for index in range(5)) + tuple(
        f"c. 60 AAAA 2001:db8::{index}" for index in range(5)
    )
    answer = sound(answered(WWW, "TXT", texts(3), ("org. 60 NS b.", "org. 60 NS c."), extra))
    query = asked(WWW, "TXT", edns=0)
    reply = relay(query, answer, ede=Ede(15, "why"), limit=540)
    parsed = dns.message.from_wire(reply)
    assert [len(rrset) for rrset in parsed.additional] == [5]
    assert (len(parsed.answer[0]), bool(parsed.flags & dns.flags.TC)) == (3, False)
    assert edes(reply) == [(15, "why")]


@pytest.mark.parametrize("edns", [-1, 0])
def test_an_answer_that_is_too_long_is_cut_between_records(edns: int) -> None:
    answer = sound(answered(WWW, "TXT", texts(30), ("example.org. 60 NS b.",), ("b. 60 A 192.0.2.1",)))
    reply = relay(asked(WWW, "TXT", edns=edns), answer, ede=Ede(15, "why"), limit=512)
    parsed = dns.message.from_wire(reply)
    assert parsed.flags & dns.flags.TC
    assert len(parsed.answer[0]) == 4
    assert not parsed.authority
    assert parsed.edns == edns
    assert 512 - 116 < len(reply) <= 512
    assert len(dns.message.from_wire(relay(asked(WWW, "TXT", edns=edns), answer)).answer[0]) == 30


def test_a_single_record_that_is_too_long_leaves_an_empty_truncated_reply() -> None:
    strings = " ".join(["x" * 250] * 4)
    answer = sound(answered(WWW, "TXT", (f"{WWW}. 60 TXT {strings}",)))
    reply = relay(asked(WWW, "TXT", edns=0), answer, limit=512)
    parsed = dns.message.from_wire(reply)
    assert (parsed.answer, bool(parsed.flags & dns.flags.TC)) == ([], True)
    assert reply[12:] == question(qtype=16) + opt()


def test_near_64_kib_the_extended_error_is_left_out() -> None:
    answer = parse_answer(answered(WWW, "TXT", texts(560, 98)))
    answer = sound(answer.message)
    reply = relay(asked(WWW, "TXT", edns=0), answer, ede=Ede(15, "x" * 60_000))
    assert len(reply) <= 65_535
    assert edes(reply) == [(15, "")]


@given(
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(512, 2_500),
    st.sampled_from([-1, 0]),
    st.text(max_size=300),
)
@settings(max_examples=150, deadline=None)
def test_every_reply_fits_and_is_read_without_complaint(
    answers: int, authority: int, limit: int, edns: int, text: str
) -> None:
    owner = parse_name("b.example.net")
    records = [RawRecord(owner, 65280, 1, 60, bytes([index]) * 50) for index in range(20)]
    query = asked(edns=edns)
    data = local_reply(query, 0, records[:answers], records[:authority])
    answer = parse_answer(data)
    reply = relay(query, answer, ede=Ede(15, text), limit=limit)
    parsed = dns.message.from_wire(reply, raise_on_truncation=False)
    assert len(reply) <= limit
    assert (parsed.edns, parsed.id) == (edns, query.id)
    cut = sum(map(len, parsed.answer)) < answers or sum(map(len, parsed.authority)) < authority
    assert bool(parsed.flags & dns.flags.TC) is cut
    assert parse_answer(reply).question == query.question
