"""Ordinary answers read by C: replies, counts and cached answers equal the reference's, without the slow path."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import ROOT, parse_name
from tests.contract.cases import office
from tests.fuzz.examples import examples
from tests.fuzz.seeds import ANSWERS, BIG_ANSWERS, QNAME, SIGNATURE, SOA_LINE, answered, said
from tests.fuzz.wire_bytes import (
    CNAME,
    DNAME,
    HERE,
    HTTPS,
    NS,
    NSEC,
    NSEC3,
    RRSIG,
    SOA,
    SVCB,
    TXT,
    A,
    header,
    opt,
    pointer,
    wire,
)
from tests.fuzz.wire_bytes import question as asked
from tests.fuzz.wire_bytes import record as answer_record
from tests.support.engines import GHENT
from tests.support.message_mutations import mutants, noise
from tests.support.row_tables import each_row
from tests.unit.engine.compiled.both import Both, UpstreamAnswer, both

pytest.importorskip("dnsfilter.engine._engine")

NAME = parse_name(QNAME)
TYPES = (*range(1, 130), 249, 250, 255, 256, 32_768, 65_535)
NEVER_ASKED = (0, Type.OPT, Type.NXNAME, *range(Type.TKEY, Type.ANY + 1))


@pytest.fixture(scope="module")
def pair() -> Iterator[Both]:
    """Yield both kinds of engine. Each answer is to a new question."""
    with both(office(), cache_bytes=16_000_000, trust_ad=True) as made:
        yield made


def type_of(message: bytes) -> int:
    """Return the type in the question of an answer about `QNAME`, or A if the type cannot be asked for."""
    at = 12 + len(NAME)
    found = int.from_bytes(message[at : at + 2], "big")
    return A if found in NEVER_ASKED else found


ORDINARY = [
    "address",
    "short-lived address",
    "addresses and signature",
    "alias to a banned name",
    "alias to a banned name, short-lived",
    "alias of a banned name asked for",
    "chain of eight",
    "service at a banned name",
    "service alias",
    "service of its own",
    "mail",
    "srv",
    "naptr",
    "addresses beyond 512 bytes",
    "denial",
    "denial with proofs",
    "nothing of the type",
    "referral",
    "other names",
    "unknown type",
    "unknown type, empty",
    "binary labels",
    "ttl with the top bit",
]


@each_row("name", ORDINARY)
def test_valid_answers_of_the_corpus_are_ordinary(pair: Both, name: str) -> None:
    seen = pair.answered(ANSWERS[name], type_of(ANSWERS[name]), True)
    assert seen.handed == (not seen.kept)  # the slow path takes answers that may not be cached


@pytest.mark.heavy
@each_row("do", [False, True])
@each_row("name", [*ANSWERS, *BIG_ANSWERS])
def test_corpus_is_read_as_by_the_reference(pair: Both, name: str, do: bool) -> None:
    message = {**ANSWERS, **BIG_ANSWERS}[name]
    for client in (GHENT, "127.0.7.10"):
        pair.answered(message, type_of(message), do, client)


def batches(of: st.SearchStrategy[UpstreamAnswer]) -> st.SearchStrategy[list[UpstreamAnswer]]:
    """Draw ten at a time, which costs little more than one."""
    return st.lists(of, min_size=10, max_size=10)


def answer_of(mutant: Any, do: bool, as_asked: bool) -> UpstreamAnswer:
    """Ask for the type in the mutant's question if `as_asked`, else for the type of its seed."""
    message = mutant.data
    return UpstreamAnswer(
        message, type_of(message if as_asked or mutant.seed not in ANSWERS else ANSWERS[mutant.seed]), do
    )


@pytest.mark.heavy
@given(batches(st.builds(answer_of, mutants(ANSWERS) | noise(ANSWERS["address"]), st.booleans(), st.booleans())))
@examples(100)
def test_mutants_are_read_as_by_the_reference(pair: Both, drawn: list[UpstreamAnswer]) -> None:
    pair.all_answered(drawn)


