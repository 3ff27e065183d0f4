"""Clock and histogram in C: as `SystemClock`, `Anchor` and `HistogramSlots` have them."""

import time
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.engine.clock import Anchor, SystemClock
from dnsfilter.telemetry.slots import ANSWER_DURATION
from tests.support.engines import FakeClock
from tests.support.policies import NOW

engine = pytest.importorskip("dnsfilter.engine._engine")

EVERY = 8


def test_the_systems_clock_is_read_as_python_reads_it() -> None:
    clock = SystemClock()
    times = engine.Times(clock)
    times.swap(Anchor(0, 0))
    before_s, before_ns = clock.wall_s(), clock.boot_ns()
    wall_s, boot_ns, instant = times.read()
    assert before_s <= wall_s <= int(time.time())
    assert before_ns <= boot_ns <= clock.boot_ns()
    assert instant == wall_s


@pytest.mark.parametrize("late_s", [0, 60, 61, 3600])
@pytest.mark.parametrize("since_ms", [0, 1, 999, 86_400_000])
def test_a_doubted_clock_is_replaced_as_the_anchor_does(late_s: int, since_ms: int) -> None:
    clock = FakeClock(NOW - late_s)
    anchor = Anchor(NOW, clock.boot_ms - since_ms)
    times = engine.Times(clock)
    times.swap(anchor)
    assert times.read() == (clock.now_s, clock.now_ns, anchor.instant(clock.now_s, clock.boot_ms))


@given(st.lists(st.tuples(st.integers(0, 64), st.integers(-(2**40), 2**40)), max_size=20))
def test_one_reply_in_eight_is_timed_wherever_batches_end(batches: list[tuple[int, int]]) -> None:
    slots, mirrored = array("Q", bytes(8 * 1024)), array("Q", bytes(8 * 1024))
    durations = engine.Durations(memoryview(slots))
    seen = 0
    for replies, duration_ns in batches:
        durations.replied(replies, duration_ns)
        for _ in range((seen + replies) // EVERY - seen // EVERY):
            ANSWER_DURATION.observe(mirrored, duration_ns)
        seen += replies
    assert slots == mirrored


@pytest.mark.parametrize("bound", range(len(ANSWER_DURATION.bounds_ns)))
def test_a_bound_belongs_to_its_own_bucket(bound: int) -> None:
    slots = array("Q", bytes(8 * 1024))
    engine.Durations(memoryview(slots)).replied(EVERY, ANSWER_DURATION.bounds_ns[bound])
    assert slots[ANSWER_DURATION.first + bound] == 1
