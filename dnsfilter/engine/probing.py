"""Probes of servers that fail: a question of our own, so that no client's question waits for a dead server."""

from collections.abc import Sequence
from typing import Final

from dnsfilter.engine.handover import HealthBook
from dnsfilter.engine.pool import PoolSocket, UpstreamPool
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import UpstreamSlots
from dnsfilter.upstream.health import OWN_SHORTAGES
from dnsfilter.wire.iana import Type
from dnsfilter.wire.query import build_upstream_query, question_of

PROBE: Final = -1
"""Stands for a probe where a pool's socket holds the number of an exchange."""


class Probes:
    """Asks each failing server once a second for the SOA of a zone that it serves. Any answer shows that it lives."""

    def __init__(
        self,
        pools: Sequence[UpstreamPool],
        suffixes: Sequence[bytes],
        health: HealthBook,
        counters: Sequence[UpstreamSlots],
        slots: "memoryview[int]",
    ) -> None:
        self._questions = [question_of(suffix, Type.SOA) for suffix in suffixes]
        self._pools = pools
        self._health = health
        self._counters = counters
        self._slots = slots
        self._sent: dict[int, tuple[PoolSocket, int, int]] = {}

    def next_alarm_ms(self) -> int | None:
        """Return when `expire` next has work, None while no probe is needed."""
        due_ms = self._health.next_probe_ms()
        if not self._sent:
            return due_ms
        ends = [until_ms for _, _, until_ms in self._sent.values()]
        return min(ends if due_ms is None else [*ends, due_ms])

    def expire(self, now_ms: int) -> None:
        """Give up the probes that nobody answered in time, and send those that are due."""
        for server, (_, _, until_ms) in list(self._sent.items()):
            if until_ms <= now_ms:
                self.failed(server, Failure.TIMEOUT)
        for server in self._health.due(now_ms):
            if server not in self._sent:
                self._send(server, now_ms)

    def answered(self, server: int, now_ms: int) -> None:
        """Note an answer to a probe, with any rcode."""
        self._forget(server)
        self._health.answered_probe(server, now_ms)

    def failed(self, server: int, reason: Failure) -> None:
        """Note that a probe met a closed port, or that nobody answered it."""
        self._forget(server)
        self._slots[self._counters[server].failure(reason)] += 1
        self._health.missed_probe(server)

    def _forget(self, server: int) -> None:
        held, number, _ = self._sent.pop(server)
        held.forget(number)

    def _send(self, server: int, now_ms: int) -> None:
        try:
            held, number = self._pools[server].draw(now_ms)
            held.send(build_upstream_query(self._questions[server], id=number, cd=False, do=False))
        except OSError as error:
            if error.errno not in OWN_SHORTAGES:
                self._health.missed_probe(server)
            return
        held.waiting[number] = PROBE
        self._slots[self._counters[server].queries] += 1
        self._sent[server] = (held, number, now_ms + self._health.first_wait_ms(server))
