"""Queries of races that another server has won. Their answers only show the health and the times of their servers."""

from dataclasses import dataclass
from typing import Final

from dnsfilter.engine.reference.pool import PoolSocket
from dnsfilter.engine.slow_path.pending_table import OVERTAKEN, HealthBook
from dnsfilter.upstream.health import SILENCE_TO_BE_GONE_MS
from dnsfilter.wire.iana import Rcode
from dnsfilter.wire.query import FLAG_QR, HEADER

MOST_OVERTAKEN: Final = 1_024
"""Overtaken queries that are remembered. An answer to an older one is late."""


@dataclass(frozen=True, slots=True, eq=False)
class _Send:
    held: PoolSocket
    number: int
    sent_ns: int


class Overtaken:
    """The overtaken queries of one table, in a ring."""

    def __init__(self, health: HealthBook) -> None:
        self._health = health
        self._ring: list[_Send | None] = [None] * MOST_OVERTAKEN
        self._turn = 0

    def add(self, held: PoolSocket, number: int, sent_ns: int) -> None:
        """Remember a query that still waits on a socket under the id `number`."""
        oldest = self._ring[self._turn]
        if oldest is not None:
            oldest.held.forget(oldest.number)
        held.waiting[number] = OVERTAKEN
        self._ring[self._turn] = _Send(held, number, sent_ns)
        self._turn = (self._turn + 1) % MOST_OVERTAKEN

    def arrived(self, held: PoolSocket, message: bytes, now_ns: int) -> None:
        """Record the answer to an overtaken query. Ignore a message that is no answer."""
        if len(message) < HEADER.size or not message[2] & FLAG_QR >> 8:
            return
        number = int.from_bytes(message[:2], "big")
        for at, known in enumerate(self._ring):
            if known is not None and known.held is held and known.number == number:
                self._forget(at, known)
                if message[3] & 15 in (Rcode.NOERROR, Rcode.NXDOMAIN):
                    elapsed_ms = (now_ns - known.sent_ns) // 1_000_000
                    self._health.succeeded(held.server, elapsed_ms, now_ns // 1_000_000)
                else:
                    self._health.heard(held.server)

    def expire(self, now_ms: int) -> None:
        """Give up queries that were not answered for a long time. Each is a failure of its server's health."""
        for at, known in enumerate(self._ring):
            if known is not None and now_ms - known.sent_ns // 1_000_000 >= SILENCE_TO_BE_GONE_MS:
                self._forget(at, known)
                self._health.failed(known.held.server, now_ms)

    def _forget(self, at: int, known: _Send) -> None:
        known.held.forget(known.number)
        self._ring[at] = None
