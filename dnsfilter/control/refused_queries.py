"""Refused queries of authorities at the level `client`, under pseudonyms, until they are reported. In memory only.

A pseudonym is an HMAC of the authority and the address. Its key is random, is made for each day and never leaves this
object: the pseudonyms of two days, of two starts or of two nodes cannot be compared. All workers of a node share a key.
"""

import hmac
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import islice
from typing import Final, NamedTuple

from dnsfilter.engine.refused_clients import RefusedClient
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Instant

MINUTE_S: Final = 60
MOST_KEPT: Final = 20_000
"""Counts of refused queries that wait for a batch. More are counted in the totals only."""
_KEY_BYTES: Final = 32
_PSEUDONYM_BYTES: Final = 8


class RefusedQuery(NamedTuple):
    """Queries of one pseudonym in the minute from `minute_s` that bans on one service refused."""

    minute_s: Instant
    authority: str
    service: str
    ban_authority: str
    ground: str
    client: str


class RefusedQueries:
    """The refused queries of a node's workers. Thread-safe. `now_s` of its methods is wall time in seconds."""

    def __init__(self, new_key: Callable[[], bytes] = lambda: secrets.token_bytes(_KEY_BYTES)) -> None:
        self._new_key = new_key
        self._key = b""
        self._day: date | None = None
        self._kept: dict[RefusedQuery, int] = {}
        self._turn = threading.Lock()

    def add(self, noted: Iterable[RefusedClient], now_s: Instant) -> None:
        """Add what a worker has noted just now. Nothing of an address is kept."""
        with self._turn:
            self._change_key(now_s)
            for client, authority, service, ban_authority, ground, queries in noted:
                pseudonym = self._pseudonym(authority, client)
                key = RefusedQuery(now_s - now_s % MINUTE_S, authority, service, ban_authority, ground, pseudonym)
                if key in self._kept or len(self._kept) < MOST_KEPT:
                    self._kept[key] = self._kept.get(key, 0) + queries

    def take(self, most: int, now_s: Instant) -> Mapping[RefusedQuery, int]:
        """Return the number of queries of at most `most` refused queries, the oldest first, and forget them."""
        with self._turn:
            self._change_key(now_s)
            taken = dict(islice(self._kept.items(), most))
            for key in taken:
                del self._kept[key]
            return taken

    @property
    def is_empty(self) -> bool:
        """Return whether nothing waits for a batch."""
        return not self._kept

    def _change_key(self, now_s: Instant) -> None:
        """Make another key, and forget the last one, if another day has begun."""
        today = local_day(now_s, DEFAULT_ZONE)
        if today != self._day:
            self._key, self._day = self._new_key(), today

    def _pseudonym(self, authority: str, client: bytes) -> str:
        return hmac.digest(self._key, authority.encode() + b"\0" + client, "sha256")[:_PSEUDONYM_BYTES].hex()
