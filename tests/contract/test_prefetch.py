"""Prefetch: a popular answer is asked for again in the last tenth of its TTL, once, and nobody waits for it."""

import dns.rcode
import pytest

from dnsfilter.cache.answer_cache import POPULAR_HITS
from dnsfilter.config.node_config import Limits, Rate
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.telemetry.slots import CACHE_PREFETCHES
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, Rig, ZoneTo, data, query, ttls
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, denial, fails, reply, says, silent, truncated
from tests.support.starting import Start

NAME = "plain.example.org"
TTL_S = 300
OLD, NEW = ["A 198.51.100.10"], ["A 198.51.100.11"]
CHANGED = says({(NAME, "A"): (f"{NAME}. {TTL_S} A 198.51.100.11",)})


def popular(start: Start, upstream: Scripted, name: str = NAME, client: str = GHENT, **settings: object) -> Rig:
    """Return an engine that holds a popular answer, of which nine tenths of the TTL have passed."""
    rig = start(office(), upstream, **{"prefetch": True, **settings})
    for _ in range(POPULAR_HITS):
        rig.ask(query(name), client)
    rig.pass_time(TTL_S * 900)
    upstream.asked.clear()
    return rig


def prefetches(rig: Rig) -> int:
    return int(rig.counters.slots[CACHE_PREFETCHES])


@each_row(
    ("prefetch", "hits", "at_ms", "asked"),
    [
        (True, POPULAR_HITS, 270_000, 2),
        (True, POPULAR_HITS, 299_999, 2),
        (True, POPULAR_HITS, 269_999, 1),
        (True, POPULAR_HITS - 1, 270_000, 1),
        (False, POPULAR_HITS, 270_000, 1),
    ],
)
def test_a_hit_of_a_popular_answer_that_ends_soon_has_it_asked_again(
    start: Start, prefetch: bool, hits: int, at_ms: int, asked: int
) -> None:
    rig = start(office(), internet(), prefetch=prefetch)
    for _ in range(hits):  # the first one is the miss
        rig.ask(query(NAME))
    rig.pass_time(at_ms)
    rig.ask(query(NAME))
    rig.settle()
    assert len(rig.forwarded) == asked
    assert prefetches(rig) == asked - 1


