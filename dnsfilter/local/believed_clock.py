"""Whether a wall clock that is ahead is believed, and the file that keeps the answer over restarts.

Wall clock and time since boot advance together. If the wall clock jumps ahead of that, or if a machine starts more than
MOST_OFF_S after its last record, the jump is doubted until it is confirmed: by the kernel, whose clock is synchronized
(adjtimex(2)), by an answer of the control plane over TLS, or by the key `trust_clock`. Meanwhile time runs on from the
last reading that was believed. A snapshot's making moves it on, because it is never earlier than that.
"""

import ctypes
import json
import logging
from collections.abc import Callable
from pathlib import Path

from dnsfilter.engine.clock import TOLERATED_S, Clock, Reference
from dnsfilter.errors import UnavailableError
from dnsfilter.local.private_files import read_private, replace_private, writing
from dnsfilter.policy.calendar import instant_text, parse_instant
from dnsfilter.policy.model import DAY_S, Instant
from dnsfilter.snapshot.contents import RELEASED_S
from dnsfilter.telemetry import logs

FILE_NAME = "clock.json"
MOST_OFF_S = 7 * DAY_S
"""Seconds that a machine may have been off before its clock needs a confirmation."""
LOOK_MS = 1_000
STORE_MS = 3_600_000
STEADY_S = 10
"""Seconds by which the reference may move before those who decide by it need the new one."""
_MAX_BYTES = 4096
_TIMEX_BYTES = 256
"""At least the size of `struct timex` on every architecture."""
_TIME_ERROR = 5
_libc = ctypes.CDLL(None, use_errno=True)
_LOG = logging.getLogger("dnsfilter.node")


def kernel_is_synchronized() -> bool:
    """Return whether an NTP client disciplines the kernel's clock (adjtimex(2)). Setting the clock ends that state."""
    state: int = _libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR


def this_boot() -> str:
    """Return the id of this boot of the machine; "" if it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class BelievedClock:
    """The last believed reading of the wall clock. Without `path` it is not kept."""

    def __init__(
        self,
        path: Path | None,
        clock: Clock,
        *,
        read_only: bool = False,
        is_synchronized: Callable[[], bool] = kernel_is_synchronized,
    ) -> None:
        """Initialize. `read_only` is for a process next to the node, which writes the file."""
        self._path = path
        self._read_only = read_only
        self._clock = clock
        self._is_synchronized = is_synchronized
        self._boot = this_boot()
        self._look_ms: int | None = None
        self._made_s: Instant | None = None
        self._store_ms = 0
        self._heard_ms = -1
        self._trouble = ""
        self._newest: Reference | None = None
        self.reference: Reference | None = None
        """A wall clock that is ahead of it is not believed. If it is None, each reading is."""

    def look(self, made_s: Instant, heard: Reference | None = None, *, trusted: bool = False) -> bool:
        """Read the clocks once a second, and at once with another `made_s`. Return whether `reference` has changed.

        `made_s` is when the snapshot in use was made, `heard` the newest time of a control plane on another machine.
        With `trusted` every reading is believed.
        """
        now = Reference(self._clock.wall_s(), self._clock.boot_ns() // 1_000_000)
        if self._look_ms is not None and now.boot_ms < self._look_ms and made_s == self._made_s:
            return False
        self._made_s = made_s
        if self._look_ms is None or self._read_only:  # the node that writes the file knows more
            self._newest = self._kept(now) or self._newest
        self._look_ms = now.boot_ms + LOOK_MS
        self._newest = None if trusted else self._believed(now, made_s, heard)
        has_moved = _has_moved(self.reference, self._newest, now.boot_ms)
        if has_moved:
            self.reference = self._newest
        if self._newest is not None and (has_moved or now.boot_ms >= self._store_ms):
            self._store_ms = now.boot_ms + STORE_MS
            self._store(self._newest)
        return has_moved

    def _believed(self, now: Reference, made_s: Instant, heard: Reference | None) -> Reference | None:
        if now.instant < max(made_s - TOLERATED_S, RELEASED_S):
            return None  # It is behind. Once it is set, that time is believed.
        if self._is_synchronized():
            return now
        if heard is not None and heard.boot_ms > self._heard_ms and heard.instant >= made_s - TOLERATED_S:
            self._heard_ms, self._newest = heard.boot_ms, heard
        newest = self._newest
        if newest is not None and newest.at(now.boot_ms) < made_s:
            newest = self._newest = Reference(made_s, now.boot_ms)
        if newest is not None and abs(now.instant - newest.at(now.boot_ms)) > TOLERATED_S:
            return newest  # A clock that was set back may be set right again.
        return now

    def _kept(self, now: Reference) -> Reference | None:
        """Return the kept reading. The time of another boot ended at an unknown boot time of this one."""
        kept = None if self._path is None else self._load(self._path)
        if kept is None:
            return None
        reference, boot = kept
        if boot == self._boot != "":
            return reference
        return None if now.instant <= reference.instant + MOST_OFF_S else Reference(reference.instant, now.boot_ms)

    def _load(self, path: Path) -> tuple[Reference, str] | None:
        """Return the reading in the file, and the id of its boot. None if there is none that can be read."""
        try:
            data = read_private(path, _MAX_BYTES)
            value = None if data is None else json.loads(data)
            if value is None:
                return None
            return Reference(parse_instant(value["instant"]), int(value["boot_ms"])), str(value["boot"])
        except (UnavailableError, ValueError, TypeError, KeyError, OverflowError) as error:
            if not self._read_only:  # a command reports what it cannot read by itself
                logs.emit(_LOG, logging.WARNING, "believed time not read", reason=error)
            return None

    def _store(self, reference: Reference) -> None:
        path = self._path
        if path is None or self._read_only:
            return
        value = {"instant": instant_text(reference.instant), "boot_ms": reference.boot_ms, "boot": self._boot}
        try:
            with writing(f"write {path}", path.with_suffix(".lock"), wait=False):
                replace_private(path, json.dumps(value).encode() + b"\n")
            self._trouble = ""
        except UnavailableError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                logs.emit(_LOG, logging.WARNING, "believed time not stored", reason=error)


def _has_moved(before: Reference | None, after: Reference | None, boot_ms: int) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after.at(boot_ms) - before.at(boot_ms)) > STEADY_S
