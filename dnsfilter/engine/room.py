"""The room that questions and those who wait for them take up: bounded in all, and for each client.

An engine whose ordinary questions travel elsewhere has one room for both ways, so that the bounds hold for their sum.
"""

from collections import Counter
from typing import Protocol

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Limits
from dnsfilter.engine.handover import Begun
from dnsfilter.engine.limits import client_block

MOST_EXCHANGES = 4096


class Room(Protocol):
    """Who takes up how much room, and which questions are on their way at all."""

    def enter(self, client: bytes, opening: CacheKey | None = None) -> None:
        """Let one more query of `client` wait, and begin the exchange `opening`; OverflowError changes nothing."""

    def leave(self, client: bytes) -> None:
        """A query of `client` waits no longer."""

    def shut(self, key: CacheKey) -> None:
        """The exchange of `key` is over."""

    def hand_over(self, key: CacheKey) -> Begun | None:
        """An exchange of `key` that was begun elsewhere and is the caller's from now on; None where there is none."""


class OwnRoom:
    """Implements `Room` for an engine all of whose questions travel one way."""

    def __init__(self, limits: Limits) -> None:
        self._most_waiting = limits.waiting
        self._most_per_client = limits.waiting_per_client
        self._per_client: Counter[bytes] = Counter()
        self._waiting = 0
        self._open = 0

    def enter(self, client: bytes, opening: CacheKey | None = None) -> None:
        block = client_block(client)
        if self._per_client[block] >= self._most_per_client:
            raise OverflowError("too many questions of one client wait")
        if self._waiting >= self._most_waiting:
            raise OverflowError("too many clients wait")
        if opening is not None:
            if self._open >= MOST_EXCHANGES:
                raise OverflowError("too many questions on their way")
            self._open += 1
        self._per_client[block] += 1
        self._waiting += 1

    def leave(self, client: bytes) -> None:
        block = client_block(client)
        self._waiting -= 1
        self._per_client[block] -= 1
        if not self._per_client[block]:
            del self._per_client[block]

    def shut(self, key: CacheKey) -> None:
        self._open -= 1

    def hand_over(self, key: CacheKey) -> Begun | None:
        return None
