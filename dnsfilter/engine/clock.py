"""The two clocks of an engine, and the check of the wall clock."""

import time
from dataclasses import dataclass
from typing import Protocol

from dnsfilter.policy.model import Instant

TOLERATED_S = 60
"""Seconds by which the wall clock may be earlier than the creation of the snapshot before it counts as wrong."""


class Clock(Protocol):
    """Wall time for policy, boot time for cache and timers."""

    def wall_s(self) -> Instant:
        """Return the wall time in seconds of UTC."""

    def boot_ns(self) -> int:
        """Return the nanoseconds since boot, including suspended time. It never runs backwards."""


class EngineClock(Clock, Protocol):
    """The clocks of an engine, and its alarm, which the kernel keeps."""

    def alarm_ms(self, at_ms: int) -> int:
        """Return when the alarm for `at_ms` of this clock has to fire, in milliseconds of CLOCK_BOOTTIME."""


class SystemClock:
    """CLOCK_REALTIME and CLOCK_BOOTTIME."""

    def wall_s(self) -> Instant:
        return int(time.time())

    def boot_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def alarm_ms(self, at_ms: int) -> int:
        return at_ms


@dataclass(frozen=True, slots=True)
class Anchor:
    """The time at which a snapshot was made, and the boot time at which it came into use."""

    made_s: Instant
    boot_ms: int

    def doubts(self, wall_s: Instant) -> bool:
        """Return whether the wall clock is wrong, because the snapshot was made later."""
        return wall_s < self.made_s - TOLERATED_S

    def instant(self, wall_s: Instant, boot_ms: int) -> Instant:
        """Return the instant to decide by: wall time or, if it is in doubt, `made_s` plus the elapsed boot time."""
        if self.doubts(wall_s):
            return self.made_s + (boot_ms - self.boot_ms) // 1000
        return wall_s
