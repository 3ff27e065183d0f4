"""Local suspensions: the file that keeps them, and which are in force."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnsfilter.errors import UnavailableError
from dnsfilter.local.timed_acts import ActFile, ActsInForce, ClockReading, is_line, start_of
from dnsfilter.local.unwritten_acts import SUSPENSIONS, UnwrittenActs
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.model import Instant, Suspension

FILE_NAME = SUSPENSIONS


@dataclass(frozen=True, slots=True)
class Given:
    """A suspension of one authority (None: all) as it was given: its start by each clock, and its duration."""

    authority: str | None
    given_at: ClockReading
    for_s: int
    reason: str

    def holds(self, now: ClockReading) -> Suspension | None:
        """Return the suspension by the trusted wall clock of now. None if it has ended."""
        start = start_of(self, now)
        return None if start is None else self.since(start)

    def since(self, start: Instant) -> Suspension:
        """Return the suspension from `start` on."""
        return Suspension(self.authority, start, start + self.for_s, self.reason)


class LocalSuspensions:
    """The suspensions in a file. Calls are cheap while the file does not change."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Initialize. With `read_only`, corrections hold in memory only: another process makes them in the file."""
        self._acts = ActsInForce(_KIND, lambda: path_in_use(path), read_only=read_only)

    def holding(self, now: ClockReading) -> tuple[Suspension, ...]:
        """Return the suspensions in force. A file that cannot be read has none, and is logged once."""
        return tuple(given.since(start) for given, start in self._acts.holding(now))


def path_in_use(path: Path) -> Path:
    """Return where the suspensions of the node's file are now: in memory if the disk did not take the last ones."""
    try:
        unwritten = UnwrittenActs(path.parent)
    except UnavailableError:
        return path
    return unwritten.suspensions if unwritten.is_there() else path


def load_given(path: Path) -> tuple[Given, ...]:
    """Return all suspensions in the file, also ended ones. Raise UnavailableError if the file cannot be read."""
    return _KIND.load(path)


def change_given(
    path: Path,
    now: ClockReading,
    change: Callable[[tuple[Given, ...]], tuple[Given, ...]],
    *,
    wait: bool = True,
    base: Path | None = None,
) -> None:
    """Replace the suspensions in the file by the result of `change`: see `ActFile.change`."""
    _KIND.change(path, now, change, wait=wait, base=base)


def given_bytes(given: tuple[Given, ...]) -> bytes:
    """Return the content of the file."""
    return _KIND.content(given)


def parse_given(data: bytes) -> tuple[Given, ...]:
    """Return the suspensions in the content of a file. Raise ValueError if it is invalid."""
    return _KIND.parsed(data)


def _parsed(value: dict[str, Any], given_at: ClockReading, for_s: int, reason: str) -> Given:
    authority = value["authority"]
    if authority is not None and not is_line(authority):
        raise ValueError("a suspension has no valid authority")
    return Given(authority, given_at, for_s, reason)


_KIND: ActFile[Given] = ActFile(
    "suspensions",
    MAX_SUSPENSION_S,
    lambda given: {"authority": given.authority},
    _parsed,
    lambda given, at: replace(given, given_at=at),
)
