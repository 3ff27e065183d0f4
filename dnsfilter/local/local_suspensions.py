"""Suspensions that were given on this node itself: kept in a file, and when they hold.

One holds for as long as it was given, by the clock that no one sets: so it ends in time although the wall clock is put
right meanwhile. After the machine has restarted, it holds until the instant at which it was to end, by the clock as it
was put right. What is over is taken out of the file: no clock brings it back.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnsfilter.engine.clock import TOLERATED_S
from dnsfilter.errors import UnavailableError
from dnsfilter.local.journal import REASON_CHARS
from dnsfilter.local.private_files import read_private, replace_private, writing
from dnsfilter.policy.calendar import instant_text, parse_instant
from dnsfilter.policy.faults import MAX_SUSPENSION_S
from dnsfilter.policy.model import Instant, Suspension
from dnsfilter.telemetry import logs

FILE_NAME = "suspensions.json"
MAX_GIVEN = 200
"""How many may hold at a time on a node; whoever would need more suspends all."""
_MAX_BYTES = 1024 * 1024
_STEADY_S = 2
"""Two clocks read in whole seconds differ by this much without either having been set."""
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: the instant to decide by, the time since boot, and which boot that was ("": not known)."""

    instant: Instant
    boot_ms: int
    boot: str


@dataclass(frozen=True, slots=True)
class Given:
    """A suspension of one authority (None: all) as it was given: when by each clock, and for how long."""

    authority: str | None
    moment: Moment
    for_s: int
    reason: str

    def holds(self, now: Moment, start: Instant | None = None) -> Suspension | None:
        """What it is now, by the wall clock as it is believed now; None when it has ended.

        `start` is when it began as said before: that stays, unless the wall clock has been set since.
        """
        start = self.moment.instant if start is None else start
        if self.moment.boot == now.boot != "":
            began = now.instant - (now.boot_ms - self.moment.boot_ms) // 1000
            if abs(began - start) > _STEADY_S:
                start = began
        elif "" not in (self.moment.boot, now.boot) and now.boot_ms >= 1000 * self.for_s:
            return None  # it was given before the machine started
        if not start - TOLERATED_S <= now.instant < start + self.for_s:
            return None  # what begins later was given by a clock that was ahead
        return Suspension(self.authority, start, start + self.for_s, self.reason)


class LocalSuspensions:
    """The suspensions in a file, looked at as often as one likes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token: tuple[int, int, int] | None = None
        self._given: tuple[Given, ...] = ()
        self._starts: dict[Given, Instant] = {}
        self._corrected: tuple[int, int, int] | None = None
        self._trouble = ""

    def holding(self, now: Moment) -> tuple[Suspension, ...]:
        """Those that hold now. A file that cannot be read holds none, which is said once."""
        token = _token(self._path)
        if token != self._token:
            self._token = token
            self._given = self._read() if token is not None else ()
        found = [(given, given.holds(now, self._starts.get(given))) for given in self._given]
        self._starts = {given: suspension.start for given, suspension in found if suspension is not None}
        if any(self._starts.get(given) != given.moment.instant for given in self._given) and token != self._corrected:
            # Once for each file: where it cannot be written, it is at least known here.
            self._corrected = token
            self._correct(now)
        self._given = tuple(given for given in self._given if given in self._starts)
        return tuple(suspension for _, suspension in found if suspension is not None)

    def _correct(self, now: Moment) -> None:
        """Write what is over out of the file, and when the others began by the wall clock as it was set since."""
        try:
            change_given(self._path, now, lambda held: tuple(_begun(given, now) for given in held), wait=False)
        except UnavailableError as error:
            logs.emit(_LOG, logging.WARNING, "suspensions of this node not corrected", reason=error)

    def _read(self) -> tuple[Given, ...]:
        trouble, given = "", tuple[Given, ...]()
        try:
            given = load_given(self._path)
        except UnavailableError as error:
            trouble = str(error)
            if trouble != self._trouble:
                logs.emit(_LOG, logging.ERROR, "suspensions of this node not read", reason=trouble)
        self._trouble = trouble
        return given


def load_given(path: Path) -> tuple[Given, ...]:
    """What the file holds, ended or not; nothing without a file. Raises UnavailableError."""
    octets = read_private(path, _MAX_BYTES)
    if octets is None:
        return ()
    try:
        return parse_given(octets)
    except ValueError as error:
        raise UnavailableError(f"read {path}: {error}") from error


def change_given(
    path: Path, now: Moment, change: Callable[[tuple[Given, ...]], tuple[Given, ...]], *, wait: bool = True
) -> None:
    """Replace what the file holds by what `change` makes of those that hold still. Raises UnavailableError.

    A file that cannot be understood is replaced: it holds nothing. `change` runs while no other command writes, and
    before anything is written; where it raises, nothing is. Without `wait` it raises where another command writes.
    """
    with writing(f"write {path}", path.with_suffix(".lock"), wait=wait):
        octets = read_private(path, _MAX_BYTES)
        try:
            given = parse_given(octets) if octets is not None else ()
        except ValueError:
            given = ()
        replace_private(path, given_bytes(change(tuple(each for each in given if each.holds(now) is not None))))


def given_bytes(given: tuple[Given, ...]) -> bytes:
    """The file."""
    values = [
        {
            "authority": each.authority,
            "start": instant_text(each.moment.instant),
            "for_s": each.for_s,
            "boot": each.moment.boot,
            "boot_ms": each.moment.boot_ms,
            "reason": each.reason,
        }
        for each in given
    ]
    return json.dumps({"suspensions": values}, indent=1).encode() + b"\n"


def parse_given(octets: bytes) -> tuple[Given, ...]:
    """What `given_bytes` wrote; raises ValueError for anything else."""
    try:
        values = json.loads(octets)["suspensions"]
        given = tuple(_given(value) for value in values)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise ValueError(f"it is no list of suspensions: {error}") from error
    if len(given) > MAX_GIVEN:
        raise ValueError(f"it has more than {MAX_GIVEN} suspensions")
    return given


def this_boot() -> str:
    """What tells this boot of the machine from others; "" where that cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _given(value: dict[str, Any]) -> Given:
    authority, for_s, reason, boot = value["authority"], value["for_s"], value["reason"], value["boot"]
    if not (authority is None or _is_line(authority)) or not _is_line(boot):
        raise ValueError("a suspension is of no authority")
    if type(for_s) is not int or not 0 < for_s <= MAX_SUSPENSION_S:
        raise ValueError("a suspension is longer than four hours")
    if not _is_line(reason) or len(reason) > REASON_CHARS:
        raise ValueError(f"a reason is no line of {REASON_CHARS} characters at most")
    return Given(authority, Moment(parse_instant(value["start"]), int(value["boot_ms"]), boot), for_s, reason)


def _is_line(text: object) -> bool:
    return isinstance(text, str) and text.isprintable()


def _begun(given: Given, now: Moment) -> Given:
    """With the instant at which it began by the wall clock as it is believed now."""
    held = given.holds(now)
    return given if held is None else replace(given, moment=replace(given.moment, instant=held.start))


def _token(path: Path) -> tuple[int, int, int] | None:
    """Something cheap that changes with the file; None without one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
