"""Probes of failing servers, so that no client's question has to wait for a dead server."""

from collections.abc import Sequence

from dnsfilter.engine.slow_path.pending_table import HealthBook, Table
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import UpstreamSlots
from dnsfilter.upstream.health import OWN_SHORTAGES
from dnsfilter.wire.iana import Type
from dnsfilter.wire.query import build_upstream_query, question_of


class Probes:
    """Asks each failing server once a second for the SOA of a zone that it serves. Any answer means it is alive."""

    def __init__(
        self,
        table: Table,
        suffixes: Sequence[bytes],
        health: HealthBook,
        counters: Sequence[UpstreamSlots],
        slots: "memoryview[int]",
    ) -> None:
        questions = [question_of(suffix, Type.SOA) for suffix in suffixes]
        self._messages = [build_upstream_query(question, id=0, cd=False, do=False) for question in questions]
        self._table = table
        self._health = health
        self._counters = counters
        self._slots = slots

    def expire(self, now_ms: int) -> None:
        """End overdue probes, and send due ones."""
        for server in self._table.overdue_probes(now_ms):
            self.failed(server, Failure.TIMEOUT)
        for server in self._health.due(now_ms):
            if not self._table.is_probed(server):
                self._send(server, now_ms)

    def answered(self, server: int, now_ms: int) -> None:
        """Record an answer to a probe, with any rcode."""
        self._table.end_probe(server)
        self._health.answered_probe(server, now_ms)

    def failed(self, server: int, reason: Failure) -> None:
        """Record that a probe got an ICMP error or no answer."""
        self._table.end_probe(server)
        self._slots[self._counters[server].failure(reason)] += 1
        self._health.missed_probe(server)

    def _send(self, server: int, now_ms: int) -> None:
        try:
            self._table.send_probe(server, self._messages[server], now_ms + self._health.first_wait_ms(server), now_ms)
        except OSError as error:
            if error.errno not in OWN_SHORTAGES:
                self._health.missed_probe(server)
            return
        self._slots[self._counters[server].queries] += 1
