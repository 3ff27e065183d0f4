"""Copies of a cache: what another cache takes over, and that damaged or false ones cost only answers."""

import zlib
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsfilter.cache.answer_cache import Cache, Withheld
from dnsfilter.cache.keys import CacheKey
from dnsfilter.cache.packed import (
    HEAD,
    MOST_BYTES,
    RECORD,
    ROUTES_BYTES,
    VERSION,
    Packed,
    UnusableCopy,
    head_of,
    pack_record,
    unpack,
)
from dnsfilter.wire.answer import Answer, follow, parse_answer, prune_answer
from dnsfilter.wire.iana import Rcode, Type
from tests.fuzz.examples import examples
from tests.support.caches import CACHES, facts
from tests.unit.cache.messages import TC, Rr, address, answer, denial, failure, key
from tests.unit.wire.build import answered

ROUTES = bytes(range(ROUTES_BYTES))
STALE_S = 3_600
MS = 1_000
NAME = "www.example.org"


def chain() -> Answer:
    """Return an alias, its addresses, and servers with an address."""
    lines = (
        f"{NAME}. 300 CNAME web.example.net.",
        "web.example.net. 90 A 192.0.2.1",
        "web.example.net. 90 A 192.0.2.2",
    )
    message = answered(NAME, "A", lines, ("example.net. 900 NS ns.example.net.",), ("ns.example.net. 9 A 192.0.2.3",))
    parsed = parse_answer(message)
    return prune_answer(parsed, follow(parsed, parsed.question), True)


ANSWERS: dict[str, Answer] = {
    "address": address(),
    "chain": chain(),
    "alias without its end": answer(answers=[Rr(NAME, Type.CNAME, 120, "web.example.org")]),
    "no such name": denial(),
    "no such data": denial(rcode=Rcode.NOERROR),
    "many texts": answer(answers=[Rr(NAME, Type.TXT, 60, "x" * 255)] * 9, qtype=Type.TXT),
}
kinds = pytest.mark.parametrize("kind", CACHES)


def filled(kind: str, answers: Sequence[tuple[CacheKey, Answer]], now_ms: int = 0) -> Cache:
    cache = CACHES[kind](1_000_000, STALE_S)
    for where, found in answers:
        reached = follow(found, found.question)
        cache.put(where, found, reached.targets, True, now_ms, complete=reached.complete)
    return cache


def copy_of(cache: Cache, now_ms: int, most_bytes: int = MOST_BYTES) -> bytes:
    records = cache.pack(most_bytes, now_ms)
    return head_of(records, ROUTES) + records


@kinds
@pytest.mark.parametrize("other", CACHES)
@pytest.mark.parametrize("name", ANSWERS)
def test_another_cache_serves_a_copied_answer_up_to_the_same_instant(kind: str, other: str, name: str) -> None:
    where = key(NAME)._replace(qtype=ANSWERS[name].question.qtype, view=3, do=name == "chain", cd=True)
    cache = filled(kind, [(where, ANSWERS[name])], now_ms=5 * MS)
    successor = CACHES[other](1_000_000, STALE_S)
    taken = [successor.take(packed, 20 * MS) for packed in unpack(copy_of(cache, 20 * MS), ROUTES)]
    assert taken == [True]
    for now_ms in (20 * MS, 400 * MS, 5 * MS + STALE_S * MS + 600 * MS):
        assert facts(successor.get(where, now_ms)) == facts(cache.get(where, now_ms))


@kinds
def test_the_last_used_answers_are_copied_first_within_the_bound(kind: str) -> None:
    names = [f"n{number}.example.org" for number in range(10, 90)]
    cache = filled(kind, [(key(name), address(name)) for name in names])
    for name in names[:5]:
        assert cache.get(key(name), 2 * MS) is not None
    size = len(cache.pack(MOST_BYTES, 0)) // len(names)
    found = [packed.key for packed in unpack(copy_of(cache, 0, 7 * size + 1), ROUTES)]
    assert found == [key(name) for name in (*reversed(names[:5]), names[-1], names[-2])]


@kinds
def test_answers_that_may_no_longer_be_served_are_not_copied(kind: str) -> None:
    cache = filled(kind, [(key(NAME), address(ttl=300))])
    end_ms = (300 + STALE_S) * MS
    assert cache.pack(MOST_BYTES, end_ms - 1)
    assert not cache.pack(MOST_BYTES, end_ms)


SOUND = Packed(key(NAME), address().message, False, 10 * MS)
FALSE: dict[str, Packed] = {
    "another name": SOUND._replace(key=key("bank.example.org")),
    "another type": SOUND._replace(key=key(NAME)._replace(qtype=28)),
    "another class": SOUND._replace(key=key(NAME)._replace(qclass=3)),
    "from the future": SOUND._replace(stored_ms=20 * MS + 1),
    "from before the start": SOUND._replace(stored_ms=-1),
    "too old": SOUND._replace(stored_ms=0, message=address(ttl=1).message),
    "cut": SOUND._replace(message=SOUND.message[:-1]),
    "empty": SOUND._replace(message=b""),
    "no message": SOUND._replace(message=b"\0" * 40),
    "a failure": SOUND._replace(message=failure(NAME).message),
    "truncated": SOUND._replace(message=answer(answers=[Rr(NAME, Type.A, 60)], flags=0x8180 | TC).message),
    "TTL 0": SOUND._replace(message=address(ttl=0).message),
    "a denial without SOA": SOUND._replace(message=answer(rcode=Rcode.NXDOMAIN).message),
}


