"""Find out why workers die: a snapshot, the engine, or an accident. Callers pass the time."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

MINUTE_S = 60.0
MOST = 3
"""Deaths within a minute that are not an accident."""


class Verdict(Enum):
    """The response to a death."""

    START_AGAIN = auto()
    QUARANTINE = auto()
    FALL_BACK = auto()


@dataclass(frozen=True, slots=True)
class Suspect:
    """The snapshot in force, and since when. `since` is None if it is in force because a newer one was set aside."""

    revision: int
    since: float | None


@dataclass(frozen=True, slots=True)
class _Death:
    at: float
    revision: int
    suspicious: bool


class CrashLog:
    """The deaths of all workers of a node within the last minute."""

    def __init__(self) -> None:
        self._deaths: deque[_Death] = deque(maxlen=1_000)

    def died(self, now: float, suspect: Suspect) -> Verdict:
        """Note a death at `now` (seconds of a monotonic clock) and return the response to it.

        Three deaths within a minute, each within a minute after the snapshot came into force, quarantine the snapshot.
        Any other three within a minute mean that the engine is unreliable. After such a verdict the count restarts.
        """
        suspicious = suspect.since is not None and now - suspect.since <= MINUTE_S
        self._deaths.append(_Death(now, suspect.revision, suspicious))
        while now - self._deaths[0].at > MINUTE_S:
            self._deaths.popleft()
        blamed = sum(death.suspicious and death.revision == suspect.revision for death in self._deaths)
        if blamed >= MOST:
            verdict = Verdict.QUARANTINE
        elif len(self._deaths) >= MOST:
            verdict = Verdict.FALL_BACK
        else:
            return Verdict.START_AGAIN
        self._deaths.clear()
        return verdict
