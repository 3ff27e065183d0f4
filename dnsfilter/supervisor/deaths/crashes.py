"""Find out why workers die: the snapshot, the engine, or something outside this program. Callers pass the time."""

import os
import signal
from collections import deque
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

MINUTE_S = 60.0
MOST = 3
"""Deaths within a minute that are not an accident."""
_FAULTS = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
)
"""Signals that a process gets for what it does itself."""


class Cause(StrEnum):
    """Why a worker died, as its log line has it."""

    CRASH = "crash"
    HANG = "hang"
    OUTSIDE = "outside"


def cause_of(status: int, *, hung: bool) -> Cause:
    """Return why a worker died. `status` is as subprocess returns it, `hung` that the supervisor killed it for a hang.

    A signal that no fault raises comes from outside: from an administrator, or from the kernel if memory runs out. So
    does an end with EX_OSERR, with which a worker says that the system refused it something.
    """
    if hung and status == -signal.SIGKILL:
        return Cause.HANG
    crashed = -status in _FAULTS if status < 0 else status not in (os.EX_OK, os.EX_OSERR)
    return Cause.CRASH if crashed else Cause.OUTSIDE


class Verdict(Enum):
    """The response to a death."""

    START_AGAIN = auto()
    QUARANTINE = auto()
    REINSTATE = auto()
    FALL_BACK = auto()


@dataclass(frozen=True, slots=True)
class Suspects:
    """The snapshot and the engine as possible causes of worker deaths.

    `since` is when the revision came into force, or None if it was in force at the start, or took another one's place.
    `replaced` is the quarantined revision whose place it took. `is_cleared` says that its predecessor crashed too.
    `engine_can_change` says that another engine can take over.
    """

    revision: int
    since: float | None = None
    replaced: int | None = None
    is_cleared: bool = False
    engine_can_change: bool = False


@dataclass(frozen=True, slots=True)
class _Death:
    at: float
    revision: int
    is_soon: bool


class CrashLog:
    """The crashes and hangs of all workers of a node within the last minute."""

    def __init__(self) -> None:
        self._deaths: deque[_Death] = deque(maxlen=1_000)

    def died(self, now: float, suspects: Suspects) -> Verdict:
        """Note a crash or hang at `now` (seconds of a monotonic clock) and return the response to it.

        Three within a minute have a response. The snapshot is quarantined if all three came within a minute after it
        came into force, or if no other engine can take over, and if none of another revision came meanwhile. If
        workers die with the predecessor too, the snapshot was not the cause. After a response the count restarts.
        """
        is_soon = suspects.since is not None and now - suspects.since <= MINUTE_S
        self._deaths.append(_Death(now, suspects.revision, is_soon))
        while now - self._deaths[0].at > MINUTE_S:
            self._deaths.popleft()
        verdict = self._verdict(suspects)
        if verdict is not Verdict.START_AGAIN:
            self._deaths.clear()
        return verdict

    def _verdict(self, suspects: Suspects) -> Verdict:
        if len(self._deaths) < MOST:
            return Verdict.START_AGAIN
        ours = [death for death in self._deaths if death.revision == suspects.revision]
        if suspects.replaced is not None:
            return Verdict.REINSTATE if len(ours) >= MOST else Verdict.START_AGAIN
        is_suspect = len(ours) == len(self._deaths) and not suspects.is_cleared
        if is_suspect and sum(death.is_soon for death in ours) >= MOST:
            return Verdict.QUARANTINE
        if suspects.engine_can_change:
            return Verdict.FALL_BACK
        return Verdict.QUARANTINE if is_suspect else Verdict.START_AGAIN