names = st.sampled_from(
    (
        HERE,
        wire("b.example.org"),
        wire("C.Example.org"),
        pointer(21),
        b"\1d" + pointer(21),
        wire("cdn.example.net"),
        ROOT,
    )
)
"""Few names, so that chains close; `pointer(21)` is example.org."""
ttls = st.sampled_from((0, 1, 60, 300, 3_600, 100_000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF))
soa_data = st.tuples(names, names, ttls).map(
    lambda parts: parts[0] + parts[1] + bytes(16) + parts[2].to_bytes(4, "big")
)
signatures = st.sampled_from((A, CNAME, SOA, HTTPS, NSEC)).map(
    lambda covered: covered.to_bytes(2, "big") + bytes(16) + wire("example.org") + b"sig"
)
datas = st.one_of(
    st.tuples(st.just(A), st.just(bytes(4))),
    st.tuples(st.just(CNAME), names),
    st.tuples(st.just(CNAME), names),
    st.tuples(st.sampled_from((HTTPS, SVCB)), names.map(lambda name: b"\0\1" + name)),
    st.tuples(st.just(SOA), soa_data),
    st.tuples(st.just(RRSIG), signatures),
    st.tuples(st.sampled_from((2, DNAME)), names),
    st.tuples(st.just(NSEC), names.filter(lambda name: b"\xc0" not in name)),
    st.tuples(st.just(24), st.sampled_from((b"\0\0", b"\0\1")).map(lambda covered: covered + bytes(17))),
    st.tuples(st.sampled_from((TXT, 43, 50, 250)), st.binary(max_size=6)),
)
records = st.builds(
    lambda owner, data, ttl, rclass: answer_record(owner, data[0], data[1], ttl=ttl, rclass=rclass),
    names,
    datas,
    ttls,
    st.sampled_from((1, 1, 1, 1, 1, 1, 3, 255)),
)
B, C = wire("b.example.org"), wire("c.example.org")
_SIGNED = (1).to_bytes(2, "big") + bytes(16) + wire("example.org") + b"sig"
CHAINS = {
    "nothing": (),
    "data": (answer_record(HERE, A, bytes(4)), answer_record(HERE, A, bytes(4), ttl=60)),
    "signed data": (answer_record(HERE, A, bytes(4)), answer_record(HERE, RRSIG, _SIGNED)),
    "alias": (answer_record(HERE, CNAME, B), answer_record(B, A, bytes(4), ttl=90)),
    "aliases": (answer_record(HERE, CNAME, B), answer_record(B, CNAME, C), answer_record(C, A, bytes(4))),
    "alias behind its target": (answer_record(B, A, bytes(4)), answer_record(HERE, CNAME, B)),
    "alias to nothing": (answer_record(HERE, CNAME, B),),
    "services": (answer_record(HERE, HTTPS, b"\0\1" + B), answer_record(HERE, HTTPS, b"\0\2\0")),
    "text": (answer_record(HERE, TXT, b"\1x"),),
}
"""Starts of answer sections, by name."""
in_authority = st.one_of(records, st.builds(lambda owner, data: answer_record(owner, SOA, data), names, soa_data))
additional = st.one_of(records, st.just(opt()), st.just(opt(ttl=0x0100_8000)))
flags = st.sampled_from((0x8180, 0x8183, 0x81A0, 0x8182))


def answer_by_records(
    qtype: int, begin: str, answers: list[bytes], authority: list[bytes], more: list[bytes], flags: int, do: bool
) -> UpstreamAnswer:
    message = said(qtype, *CHAINS[begin], *answers, authority=tuple(authority), additional=tuple(more), flags=flags)
    return UpstreamAnswer(message, qtype, do)


by_records = st.builds(
    answer_by_records,
    st.sampled_from((A, A, A, CNAME, SOA, RRSIG, NSEC, HTTPS, DNAME, TXT)),
    st.sampled_from(sorted(CHAINS)),
    st.lists(records, max_size=3),
    st.lists(in_authority, max_size=3),
    st.lists(additional, max_size=3),
    flags,
    st.booleans(),
)


@pytest.mark.heavy
@given(batches(by_records))
@examples(100)
def test_answers_of_all_record_types_are_read_as_by_the_reference(pair: Both, drawn: list[UpstreamAnswer]) -> None:
    pair.all_answered(drawn)


@pytest.mark.slow
@each_row("rtype, rclass", [*((rtype, 1) for rtype in TYPES), *((rtype, 3) for rtype in range(1, 40))])
def test_data_of_each_type_is_checked_as_by_the_reference(pair: Both, rtype: int, rclass: int) -> None:
    name = b"\3www" + pointer(21)
    datas = (
        b"",
        *(bytes(size) for size in (1, 2, 3, 4, 5, 16, 19, 20, 22, 23)),
        *(
            bytes(before) + name * count + bytes(after)
            for before in (0, 2, 4, 6, 7, 18)
            for count in (1, 2, 3)
            for after in (0, 1, 20)
        ),
        *(bytes(before) + wire("b.example.org") + bytes(after) for before in (0, 2, 18) for after in (0, 1)),
        b"\0\1\0\1\1s\2ab\0" + name,
        *(bytes(before) + b"\x0c" for before in (0, 2, 18)),  # a label that ends in the next record
    )
    others = [(answer_record(HERE, rtype, data, rclass=rclass), answer_record(HERE, TXT, bytes(30))) for data in datas]
    messages = [said(A, answer_record(HERE, A, bytes(4)), authority=authority) for authority in others]
    pair.all_answered([UpstreamAnswer(message, A, True) for message in messages])


