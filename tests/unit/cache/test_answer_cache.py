"""How long an answer is cached, how it ages, and which entries are evicted."""

import sys
from dataclasses import fields, is_dataclass

import pytest

from dnsfilter.cache.answer_cache import POPULAR_HITS, AnswerCache, Entry, lifetime_s, size_bytes
from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import parse_name
from tests.support.caches import CACHES, Make, facts
from tests.unit.cache.messages import TC, Rr, address, answer, denial, failure, key

DAY_S = 86_400


@pytest.fixture(params=CACHES)
def make(request: pytest.FixtureRequest) -> Make:
    """Return the constructor of each cache."""
    return CACHES[request.param]


SOA = Rr("example.org", Type.SOA, 900, "600")
ALIAS = Rr("www.example.org", Type.CNAME, 120, "web.example.org")
WEB = Rr("web.example.org", Type.A, 60)
WEB_NET = Rr("web.example.net", Type.A, 60)

LIFETIMES: dict[str, tuple[Answer, int]] = {
    "data: its TTL": (address(ttl=300), 300),
    "data: the least TTL of the chain": (answer(answers=[ALIAS, WEB]), 60),
    "data: the authority's TTL bounds it too": (
        answer(
            answers=[Rr("www.example.org", Type.A, 300)], authority=[Rr("example.org", Type.NS, 30, "ns.example.org")]
        ),
        30,
    ),
    "data: at most a day": (address(ttl=604_800), DAY_S),
    "data: TTL 0 is not kept": (address(ttl=0), 0),
    "data: a TTL with the top bit counts as 0": (address(ttl=0x8000_0001), 0),
    "an alias is data when aliases were asked for": (answer(answers=[ALIAS], qtype=Type.CNAME), 120),
    "anything is data when everything was asked for": (answer(answers=[ALIAS], qtype=Type.ANY), 120),
    "NXDOMAIN: the SOA's MINIMUM": (answer(authority=[SOA], rcode=Rcode.NXDOMAIN), 600),
    "NXDOMAIN: the SOA's TTL": (
        answer(authority=[Rr("example.org", Type.SOA, 90, "600")], rcode=Rcode.NXDOMAIN),
        90,
    ),
    "NXDOMAIN: at most an hour": (
        answer(authority=[Rr("example.org", Type.SOA, DAY_S, str(DAY_S))], rcode=Rcode.NXDOMAIN),
        3_600,
    ),
    "NXDOMAIN: MINIMUM 0 is not kept": (
        answer(authority=[Rr("example.org", Type.SOA, 900, "0")], rcode=Rcode.NXDOMAIN),
        0,
    ),
    "NXDOMAIN without SOA is not kept": (answer(rcode=Rcode.NXDOMAIN), 0),
    "NXDOMAIN behind an alias: the alias's TTL bounds it": (
        answer(answers=[ALIAS], authority=[SOA], rcode=Rcode.NXDOMAIN),
        120,
    ),
    "NODATA: the SOA's MINIMUM": (answer(authority=[SOA]), 600),
    "NODATA behind an alias: the alias's TTL bounds it": (answer(answers=[ALIAS], authority=[SOA]), 120),
    "NODATA without SOA is not kept": (answer(), 0),
    "a referral is not kept": (answer(authority=[Rr("example.org", Type.NS, 300, "ns.example.org")]), 0),
    "an alias that leads out of the answer is not kept": (answer(answers=[ALIAS]), 0),
    "a cut answer is not kept": (answer(answers=[Rr("www.example.org", Type.A, 300)], flags=0x8180 | TC), 0),
}


@pytest.mark.parametrize(("message", "seconds"), LIFETIMES.values(), ids=LIFETIMES.keys())
def test_lifetime(message: Answer, seconds: int) -> None:
    assert lifetime_s(message) == seconds


@pytest.mark.parametrize("rcode", [Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED, Rcode.NOTAUTH, 15])
def test_failures_are_not_cached_even_with_records(rcode: int) -> None:
    assert lifetime_s(answer(answers=[Rr("www.example.org", Type.A, 300)], authority=[SOA], rcode=rcode)) == 0


