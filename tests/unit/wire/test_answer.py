"""Chains of aliases, and answers pruned to their chain."""

from itertools import pairwise

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.answer import (
    ADDITIONAL,
    AUTHORITY,
    MAX_STEPS,
    Answer,
    Chain,
    answer_ttl,
    follow,
    join,
    join_legs,
    negative_ttl,
    parse_answer,
    prune_answer,
    without_additional,
)
from dnsfilter.wire.iana import type_text
from dnsfilter.wire.names import name_text, parse_name
from tests.unit.wire.build import QR, RICH, answered, asked, message, noise, opt, question, record

Lines = tuple[str, ...]
SIG = "8 2 60 20300101000000 20200101000000 1 example.org. AAAA"
WWW = "www.example.org"


def shown(chain: Chain) -> list[str]:
    """Return the records of a chain as owner and type."""
    return [f"{name_text(record.owner)} {type_text(record.rtype)}" for record in chain.records]


def followed(qtype: str, lines: Lines, authority: Lines = (), rcode: int = 0) -> tuple[Answer, Chain]:
    answer = parse_answer(answered(WWW, qtype, lines, authority, rcode=rcode))
    return answer, follow(answer, answer.question)


A_SIGNED = (f"{WWW}. 60 A 192.0.2.1", f"{WWW}. 60 RRSIG A {SIG}")
CNAME = f"{WWW}. 60 CNAME cdn.Example.net."
LOOP = (f"{WWW}. 60 CNAME a.test.", "a.test. 60 CNAME b.test.", f"b.test. 60 CNAME {WWW}.")
SOA = "1 2 3 4 5"
STEPS = tuple(f"s{step}.test." for step in range(MAX_STEPS + 1))

