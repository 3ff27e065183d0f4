"""Local acts that end by themselves: the file that keeps them, and the time for which they hold.

An act holds for its duration by boot time, so that it ends in time even if the wall clock is corrected meanwhile.
After a restart of the machine it holds until its planned end, by the corrected wall clock. An ended act is removed
from the file, so that no clock can restore it.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeGuard, TypeVar

from dnsfilter.engine.clock import TOLERATED_S
from dnsfilter.errors import UnavailableError
from dnsfilter.local.journal import REASON_CHARS
from dnsfilter.local.private_files import read_private, replace_private, writing
from dnsfilter.policy.calendar import instant_text, parse_instant
from dnsfilter.policy.model import Instant
from dnsfilter.telemetry import logs

MAX_GIVEN = 200
"""Maximum number of acts of one kind in force on a node."""
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


class TimedAct(Protocol):
    """An act as it was given: its start by each clock, its duration and its reason."""

    @property
    def given_at(self) -> ClockReading: ...

    @property
    def for_s(self) -> int: ...

    @property
    def reason(self) -> str: ...


Given = TypeVar("Given", bound=TimedAct)


def start_of(given: TimedAct, now: ClockReading, start: Instant | None = None) -> Instant | None:
    """Return the start of an act by the trusted wall clock of now. None if it has ended.

    `start` is the start that was returned before. It stays the same, unless the wall clock has been set since.
    """
    start = given.given_at.instant if start is None else start
    if given.given_at.boot == now.boot != "":
        began = now.instant - (now.boot_ms - given.given_at.boot_ms) // 1000
        if abs(began - start) > _STEADY_S:
            start = began
    elif "" not in (given.given_at.boot, now.boot) and now.boot_ms >= 1000 * given.for_s:
        return None  # it was given before the machine started
    # A start in the future comes from a clock that was ahead.
    return start if start - TOLERATED_S <= now.instant < start + given.for_s else None


@dataclass(frozen=True, slots=True)
class ActFile(Generic[Given]):
    """How one kind of act is kept in a file: its noun in the plural, its longest duration, and its conversions.

    `value` returns what only this kind has, for JSON. `parse` gets that, and the start, duration and reason of an act;
    it raises ValueError if the value is invalid. `moved` returns an act with another start.
    """

    noun: str
    most_s: int
    value: Callable[[Given], dict[str, Any]]
    parse: Callable[[dict[str, Any], ClockReading, int, str], Given]
    moved: Callable[[Given, ClockReading], Given]

    def load(self, path: Path) -> tuple[Given, ...]:
        """Return all acts in the file, also ended ones. Raise UnavailableError if the file cannot be read."""
        data = read_private(path, _MAX_BYTES)
        if data is None:
            return ()
        try:
            return self.parsed(data)
        except ValueError as error:
            raise UnavailableError(f"read {path}: {error}") from error

    def change(
        self,
        path: Path,
        now: ClockReading,
        change: Callable[[tuple[Given, ...]], tuple[Given, ...]],
        *,
        wait: bool = True,
        base: Path | None = None,
    ) -> None:
        """Replace the acts in the file by the result of `change`, which gets those still in force.

        If there is no file yet, they are those in the file `base`. An invalid file counts as empty and is replaced.
        `change` runs under the lock and before the write; if it raises, nothing is written. Raise UnavailableError if
        the file cannot be written, or without `wait`, if it is locked.
        """
        with writing(f"write {path}", path.with_suffix(".lock"), wait=wait):
            data = read_private(path, _MAX_BYTES)
            if data is None and base is not None:
                data = read_private(base, _MAX_BYTES)
            try:
                given = self.parsed(data) if data is not None else ()
            except ValueError:
                given = ()
            left = tuple(each for each in given if start_of(each, now) is not None)
            replace_private(path, self.content(change(left)))

    def content(self, given: tuple[Given, ...]) -> bytes:
        """Return the content of the file."""
        values = [
            {
                **self.value(each),
                "start": instant_text(each.given_at.instant),
                "for_s": each.for_s,
                "boot": each.given_at.boot,
                "boot_ms": each.given_at.boot_ms,
                "reason": each.reason,
            }
            for each in given
        ]
        return json.dumps({self.noun: values}, indent=1).encode() + b"\n"

    def parsed(self, data: bytes) -> tuple[Given, ...]:
        """Return the acts in the content of a file. Raise ValueError if it is invalid."""
        try:
            given = tuple(self._parsed(value) for value in json.loads(data)[self.noun])
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            raise ValueError(f"it is not a list of {self.noun}: {error}") from error
        if len(given) > MAX_GIVEN:
            raise ValueError(f"it has more than {MAX_GIVEN} {self.noun}")
        return given

    def _parsed(self, value: dict[str, Any]) -> Given:
        for_s, reason, boot = value["for_s"], value["reason"], value["boot"]
        if not is_line(boot):
            raise ValueError("an act has no valid boot")
        if type(for_s) is not int or not 0 < for_s <= self.most_s:
            raise ValueError(f"an act is not between 1 second and {self.most_s // 3600} hours long")
        if not is_line(reason) or len(reason) > REASON_CHARS:
            raise ValueError(f"a reason is not one line of at most {REASON_CHARS} characters")
        given_at = ClockReading(parse_instant(value["start"]), int(value["boot_ms"]), boot)
        return self.parse(value, given_at, for_s, reason)

    def _begun(self, given: Given, now: ClockReading) -> Given:
        """Return it with its start by the trusted wall clock of now."""
        start = start_of(given, now)
        return given if start is None else self.moved(given, replace(given.given_at, instant=start))

    def correct(self, path: Path, now: ClockReading) -> None:
        """Remove ended acts from the file, and correct the starts of the others by the wall clock."""
        try:
            self.change(path, now, lambda held: tuple(self._begun(given, now) for given in held), wait=False)
        except UnavailableError as error:
            logs.emit(_LOG, logging.WARNING, f"local {self.noun} not corrected", reason=error)


class ActsInForce(Generic[Given]):
    """The acts in a file. Calls are cheap while the file does not change."""

    def __init__(self, kind: ActFile[Given], path: Callable[[], Path], *, read_only: bool = False) -> None:
        """Initialize. With `read_only`, corrections hold in memory only: another process makes them in the file."""
        self._kind = kind
        self._find = path
        self._read_only = read_only
        self._token: tuple[int, int, int] | None = None
        self._given: tuple[Given, ...] = ()
        self._starts: dict[Given, Instant] = {}
        self._corrected: tuple[int, int, int] | None = None
        self._trouble = ""

    def holding(self, now: ClockReading) -> tuple[tuple[Given, Instant], ...]:
        """Return the acts in force with their starts. A file that cannot be read has none, and is logged once."""
        path = self._find()
        token = _token(path)
        if token != self._token:
            self._token = token
            self._given = self._read(path) if token is not None else ()
        found = [(given, start_of(given, now, self._starts.get(given))) for given in self._given]
        holding = tuple((given, start) for given, start in found if start is not None)
        self._starts = dict(holding)
        if any(self._starts.get(given) != given.given_at.instant for given in self._given) and token != self._corrected:
            # Correct each state of the file once. If it cannot be written, the correction holds in memory.
            self._corrected = token
            if not self._read_only:
                self._kind.correct(path, now)
        self._given = tuple(given for given in self._given if given in self._starts)
        return holding

    def _read(self, path: Path) -> tuple[Given, ...]:
        trouble, given = "", tuple[Given, ...]()
        try:
            given = self._kind.load(path)
        except UnavailableError as error:
            trouble = str(error)
            if trouble != self._trouble:
                logs.emit(_LOG, logging.ERROR, f"local {self._kind.noun} not read", reason=trouble)
        self._trouble = trouble
        return given


def is_line(text: object) -> TypeGuard[str]:
    """Return whether this is one line of printable text."""
    return isinstance(text, str) and text.isprintable()


def _token(path: Path) -> tuple[int, int, int] | None:
    """Return a value that changes with the file and is cheap to read. None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