parameters = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from((b"", b"\0", b"\2h2", b"\0\3", b"\0\1\0\3", bytes(4), bytes(16)))),
    max_size=4,
).map(lambda pairs: b"".join(key.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value for key, value in pairs))
windows = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from((b"", b"\0", b"\1", bytes(32), bytes(31) + b"\1", bytes(33)))),
    max_size=3,
).map(lambda pairs: b"".join(bytes((window, len(types))) + types for window, types in pairs))


with_parameters = st.one_of(
    st.tuples(st.sampled_from((SVCB, HTTPS)), parameters.map(lambda found: b"\0\1\0" + found)),
    st.tuples(st.just(NSEC), windows.map(lambda found: b"\1z\0" + found)),
    st.tuples(
        st.just(NSEC3),
        st.tuples(st.integers(0, 3), st.integers(0, 3), windows).map(
            lambda parts: b"\1\0\0\0" + bytes((parts[0],)) + b"s" * 2 + bytes((parts[1],)) + b"h" * 2 + parts[2]
        ),
    ),
)


@pytest.mark.heavy
@given(st.lists(st.tuples(with_parameters, st.integers(0, 80)), min_size=10, max_size=10))
@examples(50)
def test_parameters_and_bitmaps_are_checked_as_by_the_reference(
    pair: Both, drawn: list[tuple[tuple[int, bytes], int]]
) -> None:
    cuts = [(rtype, cut) for (rtype, data), most in drawn for cut in (data, data[:most])]
    others = [(answer_record(HERE, rtype, cut),) for rtype, cut in cuts]
    messages = [said(A, answer_record(HERE, A, bytes(4)), authority=authority) for authority in others]
    pair.all_answered([UpstreamAnswer(message, A, True) for message in messages])


def chain_of(steps: int) -> bytes:
    """Return an answer with `steps` aliases."""
    hops = [HERE, *(wire(f"h{step}.example.org") for step in range(steps))]
    aliases = [answer_record(hops[step], CNAME, hops[step + 1], ttl=300) for step in range(steps)]
    return said(A, *aliases, answer_record(hops[-1], A, bytes(4)))


@each_row(("steps", "in_c"), [(0, True), (1, True), (16, True), (17, False)])
def test_as_many_aliases_are_followed_as_by_the_reference(pair: Both, steps: int, in_c: bool) -> None:
    assert pair.answered(chain_of(steps), A).handed != in_c


def pointers(count: int) -> bytes:
    """Return an answer with a name in its authority section that takes `count` pointers to read."""
    at = len(said(TXT, answer_record(HERE, TXT, b"")))
    text = b"".join(pointer(at + 2 * (step - 1) if step else 12) for step in range(count - 1))
    last = pointer(at + 2 * (count - 2)) if count > 1 else HERE
    return said(TXT, answer_record(HERE, TXT, text), authority=(answer_record(HERE, NS, last),))


@each_row(("count", "sound"), [(1, True), (2, True), (16, True), (17, False)])
def test_as_many_pointers_are_followed_as_by_the_reference(pair: Both, count: int, sound: bool) -> None:
    seen = pair.answered(pointers(count), TXT)
    assert bool(seen.kept) == sound
    assert seen.handed != sound


def test_overlapping_labels_are_malformed(pair: Both) -> None:
    """Reading both names would end. The pointer of the malformed one leads to a label that overlaps its owner."""
    text = answer_record(HERE, TXT, b"\2")
    sound, wrong = ((b"\3a\0b" + pointer(at)) for at in (12, 12 + len(NAME) + 4 + len(text) - 1))
    for owner, is_sound in ((sound, True), (wrong, False)):
        assert bool(pair.answered(said(TXT, text, answer_record(owner, TXT, b"x")), TXT).kept) == is_sound


def test_ttls_are_the_least_of_their_set_in_one_section(pair: Both) -> None:
    servers = [answer_record(HERE, NS, bytes((1, 97 + number)) + HERE, ttl=ttl) for number, ttl in enumerate((300, 60))]
    owner = bytes((1, 97)) + HERE
    added = answer_record(owner, 28, bytes(16), ttl=5), answer_record(owner, A, bytes(4), ttl=10)
    seen = pair.answered(said(NS, *servers, additional=added), NS)
    assert not seen.handed
    assert seen.kept
    assert [record.ttl for record in seen.kept[0].records] == [60, 60, 5, 10]


def test_question_is_compared_without_case(pair: Both) -> None:
    seen = pair.answered(ANSWERS["address"].replace(b"example", b"eXAMPLe"), A)
    assert not seen.handed
    assert seen.kept


