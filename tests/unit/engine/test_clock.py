"""Which instant decides: wall time, or elapsed boot time where the wall clock cannot be right."""

import pytest

from dnsfilter.engine.clock import Anchor, SystemClock

MADE_S = 1_774_656_000


@pytest.mark.parametrize(
    ("behind_s", "doubted"), [(-86_400, False), (0, False), (59, False), (60, False), (61, True), (10**9, True)]
)
def test_a_clock_more_than_a_minute_before_the_making_is_doubted(behind_s: int, doubted: bool) -> None:
    assert Anchor(MADE_S, 5_000).doubts(MADE_S - behind_s) is doubted


@pytest.mark.parametrize(("boot_ms", "expected"), [(5_000, 0), (5_999, 0), (6_000, 1), (3_605_000, 3600)])
def test_a_doubted_clock_gives_way_to_elapsed_boot_time(boot_ms: int, expected: int) -> None:
    assert Anchor(MADE_S, 5_000).instant(0, boot_ms) == MADE_S + expected


def test_a_believed_clock_is_taken_as_it_is() -> None:
    assert Anchor(MADE_S, 5_000).instant(MADE_S - 60, 9_000_000) == MADE_S - 60
    assert Anchor(MADE_S, 5_000).instant(MADE_S + 10**8, 5_000) == MADE_S + 10**8


def test_boot_time_never_runs_backwards() -> None:
    clock = SystemClock()
    readings = [clock.boot_ns() for _ in range(1000)]
    assert readings == sorted(readings)
    assert clock.wall_s() > MADE_S - 10**9
