"""The timer's descriptor becomes readable at its instant."""

import select
import time

from dnsfilter.engine.reference.timer import BootTimer

PATIENCE_S = 10


def readable(timer: BootTimer, within_s: float = 0) -> bool:
    return bool(select.select([timer.fileno()], [], [], within_s)[0])


def now_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def test_timer_is_not_readable_until_set_and_after_clear() -> None:
    timer = BootTimer()
    try:
        assert not readable(timer)
        timer.clear()
        timer.set(now_ms() + 5)
        assert readable(timer, PATIENCE_S)
        assert now_ms() >= 5
        timer.clear()
        assert not readable(timer)
    finally:
        timer.close()


def test_past_instant_fires_at_once() -> None:
    timer = BootTimer()
    try:
        for at_ms in (-5, 0, 1, now_ms() - 1):
            timer.set(at_ms)
            assert readable(timer, PATIENCE_S)
            timer.clear()
    finally:
        timer.close()


def test_later_setting_replaces_an_earlier_one() -> None:
    timer = BootTimer()
    try:
        timer.set(1)
        timer.set(now_ms() + 3_600_000)
        assert not readable(timer)
    finally:
        timer.close()
