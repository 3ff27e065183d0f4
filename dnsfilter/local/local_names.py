"""Names that are refused or allowed on this node by an act on it: the file that keeps them, and which are in force."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnsfilter.local.timed_acts import ActFile, ActsInForce, ClockReading, is_line, start_of
from dnsfilter.policy.bounds import MAX_LOCAL_NAME_S
from dnsfilter.policy.model import Instant, WireName
from dnsfilter.policy.single_names import LocalName, NameVerdict, parse_single_name
from dnsfilter.wire.names import name_text

FILE_NAME = "names.json"


@dataclass(frozen=True, slots=True)
class GivenName:
    """A name as it was given: its start by each clock, and its duration."""

    authority: str
    name: WireName
    exact: bool
    verdict: NameVerdict
    given_at: ClockReading
    for_s: int
    reason: str

    def holds(self, now: ClockReading) -> LocalName | None:
        """Return the name by the trusted wall clock of now. None if its time is over."""
        start = start_of(self, now)
        return None if start is None else self.since(start)

    def since(self, start: Instant) -> LocalName:
        """Return the name from `start` on."""
        end = start + self.for_s
        return LocalName(self.authority, self.name, self.exact, self.verdict, start, end, self.reason)


class LocalNames:
    """The names in a file. Calls are cheap while the file does not change."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Initialize. With `read_only`, corrections hold in memory only: another process makes them in the file."""
        self._acts = ActsInForce(_KIND, lambda: path, read_only=read_only)

    def holding(self, now: ClockReading) -> tuple[LocalName, ...]:
        """Return the names in force. A file that cannot be read has none, and is logged once."""
        return tuple(given.since(start) for given, start in self._acts.holding(now))


def load_names(path: Path) -> tuple[GivenName, ...]:
    """Return all names in the file, also those whose time is over. Raise UnavailableError if it cannot be read."""
    return _KIND.load(path)


def change_names(
    path: Path, now: ClockReading, change: Callable[[tuple[GivenName, ...]], tuple[GivenName, ...]]
) -> None:
    """Replace the names in the file by the result of `change`: see `ActFile.change`."""
    _KIND.change(path, now, change)


def _value(given: GivenName) -> dict[str, Any]:
    return {
        "authority": given.authority,
        "name": name_text(given.name),
        "exact": given.exact,
        "verdict": given.verdict.value,
    }


def _parsed(value: dict[str, Any], given_at: ClockReading, for_s: int, reason: str) -> GivenName:
    authority, exact = value["authority"], value["exact"]
    if not is_line(authority) or type(exact) is not bool:
        raise ValueError("a name has no valid authority, or does not say whether it is exact")
    name, verdict = parse_single_name(value["name"]), NameVerdict(value["verdict"])
    return GivenName(authority, name, exact, verdict, given_at, for_s, reason)


_KIND: ActFile[GivenName] = ActFile(
    "names", MAX_LOCAL_NAME_S, _value, _parsed, lambda given, at: replace(given, given_at=at)
)
