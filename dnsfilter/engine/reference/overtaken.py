"""Queries of races that another server has won. Their answers only show the health and the times of their servers."""

from dataclasses import dataclass
from typing import Final

from dnsfilter.engine.reference.pool import PoolSocket
from dnsfilter.engine.slow_path.pending_table import OVERTAKEN, HealthBook
from dnsfilter.upstream.health import SILENCE_TO_BE_GONE_MS
from dnsfilter.wire.iana import Rcode
from dnsfilter.wire.query import FLAG_AA, FLAG_QR, FLAG_RA, FLAG_TC, HEADER

MOST_OVERTAKEN: Final = 4_096
"""Overtaken queries that are remembered. An answer to an older one is late."""
LONG_ENOUGH_MS: Final = 1_000
"""A query that loses its place to a newer one is a failure if it waited this long."""
_REFUSALS: Final = frozenset({Rcode.REFUSED, Rcode.NOTAUTH})


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
            if sent_ns - oldest.sent_ns >= LONG_ENOUGH_MS * 1_000_000:
                self._health.failed(oldest.held.server, sent_ns // 1_000_000)
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
                self._record(held.server, int.from_bytes(message[2:4], "big"), known.sent_ns, now_ns)

    def expire(self, now_ms: int) -> None:
        """Give up queries that were not answered for a long time. Each is a failure of its server's health."""
        for at, known in enumerate(self._ring):
            if known is not None and now_ms - known.sent_ns // 1_000_000 >= SILENCE_TO_BE_GONE_MS:
                self._forget(at, known)
                self._health.failed(known.held.server, now_ms)

    def _record(self, server: int, flags: int, sent_ns: int, now_ns: int) -> None:
        """Record an answer by its flags alone. SERVFAIL may concern the name, and FORMERR the lack of EDNS."""
        rcode = flags & 15
        if rcode == Rcode.NXDOMAIN or (rcode == Rcode.NOERROR and flags & (FLAG_AA | FLAG_TC | FLAG_RA)):
            self._health.succeeded(server, (now_ns - sent_ns) // 1_000_000, now_ns // 1_000_000)
            return
        self._health.heard(server)
        if rcode in _REFUSALS:
            self._health.failed(server, now_ns // 1_000_000)

    def _forget(self, at: int, known: _Send) -> None:
        known.held.forget(known.number)
        self._ring[at] = None
