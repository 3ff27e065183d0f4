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

BRUSSELS = ZoneInfo("Europe/Brussels")
REREAD_S = 1.1
"""Seconds after which every program has the new time. With a cache of 0, libfaketime reads its file once a second.

Without the cache, it opens the file each time a program reads the clock. That took half of such a test's CPU time.
"""


class MovedClock:
    """The clock of every program that is started with `environment`. It runs on from the time that was set last."""

    def __init__(self, directory: Path, at: str) -> None:
        self._file = directory / "clock"
        self._offset_s = 0
        self.set(at)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the environment that makes this clock a program's wall clock."""
        found = component("faketime")
        libraries = [path for root in (DIRECTORY / "root", Path("/")) for path in root.glob("usr/lib/*/faketime")]
        return {
            **os.environ,
            **{name: value for name, value in found.env.items() if name != "LD_LIBRARY_PATH"},
            "LD_PRELOAD": str(libraries[0] / "libfaketime.so.1"),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "0",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

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
