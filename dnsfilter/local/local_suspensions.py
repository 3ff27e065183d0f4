"""Local suspensions: the file that keeps them, and the time for which they hold.

A suspension holds for its duration by boot time, so that it ends in time even if the wall clock is corrected meanwhile.
After a restart of the machine it holds until its planned end, by the corrected wall clock. An ended suspension is
removed from the file, so that no clock can restore it.
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
from dnsfilter.local.unwritten_acts import SUSPENSIONS, UnwrittenActs
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.calendar import instant_text, parse_instant
from dnsfilter.policy.model import Instant, Suspension
from dnsfilter.telemetry import logs

FILE_NAME = SUSPENSIONS
MAX_GIVEN = 200
"""Maximum number of suspensions in force on a node. To suspend more authorities, suspend all."""
_MAX_BYTES = 1024 * 1024
_STEADY_S = 2
"""Two clocks that are read in full seconds may differ by this many seconds without having been set."""
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The time now: the instant to decide by, the time since boot, and the id of the boot ("" if unknown)."""

    instant: Instant
    boot_ms: int
    boot: str


@dataclass(frozen=True, slots=True)
class Given:
    """A suspension of one authority (None: all) as it was given: its start by each clock, and its duration."""

    authority: str | None
    given_at: ClockReading
    for_s: int
    reason: str

    def holds(self, now: ClockReading, start: Instant | None = None) -> Suspension | None:
        """Return the suspension by the trusted wall clock of now. None if it has ended.

        `start` is the start that was returned before. It stays the same, unless the wall clock has been set since.
        """
        start = self.given_at.instant if start is None else start
        if self.given_at.boot == now.boot != "":
            began = now.instant - (now.boot_ms - self.given_at.boot_ms) // 1000
            if abs(began - start) > _STEADY_S:
                start = began
        elif "" not in (self.given_at.boot, now.boot) and now.boot_ms >= 1000 * self.for_s:
            return None  # it was given before the machine started
        if not start - TOLERATED_S <= now.instant < start + self.for_s:
            return None  # a start in the future comes from a clock that was ahead
        return Suspension(self.authority, start, start + self.for_s, self.reason)


class LocalSuspensions:
    """The suspensions in a file. Calls are cheap while the file does not change."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Initialize. With `read_only`, corrections hold in memory only: another process makes them in the file."""
        self._disk = self._path = path
        self._read_only = read_only
        self._token: tuple[int, int, int] | None = None
        self._given: tuple[Given, ...] = ()
        self._starts: dict[Given, Instant] = {}
        self._corrected: tuple[int, int, int] | None = None
        self._trouble = ""

    def holding(self, now: ClockReading) -> tuple[Suspension, ...]:
        """Return the suspensions in force. A file that cannot be read has none, and is logged once."""
        self._path = path_in_use(self._disk)
        token = _token(self._path)
        if token != self._token:
            self._token = token
            self._given = self._read() if token is not None else ()
        found = [(given, given.holds(now, self._starts.get(given))) for given in self._given]
        self._starts = {given: suspension.start for given, suspension in found if suspension is not None}
        if any(self._starts.get(given) != given.given_at.instant for given in self._given) and token != self._corrected:
            # Correct each state of the file once. If it cannot be written, the correction holds in memory.
            self._corrected = token
            self._correct(now)
        self._given = tuple(given for given in self._given if given in self._starts)
        return tuple(suspension for _, suspension in found if suspension is not None)

    def _correct(self, now: ClockReading) -> None:
        """Remove ended suspensions from the file, and correct the starts of the others by the wall clock."""
        if self._read_only:
            return
        try:
            change_given(self._path, now, lambda held: tuple(_begun(given, now) for given in held), wait=False)
        except UnavailableError as error:
            logs.emit(_LOG, logging.WARNING, "local suspensions not corrected", reason=error)

    def _read(self) -> tuple[Given, ...]:
        trouble, given = "", tuple[Given, ...]()
        try:
            given = load_given(self._path)
        except UnavailableError as error:
            trouble = str(error)
            if trouble != self._trouble:
                logs.emit(_LOG, logging.ERROR, "local suspensions not read", reason=trouble)
        self._trouble = trouble
        return given


