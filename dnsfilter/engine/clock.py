"""The two clocks of an engine, and the check of the wall clock."""

import time
from dataclasses import dataclass
from typing import Protocol

from dnsfilter.policy.model import Instant

TOLERATED_S = 60
"""Seconds by which the wall clock may be earlier than the creation of the snapshot before it counts as wrong.

Also the seconds by which it may be later than a reference before it counts as wrong.
"""


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
class Reference:
    """An instant that is believed, and the boot time at that instant."""

    instant: Instant
    boot_ms: int

    def at(self, boot_ms: int) -> Instant:
        """Return the instant at that boot time."""
        return self.instant + (boot_ms - self.boot_ms) // 1000


@dataclass(frozen=True, slots=True)
class Anchor:
    """The time at which a snapshot was made, and the boot time at which it came into use.

    With a reference, a wall clock that jumps ahead is not believed either.
    """

    made_s: Instant
    boot_ms: int
    reference: Reference | None = None

    def is_behind(self, wall_s: Instant) -> bool:
        """Return whether the wall clock is wrong, because the snapshot was made later."""
        return wall_s < self.made_s - TOLERATED_S

    def is_ahead(self, wall_s: Instant, boot_ms: int) -> bool:
        """Return whether the wall clock is wrong, because less time has elapsed since the reference."""
        return self.reference is not None and wall_s > self.reference.at(boot_ms) + TOLERATED_S

    def doubts(self, wall_s: Instant, boot_ms: int) -> bool:
        """Return whether the wall clock is wrong."""
        return self.is_behind(wall_s) or self.is_ahead(wall_s, boot_ms)

    def instant(self, wall_s: Instant, boot_ms: int) -> Instant:
        """Return the instant to decide by: wall time or, if it is in doubt, a believed one plus the elapsed boot time.

        That is `made_s` if the clock is behind, the reference if it is ahead.
        """
        if self.is_behind(wall_s):
            return self.made_s + (boot_ms - self.boot_ms) // 1000
        if self.reference is not None and self.is_ahead(wall_s, boot_ms):
            return self.reference.at(boot_ms)
        return wall_s