@kinds
@pytest.mark.parametrize("name", FALSE)
def test_a_false_answer_is_not_taken(kind: str, name: str) -> None:
    cache = CACHES[kind](1_000_000, 0)
    assert cache.take(SOUND, 20 * MS)
    assert not cache.take(FALSE[name], 20 * MS)
    assert len(cache) == 1


@kinds
def test_names_that_an_answer_leads_to_are_found_again(kind: str) -> None:
    """Policy judges them, so a copy is not asked for them."""
    cache = CACHES[kind](1_000_000, 0)
    assert cache.take(SOUND._replace(message=chain().message), 20 * MS)
    entry = cache.get(key(NAME), 20 * MS)
    assert entry is not None
    assert entry.targets == (b"\3web\7example\3net\0",)


def damaged(copy: bytes, at: int) -> bytes:
    return copy[:at] + bytes([copy[at] ^ 1]) + copy[at + 1 :]


COPY = copy_of(filled("reference", [(key(NAME), address())]), 0)
CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda _: b"", "0 bytes"),
    "only a part of the head": (lambda copy: copy[: HEAD.size - 1], "bytes"),
    "another format": (lambda copy: b"x" * len(VERSION) + copy[len(VERSION) :], "another format"),
    "other views": (lambda copy: damaged(copy, len(VERSION)), "other servers"),
    "a record is damaged": (lambda copy: damaged(copy, HEAD.size + 5), "damaged"),
    "the checksum is damaged": (lambda copy: damaged(copy, HEAD.size - 1), "damaged"),
    "the end is missing": (lambda copy: copy[:-1], "damaged"),
    "too large": (lambda copy: copy + bytes(MOST_BYTES), "bytes"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_damaged_copy_is_refused_before_its_first_answer(name: str) -> None:
    change, reason = CHANGES[name]
    assert len(list(unpack(COPY, ROUTES))) == 1
    with pytest.raises(UnusableCopy, match=reason):
        unpack(change(COPY), ROUTES)


# Copies that somebody makes on purpose: the checksum is right.

MESSAGES = [found.message for found in ANSWERS.values()]
keys = st.builds(
    CacheKey, st.integers(0, 65_535), st.sampled_from([key(NAME).name, b"\0", b""]) | st.binary(max_size=255),
    st.sampled_from([1, 5, 16, 28]), st.sampled_from([1, 3]), st.booleans(), st.booleans(),
)  # fmt: skip
flips = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3)


@settings(examples(200))
@given(
    st.lists(
        st.tuples(keys, st.sampled_from(MESSAGES), flips, st.integers(-(2**63), 2**63 - 1) | st.just(0)), max_size=4
    ),
    st.binary(max_size=40),
)
def test_no_records_do_harm_and_both_caches_take_the_same(
    made: list[tuple[CacheKey, bytes, list[tuple[int, int]], int]], rest: bytes
) -> None:
    records = b""
    for where, message, flipped, stored_ms in made:
        changed = bytearray(message)
        for at, value in flipped:
            changed[at % len(changed)] = value
        records += pack_record(Packed(where, bytes(changed), False, stored_ms))
    copy = HEAD.pack(VERSION, ROUTES, len(records + rest), zlib.crc32(records + rest)) + records + rest
    caches = {kind: CACHES[kind](1_000_000, STALE_S) for kind in CACHES}
    for packed in unpack(copy, ROUTES):
        assert len({cache.take(packed, 0) for cache in caches.values()}) == 1
        assert len({repr(facts(cache.get(packed.key, 0))) for cache in caches.values()}) == 1


def test_a_record_that_is_not_complete_ends_a_copy() -> None:
    records = pack_record(SOUND) + RECORD.pack(2**32 - 1, 0, 0, 1, 1, 0, 255) + b"x" * 300
    assert list(unpack(head_of(records, ROUTES) + records, ROUTES)) == [SOUND]


@kinds
def test_what_is_withheld_of_an_answer_is_found_again(kind: str) -> None:
    """The configuration may have changed since the answer was stored."""
    cache = CACHES[kind](1_000_000, 0, False, lambda *_: Withheld.ANSWER)
    private = answered(NAME, "A", (f"{NAME}. 60 A 10.0.0.1",))
    assert cache.take(SOUND._replace(message=private), 20 * MS)
    entry = cache.get(key(NAME), 20 * MS)
    assert entry is not None
    assert entry.withheld is Withheld.ANSWER
