"""A wall clock that a test moves, for real programs: libfaketime sits between them and the C library.

Only wall time moves. The clocks by which programs wait, and by which caches age, run normally.
"""

import math
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.components import DIRECTORY, component
from tests.support.preloaded import compiled_library

BRUSSELS = ZoneInfo("Europe/Brussels")
REREAD_S = 1.1
"""Seconds after which every program has the new time. With a cache of 0, libfaketime reads its file once a second.

Without the cache, it opens the file each time a program reads the clock. That took half of such a test's CPU time.
"""


_OWN_TIMERS = """\
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
int timerfd_settime(int fd, int flags, const struct itimerspec *now, struct itimerspec *before) {
    return syscall(SYS_timerfd_settime, fd, flags, now, before);
}
int timerfd_gettime(int fd, struct itimerspec *now) { return syscall(SYS_timerfd_gettime, fd, now); }
"""
"""A library that keeps libfaketime from timers. It takes the clock of each for the wall clock."""


def moved_to(at: datetime) -> dict[str, str]:
    """Return the environment of programs whose wall clock shows `at` now, and runs on."""
    return {**_faked(), "FAKETIME": f"{math.ceil(at.timestamp() - time.time()):+d}"}


def _faked() -> dict[str, str]:
    """Return the environment in which libfaketime gives a program its wall clock."""
    component("faketime")
    libraries = [path for root in (DIRECTORY / "root", Path("/")) for path in root.glob("usr/lib/*/faketime")]
    return {
        **os.environ,
        "LD_PRELOAD": f"{compiled_library(_OWN_TIMERS)}:{libraries[0] / 'libfaketime.so.1'}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "FAKETIME_DISABLE_SHM": "1",  # a killed program would leave it behind
    }


class MovedClock:
    """The clock of every program that is started with `environment`. It runs on from the time that was set last."""

    def __init__(self, directory: Path, at: str) -> None:
        self._file = directory / "clock"
        self._offset_s = 0
        self.set(at)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the environment that makes this clock a program's wall clock."""
        return {**_faked(), "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_CACHE_DURATION": "0"}

    def set(self, at: str) -> None:
        """Set the clock to a local time in Brussels, such as "2028-03-10 09:00", or to less than a second later."""
        instant = datetime.fromisoformat(at).replace(tzinfo=BRUSSELS).timestamp()
        self._offset_s = math.ceil(instant - time.time())
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._offset_s:+d}\n")
        fresh.rename(self._file)
        time.sleep(REREAD_S)

    def now(self) -> datetime:
        """Return the clock's current time."""
        return datetime.fromtimestamp(time.time() + self._offset_s, UTC)
