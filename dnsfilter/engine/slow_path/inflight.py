"""The course of questions to upstreams: sends, waits and retries, and the matching of what comes back.

An exchange is one question to one view's servers. Whoever asks an equal question meanwhile joins it. What an answer
means is the engine's business; here it only has to be the answer. Where questions wait is their `Table`'s business.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.slow_path.arrivals import bare_failure, cut_question, parsed, same_question
from dnsfilter.engine.slow_path.exchange import Cut, Exchange, Gone, Got, Late, Result, Waiter
from dnsfilter.engine.slow_path.pending_table import PROBE, HealthBook, Table
from dnsfilter.engine.slow_path.probing import Probes
from dnsfilter.errors import MalformedData, MalformedMessage
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import UpstreamSlots
from dnsfilter.upstream.attempt import (
    FAIL_OVER_RCODES,
    HURRIED_MS,
    TOTAL_MS,
    Accept,
    AskByStream,
    Attempt,
    Exhausted,
    Send,
    Step,
)
from dnsfilter.upstream.health import OWN_SHORTAGES
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.edns import OUR_PAYLOAD
from dnsfilter.wire.iana import Rcode
from dnsfilter.wire.query import FLAG_AD, FLAG_QR, HEADER, Question, build_upstream_query, read_question

EXPIRED = 16
"""Waits whose end is dealt with before sockets get their next turn: thousands may end at once."""
LONGEST_CHAIN_MS = TOTAL_MS
"""A question with all legs of its CNAME chain ends after so long: whoever asked has given up."""
MOST_SENDS = 16
"""Datagrams for one question with all legs of its chain; no leg is begun beyond."""


class Inflight:
    """The exchanges of one table. `want_ad` asks servers for the AD bit; a first wait is `longest_wait_ms` at most."""

    def __init__(
        self,
        table: Table,
        health: HealthBook,
        suffixes: Sequence[bytes],
        counters: Sequence[UpstreamSlots],
        slots: "memoryview[int]",
        want_ad: bool,
        longest_wait_ms: int,
    ) -> None:
        self.health = health
        self._table = table
        self._probes = Probes(table, suffixes, health, counters, slots)
        self._counters = counters
        self._slots = slots
        self._want_ad = want_ad
        self._longest_wait_ms = longest_wait_ms

    def next_alarm_ms(self) -> int | None:
        """When `expire` next has work, None while nothing is on its way and no socket is open."""
        alarms = (self._table.next_alarm_ms(), self.health.next_probe_ms())
        return min((alarm_ms for alarm_ms in alarms if alarm_ms is not None), default=None)

    def join(
        self, key: CacheKey, question: Question, servers: Sequence[int], waiter: Waiter, now_ns: int
    ) -> list[Result]:
        """Add `waiter` to the exchange of `key`, starting it if there is none; OverflowError when there is no room."""
        exchange = self._table.find(key)
        if exchange is not None:
            self._table.join(exchange, waiter)
            return [Late(exchange)] if exchange.late else []
        exchange = self._table.open(key, question, waiter, now_ns)
        exchange.attempt = self._attempt(servers, now_ns)
        return self._carry_out(exchange, exchange.attempt.start(now_ns // 1_000_000), now_ns)

    def make_way(self, key: CacheKey, client: bytes, now_ns: int) -> list[Result]:
        """End the exchange that gives way to a new one of `key`, before `join`; nothing is done while there is room.

        Its question has not failed.
        """
        exchange = self._table.giving_way(key, client, now_ns // 1_000_000)
        if exchange is None:
            return []
        self._table.withdraw(exchange)
        exchange.reason = None
        return [Gone(exchange)]

    def follow(self, exchange: Exchange, question: Question, servers: Sequence[int], now_ns: int) -> list[Result]:
        """Ask the exchange's next question, the one its CNAME chain leads to; all legs share one deadline."""
        now_ms, deadline_ms = now_ns // 1_000_000, exchange.started_ms + LONGEST_CHAIN_MS
        if now_ms >= deadline_ms or exchange.sent >= MOST_SENDS:
            self._table.withdraw(exchange)
            return [Gone(exchange)]
        exchange.question = question
        exchange.attempt = self._attempt(servers, now_ns)
        return self._carry_out(exchange, exchange.attempt.start(now_ms, deadline_ms), now_ns)

    def finish(self, exchange: Exchange) -> list[Waiter]:
        """Forget the exchange and return those who wait for it; an answer that still arrives is nobody's."""
        return self._table.finish(exchange)

    def dismiss(self, exchange: Exchange) -> list[Waiter]:
        """Return those who wait for the exchange; they take up no room any more."""
        return self._table.dismiss(exchange)

    def arrived(self, server: int, number: int, message: bytes | None, now_ns: int) -> list[Result]:
        """What a datagram from `server` means, matched by socket, id and question (RFC 5452 section 9.1).

        `number` is that of the exchange with that id, or PROBE; any other changes nothing. None: an ICMP error came.
        """
        exchange = self._table.get(number)
        if message is None:
            if number == PROBE:
                self._probes.failed(server, Failure.UNREACHABLE)
            return [] if exchange is None else self.unreachable(exchange, server, now_ns)
        if number == PROBE and len(message) >= HEADER.size and message[2] & FLAG_QR >> 8:
            self._probes.answered(server, now_ns // 1_000_000)
            return []
        if exchange is None or len(message) < 2:
            self._count(server, Failure.MISMATCH)
            return []
        return self._take(exchange, server, message, now_ns)

    def expire(self, now_ns: int) -> Iterator[Result]:
        """Retry or give up what has waited long enough, `EXPIRED` at most; probe, and retire worn sockets."""
        now_ms = now_ns // 1_000_000
        for _ in range(EXPIRED):
            exchange = self._table.due(now_ms)
            if exchange is None:
                break
            if exchange.deadline_ms == exchange.late_at_ms:
                exchange.late = True
                self._table.schedule(exchange)
                yield Late(exchange)
            else:
                yield from self._timed_out(exchange, now_ns)
        self._probes.expire(now_ms)
        self._table.sweep(now_ms)

    def _timed_out(self, exchange: Exchange, now_ns: int) -> list[Result]:
        now_ms = now_ns // 1_000_000
        if exchange.reason is Failure.TIMEOUT:  # else the failure is known and counted
            self._failed(exchange.server, Failure.TIMEOUT, now_ms)
        if self._table.is_crowded():
            exchange.attempt.hurry(exchange.started_ms + HURRIED_MS)
        dead = self.health.all_dead(exchange.attempt.servers)
        return self._carry_out(exchange, Exhausted() if dead else exchange.attempt.on_timeout(now_ms), now_ns)

    def came_by_stream(
        self, exchange: Exchange, message: bytes | None, now_ns: int, server_failed: bool = True
    ) -> list[Result]:
        """What the stream that a `Cut` asked for brought; None when it failed, through the server or us."""
        now_ms = now_ns // 1_000_000
        if message is None and not server_failed:
            exchange.reason = None
            return self._carry_out(exchange, exchange.attempt.on_error(now_ms), now_ns)
        try:
            answer = None if message is None else parsed(message)
        except MalformedMessage:
            answer = None
        if answer is None or answer.tc or not same_question(answer.question, exchange.question):
            exchange.reason = Failure.UNREACHABLE if message is None else Failure.MALFORMED
            self._failed(exchange.server, exchange.reason, now_ms)
            return self._carry_out(exchange, exchange.attempt.on_error(now_ms), now_ns)
        return self._carry_out(
            exchange, self._judge(exchange, exchange.server, answer.rcode, False, now_ns, answer), now_ns, answer
        )

    def _attempt(self, servers: Sequence[int], now_ns: int) -> Attempt:
        ordered = self.health.order(servers, now_ns // 1_000_000)
        wait_ms = min(self.health.first_wait_ms(ordered[0]), self._longest_wait_ms)
        return Attempt(ordered, wait_ms, self._plain(ordered, now_ns // 1_000_000))

    def _plain(self, servers: Sequence[int], now_ms: int) -> set[int]:
        """Return those of the servers that are to be asked without EDNS."""
        return {server for server in servers if self.health.is_plain(server, now_ms)}

    def _carry_out(self, exchange: Exchange, step: Step, now_ns: int, answer: Answer | None = None) -> list[Result]:
        exchange.wait_until_ms = None
        while isinstance(step, Send):
            if self._send(exchange, step, now_ns):
                exchange.wait_until_ms = step.wait_until_ms
                self._table.schedule(exchange)
                return []
            step = exchange.attempt.on_error(now_ns // 1_000_000)
        self._table.withdraw(exchange)
        self._table.schedule(exchange)
        match step:
            case Accept() if answer is not None:
                return [Got(exchange, self._note_edns(exchange, answer, now_ns // 1_000_000))]
            case AskByStream(server, wait_until_ms):
                exchange.server, exchange.sent_ns = server, now_ns
                self._slots[self._counters[server].queries] += 1
                return [Cut(exchange, server, self._message(exchange, server), wait_until_ms)]
            case Accept() | Exhausted():
                return [Gone(exchange)]

    def _send(self, exchange: Exchange, step: Send, now_ns: int) -> bool:
        server, now_ms = step.server, now_ns // 1_000_000
        try:
            self._table.send(exchange, server, self._message(exchange, server), now_ms)
        except OSError as error:
            self._count(server, Failure.UNREACHABLE)
            exchange.reason = None if error.errno in OWN_SHORTAGES else Failure.UNREACHABLE
            if exchange.reason is not None:
                self.health.failed(server, now_ms)
            return False
        exchange.reason = Failure.TIMEOUT
        self.health.sent(server, now_ms)
        exchange.server, exchange.sent_ns = server, now_ns
        exchange.sent += 1
        self._slots[self._counters[server].queries] += 1
        return True

    def _message(self, exchange: Exchange, server: int) -> bytes:
        """The query without its id, which the table or the stream draws."""
        key, edns = exchange.key, not exchange.attempt.is_plain(server)
        ad = self._want_ad and edns
        return build_upstream_query(exchange.question, id=0, cd=key.cd, do=key.do, ad=ad, edns=edns)

    def _note_edns(self, exchange: Exchange, answer: Answer, now_ms: int) -> Answer:
        """Remember whether the server that answered has EDNS; without EDNS its answer is not authentic."""
        server, attempt = exchange.server, exchange.attempt
        if answer.edns is not None:
            self.health.has_edns(server, now_ms)
        elif attempt.rejected_edns(server):
            self.health.lacks_edns(server, now_ms)
        return replace(answer, flags=answer.flags & ~FLAG_AD) if attempt.is_plain(server) else answer

    def _take(self, exchange: Exchange, server: int, message: bytes, now_ns: int) -> list[Result]:
        """What a datagram from `server` under an outstanding id means, provided that it is about the question."""
        answer: Answer | None = None
        try:
            answer = parsed(message)
            # More than we said we take comes in fragments, the later of which anybody can forge (RFC 9715 section 3.2).
            question, rcode, cut = answer.question, answer.rcode, answer.tc or len(message) > OUR_PAYLOAD
        except MalformedData:
            return self._take_malformed(exchange, server, read_question(message)[0], now_ns)
        except MalformedMessage:
            failure, found = bare_failure(message), cut_question(message)
            if failure is not None:
                question, rcode, cut = exchange.question, failure, False
            elif found is not None:
                # Some servers cut within a record: TCP brings the complete answer.
                question, rcode, cut = found, int(Rcode.NOERROR), True
            else:
                self._count(server, Failure.MALFORMED)
                return []
        if not same_question(question, exchange.question):
            self._count(server, Failure.MISMATCH)
            return []
        if rcode in FAIL_OVER_RCODES and server != exchange.server:
            exchange.attempt.strike(rcode, server)  # the one asked last still has its time
            self._count_failure(server, rcode, now_ns // 1_000_000)
            return []
        step = self._judge(exchange, server, rcode, cut, now_ns, answer)
        if isinstance(step, Send) and step.server == server:
            self._table.withdraw(exchange)  # what it still says to EDNS is no answer to the question without
        exchange.server = server
        return self._carry_out(exchange, step, now_ns, answer)

    def _take_malformed(self, exchange: Exchange, server: int, question: Question, now_ns: int) -> list[Result]:
        """Turn to another server where one has sent data that breaks the rules of its type, as with `unreachable`."""
        same = same_question(question, exchange.question)
        self._count(server, Failure.MALFORMED if same else Failure.MISMATCH)
        if not same or server != exchange.server:
            return []
        return self._turn_from(exchange, Failure.MALFORMED, now_ns)

    def _judge(
        self, exchange: Exchange, server: int, rcode: int, cut: bool, now_ns: int, answer: Answer | None
    ) -> Step:
        """What the attempt makes of an answer; counted, and noted in the server's health."""
        now_ms = now_ns // 1_000_000
        has_opt = answer is not None and answer.edns is not None
        step = exchange.attempt.on_answer(rcode, cut, now_ms, server, has_opt)
        if isinstance(step, Accept | AskByStream):
            elapsed_ns = now_ns - exchange.sent_ns
            self.health.succeeded(server, elapsed_ns // 1_000_000, now_ms)
            self._counters[server].duration.observe(self._slots, elapsed_ns)
        elif isinstance(step, Send) and step.server == server:
            self._count(server, Failure.REFUSED)  # it only lacks EDNS, and is well
        else:
            exchange.reason = self._count_failure(server, rcode, now_ms)
        return step

    def _count_failure(self, server: int, rcode: int, now_ms: int) -> Failure:
        """Count such an answer; SERVFAIL is about the name more often than about the server."""
        self.health.heard(server)
        if rcode == Rcode.SERVFAIL:
            self._count(server, Failure.SERVFAIL)
            return Failure.SERVFAIL
        self._failed(server, Failure.REFUSED, now_ms)
        return Failure.REFUSED

    def unreachable(self, exchange: Exchange, server: int, now_ns: int) -> list[Result]:
        """Turn to another server where there is one; the wait for this one goes on, for ICMP is easily forged."""
        now_ms = now_ns // 1_000_000
        if exchange.server != server:
            return []
        self._failed(server, Failure.UNREACHABLE, now_ms)
        return self._turn_from(exchange, Failure.UNREACHABLE, now_ns)

    def _turn_from(self, exchange: Exchange, reason: Failure, now_ns: int) -> list[Result]:
        """Ask another server at once where there is one; else wait on."""
        exchange.reason = reason
        step = exchange.attempt.on_error(now_ns // 1_000_000)
        return self._carry_out(exchange, step, now_ns) if isinstance(step, Send) else []

    def _failed(self, server: int, reason: Failure, now_ms: int) -> None:
        self.health.failed(server, now_ms)
        self._count(server, reason)

    def _count(self, server: int, reason: Failure) -> None:
        self._slots[self._counters[server].failure(reason)] += 1
