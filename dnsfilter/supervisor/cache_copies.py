"""Copies of workers' caches in memory, for the workers that take their places."""

import asyncio
import os
import time
from collections.abc import Iterable, Sequence

from dnsfilter.cache.packed import HEAD, MOST_BYTES
from dnsfilter.supervisor.worker_process import WorkerProcess
from dnsfilter.worker.channel import CopyCache, TakeCache
from dnsfilter.worker.sealed import empty_memory

COPY_S = 5.0
"""Seconds that workers may take to copy their caches. Later copies are not used."""
STANDBY_EVERY_S = 30.0
"""Seconds between two copies for a standby."""
STANDBY_BYTES = 1 << 20
"""Most bytes of a copy for a standby: some 4,000 answers, which a worker collects in a millisecond."""
_PAUSE_S = 0.01


class CacheCopies:
    """Copies that workers make when they are asked. Each is a descriptor of memory, which this object owns.

    A worker gets the descriptor, so that none has to be taken from a worker. Call `close` as soon as the copies have
    been used: they contain names that people have asked for.
    """

    def __init__(self) -> None:
        self._complete: list[int] = []
        self._asked: dict[WorkerProcess, int] = {}
        self._late_at = 0.0

    def __len__(self) -> int:
        return len(self._complete) + len(self._asked)

    @property
    def complete(self) -> Sequence[int]:
        """Return the descriptors of the complete copies."""
        return self._complete

    def give(self, complete: Sequence[int]) -> None:
        """Take over the descriptors of complete copies."""
        self._complete += complete

    def ask(self, members: Iterable[WorkerProcess], now: float, most_bytes: int = MOST_BYTES) -> None:
        """Have these workers copy the last used answers of their caches. Forget all other copies."""
        self.close()
        self._late_at = now + COPY_S
        for member in members:
            descriptor = empty_memory("dnsfilter-cache")
            self._asked[member] = descriptor
            member.cache_copied = False
            if not member.send(CopyCache(most_bytes), [descriptor]):
                self._forget(member)

    def are_due(self, now: float) -> bool:
        """Return whether some worker may still complete its copy."""
        for member, descriptor in list(self._asked.items()):
            if member.cache_copied and os.fstat(descriptor).st_size <= HEAD.size + MOST_BYTES:
                self._complete.append(self._asked.pop(member))
            elif member.cache_copied or member.gone or now >= self._late_at:
                self._forget(member)
        return bool(self._asked)

    def largest(self) -> int | None:
        """Return the descriptor of the largest copy; None if there is none. Any worker may be asked for any name."""
        return max(self._complete, key=lambda descriptor: os.fstat(descriptor).st_size, default=None)

    def close(self) -> None:
        """Release the memory of all copies."""
        for member in list(self._asked):
            self._forget(member)
        while self._complete:
            os.close(self._complete.pop())

    def _forget(self, member: WorkerProcess) -> None:
        os.close(self._asked.pop(member))


async def copy_caches(members: Iterable[WorkerProcess]) -> CacheCopies:
    """Return copies of the caches of these workers when none is due any more."""
    copies = CacheCopies()
    copies.ask(members, time.monotonic())
    while copies.are_due(time.monotonic()):
        await asyncio.sleep(_PAUSE_S)
    return copies


class StandbyCopies:
    """Gives a standby the last used answers of the worker whose place it may have to take."""

    def __init__(self) -> None:
        self._copies = CacheCopies()
        self._next_at = 0.0

    def look(self, members: Sequence[WorkerProcess], now: float) -> None:
        """Pass on a complete copy, or ask for one if it is time. `members` are the workers that serve or could."""
        reading = [member for member in members if member.reading]
        standbys = [member for member in members if not member.reading]
        if self._copies:
            if self._copies.are_due(now):
                return
            if (copy := self._copies.largest()) is not None:
                for standby in standbys:
                    standby.send(TakeCache(), [copy])
            self._copies.close()
        elif reading and standbys and now >= self._next_at:
            self._next_at = now + STANDBY_EVERY_S
            self._copies.ask(reading[:1], now, STANDBY_BYTES)

    def close(self) -> None:
        """Release the memory of the copy."""
        self._copies.close()
