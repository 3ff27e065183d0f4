"""A flood of names uses bounded memory, leaves nothing behind, and evicts no name that clients ask for often."""

import gc
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice

import dns.edns
import dns.message
import pytest

from dnsfilter.config.node_config import Limits
from dnsfilter.engine.reference.room import MOST_EXCHANGES
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.telemetry.slots import CACHE_BYTES, CACHE_ENTRIES, CACHE_HITS
from dnsfilter.wire.iana import Rcode
from tests.contract.cases import office
from tests.support.engines import MECHELEN, Rig, data, query
from tests.support.name_floods import SHAPES, Answering, Flooder, names, question, resident_bytes
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply, truncated
from tests.support.starting import Start

CACHE = 1_000_000
FLOOD = {"reference": 15_000, "compiled": 50_000}
HOT = 40
OFTEN = 1_000
"""Names of the flood between two rounds of the frequent names."""
ROOM = 2 * CACHE
"""Bound for the growth of memory outside the cache: what a few thousand of the `FLOOD` names take."""
WAIT_MS = 400
"""Milliseconds after which answered questions have no timer left. Their timers stay until the wait is over."""


@pytest.fixture
def flooded(start: Start) -> Iterator[tuple[Rig, Answering, Flooder]]:
    upstream = Answering()
    rig = start(office(), upstream, cache_bytes=CACHE)
    with closing(Flooder(rig)) as flooder:
        yield rig, upstream, flooder


def hot_queries(count: int = HOT) -> list[bytes]:
    """Return `count` queries for names that clients ask for again and again."""
    source = random.Random("hot")
    return [question(source, number, SHAPES[number % len(SHAPES)]) for number in range(count)]


def hits_among(rig: Rig, messages: list[bytes]) -> int:
    """Ask each of `messages` once and return how many answers come from the cache."""
    before = rig.counters.slots[CACHE_HITS]
    for message in messages:
        rig.judge(message)
    return rig.counters.slots[CACHE_HITS] - before


@pytest.mark.slow
def test_a_flood_neither_grows_memory_nor_pushes_out_what_is_asked_often(
    flooded: tuple[Rig, Answering, Flooder], kind: str
) -> None:
    rig, upstream, flooder = flooded
    count = FLOOD[kind]
    hot = hot_queries()
    for _ in range(2):
        flooder.ask(hot)
    flood = names(count, seed=1)
    settled = 0
    most_bytes = most_entries = 0
    for number in range(count // OFTEN):
        flooder.ask(islice(flood, OFTEN))
        rig.pass_time(WAIT_MS)
        assert hits_among(rig, hot) == HOT
        most_bytes = max(most_bytes, rig.counters.slots[CACHE_BYTES])
        most_entries = max(most_entries, rig.counters.slots[CACHE_ENTRIES])
        if number == 9:
            gc.collect()
            settled = resident_bytes()
    gc.collect()
    assert sum(flooder.answers.values()) == count + 2 * HOT
    assert set(flooder.answers) == {0, 3}
    assert upstream.count == count + HOT
    assert CACHE * 9 // 10 < most_bytes <= CACHE
    assert HOT < most_entries < CACHE // 200
    assert resident_bytes() - settled < ROOM


def test_what_becomes_asked_often_during_a_flood_is_kept_too(flooded: tuple[Rig, Answering, Flooder]) -> None:
    rig, _, flooder = flooded
    flood = names(6_000, seed=2)
    flooder.ask(islice(flood, 3_000))
    hot = hot_queries()
    for _ in range(2):
        flooder.ask(hot)
        flooder.ask(islice(flood, 200))
    flooder.ask(flood)
    assert hits_among(rig, hot) == HOT


@pytest.mark.slow
def test_names_that_a_flood_asks_twice_displace_only_what_is_asked_more_seldom(
    flooded: tuple[Rig, Answering, Flooder],
) -> None:
    rig, _, flooder = flooded
    hot = hot_queries()
    flooder.ask(hot)
    flood = names(5_000, seed=3)
    while batch := list(islice(flood, 200)):
        flooder.ask(batch)
        flooder.ask(batch)
        assert hits_among(rig, hot) == HOT
    assert rig.counters.slots[CACHE_BYTES] <= CACHE


STRINGS = " ".join(f'"{"t" * 255}"' for _ in range(200))


def _much_data(asked: Asked) -> bytes:
    return reply(asked, (f"{asked.name}. 3600 TXT {STRINGS}",))


def _much_denial(asked: Asked) -> bytes:
    soa = "example.org. 3600 SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 3600"
    owners = [f"{'0' * 28}{number:04}.example.org." for number in range(200)]
    hashes = [f"{owner} 3600 NSEC3 1 0 0 - {'1' * 32} A" for owner in owners]
    end = "13 3 3600 20300101000000 20200101000000 1 example.org. AAAA"
    return reply(asked, (), (soa, *hashes, *(f"{owner} 3600 RRSIG NSEC3 {end}" for owner in owners)), rcode=3)


@pytest.mark.slow
@each_row("large", [_much_data, _much_denial])
def test_a_flood_of_the_largest_answers_stays_within_the_bound(start: Start, large: Callable[[Asked], bytes]) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == "hot.example.org":
            return [reply(asked, ("hot.example.org. 3600 A 198.51.100.10",))]
        return [large(asked) if asked.by_stream else truncated(asked)]

    rig = start(office(), Scripted(behave), cache_bytes=1_000_000)
    for _ in range(2):
        rig.ask(query("hot.example.org"))
    for number in range(25):
        waiting = rig.begin(query(f"n{number}.example.org", "TXT", do=True), MECHELEN, Transport.TCP)
        rig.until(lambda: b"" if rig.by_stream else None)
        rig.complete()
        assert len(waiting().to_wire()) > 20_000
        rig.settle()
        assert rig.counters.slots[CACHE_BYTES] <= 1_000_000
    assert rig.counters.slots[CACHE_ENTRIES] <= 1_000_000 // 20_000
    assert data(rig.at_once(query("hot.example.org"))) == ["A 198.51.100.10"]


def varied(name: str) -> Iterator[bytes]:
    """Yield 200 variants of a query for `name`: other spelling, options, payload size, AD bit and id."""
    source = random.Random(name)
    for number in range(200):
        spelt = "".join(source.choice((letter.upper(), letter.lower())) for letter in name)
        options = [dns.edns.ECSOption(f"192.0.2.{number}"), dns.edns.CookieOption(source.randbytes(8), b"")]
        yield query(spelt, payload=512 + number, options=options, ad=bool(number & 1), id=number)


def test_a_client_cannot_multiply_an_entry_by_spelling_options_or_sizes(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, (f"{asked.name}. 300 A 198.51.100.10",)),)))
    for message in varied("plain.example.org"):
        assert data(rig.ask(message)) == ["A 198.51.100.10"]
    rig.settle()
    assert rig.counters.slots[CACHE_ENTRIES] == 1
    assert rig.forwarded == [("plain.example.org", "A")]