@each_row("transport", (Transport.UDP, Transport.TCP))
def test_the_old_answer_is_served_until_the_new_one_comes(start: Start, kind: str, transport: Transport) -> None:
    if kind == "reference" and transport is Transport.TCP:
        pytest.skip("StreamServer serves its streams")
    upstream = internet()
    rig = popular(start, upstream)
    upstream.behave = silent
    for _ in range(3):
        found = rig.ask(query(NAME), transport=transport)
        assert (data(found), ttls(found)) == (OLD, [TTL_S // 10])
    rig.until_asked(1)
    for answer in CHANGED(upstream.asked[0]):
        upstream.say(upstream.asked[0], answer)
    rig.settle()
    found = rig.ask(query(NAME), transport=transport)
    assert (data(found), ttls(found)) == (NEW, [TTL_S])
    assert len(upstream.asked) == 1


FAILURES = {"SERVFAIL": fails(dns.rcode.SERVFAIL), "REFUSED": fails(dns.rcode.REFUSED), "silence": silent}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_leaves_the_answer_to_the_end_of_its_ttl_and_is_not_repeated(start: Start, failure: str) -> None:
    upstream = internet()
    rig = popular(start, upstream)
    upstream.behave = FAILURES[failure]
    rig.ask(query(NAME))
    rig.until_asked(1)
    for _ in range(20):
        rig.pass_time(1_000)
        assert data(rig.ask(query(NAME))) == OLD
    assert prefetches(rig) == 1
    rig.pass_time(10_000)
    upstream.behave = CHANGED
    rig.settle()
    asked = len(upstream.asked)
    assert data(rig.ask(query(NAME))) == NEW
    assert len(upstream.asked) > asked


def test_a_denial_takes_the_place_of_the_answer(start: Start) -> None:
    upstream = internet()
    rig = popular(start, upstream)
    upstream.behave = lambda asked: (denial(asked, "example.org"),)
    rig.ask(query(NAME))
    rig.until_asked(1)
    rig.settle()
    assert rig.at_once(query(NAME)).rcode() == dns.rcode.NXDOMAIN


def test_without_clients_an_answer_ends(start: Start) -> None:
    upstream = internet()
    rig = popular(start, upstream)
    rig.ask(query(NAME))
    rig.until_asked(1)
    for _ in range(10):
        rig.pass_time(TTL_S * 100)
    assert len(upstream.asked) == 1
    rig.ask(query(NAME))  # one hit in the last tenth is not popular
    rig.settle()
    assert prefetches(rig) == 1


def test_refused_queries_make_no_answer_popular(start: Start) -> None:
    upstream = internet()
    rig = start(office(), upstream, prefetch=True)
    rig.ask(query("www.tiktok.com"), MECHELEN)
    for _ in range(5):
        assert rig.ask(query("www.tiktok.com"), GHENT).rcode() == dns.rcode.REFUSED
    rig.pass_time(TTL_S * 900)
    assert rig.ask(query("www.tiktok.com"), GHENT).rcode() == dns.rcode.REFUSED
    rig.ask(query("www.tiktok.com"), MECHELEN)
    rig.settle()
    assert len(upstream.asked) == 1


def test_the_question_goes_to_the_servers_of_its_zone(start: Start) -> None:
    here, elsewhere = internet(), internet()
    rig = start(office(), elsewhere, here, conditional=[ZoneTo("example.org", here)], prefetch=True)
    for _ in range(POPULAR_HITS):
        rig.ask(query(NAME))
    rig.pass_time(TTL_S * 900)
    rig.ask(query(NAME))
    rig.until_asked(2, here)
    assert not elsewhere.asked


def test_each_leg_of_a_chain_is_asked_again(start: Start) -> None:
    legs = {
        ("alias.example.org", "A"): (f"alias.example.org. {TTL_S} CNAME {NAME}.",),
        (NAME, "A"): (f"{NAME}. {TTL_S} A 198.51.100.10",),
    }
    rig = popular(start, Scripted(says(legs)), "alias.example.org")
    rig.ask(query("alias.example.org"))
    rig.until_asked(2)
    rig.settle()
    assert ttls(rig.at_once(query("alias.example.org"))) == [TTL_S, TTL_S]


def test_a_truncated_answer_is_asked_for_by_stream(start: Start) -> None:
    upstream = internet()
    rig = popular(start, upstream)
    upstream.behave = lambda asked: [*CHANGED(asked)] if asked.by_stream else [truncated(asked)]
    rig.ask(query(NAME))
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete()
    assert data(rig.at_once(query(NAME))) == NEW


def test_with_many_servers_too(start: Start) -> None:
    """A view of more servers than the compiled engine asks by itself."""
    others = [internet() for _ in range(17)]
    rig = start(office(), *others, prefetch=True)
    for _ in range(POPULAR_HITS):
        rig.ask(query(NAME))
    rig.pass_time(TTL_S * 900)
    rig.ask(query(NAME))
    rig.until(lambda: b"" if len(rig.forwarded) == 2 else None)
    assert prefetches(rig) == 1


def test_a_client_without_room_for_a_question_has_none_asked_again(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        return [reply(asked, (f"{NAME}. {TTL_S} A 198.51.100.10",))] if asked.name == NAME else []

    no_rate = Rate(0, 0)
    limits = Limits(clients=no_rate, unregistered=no_rate, waiting_per_client=1)
    upstream = Scripted(behave)
    rig = popular(start, upstream, limits=limits)
    rig.send(query("slow.example.org"))
    rig.until_asked(1)
    assert data(rig.ask(query(NAME))) == OLD
    rig.settle()
    assert {asked.name for asked in upstream.asked} == {"slow.example.org"}
    assert prefetches(rig) == 0


def test_a_query_that_comes_meanwhile_waits_for_the_same_question(start: Start) -> None:
    upstream = internet()
    rig = popular(start, upstream)
    upstream.behave = silent
    rig.pass_time(TTL_S * 100 - 1)
    rig.ask(query(NAME))
    rig.until_asked(1)
    rig.clock.advance(1)
    waiting = rig.send(query(NAME))
    rig.settle()
    for answer in CHANGED(upstream.asked[0]):
        upstream.say(upstream.asked[0], answer)
    assert data(rig.wait(waiting)) == NEW
    assert len(upstream.asked) == 1
