"""Places for requests. Callers wait in turn: many requests of one caller do not delay another caller."""

import asyncio
from collections import Counter, OrderedDict, deque

QUEUED_S = 20.0
MAX_WAITING_EACH = 1000
"""The most waiting requests of one caller. Each takes memory, even if its connection has ended."""


class Room:
    """Places, limited for all callers and for each one. Callers get free places in turn. For one event loop."""

    def __init__(self, most: int, most_each: int, queued_s: float = QUEUED_S) -> None:
        self._most, self._most_each, self._queued_s = most, most_each, queued_s
        self._now: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def begin(self, who: str) -> bool:
        """Wait for a place and take it. Return whether there was one in time."""
        if self._now.total() < self._most and self._may(who):
            self._now[who] += 1
            return True
        if len(self._waiting.get(who, ())) >= MAX_WAITING_EACH:
            return False
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(place)
        try:
            await asyncio.wait((place,), timeout=self._queued_s)
        except BaseException:
            if not self._withdrawn(who, place):
                self.end(who)
            raise
        return not self._withdrawn(who, place)

    def end(self, who: str) -> None:
        """Give a place back, and pass it to the next waiting caller."""
        self._now[who] -= 1
        # Drop callers at zero.
        self._now = +self._now
        while self._now.total() < self._most:
            following = next(filter(self._may, self._waiting), None)
            if following is None:
                return
            self._now[following] += 1
            self._waiting.move_to_end(following)
            place = self._waiting[following][0]
            place.set_result(None)
            self._leave(following, place)

    def _may(self, who: str) -> bool:
        return self._now[who] < self._most_each

    def _withdrawn(self, who: str, place: "asyncio.Future[None]") -> bool:
        """Stop waiting for a place. Return False if it was already given."""
        if place.done():
            return False
        self._leave(who, place)
        return True

    def _leave(self, who: str, place: "asyncio.Future[None]") -> None:
        self._waiting[who].remove(place)
        if not self._waiting[who]:
            del self._waiting[who]
