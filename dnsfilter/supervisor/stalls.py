"""Detect workers that leave queries waiting, by their counters and sockets, long before a heartbeat is missed.

Also end workers that report nothing, and find out which of them hang.

A socket's buffer holds some tens of milliseconds of a busy node's queries. A neighbour must read it before a missed
heartbeat shows the fault. A wrong detection does no harm: two processes may read one socket.
"""

import select
import socket
from collections.abc import Callable, Iterable

from dnsfilter.telemetry.metrics import Outcome, Transport
from dnsfilter.telemetry.slots import QUERY_FIRST

STILL_S = 0.015
"""A worker that counts no query for this many seconds while queries wait is stalled.

With looks 20 ms apart it takes 40 to 60 ms: the first look notes the count, and the next two find it unchanged.
"""
HOLD_S = 1.0
"""Minimum seconds for which another worker covers for a stalled one, so that a busy worker does not alternate."""
MISSED_S = 1.0
"""If a worker sends nothing for this many seconds, four heartbeats, another covers for it."""
SILENCE_S = 5.0
"""A worker that reports nothing for this many seconds is killed."""
HANG_SHARE = 0.25
"""The share of the time that a hanging worker computes at least. Workers that hang together share the processors."""
START_S = 30.0
"""Seconds that a worker may take until its first report. Killing it sooner does not help an overloaded machine."""


class Stall:
    """The progress of one worker. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._counted: int | None = None
        self._waiting_since: float | None = None
        self._stalled_at: float | None = None

    def look(self, now: float, counted: int, heard: float, waits: Callable[[], bool]) -> bool:
        """Return whether the worker is stalled. `counted` is its count of queries, `heard` the time of its last report.

        `waits` returns whether queries wait at its sockets. It is called only if the count has not changed.
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


class Silence:
    """The silence of one worker. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._from: tuple[float, float | None] | None = None
        self.is_hang = False
        """Whether the worker used the processor during its silence: it never came back to its loop.

        One that was stopped, or gets no processor time or no memory, is silent for a reason outside.
        """

    def look(self, now: float, heard: float, cpu_s: Callable[[], float | None], *, starting: bool) -> bool:
        """Return whether the worker is to be killed, because its last report at `heard` is too long ago.

        `cpu_s` returns the processor time that it has used. It is called only if a report is missing.
        """
        if now - heard <= MISSED_S:
            self._from = None
            return False
        used_s = cpu_s()
        if self._from is None:
            self._from = now, used_s
        if now - heard <= (START_S if starting else SILENCE_S):
            return False
        since, before_s = self._from
        self.is_hang = used_s is not None and before_s is not None and used_s - before_s >= HANG_SHARE * (now - since)
        return True


_QUERY_END = QUERY_FIRST + len(Transport) * len(Outcome)


def queries_counted(slots: "memoryview[int]") -> int:
    """Return the number of queries that a worker has counted in its slots, with any outcome."""
    return sum(slots[QUERY_FIRST:_QUERY_END])


def any_waiting(sockets: Iterable[socket.socket]) -> bool:
    """Return whether a datagram waits at one of these sockets."""
    poll = select.poll()
    for sock in sockets:
        poll.register(sock, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(0))