MOST_PER_CLIENT = Limits().waiting_per_client
CLIENTS = [f"127.0.5.{number}" for number in range(10, 10 + MOST_EXCHANGES // MOST_PER_CLIENT)]


def fill(rig: Rig, seed: int) -> None:
    """Send as many new questions as may wait, from as many clients as that needs. `seed` chooses the names."""
    flood = names(MOST_EXCHANGES, seed)
    for client in CLIENTS:
        with closing(Flooder(rig, client)) as flooder:
            flooder.send(islice(flood, MOST_PER_CLIENT))


def limited(rig: Rig) -> int:
    return rig.outcomes().get(("udp", "limited"), 0)


def recover(rig: Rig, upstream: Answering, flooder: Flooder, seed: int) -> None:
    """Let `upstream` answer, and ask new names until an answer arrives. `seed` chooses the names."""
    upstream.answers = True
    for name in names(10, seed):
        failed = flooder.answers.get(Rcode.SERVFAIL, 0)
        flooder.ask([name])
        if flooder.answers.get(Rcode.SERVFAIL, 0) == failed:
            return
        rig.pass_time(1000)
    raise AssertionError("upstream answers again, and is not asked")


@pytest.mark.slow
def test_nothing_is_left_on_its_way_after_a_flood(flooded: tuple[Rig, Answering, Flooder]) -> None:
    rig, upstream, flooder = flooded
    flooder.ask(names(1_000, seed=4))
    for round_ in range(3):
        upstream.answers = False
        failed = rig.outcomes().get(("udp", "failed"), 0)
        fill(rig, 10 + round_)
        assert limited(rig) == round_, "somebody's place was not given back"
        flooder.send(names(1, seed=20 + round_))
        assert limited(rig) == round_ + 1
        while rig.engine.pending_count():
            rig.pass_time(1000)
        assert rig.outcomes()["udp", "failed"] == failed + MOST_EXCHANGES
        recover(rig, upstream, flooder, 30 + round_)
    flooder.ask(names(500, seed=5))
    assert limited(rig) == 3


def test_a_flooding_client_leaves_the_others_their_room(flooded: tuple[Rig, Answering, Flooder]) -> None:
    rig, upstream, flooder = flooded
    upstream.answers = False
    flooder.send(names(3 * MOST_PER_CLIENT, seed=6))
    assert limited(rig) == 2 * MOST_PER_CLIENT
    upstream.answers = True
    found = dns.message.from_wire(rig.until(rig.send(next(names(1, seed=7)), MECHELEN).receive))
    assert data(found) == ["A 198.51.100.10"]