def test_an_answer_is_fresh_for_its_ttl_then_stale_then_gone(make: Make) -> None:
    cache = make(100_000, 60)
    cache.put(key(), address(ttl=10), (), False, now_ms=5_000)
    seen = [
        (now, entry and entry.is_fresh(now))
        for now in (5_000, 14_999, 15_000, 74_999)
        for entry in [cache.get(key(), now)]
    ]
    assert seen == [(5_000, True), (14_999, True), (15_000, False), (74_999, False)]
    assert cache.get(key(), 75_000) is None
    assert (len(cache), cache.bytes) == (0, 0)


def test_without_serving_stale_an_answer_is_gone_with_its_ttl(make: Make) -> None:
    cache = make(100_000, 0)
    cache.put(key(), address(ttl=10), (), False, now_ms=0)
    assert cache.get(key(), 10_000) is None
    assert len(cache) == 0


def test_age_counts_complete_seconds_and_is_never_negative(make: Make) -> None:
    entry = make(100_000, 0).put(key(), address(), (), False, now_ms=5_000)
    assert [entry.age_s(now) for now in (0, 5_000, 5_999, 6_000, 65_000)] == [0, 0, 0, 1, 60]


def test_entry_has_the_stored_values(make: Make) -> None:
    message, targets = address(), (b"\3web\7example\3org\0",)
    cache = make(100_000, 0)
    cache.put(key(), message, targets, True, now_ms=7)
    entry = cache.get(key(), 8)
    assert entry is not None
    assert (entry.answer, entry.targets, entry.ad, entry.stored_ms, entry.expires_ms) == (
        message,
        targets,
        True,
        7,
        300_007,
    )
    assert (entry.matches, entry.names_digest) == (None, b"")


def test_matches_stored_in_an_entry_stay_there() -> None:
    cache = AnswerCache(100_000, 0)
    entry = cache.put(key(), address(), (), False, now_ms=0)
    entry.matches, entry.names_digest = ("tiktok",), b"digest"
    again = cache.get(key(), 1)
    assert again is entry


@pytest.mark.parametrize(
    "other",
    [
        key(view=1),
        key(qtype=Type.AAAA),
        key(do=True),
        key()._replace(cd=True),
        key()._replace(qclass=3),
        key("example.org"),
    ],
)
def test_keys_that_differ_share_no_entry(make: Make, other: CacheKey) -> None:
    cache = make(100_000, 0)
    cache.put(key(), address(), (), False, now_ms=0)
    assert cache.get(other, 0) is None


def test_a_newer_answer_takes_the_place_of_the_older(make: Make) -> None:
    cache = make(100_000, 0)
    for ttl in (10, 20, 30):
        entry = cache.put(key(), address(ttl=ttl), (), False, now_ms=0)
        assert facts(cache.get(key(), 0)) == facts(entry)
    assert (len(cache), cache.bytes) == (1, entry.size)


@pytest.mark.parametrize("late", [failure(), failure(rcode=Rcode.REFUSED), answer(flags=0x8180 | TC)])
def test_a_failure_does_not_displace_a_stale_answer(make: Make, late: Answer) -> None:
    cache = make(100_000, 60)
    good = cache.put(key(), address(ttl=10), (), False, now_ms=0)
    entry = cache.put(key(), late, (), False, now_ms=20_000)
    assert (entry.answer, entry.size) == (late, 0)
    assert facts(cache.get(key(), 20_000)) == facts(good)


@pytest.mark.parametrize("late", [address(ttl=0), answer(), answer(rcode=Rcode.NXDOMAIN)])
def test_uncacheable_answer_removes_the_entry_that_it_contradicts(make: Make, late: Answer) -> None:
    cache = make(100_000, 60)
    cache.put(key(), address(ttl=10), (), False, now_ms=0)
    cache.put(key(), late, (), False, now_ms=20_000)
    assert cache.get(key(), 20_000) is None
    assert cache.bytes == 0


