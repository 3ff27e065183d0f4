"""Probes of failing servers, so that no client's question has to wait for a dead server."""

from collections.abc import Iterator, Sequence
from typing import Final

from dnsfilter.engine.slow_path.exchange import ToProbe
from dnsfilter.engine.slow_path.pending_table import HealthBook, Table
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import UpstreamSlots
from dnsfilter.upstream.health import OWN_SHORTAGES
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.iana import Type
from dnsfilter.wire.query import build_upstream_query, question_of

STREAM_MS: Final = 2_000
"""Milliseconds for a probe by stream, which may have to open a connection first."""


class Probes:
    """Asks each failing server once a second for the SOA of a zone that it serves. Any answer means it is alive."""

    def __init__(
        self,
        table: Table,
        zones: Zones,
        health: HealthBook,
        counters: Sequence[UpstreamSlots],
        slots: "memoryview[int]",
    ) -> None:
        self._messages = [
            build_upstream_query(
                question_of(suffix, Type.SOA), id=0, cd=False, do=False, padded=number in zones.encrypted
            )
            for number, suffix in enumerate(zones.suffixes)
        ]
        self._encrypted = zones.encrypted
        self._by_stream: set[int] = set()
        self._table = table
        self._health = health
        self._counters = counters
        self._slots = slots

    def expire(self, now_ms: int) -> Iterator[ToProbe]:
        """End overdue probes, and send due ones. Yield those that go by stream: each ends by its own time limit."""
        for server in self._table.overdue_probes(now_ms):
            self.failed(server, Failure.TIMEOUT)
        for server in self._health.due(now_ms):
            if server in self._encrypted:
                yield from self._ask_by_stream(server, now_ms)
            elif not self._table.is_probed(server):
                self._send(server, now_ms)

    def answered(self, server: int, now_ms: int) -> None:
        """Record an answer to a probe, with any rcode."""
        self._end(server)
        self._health.answered_probe(server, now_ms)

    def failed(self, server: int, reason: Failure | None) -> None:
        """Record why a probe got no answer. Without a reason, this node could not ask."""
        self._end(server)
        if reason is not None:
            self._slots[self._counters[server].failure(reason)] += 1
            self._health.missed_probe(server)

    def _end(self, server: int) -> None:
        if server in self._encrypted:
            self._by_stream.discard(server)
        else:
            self._table.end_probe(server)

    def _ask_by_stream(self, server: int, now_ms: int) -> Iterator[ToProbe]:
        if server not in self._by_stream:
            self._by_stream.add(server)
            self._slots[self._counters[server].queries] += 1
            yield ToProbe(server, self._messages[server], now_ms + STREAM_MS)

    def _send(self, server: int, now_ms: int) -> None:
        try:
            self._table.send_probe(server, self._messages[server], now_ms + self._health.first_wait_ms(server), now_ms)
        except OSError as error:
            if error.errno not in OWN_SHORTAGES:
                self._health.missed_probe(server)
            return
        self._slots[self._counters[server].queries] += 1
