"""Workers that leave queries waiting: told by their counters and their sockets, long before their silence tells it.

A socket's buffer holds some tens of milliseconds of a busy node's queries, so that a neighbour has to read it sooner
than a missed heartbeat shows. To be wrong does no harm: two processes may read a socket.
"""

import select
import socket
from collections.abc import Callable, Iterable

from dnsfilter.telemetry.metrics import Outcome, Transport
from dnsfilter.telemetry.slots import QUERY_FIRST

STILL_S = 0.015
"""A worker that counts no query for so long while some wait is stalled.

With looks 20 ms apart, 40 to 60 ms pass: the first finds what was counted before, and two in a row find it unchanged.
"""
HOLD_S = 1.0
"""How long at least a stalled worker is stood in for, so that one that is merely kept busy does not come and go."""


class Stall:
    """What is known of one worker's progress. Times are seconds of a clock that only grows."""

    def __init__(self) -> None:
        self._counted: int | None = None
        self._waiting_since: float | None = None
        self._stalled_at: float | None = None

    def look(self, now: float, counted: int, heard: float, waits: Callable[[], bool]) -> bool:
        """Whether the worker is stalled; `counted` is what it has counted so far, `heard` when it last spoke.

        `waits` tells whether queries wait at its sockets; it is asked only where nothing has been counted meanwhile.
        """
        moved = counted != self._counted
        self._counted = counted
        if self._stalled_at is not None:
            if now - self._stalled_at < HOLD_S or not (moved or heard > self._stalled_at):
                return True
            self._stalled_at = self._waiting_since = None
        if moved or not waits():
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now
        elif now - self._waiting_since >= STILL_S:
            self._stalled_at = now
        return self._stalled_at is not None


def queries_counted(slots: "memoryview[int]") -> int:
    """How many queries a worker has counted in its slots, whatever became of them."""
    return sum(slots[QUERY_FIRST : QUERY_FIRST + len(Transport) * len(Outcome)])


def any_waits(sockets: Iterable[socket.socket]) -> bool:
    """Whether a datagram waits at one of these."""
    poll = select.poll()
    for sock in sockets:
        poll.register(sock, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(0))
