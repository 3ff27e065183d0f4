"""The two clocks of an engine, and when the wall clock is not believed."""

import time
from dataclasses import dataclass
from typing import Protocol

from dnsfilter.policy.model import Instant

TOLERATED_S = 60
"""A wall clock may be this much earlier than the snapshot's making before it counts as wrong."""


class Clock(Protocol):
    """Where an engine reads time: wall time for policy, boot time for cache and timers."""

    def wall_s(self) -> Instant:
        """Seconds of UTC."""

    def boot_ns(self) -> int:
        """Nanoseconds since boot, suspended time included; never runs backwards."""


class SystemClock:
    """CLOCK_REALTIME and CLOCK_BOOTTIME."""

    def wall_s(self) -> Instant:
        return int(time.time())

    def boot_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Anchor:
    """When a snapshot was made, and the boot time at which it came into use."""

    made_s: Instant
    boot_ms: int

    def doubts(self, wall_s: Instant) -> bool:
        """Whether the wall clock cannot be right, because the snapshot was made after it."""
        return wall_s < self.made_s - TOLERATED_S

    def instant(self, wall_s: Instant, boot_ms: int) -> Instant:
        """The instant to decide by: wall time, or making time plus elapsed boot time where that is in doubt."""
        if self.doubts(wall_s):
            return self.made_s + (boot_ms - self.boot_ms) // 1000
        return wall_s