OTHERS = {
    "no byte": b"",
    "one byte": b"\0",
    "id alone": bytes(2),
    "short header": bytes(11),
    "another id": b"\0\1" + ANSWERS["address"][2:],
    "cut within a record": ANSWERS["address"][:-1],
    "another type": ANSWERS["nothing of the type"],
    "another type, cut": ANSWERS["nothing of the type"][:-1],
    "another name, truncated": header(0x8380, 1, 1) + asked("other.example.org"),
    "another name": header(0x8180, 1, 1) + asked("other.example.org"),
    "another class": header(0x8180, 1) + asked(QNAME, A, 3),
    "truncated": ANSWERS["truncated"],
    "a query": header(0x0180, 1) + asked("other.example.org"),
    "an opcode": header(0x8980, 1) + asked("other.example.org"),
}


@each_row("name", OTHERS)
def test_message_that_is_no_answer_is_not_cached(pair: Both, name: str) -> None:
    assert not pair.answered(OTHERS[name], A).kept


@each_row(("count", "in_c"), [(64, True), (65, False)])
def test_too_many_records_are_handed_over(pair: Both, count: int, in_c: bool) -> None:
    records = (answer_record(HERE, TXT, bytes((1, number))) for number in range(count))
    seen = pair.answered(said(TXT, *records), TXT)
    assert seen.kept
    assert seen.handed != in_c


@each_row(("count", "in_c"), [(16, True), (17, False)])
def test_too_many_additional_names_are_handed_over(pair: Both, count: int, in_c: bool) -> None:
    owners = [bytes((2, *f"{number:02}".encode())) + HERE for number in range(count)]
    servers = [answer_record(HERE, NS, owner) for owner in owners]
    more = tuple(answer_record(owner, A, bytes(4)) for owner in owners)
    assert pair.answered(said(NS, *servers, additional=more), NS).handed != in_c


@pytest.mark.slow
@each_row("name", ORDINARY)
def test_ordinary_answer_cut_anywhere_is_not_cached(pair: Both, name: str) -> None:
    message = ANSWERS[name]
    cut = [UpstreamAnswer(message[:size], type_of(message), True) for size in range(len(message))]
    for at in range(0, len(cut), 100):
        assert [seen.name for seen in pair.all_answered(cut[at : at + 100]) if seen.kept] == []


EVERYDAY = {
    "two addresses": ("A", ("@ 300 A 198.51.100.1", "@ 300 A 198.51.100.2"), (), (), 0),
    "an address and its signature": ("AAAA", ("@ 60 AAAA 2001:db8::1", f"@ 60 RRSIG AAAA {SIGNATURE}"), (), (), 0),
    "an alias to a network of servers": (
        "A",
        ("@ 300 CNAME cdn.example.net.", "cdn.example.net. 60 CNAME e1.example.com.", "e1.example.com. 20 A 192.0.2.1"),
        (), (), 0,
    ),
    "an alias without the type": (
        "HTTPS", ("@ 300 CNAME cdn.example.net.",), (SOA_LINE.replace("example.org.", "example.net.", 1),), (), 0,
    ),
    "an https record": ("HTTPS", ("@ 300 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1",), (), (), 0),
    "nothing of the type": ("AAAA", (), (SOA_LINE,), (), 0),
    "no such name": ("A", (), (SOA_LINE,), (), 3),
    "with servers and their addresses": (
        "A",
        ("@ 300 A 198.51.100.1",),
        ("example.org. 300 NS ns1.example.org.", "example.org. 300 NS ns2.example.org."),
        ("ns1.example.org. 300 A 192.0.2.53", "ns2.example.org. 300 AAAA 2001:db8::53"),
        0,
    ),
    "mail": (
        "MX", ("@ 300 MX 10 mx1.example.org.", "@ 300 MX 20 mx2.example.org."), (),
        ("mx1.example.org. 300 A 192.0.2.9",), 0,
    ),
    "a pointer": ("PTR", ("@ 300 PTR host.example.org.",), (), (), 0),
    "text": ("TXT", ('@ 300 TXT "v=spf1 -all"',), (), (), 0),
}  # fmt: skip


@each_row("do", [False, True])
@each_row("name", EVERYDAY)
def test_everyday_answers_are_ordinary(pair: Both, name: str, do: bool) -> None:
    qtype, answer, authority, more, rcode = EVERYDAY[name]
    if not do:
        answer = tuple(line for line in answer if " RRSIG " not in line)
    message = answered(qtype, *answer, authority=authority, additional=more, rcode=rcode)
    seen = pair.answered(message, type_of(message), do)
    assert not seen.handed
    assert seen.kept
