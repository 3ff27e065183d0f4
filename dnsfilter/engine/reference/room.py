"""Limits on pending questions and waiting queries, in all and for each client."""

from collections import Counter

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.node_config import Limits
from dnsfilter.engine.limits import client_block
from dnsfilter.engine.reference.shares import Shares

MOST_EXCHANGES = 4096
CROWDED_FROM = MOST_EXCHANGES * 3 // 4
"""Exchanges from which on waits are shorter."""
MOST_WAITERS = 4096
"""Most waiting queries of one exchange. One client may have an eighth of that."""


class Room:
    """Counts of waiting queries in all and for each client, and the pending questions."""

    def __init__(self, limits: Limits) -> None:
        self._most_waiting = limits.waiting
        self._most_per_client = limits.waiting_per_client
        self._per_client: Counter[bytes] = Counter()
        self._waiting = 0
        self._shares = Shares()

    def enter(self, client: bytes, opening: CacheKey | None = None, now_ms: int = 0) -> None:
        """Count one more waiting query of `client`, and begin the exchange `opening`.

        If there is no room, raise OverflowError and change nothing.
        """
        block = client_block(client)
        if not self._has_room(block):
            raise OverflowError("too many waiting queries, in all or of one client")
        if opening is not None:
            if len(self._shares) >= MOST_EXCHANGES:
                raise OverflowError("too many pending questions")
            self._shares.add(opening, client, now_ms)
        self._per_client[block] += 1
        self._waiting += 1

    def find_evictable(self, client: bytes, opening: CacheKey, now_ms: int) -> CacheKey | None:
        """Return the exchange to end before `opening` can begin; None if none must end, or none may be ended."""
        if len(self._shares) < MOST_EXCHANGES or not self._has_room(client_block(client)):
            return None
        return self._shares.find_evictable(opening, client, now_ms)

    def _has_room(self, block: bytes) -> bool:
        """Return whether one more query of a client may wait. The last eighth is for clients with few queries."""
        most = self._most_per_client
        if self._waiting >= self._most_waiting * 7 // 8:
            most = max(most // 8, 1)
        return self._waiting < self._most_waiting and self._per_client[block] < most

    def is_crowded(self) -> bool:
        """Return whether waits must be short because little room is left."""
        return len(self._shares) >= CROWDED_FROM

    def leave(self, client: bytes) -> None:
        """Count one waiting query of `client` less."""
        block = client_block(client)
        self._waiting -= 1
        self._per_client[block] -= 1
        if not self._per_client[block]:
            del self._per_client[block]

    def end(self, key: CacheKey) -> None:
        """Forget the exchange of `key`."""
        self._shares.remove(key)