# Queried type, answer section; records of the chain, targets, end, complete.
CHAINS: list[tuple[str, str, Lines, list[str], list[str], str, bool]] = [
    ("nothing", "A", (), [], [], WWW, True),
    ("data", "A", (f"{WWW}. 60 A 192.0.2.1",), [f"{WWW} A"], [], WWW, True),
    ("data and signature", "A", A_SIGNED, [f"{WWW} A", f"{WWW} RRSIG"], [], WWW, True),
    ("signature of another type", "A", (*A_SIGNED, f"{WWW}. 60 RRSIG MX {SIG}"),
     [f"{WWW} A", f"{WWW} RRSIG"], [], WWW, True),
    ("signatures asked for", "RRSIG", (f"{WWW}. 60 RRSIG MX {SIG}",), [f"{WWW} RRSIG"], [], WWW, True),
    ("another name", "A", (f"{WWW}. 60 A 192.0.2.1", "bank.example. 60 A 192.0.2.6"), [f"{WWW} A"], [], WWW, True),
    ("another type", "A", (f"{WWW}. 60 TXT x",), [], [], WWW, True),
    ("cname", "A", (CNAME, "cdn.example.net. 60 A 192.0.2.1"), [f"{WWW} CNAME", "cdn.example.net A"],
     ["cdn.example.net"], "cdn.example.net", True),
    ("in any order", "A", ("cdn.example.net. 60 A 192.0.2.1", CNAME), [f"{WWW} CNAME", "cdn.example.net A"],
     ["cdn.example.net"], "cdn.example.net", True),
    ("unfinished", "A", (CNAME,), [f"{WWW} CNAME"], ["cdn.example.net"], "cdn.example.net", False),
    ("cname asked for", "CNAME", (CNAME, "cdn.example.net. 60 CNAME x.test."),
     [f"{WWW} CNAME"], ["cdn.example.net"], WWW, True),
    ("any", "ANY", (CNAME, f"{WWW}. 60 TXT x", "cdn.example.net. 60 A 192.0.2.1"), [f"{WWW} CNAME", f"{WWW} TXT"],
     ["cdn.example.net"], WWW, True),
    ("data next to a cname", "A", (CNAME, f"{WWW}. 60 A 192.0.2.1"), [f"{WWW} A"], [], WWW, True),
    ("two cnames", "A", (f"{WWW}. 60 CNAME a.test.", f"{WWW}. 60 CNAME b.test.", "b.test. 60 A 192.0.2.1"),
     [f"{WWW} CNAME"], ["a.test"], "a.test", False),
    ("loop", "A", LOOP, [f"{WWW} CNAME", "a.test CNAME", "b.test CNAME"], ["a.test", "b.test"], "b.test", True),
    ("dname with its cname", "A", ("example.org. 60 DNAME t.test.", f"{WWW}. 60 CNAME www.t.test.",
     "www.t.test. 60 A 192.0.2.1"),
     ["example.org DNAME", f"{WWW} CNAME", "www.t.test A"], ["t.test", "www.t.test"], "www.t.test", True),
    ("dname alone", "A", ("example.org. 60 DNAME t.test.", "www.t.test. 60 A 192.0.2.1"),
     ["example.org DNAME", "www.t.test A"], ["t.test", "www.t.test"], "www.t.test", True),
    ("dname that leads on", "A", ("example.org. 60 DNAME t.test.",), ["example.org DNAME"], ["t.test", "www.t.test"],
     "www.t.test", False),
    ("dname behind a cname asked for", "CNAME", ("example.org. 60 DNAME t.test.", f"{WWW}. 60 CNAME www.t.test."),
     [f"{WWW} CNAME", "example.org DNAME"], ["www.t.test", "t.test"], WWW, True),
    ("dname at the name itself", "A", (f"{WWW}. 60 DNAME t.test.",), [], [], WWW, True),
    ("dname asked for", "DNAME", (f"{WWW}. 60 DNAME t.test.",), [f"{WWW} DNAME"], ["t.test"], WWW, True),
    ("dname that makes the name too long", "A", ("example.org. 60 DNAME " + ".".join(["a" * 60] * 4 + ["bcdefg."]),),
     ["example.org DNAME"], [".".join(["a" * 60] * 4 + ["bcdefg"])], WWW, True),
    ("https", "HTTPS", (f"{WWW}. 60 HTTPS 1 svc.test. alpn=h2", f"{WWW}. 60 HTTPS 2 ."), [f"{WWW} HTTPS"] * 2,
     ["svc.test"], WWW, True),
    ("https alias", "HTTPS", (f"{WWW}. 60 HTTPS 0 svc.test.",), [f"{WWW} HTTPS"], ["svc.test"], WWW, True),
    ("svcb behind a cname", "SVCB", (CNAME, "cdn.example.net. 60 SVCB 1 svc.test."),
     [f"{WWW} CNAME", "cdn.example.net SVCB"],
     ["cdn.example.net", "svc.test"], "cdn.example.net", True),
    ("targets once, without the question", "HTTPS", (f"{WWW}. 60 HTTPS 1 {WWW}.", f"{WWW}. 60 HTTPS 2 a.test.",
     f"{WWW}. 60 HTTPS 3 A.test. alpn=h2"), [f"{WWW} HTTPS"] * 3, ["a.test"], WWW, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("qtype", "lines", "records", "targets", "end", "complete"),
    [row[1:] for row in CHAINS],
    ids=[row[0] for row in CHAINS],
)
def test_chain_has_the_records_that_the_question_reaches(
    qtype: str, lines: Lines, records: list[str], targets: list[str], end: str, complete: bool
) -> None:
    _, chain = followed(qtype, lines)
    assert sorted(shown(chain)) == sorted(records)
    assert sorted(chain.targets) == sorted(map(parse_name, targets))
    assert (chain.end, chain.complete) == (parse_name(end), complete)


@pytest.mark.parametrize(
    "lines",
    [LOOP, (f"{WWW}. 60 CNAME {WWW}.",)],
    ids=["loop", "to itself"],
)
def test_aliases_that_loop_are_malformed(lines: Lines) -> None:
    answer, chain = followed("A", lines)
    assert chain.loops
    with pytest.raises(MalformedMessage, match="aliases loop"):
        join_legs([(answer, chain)])


@pytest.mark.parametrize(
    ("authority", "rcode", "complete"),
    [
        ((), 0, False),
        ((), 3, True),
        ((), 2, True),
        ((f"example.net. 60 SOA a. b. {SOA}",), 0, True),
        ((f"cdn.example.net. 60 SOA a. b. {SOA}",), 0, True),
        ((f"example.org. 60 SOA a. b. {SOA}",), 0, False),
        (("example.net. 60 NS ns.example.net.",), 0, False),
    ],
)
def test_chain_is_complete_if_the_message_answers_for_its_end(authority: Lines, rcode: int, complete: bool) -> None:
    _, chain = followed("A", (CNAME,), authority, rcode)
    assert chain.complete is complete


@pytest.mark.parametrize(("links", "kept_links", "with_data"), [(16, 16, True), (17, 17, False), (40, 17, False)])
def test_a_chain_of_more_than_sixteen_aliases_ends_there(links: int, kept_links: int, with_data: bool) -> None:
    names = [WWW, *(f"a{index}.test" for index in range(links))]
    lines = [f"{owner}. 60 CNAME {target}." for owner, target in pairwise(names)]
    _, chain = followed("A", (*lines, f"{names[-1]}. 60 A 192.0.2.1"))
    assert (chain.complete, chain.long) == (with_data, not with_data)
    assert len(chain.records) == kept_links + with_data
    assert MAX_STEPS == 16


def test_endlessly_growing_dname_is_followed_sixteen_times() -> None:
    _, chain = followed("A", (". 60 DNAME t.test.",))
    assert shown(chain) == [". DNAME"]
    assert (chain.complete, chain.long) == (False, True)
    assert len(chain.targets) == MAX_STEPS + 2


def test_records_of_another_class_are_no_part_of_the_chain() -> None:
    data = message(question(), record(b"\xc0\x0c", 16, b"\x01a", rclass=3), flags=QR, counts=(1, 1, 0, 0))
    answer = parse_answer(data)
    assert follow(answer, answer.question).records == ()


def test_answer_with_only_its_chain_keeps_its_bytes_without_opt() -> None:
    plain = parse_answer(answered(WWW, "A", A_SIGNED))
    assert prune_answer(plain, follow(plain, plain.question), True) is plain
    data = answered(WWW, "A", A_SIGNED, (f"example.org. 60 SOA a. b. {SOA}",), ("a. 60 A 192.0.2.1",), edns=0)
    answer = parse_answer(data)
    stripped = prune_answer(answer, follow(answer, answer.question), True)
    assert stripped.edns is None
    assert stripped.message == data[:10] + b"\0\1" + data[12:-11]
    assert parse_answer(stripped.message).records == stripped.records == answer.records


@pytest.mark.parametrize(
    ("qtype", "lines", "expected"),
    [
        ("A", (LOOP[1], LOOP[0], "b.test. 60 A 192.0.2.1"), [f"{WWW} CNAME", "a.test CNAME", "b.test A"]),
        ("A", ("cdn.example.net. 60 A 192.0.2.1", CNAME), [f"{WWW} CNAME", "cdn.example.net A"]),
        ("A", (f"{WWW}. 60 RRSIG A {SIG}", f"{WWW}. 60 A 192.0.2.1"), None),
        ("A", (f"{WWW}. 60 CNAME www.t.test.", "www.t.test. 60 A 192.0.2.1", f"{WWW}. 60 RRSIG CNAME {SIG}"), None),
        ("CNAME", (f"{WWW}. 60 CNAME www.t.test.", "example.org. 60 DNAME t.test."), None),
        ("CNAME", ("example.org. 60 DNAME t.test.", f"{WWW}. 60 CNAME www.t.test."), None),
    ],
)
def test_aliases_are_moved_before_their_targets_and_nothing_else_moves(
    qtype: str, lines: Lines, expected: list[str] | None
) -> None:
    answer, chain = followed(qtype, lines)
    left = prune_answer(answer, chain, True)
    assert (left is answer) == (expected is None)
    if expected is not None:
        assert [f"{name_text(record.owner)} {type_text(record.rtype)}" for record in left.records] == expected


def test_an_answer_without_records_loses_its_opt_too() -> None:
    answer = parse_answer(answered(WWW, rcode=3, edns=0))
    stripped = prune_answer(answer, follow(answer, answer.question), True)
    assert stripped.message == answered(WWW, rcode=3)
    assert parse_answer(stripped.message).edns is None
    assert stripped.rcode == 3


def test_an_opt_between_records_is_taken_out() -> None:
    server, address = record(b"\x03org\0", 2, b"\x01a\0"), record(b"\x01a\0", 1, bytes(4))
    answer = parse_answer(message(question(), server, opt(), address, flags=QR, counts=(1, 0, 1, 2)))
    stripped = prune_answer(answer, follow(answer, answer.question), True)
    assert [(each.section, each.rtype) for each in stripped.records] == [(AUTHORITY, 2), (ADDITIONAL, 1)]
    assert parse_answer(stripped.message).edns is None


def test_records_outside_the_chain_are_dropped_from_the_answer_section_only() -> None:
    answer = parse_answer(RICH)
    chain = follow(answer, answer.question)
    left = prune_answer(answer, chain, True)
    before, after = dns.message.from_wire(RICH), dns.message.from_wire(left.message)
    assert after.answer == before.answer[:2]
    assert (after.authority, after.additional) == (before.authority[:2], before.additional)
    assert len(left.section(0)) == len(chain.records) == 3
    assert left.edns is None
    assert follow(left, left.question).targets == chain.targets


PROOFS = (f"{WWW}. 60 RRSIG NSEC {SIG}", f"{WWW}. 60 NSEC x.example.org. A RRSIG NSEC")
ALL_SIGNED = [f"0 {WWW} A", f"0 {WWW} RRSIG", f"1 {WWW} RRSIG", f"1 {WWW} NSEC"]


@pytest.mark.parametrize(
    ("qtype", "do", "left"),
    [
        ("A", True, ALL_SIGNED),
        ("A", False, [f"0 {WWW} A"]),
        ("RRSIG", False, [f"0 {WWW} RRSIG", f"1 {WWW} RRSIG"]),
        ("NSEC", False, [f"1 {WWW} NSEC"]),
        ("ANY", False, ALL_SIGNED),
    ],
)
def test_signatures_and_proofs_are_kept_only_if_requested(qtype: str, do: bool, left: list[str]) -> None:
    answer = parse_answer(answered(WWW, qtype, A_SIGNED, PROOFS))
    records = prune_answer(answer, follow(answer, answer.question), do).records
    shown = [f"{record.section} {name_text(record.owner)} {type_text(record.rtype)}" for record in records]
    assert shown == left


@pytest.mark.parametrize("authority", [(), (f"example.org. 60 SOA a. b. {SOA}",)])
@pytest.mark.parametrize("edns", [-1, 0])
def test_records_dropped_at_the_end_leave_earlier_bytes_unchanged(authority: Lines, edns: int) -> None:
    lines = (f"{WWW}. 60 HTTPS 1 a.{WWW}. alpn=h2",)
    answer = parse_answer(answered(WWW, "HTTPS", lines, authority, (f"a.{WWW}. 60 A 192.0.2.1",), edns=edns))
    left = prune_answer(answer, follow(answer, answer.question), True)
    assert left.message == answered(WWW, "HTTPS", lines, authority)
    assert parse_answer(left.message) == left


def test_signatures_of_the_message_are_dropped() -> None:
    tsig, sig0 = record(b"\0", 250, bytes(17), rclass=255, ttl=0), record(b"\0", 24, bytes(19), rclass=255, ttl=0)
    answer = parse_answer(message(question(WWW), tsig, sig0, opt(), tsig, flags=QR, counts=(1, 0, 1, 3)))
    left = prune_answer(answer, follow(answer, answer.question), True)
    assert left.message == message(question(WWW), flags=QR)


def test_rrset_gets_the_smallest_ttl_of_its_records() -> None:
    owner = parse_name(WWW)
    data = message(
        question(WWW),
        *(record(owner, 1, bytes([192, 0, 2, ttl]), ttl) for ttl in (60, 20, 40)),
        record(owner, 46, bytes([0, 1]) + bytes(16) + b"\0" + b"s", ttl=7),
        record(b"\0", 2, b"\0", ttl=9),
        flags=QR,
        counts=(1, 4, 1, 0),
    )
    answer = parse_answer(data)
    left = prune_answer(answer, follow(answer, answer.question), True)
    assert [r.ttl for r in left.records] == [20, 20, 20, 7, 9]
    assert left.message == data


@pytest.mark.parametrize(
    ("lines", "ttl"),
    [((), 5), ((CNAME,), 5), (A_SIGNED, 60), ((CNAME, "cdn.example.net. 60 A 192.0.2.1"), 60)],
)
def test_only_the_soa_of_a_denial_is_lowered_to_its_minimum(lines: Lines, ttl: int) -> None:
    answer, chain = followed("A", lines, (f"example.org. 60 SOA a. b. {SOA}",))
    assert [record.ttl for record in prune_answer(answer, chain, True).section(1)] == [ttl]


def test_a_chain_is_joined_with_the_answer_about_its_end() -> None:
    first = parse_answer(answered("WWW.example.org", "A", (CNAME, "bank.example. 60 A 192.0.2.6")))
    asked_by = asked("www.EXAMPLE.org").question
    second = parse_answer(
        answered(
            "cdn.example.net", "A", ("cdn.example.net. 30 CNAME e.test.",), (f"test. 60 SOA a. b. {SOA}",), rcode=3
        )
    )
    joined = join(first, follow(first, asked_by), second, follow(second, second.question), asked_by)
    assert joined.question == asked_by
    assert joined.rcode == 3
    chain = follow(joined, asked_by)
    assert shown(chain) == [f"{WWW} CNAME", "cdn.example.net CNAME"]
    assert (chain.end, chain.complete) == (parse_name("e.test"), True)
    assert parse_answer(joined.message).records == joined.records
    assert len(joined.section(0)) == 2
    assert negative_ttl(joined) == 5


def test_join_keeps_each_proof_of_the_first_authority_once_and_nothing_else() -> None:
    """RFC 4035 section 3.1.3.3: a wildcard may have made the alias."""
    shared = f"b.org. 60 RRSIG NSEC {SIG}"
    proofs = ("a.org. 60 NSEC c.org. A", f"a.org. 60 RRSIG NSEC {SIG}", shared, "h.org. 60 NSEC3 1 0 0 - 00000000 A")
    others = ("org. 60 NS ns.org.", f"org. 60 RRSIG NS {SIG}", f"org. 60 SOA a. b. {SOA}")
    first = parse_answer(answered(WWW, "A", (CNAME,), (*others, *proofs)))
    second = parse_answer(answered("cdn.example.net", "A", ("cdn.example.net. 60 A 192.0.2.1",), (shared,)))
    chains = [follow(first, first.question), follow(second, second.question)]
    joined = join(first, chains[0], second, chains[1], first.question)
    owners = [(name_text(record.owner), type_text(record.rtype)) for record in joined.section(1)]
    assert owners == [("a.org", "NSEC"), ("a.org", "RRSIG"), ("h.org", "NSEC3"), ("b.org", "RRSIG")]


def test_joined_answer_is_authentic_only_if_both_are() -> None:
    def authentic(data: bytes, ad: bool) -> Answer:
        return parse_answer(data[:3] + bytes([data[3] | (0x20 if ad else 0)]) + data[4:])

    for one in (False, True):
        for other in (False, True):
            first = authentic(answered(WWW, "A", (CNAME,)), one)
            second = authentic(answered("cdn.example.net", "A", ("cdn.example.net. 60 A 192.0.2.1",)), other)
            chains = follow(first, first.question), follow(second, second.question)
            assert join(first, chains[0], second, chains[1], first.question).ad is (one and other)


@pytest.mark.parametrize(
    ("authority", "ttl"),
    [
        ((), None),
        (("example.org. 60 NS a.",), None),
        (("example.org. 60 SOA a. b. 1 2 3 4 300",), 60),
        (("example.org. 600 SOA a. b. 1 2 3 4 300",), 300),
        (("example.org. 600 SOA a. b. 1 2 3 4 4294967295",), 0),
        (("example.org. 600 SOA a. b. 1 2 3 4 300", "org. 50 SOA a. b. 1 2 3 4 300"), 50),
    ],
)
def test_denial_ttl_is_limited_by_its_soa(authority: Lines, ttl: int | None) -> None:
    assert negative_ttl(parse_answer(answered(WWW, authority=authority, rcode=3))) == ttl


def test_answer_ttl_is_the_smallest_record_ttl() -> None:
    lines = (f"{WWW}. 60 A 192.0.2.1",)
    assert answer_ttl(parse_answer(answered(WWW, "A", lines, ("a. 50 NS b.",), ("b. 5 A 192.0.2.1",), edns=0))) == 50
    assert answer_ttl(parse_answer(answered(WWW, "A", lines))) == 60
    assert answer_ttl(parse_answer(answered(WWW))) == 0


@given(noise(RICH), st.sampled_from([1, 5, 33, 65, 255]))
@settings(max_examples=400)
def test_any_checked_answer_can_be_followed_and_pruned(data: bytes, qtype: int) -> None:
    try:
        answer = parse_answer(data)
    except MalformedMessage:
        return
    chain = follow(answer, answer.question)
    left = prune_answer(answer, chain, True)
    assert left.edns is None
    assert len(left.section(0)) == len(chain.records)
    again = parse_answer(left.message)
    assert [(r.owner, r.rtype, r.ttl) for r in again.records] == [(r.owner, r.rtype, r.ttl) for r in left.records]
    assert follow(again, again.question).targets == chain.targets


def test_an_answer_can_lose_its_additional_section_alone() -> None:
    answer = parse_answer(RICH)
    left = without_additional(answer)
    assert left.records == tuple(record for record in answer.records if record.section != 2)
    assert parse_answer(left.message).records == left.records
    assert left.message[12:] == RICH[12 : left.records[-1].end]
