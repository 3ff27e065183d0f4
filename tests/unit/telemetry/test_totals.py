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

from dnsfilter.telemetry.block import AREAS, CounterBlock
from dnsfilter.telemetry.slots import CACHE_ENTRIES, CACHE_HITS, PolicyKind, upstream_slots
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


def refused(counts: Counts, pair: tuple[str, str]) -> int:
    return counts.policy[pair][PolicyKind.REFUSED]


def test_fixed_samples_are_there_before_any_worker(totals: Totals) -> None:
    counts = totals.snapshot()
    assert counts.samples["dnsfilter_queries_total", (("transport", "udp"), ("outcome", "failed"))] == 0
    assert set(counts.samples.values()) == {0}
    assert counts.policy == {}


def test_counts_of_all_workers_are_added_up(totals: Totals, start: Start) -> None:
    for name, hits in [("a", 2), ("b", 5)]:
        block = start(name)
        block.add(CACHE_HITS, hits)
        block.add(upstream_slots(1)[0].failure("timeout"))
    counts = totals.snapshot()
    assert counts.samples[HITS] == 7
    assert counts.samples["dnsfilter_upstream_failures_total", (("upstream", UPSTREAM), ("reason", "timeout"))] == 2


def test_reading_twice_counts_once(totals: Totals, start: Start) -> None:
    totals.learn(b"A", [GHENT])
    block = start("a")
    block.open_policy(b"A", 1)
    block.add(CACHE_HITS)
    block.count(0, PolicyKind.REFUSED)
    assert totals.snapshot() == totals.snapshot()
    block.count(0, PolicyKind.REFUSED)
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
    totals.learn(b"A", [GHENT, FEDERAL])
    block.open_policy(b"A", 2)
    block.count(0, PolicyKind.REFUSED)
    block.count(1, PolicyKind.EXEMPTED)
    totals.learn(b"B", [FEDERAL, DIEST, GHENT])
    block.open_policy(b"B", 3)
    block.count(2, PolicyKind.REFUSED)
    block.count(1, PolicyKind.MONITORED)
    assert totals.snapshot().policy == {FEDERAL: (0, 0, 1), DIEST: (0, 1, 0), GHENT: (2, 0, 0)}


def test_swaps_between_two_folds_lose_nothing(totals: Totals, start: Start) -> None:
    block = start("a")
    for number in range(AREAS):
        digest = bytes([number + 1])
        totals.learn(digest, [GHENT])
        block.open_policy(digest, 1)
        block.count(0, PolicyKind.REFUSED)
    counts = totals.snapshot()
    assert (refused(counts, GHENT), counts.samples[LOST]) == (AREAS, 0)


def test_total_does_not_fall_when_swaps_outrun_the_folds(totals: Totals, start: Start) -> None:
    block = start("a")
    totals.learn(b"\x01", [GHENT])
    block.open_policy(b"\x01", 1)
    block.count(0, PolicyKind.REFUSED)
    assert refused(totals.snapshot(), GHENT) == 1
    for number in range(2, 3 * AREAS):
        totals.learn(bytes([number]), [GHENT])
        block.open_policy(bytes([number]), 1)
    assert refused(totals.snapshot(), GHENT) == 1


def test_counts_wait_until_their_rules_have_names(totals: Totals, start: Start) -> None:
    block = start("a")
    block.open_policy(b"A", 1)
    block.count(0, PolicyKind.REFUSED)
    totals.fold(block)
    block.open_policy(b"B", 1)
    assert totals.snapshot().policy == {}
    totals.learn(b"A", [GHENT])
    assert refused(totals.snapshot(), GHENT) == 1


def test_unnamed_counts_of_a_dead_worker_are_counted_as_lost(totals: Totals, start: Start) -> None:
    block = start("a")
    block.open_policy(b"A", 1)
    block.count(0, PolicyKind.REFUSED)
    totals.retire(block)
    assert totals.snapshot().samples[LOST] == 1


def test_authority_that_the_rules_no_longer_count_has_no_series(totals: Totals, start: Start) -> None:
    block = start("a")
    totals.learn(b"A", [GHENT, DIEST])
    block.open_policy(b"A", 2)
    block.count(1, PolicyKind.MONITORED)
    totals.learn(b"B", [GHENT])
    assert list(totals.snapshot().policy) == [GHENT]
    totals.learn(b"A", [GHENT, DIEST])
    assert totals.snapshot().policy[DIEST] == (0, 1, 0)


def test_service_that_an_authority_stopped_banning_keeps_its_total(totals: Totals, start: Start) -> None:
    block = start("a")
    totals.learn(b"A", [GHENT])
    block.open_policy(b"A", 1)
    block.count(0, PolicyKind.REFUSED)
    totals.learn(b"B", [("ghent", "capcut")])
    assert totals.snapshot().policy == {("ghent", "capcut"): (0, 0, 0), GHENT: (1, 0, 0)}


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
    totals, expected, last = Totals(), dict.fromkeys(RULES[0], 0), dict.fromkeys(RULES[0], 0)
    for number in range(6):
        totals.learn(bytes([number + 1]), RULES[number % 3])

    def launch() -> CounterBlock:
        block = CounterBlock.create(directory / "block", upstreams=0, capacity=3)
        totals.watch(block, [])
        block.open_policy(b"\x01", 3)
        return block

    blocks = [launch(), launch()]
    for what, worker, number in steps:
        block = blocks[worker]
        match what:
            case "count":
                block.count(number, PolicyKind.REFUSED)
                expected[RULES[(block.digest[0] - 1) % 3][number]] += 1
            case "swap":
                totals.fold(block)
                block.open_policy(bytes([number + 1]), 3)
            case "die":
                totals.retire(block)
                block.close()
                blocks[worker] = launch()
            case _:
                now = {pair: counts[0] for pair, counts in totals.snapshot().policy.items()}
                assert all(now[pair] >= last[pair] for pair in now)
                last = now
    assert {pair: counts[0] for pair, counts in totals.snapshot().policy.items()} == expected
    assert totals.snapshot().samples[LOST] == 0
    for block in blocks:
        block.close()


WORKER = """
import sys
from pathlib import Path
from dnsfilter.telemetry.block import CounterBlock
block = CounterBlock.open(Path(sys.argv[1]))
block.open_policy(b"A", 1)
print("ready", flush=True)
number = 0
while True:
    block.count(0, 0)
    number += 1
    block.slots[0] = number
"""


def test_counts_of_a_killed_worker_are_complete(totals: Totals, start: Start) -> None:
    totals.learn(b"A", [GHENT])
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
