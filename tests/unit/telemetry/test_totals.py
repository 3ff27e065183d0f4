"""Totals never fall, lose nothing and count nothing twice when rules change or workers die."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.telemetry import totals as module
from dnsfilter.telemetry.block import AREAS, CounterBlock
from dnsfilter.telemetry.metrics import BanGround, Bypass
from dnsfilter.telemetry.policy_words import (
    BYPASS_KIND,
    BanCount,
    Pair,
    PolicyKind,
    PolicyWords,
    bypass_word,
    policy_word,
)
from dnsfilter.telemetry.slots import CACHE_ENTRIES, CACHE_HITS, upstream_slots
from dnsfilter.telemetry.totals import Counts, Totals

GHENT, DIEST, FEDERAL = ("ghent", "tiktok"), ("diest", "tiktok"), ("federal", "tiktok")
HITS = ("dnsfilter_cache_hits_total", ())
ENTRIES = ("dnsfilter_cache_entries", ())
LOST = ("dnsfilter_policy_counts_lost_total", ())
UPSTREAM = "192.0.2.1:53"
Start = Callable[[str], CounterBlock]


@pytest.fixture
def totals() -> Totals:
    return Totals()


@pytest.fixture
def start(totals: Totals, tmp_path: Path) -> Iterator[Start]:
    """Return a watched block, as its worker sees it."""
    opened: list[CounterBlock] = []

    def start(name: str) -> CounterBlock:
        block = CounterBlock.create(tmp_path / name, upstreams=1, capacity=16)
        totals.watch(block, [UPSTREAM])
        opened.append(block)
        return block

    yield start
    for block in opened:
        block.close()


def pairs(counts: Counts) -> dict[Pair, tuple[int, int, int]]:
    """Return the refused, monitored and exempted queries of each pair."""
    names = [f"dnsfilter_{kind.name.lower()}_total" for kind in PolicyKind]
    shown = {labels for name, labels in counts.samples if name in names}
    found = {}
    for labels in shown:
        (_, authority), (_, service) = labels
        number, monitored, exempted = (counts.samples.get((name, labels), 0) for name in names)
        found[authority, service] = number, monitored, exempted
    return found


def refused(counts: Counts, pair: Pair) -> int:
    return pairs(counts).get(pair, (0, 0, 0))[PolicyKind.REFUSED]


def test_fixed_samples_are_there_before_any_worker(totals: Totals) -> None:
    counts = totals.snapshot()
    assert counts.samples["dnsfilter_queries_total", (("transport", "udp"), ("outcome", "failed"))] == 0
    assert set(counts.samples.values()) == {0}
    assert pairs(counts) == {}


def test_counts_of_all_workers_are_added_up(totals: Totals, start: Start) -> None:
    for name, hits in [("a", 2), ("b", 5)]:
        block = start(name)
        block.add(CACHE_HITS, hits)
        block.add(upstream_slots(1)[0].failure("timeout"))
    counts = totals.snapshot()
    assert counts.samples[HITS] == 7
    assert counts.samples["dnsfilter_upstream_failures_total", (("upstream", UPSTREAM), ("reason", "timeout"))] == 2


def test_reading_twice_counts_once(totals: Totals, start: Start) -> None:
    totals.learn(b"A", PolicyWords((GHENT,)))
    block = start("a")
    block.open_policy(b"A", 3)
    block.add(CACHE_HITS)
    block.count(policy_word(0, PolicyKind.REFUSED))
    assert totals.snapshot() == totals.snapshot()
    block.count(policy_word(0, PolicyKind.REFUSED))
    assert refused(totals.snapshot(), GHENT) == 2


def test_gauges_of_a_dead_worker_go_and_its_counters_stay(totals: Totals, start: Start) -> None:
    alive, dead = start("a"), start("b")
    for block in (alive, dead):
        block.set(CACHE_ENTRIES, 10)
        block.add(CACHE_HITS, 3)
    assert totals.snapshot().samples[ENTRIES] == 20
    totals.retire(dead)
    counts = totals.snapshot()
    assert (counts.samples[ENTRIES], counts.samples[HITS]) == (10, 6)


def test_rules_that_renumber_pairs_keep_each_total(totals: Totals, start: Start) -> None:
    block = start("a")
    totals.learn(b"A", PolicyWords((GHENT, FEDERAL)))
    block.open_policy(b"A", 6)
    block.count(policy_word(0, PolicyKind.REFUSED))
    block.count(policy_word(1, PolicyKind.EXEMPTED))
    totals.learn(b"B", PolicyWords((FEDERAL, DIEST, GHENT)))
    block.open_policy(b"B", 9)
    block.count(policy_word(2, PolicyKind.REFUSED))
    block.count(policy_word(1, PolicyKind.MONITORED))
    assert pairs(totals.snapshot()) == {FEDERAL: (0, 0, 1), DIEST: (0, 1, 0), GHENT: (2, 0, 0)}


def test_swaps_between_two_folds_lose_nothing(totals: Totals, start: Start) -> None:
    block = start("a")
    for number in range(AREAS):
        digest = bytes([number + 1])
        totals.learn(digest, PolicyWords((GHENT,)))
        block.open_policy(digest, 3)
        block.count(policy_word(0, PolicyKind.REFUSED))
    counts = totals.snapshot()
    assert (refused(counts, GHENT), counts.samples[LOST]) == (AREAS, 0)


def test_total_does_not_fall_when_swaps_outrun_the_folds(totals: Totals, start: Start) -> None:
    block = start("a")
    totals.learn(b"\x01", PolicyWords((GHENT,)))
    block.open_policy(b"\x01", 3)
    block.count(policy_word(0, PolicyKind.REFUSED))
    assert refused(totals.snapshot(), GHENT) == 1
    for number in range(2, 3 * AREAS):
        totals.learn(bytes([number]), PolicyWords((GHENT,)))
        block.open_policy(bytes([number]), 3)
    assert refused(totals.snapshot(), GHENT) == 1


def test_counts_wait_until_their_rules_have_names(totals: Totals, start: Start) -> None:
    block = start("a")
    block.open_policy(b"A", 3)
    block.count(policy_word(0, PolicyKind.REFUSED))
    totals.fold(block)
    block.open_policy(b"B", 3)
    assert pairs(totals.snapshot()) == {}
    totals.learn(b"A", PolicyWords((GHENT,)))
    assert refused(totals.snapshot(), GHENT) == 1


def test_unnamed_counts_of_a_dead_worker_are_counted_as_lost(totals: Totals, start: Start) -> None:
    block = start("a")
    block.open_policy(b"A", 3)
    block.count(policy_word(0, PolicyKind.REFUSED))
    totals.retire(block)
    assert totals.snapshot().samples[LOST] == 1


def test_authority_that_the_rules_no_longer_count_has_no_series_and_begins_again(totals: Totals, start: Start) -> None:
    block = start("a")
    totals.learn(b"A", PolicyWords((GHENT, DIEST)))
    block.open_policy(b"A", 6)
    for number in (0, 1, 1):
        block.count(policy_word(number, PolicyKind.MONITORED))
    assert pairs(totals.snapshot()) == {GHENT: (0, 1, 0), DIEST: (0, 2, 0)}
    totals.learn(b"B", PolicyWords((GHENT,)))
    assert pairs(totals.snapshot()) == {GHENT: (0, 1, 0)}
    totals.learn(b"A", PolicyWords((GHENT, DIEST)))
    assert pairs(totals.snapshot()) == {GHENT: (0, 1, 0)}
    block.count(policy_word(1, PolicyKind.MONITORED))
    assert pairs(totals.snapshot()) == {GHENT: (0, 1, 0), DIEST: (0, 1, 0)}


def test_service_that_an_authority_stopped_banning_keeps_its_total(totals: Totals, start: Start) -> None:
    block = start("a")
    totals.learn(b"A", PolicyWords((GHENT,)))
    block.open_policy(b"A", 3)
    block.count(policy_word(0, PolicyKind.REFUSED))
    totals.learn(b"B", PolicyWords((("ghent", "capcut"),)))
    assert pairs(totals.snapshot()) == {GHENT: (1, 0, 0)}


def test_ban_counts_and_bypass_attempts_are_totals_with_their_own_labels(totals: Totals, start: Start) -> None:
    block = start("a")
    words = PolicyWords((GHENT,), (BanCount("ghent", "tiktok", "flanders", BanGround.AGREEMENT),), ("ghent",))
    totals.learn(b"A", words)
    block.open_policy(b"A", words.size)
    block.count(words.first_ban + policy_word(0, PolicyKind.MONITORED))
    block.count(words.first_bypass + bypass_word(0, BYPASS_KIND[Bypass.RELAY]))
    found = totals.snapshot().samples
    ban = {"authority": "ghent", "service": "tiktok", "ban_authority": "flanders", "ground": "agreement"}
    assert found["dnsfilter_ban_queries_total", tuple({**ban, "result": "monitored"}.items())] == 1
    assert ("dnsfilter_ban_queries_total", tuple({**ban, "result": "refused"}.items())) not in found
    name = "dnsfilter_authority_bypass_attempts_total"
    assert found[name, (("authority", "ghent"), ("kind", "relay"))] == 1
    totals.learn(b"B", PolicyWords((GHENT,), (), ()))
    assert not [labels for _, labels in totals.snapshot().samples if ("authority", "ghent") in labels]


def test_names_must_be_as_many_as_the_upstreams(totals: Totals, tmp_path: Path) -> None:
    block = CounterBlock.create(tmp_path / "a", upstreams=1, capacity=1)
    with pytest.raises(ValueError, match="2 names for 1"):
        totals.watch(block, ["192.0.2.1:53", "192.0.2.2:53"])
    block.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.integers(0, 1), st.integers(0, 2)),
        st.tuples(st.just("swap"), st.integers(0, 1), st.integers(0, 5)),
        st.tuples(st.just("die"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("scrape"), st.just(0), st.just(0)),
    ),
    max_size=60,
)
RULES = [[GHENT, DIEST, FEDERAL], [DIEST, FEDERAL, GHENT], [FEDERAL, GHENT, DIEST]]


@given(STEPS)
def test_totals_add_up_for_any_order_of_events(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    directory = tmp_path_factory.mktemp("blocks")
    totals, expected, last = Totals(), dict.fromkeys(RULES[0], 0), dict[Pair, int]()
    for number in range(6):
        totals.learn(bytes([number + 1]), PolicyWords(tuple(RULES[number % 3])))

    def launch() -> CounterBlock:
        block = CounterBlock.create(directory / "block", upstreams=0, capacity=9)
        totals.watch(block, [])
        block.open_policy(b"\x01", 9)
        return block

    blocks = [launch(), launch()]
    for what, worker, number in steps:
        block = blocks[worker]
        match what:
            case "count":
                block.count(policy_word(number, PolicyKind.REFUSED))
                expected[RULES[(block.digest[0] - 1) % 3][number]] += 1
            case "swap":
                totals.fold(block)
                block.open_policy(bytes([number + 1]), 9)
            case "die":
                totals.retire(block)
                block.close()
                blocks[worker] = launch()
            case _:
                now = {pair: counts[0] for pair, counts in pairs(totals.snapshot()).items()}
                assert all(now.get(pair, 0) >= last[pair] for pair in last)
                last = now
    assert {pair: counts[0] for pair, counts in pairs(totals.snapshot()).items()} == {
        pair: number for pair, number in expected.items() if number
    }
    assert totals.snapshot().samples[LOST] == 0
    for block in blocks:
        block.close()


WORKER = """
import sys
from pathlib import Path
from dnsfilter.telemetry.block import CounterBlock
block = CounterBlock.open(Path(sys.argv[1]))
block.open_policy(b"A", 3)
print("ready", flush=True)
number = 0
while True:
    block.count(0)
    number += 1
    block.slots[0] = number
