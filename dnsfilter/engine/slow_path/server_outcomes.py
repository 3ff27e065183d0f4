"""Counts what upstreams did with questions, and keeps their health."""

from collections.abc import Sequence
from dataclasses import replace

from dnsfilter.engine.slow_path.exchange import Exchange
from dnsfilter.engine.slow_path.pending_table import HealthBook
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import UpstreamSlots
from dnsfilter.upstream.recursion import delegates_below
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.names import ROOT
from dnsfilter.wire.query import FLAG_AD


class Outcomes:
    """The counters and the health of all servers."""

    def __init__(
        self, zones: Zones, health: HealthBook, counters: Sequence[UpstreamSlots], slots: "memoryview[int]"
    ) -> None:
        self._zones = zones
        self._health = health
        self._counters = counters
        self._slots = slots

    def asked(self, server: int) -> None:
        """Count a query."""
        self._slots[self._counters[server].queries] += 1

    def succeeded(self, server: int, elapsed_ns: int, now_ms: int) -> None:
        """Count an answer that is useful."""
        self._health.succeeded(server, elapsed_ns // 1_000_000, now_ms)
        self._counters[server].duration.observe(self._slots, elapsed_ns)

    def useless(self, server: int, failure: Failure, answer: Answer | None, now_ms: int) -> None:
        """Count an answer that is a failure, against the server's health too unless it concerns the name."""
        self._health.heard(server)
        if failure is Failure.SERVFAIL or (answer is not None and self._delegates(answer)):
            self.count(server, failure)
        else:
            self.failed(server, failure, now_ms)

    def failed(self, server: int, reason: Failure, now_ms: int) -> None:
        """Count a failure, against the server's health too."""
        self._health.failed(server, now_ms)
        self.count(server, reason)

    def note_edns(self, exchange: Exchange, answer: Answer, now_ms: int) -> Answer:
        """Remember whether the server has EDNS. Without EDNS, clear the AD bit of its answer.

        With cookies, one forged answer that rejects EDNS must not end them: their servers count as having EDNS.
        """
        server, attempt, question = exchange.server, exchange.attempt, exchange.question
        if answer.edns is not None:
            self._health.has_edns(server, now_ms)
        elif attempt.rejected_edns(server) and not self._zones.route(question.name, question.qtype).sends_cookies:
            self._health.lacks_edns(server, now_ms)
        return replace(answer, flags=answer.flags & ~FLAG_AD) if attempt.is_plain(server) else answer

    def count(self, server: int, reason: Failure) -> None:
        """Count a failure."""
        self._slots[self._counters[server].failure(reason)] += 1

    def _delegates(self, answer: Answer) -> bool:
        """Return whether a conditional zone's server refers to the servers of a zone below that zone."""
        suffix = self._zones.suffix_of(answer.question.name)
        return suffix != ROOT and delegates_below(answer, suffix)