def test_a_denial_takes_the_place_of_data(make: Make) -> None:
    cache = make(100_000, 60)
    cache.put(key(), address(ttl=10), (), False, now_ms=0)
    gone = cache.put(key(), denial(), (), False, now_ms=20_000)
    assert facts(cache.get(key(), 20_000)) == facts(gone)


def test_an_answer_larger_than_an_eighth_of_the_cache_is_given_but_not_kept() -> None:
    large = answer(answers=[Rr("www.example.org", Type.TXT, 300, "x" * 255) for _ in range(40)], qtype=Type.TXT)
    size = size_bytes(key(), large, ())
    for max_bytes, kept in ((8 * size, True), (8 * size - 1, False)):
        cache = AnswerCache(max_bytes, 0)
        entry = cache.put(key(), large, (), False, now_ms=0)
        assert entry.answer is large
        assert (cache.get(key(), 0) is entry) == kept
        assert (entry.size == size) == kept


def test_names_asked_often_survive_a_flood_of_names_asked_once(make: Make) -> None:
    cache = make(200_000, 0)
    hot = [f"hot{number}.example.org" for number in range(40)]
    for name in hot:
        cache.put(key(name), address(name), (), False, now_ms=0)
        cache.get(key(name), 0)
    for number in range(5_000):
        name = f"x{number}.example.org"
        cache.put(key(name), denial(name), (), False, now_ms=1)
        assert cache.bytes <= 200_000
    assert [name for name in hot if cache.get(key(name), 2) is None] == []


def test_names_asked_often_now_replace_names_asked_often_before(make: Make) -> None:
    cache = make(100_000, 0)
    for generation in ("old", "new"):
        for number in range(600):
            name = f"{generation}{number}.example.org"
            cache.put(key(name), address(name), (), False, now_ms=0)
            cache.get(key(name), 0)
    held = {
        generation: sum(cache.get(key(f"{generation}{n}.example.org"), 0) is not None for n in range(600))
        for generation in ("old", "new")
    }
    assert held["new"] > 40
    assert held["old"] == 0


def test_oldest_entry_on_probation_is_evicted_first() -> None:
    size = size_bytes(key("n0.example.org"), address("n0.example.org"), ())
    cache = AnswerCache(9 * size, stale_s=0)
    for number in range(10):
        name = f"n{number}.example.org"
        cache.put(key(name), address(name), (), False, now_ms=0)
    assert [number for number in range(10) if cache.get(key(f"n{number}.example.org"), 0) is None] == [0]


def test_cache_of_size_zero_keeps_nothing(make: Make) -> None:
    cache = make(0, 60)
    entry = cache.put(key(), address(), (), False, now_ms=0)
    assert entry.is_fresh(0)
    assert (len(cache), cache.bytes, cache.get(key(), 0)) == (0, 0, None)