"""


def test_counts_of_a_killed_worker_are_complete(totals: Totals, start: Start) -> None:
    totals.learn(b"A", PolicyWords((GHENT,)))
    block = start("a")
    with subprocess.Popen([sys.executable, "-c", WORKER, str(block.path)], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        seen = 0
        while seen < 1_000:
            seen = refused(totals.snapshot(), GHENT)
        os.kill(worker.pid, signal.SIGKILL)
    totals.retire(block)
    counts = totals.snapshot()
    acknowledged = counts.samples["dnsfilter_queries_total", (("transport", "udp"), ("outcome", "cached"))]
    assert seen <= refused(counts, GHENT)
    assert refused(counts, GHENT) - acknowledged in {0, 1}


def test_pending_names_are_counted_by_name_for_reports_and_by_service_for_the_metric(
    totals: Totals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PENDING", 2)
    totals.add_pending([("ghent", "video", "a.example", 3), ("diest", "video", "a.example", 1)], 0)
    totals.add_pending([("ghent", "video", "a.example", 2), ("ghent", "games", "b.example", 5)], 4)
    assert totals.usage().pending == {("ghent", "video", "a.example"): 5, ("diest", "video", "a.example"): 1}
    samples = totals.snapshot().samples
    assert samples["dnsfilter_pending_total", (("service", "video"),)] == 6
    assert samples["dnsfilter_pending_lost_total", ()] == 9


def test_ranges_are_limited_and_those_that_are_known_go_on(totals: Totals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RANGES", 2)
    totals.add_ranges({"a": 1, "b": 1, "c": 1})
    totals.add_ranges({"d": 1, "a": 1})
    assert totals.usage().ranges == {"a": 2, "b": 1}
