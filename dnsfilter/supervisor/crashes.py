"""What to make of workers that die: a snapshot that kills them, an engine that does, or bad luck. Time comes in."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

MINUTE_S = 60.0
MOST = 3
"""So many deaths within a minute are no accident."""


class Verdict(Enum):
    """What to do about a death."""

    START_AGAIN = auto()
    QUARANTINE = auto()
    FALL_BACK = auto()


@dataclass(frozen=True, slots=True)
class Suspect:
    """The snapshot in force, and since when; None for one that is in force because a newer one was set aside."""

    revision: int
    since: float | None


@dataclass(frozen=True, slots=True)
class _Death:
    at: float
    revision: int
    suspicious: bool


class CrashLog:
    """The deaths of the last minute, of all workers of a node."""

    def __init__(self) -> None:
        self._deaths: deque[_Death] = deque(maxlen=1_000)

    def died(self, now: float, suspect: Suspect) -> Verdict:
        """Note a death at `now` (seconds, any clock that only grows), and what it comes to.

        A snapshot is set aside for three deaths within a minute, all within a minute of its coming into force; any
        other three mean that the engine is not to be relied on. After a verdict counting begins anew.
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