def measured(value: object, seen: set[int]) -> int:
    """Return the size of an object and of all that only it refers to. Small ints, None and enumerations are shared."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and value <= 256) or id(value) in seen:
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value)
    if isinstance(value, tuple):
        size += sum(measured(item, seen) for item in value)
    elif is_dataclass(value) and not isinstance(value, type):
        size += sum(measured(getattr(value, field.name), seen) for field in fields(value))
    return size


SLOT_BYTES = 128
"""A slot of an OrderedDict: 75 bytes of dict and linked list, up to 128 just after the table has grown."""

LONG = "a" * 60
SHAPES: dict[str, Answer] = {
    "one address": address(),
    "the longest name": address(f"{LONG}.{LONG}.{LONG}.example.org"),
    "denial": denial(),
    "many records of one name": answer(answers=[Rr("www.example.org", Type.TXT, 70_000, str(n)) for n in range(300)]),
    "many owners": answer(
        answers=[Rr(f"n{n}.{LONG}.example.org", Type.CNAME, 70_000, f"n{n}.example.org") for n in range(300)]
    ),
}


@pytest.mark.parametrize("message", SHAPES.values(), ids=SHAPES.keys())
def test_accounted_size_is_between_the_measured_size_and_half_more(message: Answer) -> None:
    targets = tuple(bytes(record.owner) + b"" for record in message.records if record.rtype == Type.CNAME)
    where = CacheKey(0, bytes(bytearray(message.question.name)), Type.A, 1, True, False)
    cache = AnswerCache(10_000_000, 0)
    entry = cache.put(where, message, targets, False, now_ms=10**10)
    # An answer that must not be cached has size 0. The size that it would take is computed anyway.
    accounted = size_bytes(where, message, targets)
    actual = measured(entry, set()) + measured(where, set()) + SLOT_BYTES
    assert actual <= accounted <= actual * 1.5


def test_entries_have_no_dictionary() -> None:
    assert not hasattr(AnswerCache(0, 0).put(key(), address(), (), False, 0), "__dict__")
    assert Entry.__slots__


FLUSHES = {
    "a name": ("www.example.org", False, {"www.example.org"}),
    "a name in other case": ("WWW.Example.ORG", False, {"www.example.org"}),
    "a name and all below it": ("example.org", True, {"example.org", "www.example.org", "a.b.example.org"}),
    "a name that is only a part of a label": ("ample.org", True, set()),
    "a name without answers": ("example.org.", False, {"example.org"}),
    "what an alias leads to": ("web.example.net", False, {"alias.example.com"}),
    "what an alias leads to, below": ("net", True, {"alias.example.com"}),
    "everything": (".", True, {"example.org", "www.example.org", "a.b.example.org", "alias.example.com"}),
}


@pytest.mark.parametrize(("name", "below", "gone"), FLUSHES.values(), ids=FLUSHES.keys())
def test_flush_removes_answers_about_a_name(make: Make, name: str, below: bool, gone: set[str]) -> None:
    cache = make(1 << 20, 3_600)
    names = ["example.org", "www.example.org", "a.b.example.org"]
    for each in names:
        cache.put(key(each), address(each), (), False, 0)
    alias = answer("alias.example.com", [Rr("alias.example.com", Type.CNAME, 60, "web.example.net"), WEB_NET])
    cache.put(key("alias.example.com"), alias, (parse_name("web.example.net"),), False, 0)
    cache.get(key("www.example.org"), 1)  # one of them is protected now
    before = cache.bytes
    assert cache.flush(parse_name(name.lower()), below=below) == len(gone)
    left = {each for each in (*names, "alias.example.com") if cache.get(key(each), 2) is not None}
    assert left == {*names, "alias.example.com"} - gone
    assert len(cache) == 4 - len(gone)
    assert (cache.bytes < before) == bool(gone)
    if not left:
        assert cache.bytes == 0


@pytest.mark.parametrize(
    ("prefetch", "hits", "at_ms", "expected"),
    [
        (True, POPULAR_HITS, 270_000, True),
        (True, POPULAR_HITS, 269_999, False),
        (True, POPULAR_HITS - 1, 299_999, False),
        (False, POPULAR_HITS, 299_999, False),
    ],
)
def test_a_hit_of_a_popular_entry_in_the_last_tenth_has_it_asked_for_again_once(
    make: Make, prefetch: bool, hits: int, at_ms: int, expected: bool
) -> None:
    cache = make(100_000, 0, prefetch)
    cache.put(key(), address(ttl=300), (), False, now_ms=0)
    assert not any(cache.note_hit(key(), 1_000) for _ in range(hits - 1))
    assert cache.note_hit(key(), at_ms) is expected
    assert not expected or not cache.note_hit(key(), at_ms)
    cache.put(key(), address(ttl=300), (), False, now_ms=at_ms)
    assert not cache.note_hit(key(), at_ms + 270_000)  # a new entry has no hits
    assert not cache.note_hit(key("other.example.org"), at_ms)
