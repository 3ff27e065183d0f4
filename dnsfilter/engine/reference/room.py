"""The room that questions and those who wait for them take up: bounded in all, and for each client."""

from collections import Counter

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.node_config import Limits
from dnsfilter.engine.limits import client_block
from dnsfilter.engine.reference.shares import Shares

MOST_EXCHANGES = 4096
CROWDED_FROM = MOST_EXCHANGES * 3 // 4
"""From this many exchanges on, waits are shorter."""
MOST_WAITERS = 4096
"""Waiting queries of one exchange at most. One client may have an eighth of that waiting."""


class Room:
    """Who takes up how much room, and which questions are on their way at all."""

    def __init__(self, limits: Limits) -> None:
        self._most_waiting = limits.waiting
        self._most_per_client = limits.waiting_per_client
        self._per_client: Counter[bytes] = Counter()
        self._waiting = 0
        self._shares = Shares()

    def enter(self, client: bytes, opening: CacheKey | None = None, now_ms: int = 0) -> None:
        """Let one more query of `client` wait, and begin the exchange `opening`; OverflowError changes nothing."""
        block = client_block(client)
        if not self._has_seat(block):
            raise OverflowError("too many clients, or too many questions of one client, wait")
        if opening is not None:
            if len(self._shares) >= MOST_EXCHANGES:
                raise OverflowError("too many questions on their way")
            self._shares.add(opening, client, now_ms)
        self._per_client[block] += 1
        self._waiting += 1

    def giving_way(self, client: bytes, opening: CacheKey, now_ms: int) -> CacheKey | None:
        """Return the exchange that has to end before `opening` can begin; None if none has to, or none gives way."""
        if len(self._shares) < MOST_EXCHANGES or not self._has_seat(client_block(client)):
            return None
        return self._shares.giving_way(opening, client, now_ms)

    def _has_seat(self, block: bytes) -> bool:
        """Return whether one more query of a client may wait; the last eighth of the seats is for light clients."""
        most = self._most_per_client
        if self._waiting >= self._most_waiting * 7 // 8:
            most = max(most // 8, 1)
        return self._waiting < self._most_waiting and self._per_client[block] < most

    def is_crowded(self) -> bool:
        """Return whether waits have to be short, for there is little room left."""
        return len(self._shares) >= CROWDED_FROM

    def leave(self, client: bytes) -> None:
        """A query of `client` waits no longer."""
        block = client_block(client)
        self._waiting -= 1
        self._per_client[block] -= 1
        if not self._per_client[block]:
            del self._per_client[block]

    def shut(self, key: CacheKey) -> None:
        """The exchange of `key` is over."""
        self._shares.remove(key)