def path_in_use(path: Path) -> Path:
    """Return where the suspensions of the node's file are now: in memory if the disk did not take the last ones."""
    try:
        unwritten = UnwrittenActs(path.parent)
    except UnavailableError:
        return path
    return unwritten.suspensions if unwritten.is_there() else path


def load_given(path: Path) -> tuple[Given, ...]:
    """Return all suspensions in the file, also ended ones. Raise UnavailableError if the file cannot be read."""
    data = read_private(path, _MAX_BYTES)
    if data is None:
        return ()
    try:
        return parse_given(data)
    except ValueError as error:
        raise UnavailableError(f"read {path}: {error}") from error


def change_given(
    path: Path,
    now: ClockReading,
    change: Callable[[tuple[Given, ...]], tuple[Given, ...]],
    *,
    wait: bool = True,
    base: Path | None = None,
) -> None:
    """Replace the suspensions in the file by the result of `change`, which gets those still in force.

    If there is no file yet, they are those in the file `base`. An invalid file counts as empty and is replaced.
    `change` runs under the lock and before the write; if it raises, nothing is written. Raise UnavailableError if the
    file cannot be written, or without `wait`, if it is locked.
    """
    with writing(f"write {path}", path.with_suffix(".lock"), wait=wait):
        data = read_private(path, _MAX_BYTES)
        if data is None and base is not None:
            data = read_private(base, _MAX_BYTES)
        try:
            given = parse_given(data) if data is not None else ()
        except ValueError:
            given = ()
        replace_private(path, given_bytes(change(tuple(each for each in given if each.holds(now) is not None))))


def given_bytes(given: tuple[Given, ...]) -> bytes:
    """Return the content of the file."""
    values = [
        {
            "authority": each.authority,
            "start": instant_text(each.given_at.instant),
            "for_s": each.for_s,
            "boot": each.given_at.boot,
            "boot_ms": each.given_at.boot_ms,
            "reason": each.reason,
        }
        for each in given
    ]
    return json.dumps({"suspensions": values}, indent=1).encode() + b"\n"


def parse_given(data: bytes) -> tuple[Given, ...]:
    """Return the suspensions in the content of a file. Raise ValueError if it is invalid."""
    try:
        values = json.loads(data)["suspensions"]
        given = tuple(_given(value) for value in values)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise ValueError(f"it is not a list of suspensions: {error}") from error
    if len(given) > MAX_GIVEN:
        raise ValueError(f"it has more than {MAX_GIVEN} suspensions")
    return given


def _given(value: dict[str, Any]) -> Given:
    authority, for_s, reason, boot = value["authority"], value["for_s"], value["reason"], value["boot"]
    if not (authority is None or _is_line(authority)) or not _is_line(boot):
        raise ValueError("a suspension has no valid authority or boot")
    if type(for_s) is not int or not 0 < for_s <= MAX_SUSPENSION_S:
        raise ValueError(f"a suspension is not between 1 second and {MAX_SUSPENSION_S // 3600} hours long")
    if not _is_line(reason) or len(reason) > REASON_CHARS:
        raise ValueError(f"a reason is not one line of at most {REASON_CHARS} characters")
    return Given(authority, ClockReading(parse_instant(value["start"]), int(value["boot_ms"]), boot), for_s, reason)


def _is_line(text: object) -> bool:
    return isinstance(text, str) and text.isprintable()


def _begun(given: Given, now: ClockReading) -> Given:
    """Return it with its start by the trusted wall clock of now."""
    held = given.holds(now)
    return given if held is None else replace(given, given_at=replace(given.given_at, instant=held.start))


def _token(path: Path) -> tuple[int, int, int] | None:
    """Return a value that changes with the file and is cheap to read. None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
