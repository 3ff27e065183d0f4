"""Totals go on in the next program, with what the workers of the old one count until they end."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.collector import NodePages
from dnsfilter.telemetry.kept_totals import MOST_BYTES, KeptTotals, UsageTotals, read_totals, write_totals
from dnsfilter.telemetry.metrics import BanGround
from dnsfilter.telemetry.nodestate import NodeState
from dnsfilter.telemetry.policy_words import BanCount, PolicyWords
from dnsfilter.telemetry.slots import CACHE_ENTRIES, CACHE_HITS, upstream_slots
from dnsfilter.telemetry.totals import Totals

UPSTREAM = "[2001:db8::53]:53"
WORDS = PolicyWords(
    (("ghent", "tiktok"),),
    (
        BanCount("ghent", "tiktok", "flanders", BanGround.LAW),
        BanCount("ghent", "tiktok", "flanders", BanGround.LAW, "default", "192.0.2.0/24"),
    ),
    ("ghent",),
)
ELSEWHERE = ("ghent", "tiktok", "flanders", "law", "monitored", None)
IN_RANGE = ("ghent", "tiktok", "flanders", "law", "monitored", "192.0.2.0/24")
PENDING = ("ghent", "tiktok", "new.example")
USAGE = UsageTotals({ELSEWHERE: 1, IN_RANGE: 2}, {("ghent", "ddr"): 5}, {"198.51.100.0/24": 9}, {PENDING: 2})
REFUSED = ("dnsfilter_refused_total", (("authority", "ghent"), ("service", "tiktok")))
HITS, LOST = ("dnsfilter_cache_hits_total", ()), ("dnsfilter_policy_counts_lost_total", ())
FAILED = ("dnsfilter_upstream_failures_total", (("upstream", UPSTREAM), ("reason", "timeout")))
PID = 4711


def state() -> NodeState:
    return NodeState("1", "reference", 1, 0)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[CounterBlock]:
    """Return the block of a worker as the worker sees it."""
    CounterBlock.create(tmp_path / "worker-1", upstreams=1, capacity=32).close()
    block = CounterBlock.open(tmp_path / "worker-1")
    yield block
    block.close()


def watched(block: CounterBlock) -> tuple[Totals, CounterBlock]:
    """Return totals that know the rules and watch the block."""
    totals, ours = Totals(), CounterBlock.open(block.path)
    totals.learn(b"A", WORDS)
    totals.watch(ours, [UPSTREAM])
    return totals, ours


def count(block: CounterBlock, number: int = 1) -> None:
    block.add(CACHE_HITS, number)
    block.add(upstream_slots(1)[0].failure("timeout"), number)
    for _ in range(number):
        block.count(0)


def handed_over(block: CounterBlock) -> KeptTotals:
    """Return the totals of a program with one retired worker and this block of a running one."""
    totals, ours = watched(block)
    kept = read_totals(write_totals(totals.keep({PID: ours}, {"restarts": 3})))
    ours.close()
    return kept


def test_totals_and_running_workers_go_on_without_a_gap(worker: CounterBlock) -> None:
    worker.open_policy(b"A", WORDS.size)
    worker.set(CACHE_ENTRIES, 5)
    count(worker, 3)
    kept = handed_over(worker)
    assert kept.numbers == {"restarts": 3}
    count(worker, 2)  # after the last reading of the old program
    after = Totals()
    assert after.restore(kept) == []
    after.learn(b"A", WORDS)
    count(worker)
    found = after.snapshot().samples
    assert [found[each] for each in (HITS, FAILED, REFUSED)] == [6, 6, 6]
    assert found["dnsfilter_cache_entries", ()] == 5
    count(worker)
    after.retire_inherited(PID)
    after.retire_inherited(PID)
    found = after.snapshot().samples
    assert [found[each] for each in (HITS, FAILED, REFUSED, LOST)] == [7, 7, 7, 0]
    assert found["dnsfilter_cache_entries", ()] == 0


@pytest.mark.parametrize("unreported", [None, UsageTotals(), UsageTotals({IN_RANGE: 1}, {}, {"198.51.100.0/24": 2})])
def test_usage_goes_on_from_what_no_report_contained(worker: CounterBlock, unreported: UsageTotals | None) -> None:
    worker.open_policy(b"A", WORDS.size)
    for word in (WORDS.first_ban + 1, WORDS.first_ban + 4, WORDS.first_ban + 4, WORDS.first_bypass + 2):
        worker.count(word)
    totals, ours = watched(worker)
    totals.add_ranges({"198.51.100.0/24": 4})
    totals.add_ranges({"198.51.100.0/24": 3})
    totals.add_pending([(*PENDING, 6)], 0)
    counted = UsageTotals({ELSEWHERE: 1, IN_RANGE: 2}, {("ghent", "ddr"): 1}, {"198.51.100.0/24": 7}, {PENDING: 6})
    assert totals.usage() == counted
    kept = read_totals(write_totals(totals.keep({PID: ours}, {}, unreported)))
    ours.close()
    worker.count(WORDS.first_ban + 4)
    after = Totals()
    after.restore(kept)
    after.learn(b"A", WORDS)
    before = counted if unreported is None else unreported
    found = after.usage()
    assert found.bans == {**before.bans, IN_RANGE: before.bans.get(IN_RANGE, 0) + 1}
    assert (found.bypass, found.ranges, found.pending) == (before.bypass, before.ranges, before.pending)
    # The metric has the sum of the ranges.
    labels = {"authority": "ghent", "service": "tiktok", "ban_authority": "flanders", "ground": "law"}
    assert after.snapshot().samples["dnsfilter_ban_queries_total", (*labels.items(), ("result", "monitored"))] == 4
    after.learn(b"B", PolicyWords())
    assert after.usage() == UsageTotals(ranges=before.ranges, pending=before.pending)


def test_counts_under_rules_that_the_new_program_never_learns_are_kept(worker: CounterBlock) -> None:
    worker.open_policy(b"A", WORDS.size)
    kept = handed_over(worker)
    after = Totals()
    after.restore(kept)
    after.learn(b"B", PolicyWords((("ghent", "tiktok"),)))
    count(worker)
    after.retire_inherited(PID)
    assert [after.snapshot().samples[each] for each in (REFUSED, LOST)] == [1, 0]


def test_rules_changed_before_the_handover_count_once(worker: CounterBlock) -> None:
    totals, ours = watched(worker)
    worker.open_policy(b"A", WORDS.size)
    count(worker)
    totals.learn(b"B", WORDS)
    worker.open_policy(b"B", WORDS.size)
    count(worker)
    after = Totals()
    after.restore(read_totals(write_totals(totals.keep({PID: ours}, {}))))
    count(worker)
    after.learn(b"B", WORDS)
    assert [after.snapshot().samples[each] for each in (HITS, REFUSED, LOST)] == [3, 3, 0]
    ours.close()


@pytest.mark.parametrize("change", ["gone", "other slots", "other upstreams"])
def test_worker_whose_block_cannot_be_read_is_reported_and_no_total_falls(worker: CounterBlock, change: str) -> None:
    worker.open_policy(b"A", WORDS.size)
    count(worker, 4)
    kept = handed_over(worker)
    (block,) = kept.blocks
    if change == "gone":
        worker.path.unlink()
    elif change == "other slots":
        block = replace(block, table="0" * 64)
    else:
        block = replace(block, upstreams=(*block.upstreams, "192.0.2.1:53"))
    after = Totals()
    assert after.restore(replace(kept, blocks=(block,))) == [PID]
    after.learn(b"A", WORDS)
    assert [after.snapshot().samples[each] for each in (HITS, REFUSED)] == [4, 4]
    after.retire_inherited(PID)


def signed(content: object) -> bytes:
    body = json.dumps(content).encode()
    return hashlib.sha256(body).digest() + body


EMPTY = {"version": 1, "samples": [], "policy": [], "usage": [[], []], "words": {}, "blocks": [], "numbers": {}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 100,
        write_totals(KeptTotals())[:-1],
        bytes(MOST_BYTES + 1),
        signed([]),
        signed({}),
        signed({**EMPTY, "version": 2}),
        signed({**EMPTY, "samples": [["dnsfilter_cache_hits_total", [], -1]]}),
        signed({**EMPTY, "samples": [["dnsfilter_cache_hits_total", [], 1 << 64]]}),
        signed({**EMPTY, "samples": [["dnsfilter_cache_hits_total", [], 1.5]]}),
        signed({**EMPTY, "samples": [["dnsfilter_cache_hits_total", [], True]]}),
        signed({**EMPTY, "samples": [["dnsfilter_cache_hits_total", 5, 1]]}),
        signed({**EMPTY, "words": {"xx": [[], [], []]}}),
        signed({**EMPTY, "words": {"aa": [[], [["ghent", "tiktok", "ghent", "whim"]], []]}}),
        signed({**EMPTY, "usage": [[[["ghent", "tiktok", "ghent", "law", "seen", None], 1]], []]}),
        signed({**EMPTY, "usage": [[], [[["ghent", "ddr"], -1]]]}),
        signed({**EMPTY, "ranges": {"192.0.2.0/24": -1}}),
        signed({**EMPTY, "blocks": [[1, "path", [], "table", [-1], []]]}),
        signed({**EMPTY, "numbers": {"restarts": "3"}}),
    ],
    ids=range(19),
)
def test_damaged_totals_are_not_read(data: bytes) -> None:
    with pytest.raises(UnavailableError, match="previous program"):
        read_totals(data)


def page(totals: Totals) -> str:
    return NodePages().write(totals.snapshot(), state(), "", "").body.decode()


DURATION, OTHERWISE = "dnsfilter_upstream_duration_seconds", [["upstream", "192.0.2.1:53"]]


@pytest.mark.parametrize(
    "samples",
    [
        [["dnsfilter_no_longer_total", [], 3]],
        [["dnsfilter_cache_hits_total", [["transport", "udp"]], 3]],
        [["dnsfilter_refused_total", [], 3]],
        [[DURATION, OTHERWISE, 3]],
        [
            [DURATION, OTHERWISE, 3],
            [DURATION, [*OTHERWISE, ["le", "0.123"]], 3],
            [DURATION, [*OTHERWISE, ["le", "+Inf"]], 0],
        ],
    ],
    ids=["metric", "more labels", "fewer labels", "no buckets", "other buckets"],
)
def test_totals_that_another_version_shows_in_another_way_do_not_reach_the_page(samples: list[object]) -> None:
    good = ["dnsfilter_cache_hits_total", [], 4]
    kept = read_totals(signed({**EMPTY, "samples": [*samples, good], "policy": samples}))
    after = Totals()
    before = page(after)
    after.restore(kept)
    assert page(after) == before.replace("cache_hits_total 0", "cache_hits_total 4")


def test_histogram_of_an_upstream_that_is_no_longer_asked_stays(worker: CounterBlock) -> None:
    upstream_slots(1)[0].duration.observe(worker.slots, 1)
    kept = handed_over(worker)
    after = Totals()
    after.restore(replace(kept, blocks=()))
    assert f'dnsfilter_upstream_duration_seconds_count{{upstream="{UPSTREAM}"}} 1' in page(after)


def test_what_is_written_is_read() -> None:
    kept = KeptTotals({HITS: 3, REFUSED: 2**64 - 1}, {REFUSED: 1}, USAGE, {b"A": WORDS}, (), {"restarts": 7})
    assert read_totals(write_totals(kept)) == kept
    assert read_totals(signed(EMPTY)) == KeptTotals()
