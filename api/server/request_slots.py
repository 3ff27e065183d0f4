"""Slots for requests. Callers wait in turn: many requests of one caller do not delay another caller."""

import asyncio
from collections import Counter, OrderedDict, deque

QUEUED_S = 20.0
MAX_WAITING_EACH = 1000
"""The most waiting requests of one caller. Each takes memory, even if its connection has ended."""


class Slots:
    """Slots, limited for all callers and for each one. Callers get free slots in turn. For one event loop."""

    def __init__(self, most: int, most_each: int, queued_s: float = QUEUED_S) -> None:
        self._most, self._most_each, self._queued_s = most, most_each, queued_s
        self._now: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, who: str) -> bool:
        """Wait for a slot and take it. Return whether there was one in time."""
        if self._now.total() < self._most and self._may(who):
            self._now[who] += 1
            return True
        if len(self._waiting.get(who, ())) >= MAX_WAITING_EACH:
            return False
        slot = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(slot)
        try:
            await asyncio.wait((slot,), timeout=self._queued_s)
        except BaseException:
            if not self._withdrawn(who, slot):
                self.give_back(who)
            raise
        return not self._withdrawn(who, slot)

    def give_back(self, who: str) -> None:
        """Give a slot back, and pass it to the next waiting caller."""
        self._now[who] -= 1
        # Drop callers at zero.
        self._now = +self._now
        while self._now.total() < self._most:
            following = next(filter(self._may, self._waiting), None)
            if following is None:
                return
            self._now[following] += 1
            self._waiting.move_to_end(following)
            slot = self._waiting[following][0]
            slot.set_result(None)
            self._leave(following, slot)

    def _may(self, who: str) -> bool:
        return self._now[who] < self._most_each

    def _withdrawn(self, who: str, slot: "asyncio.Future[None]") -> bool:
        """Stop waiting for a slot. Return False if it was already given."""
        if slot.done():
            return False
        self._leave(who, slot)
        return True

    def _leave(self, who: str, slot: "asyncio.Future[None]") -> None:
        self._waiting[who].remove(slot)
        if not self._waiting[who]:
            del self._waiting[who]
