"""Questions on their way: sends, waits and retries over the socket pools, and the matching of what comes back.

An exchange is one question to one view's servers. Whoever asks an equal question meanwhile joins it. What an answer
means is the engine's business; here it only has to be the answer.
"""

import heapq
import select
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Endpoint
from dnsfilter.engine.listening import Ancillary, PeerAddress, UdpListener
from dnsfilter.engine.pool import PoolSocket, UpstreamPool
from dnsfilter.errors import MalformedMessage
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import UpstreamSlots
from dnsfilter.upstream.attempt import Accept, AskByStream, Attempt, Exhausted, Send, Step
from dnsfilter.upstream.health import Health
from dnsfilter.wire.answer import Answer, Chain, parse_answer
from dnsfilter.wire.iana import Rcode
from dnsfilter.wire.query import Query, Question, build_upstream_query

MOST_EXCHANGES = 4096
MOST_WAITERS = 256
"""Clients that one exchange may hold: together with `MOST_EXCHANGES` the bound on what waits."""
SWEEP_MS = 1000
_LARGEST_ANSWER = 65535


@dataclass(frozen=True, slots=True)
class Waiter:
    """Who waits for an exchange, and where the reply goes: a listener's peer, or a stream's ticket."""

    query: Query
    client: bytes
    asked_ns: int
    listener: UdpListener | None = None
    peer: PeerAddress | None = None
    source: Ancillary = field(default_factory=list)
    ticket: int = 0


@dataclass(slots=True, eq=False)
class Exchange:
    """One question on its way. `walked` holds the legs of a CNAME chain that earlier answers gave."""

    number: int
    key: CacheKey
    question: Question
    attempt: Attempt
    waiters: list[Waiter] = field(default_factory=list)
    walked: list[tuple[Answer, Chain]] = field(default_factory=list)
    sends: list[tuple[PoolSocket, int]] = field(default_factory=list)
    server: int = 0
    sent_ns: int = 0
    wait_until_ms: int | None = None
    reason: Failure = Failure.TIMEOUT


@dataclass(frozen=True, slots=True)
class Got:
    """The exchange has its answer."""

    exchange: Exchange
    answer: Answer


@dataclass(frozen=True, slots=True)
class Cut:
    """The answer was truncated; `server` wants to be asked by stream with `message`."""

    exchange: Exchange
    server: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Gone:
    """Nobody gave a usable answer."""

    exchange: Exchange


Result: TypeAlias = Got | Cut | Gone


class Inflight:
    """The exchanges of one engine over pools of sockets to `endpoints`; every socket is registered with `poller`."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        poller: select.epoll,
        counters: Sequence[UpstreamSlots],
        slots: "memoryview[int]",
        want_ad: bool,
        longest_wait_ms: int,
    ) -> None:
        self._pools = [UpstreamPool(number, endpoint, poller) for number, endpoint in enumerate(endpoints)]
        self._health = Health(len(endpoints))
        self._counters = counters
        self._slots = slots
        self._want_ad = want_ad
        self._longest_wait_ms = longest_wait_ms
        self._exchanges: dict[int, Exchange] = {}
        self._by_key: dict[CacheKey, Exchange] = {}
        self._timers: list[tuple[int, int]] = []
        self._last_number = 0
        self._sweep_at_ms = 0

    def __len__(self) -> int:
        return len(self._exchanges)

    def get(self, number: int) -> Exchange | None:
        """The exchange of this number while it lasts."""
        return self._exchanges.get(number)

    def next_alarm_ms(self) -> int | None:
        """When `expire` next has work, None while nothing is on its way."""
        return self._timers[0][0] if self._timers else None

    def join(
        self, key: CacheKey, question: Question, servers: Sequence[int], waiter: Waiter, now_ns: int
    ) -> list[Result]:
        """Add `waiter` to the exchange of `key`, starting it if there is none; OverflowError when there is no room."""
        exchange = self._by_key.get(key)
        if exchange is not None:
            if len(exchange.waiters) >= MOST_WAITERS:
                raise OverflowError("too many clients wait for one question")
            exchange.waiters.append(waiter)
            return []
        if len(self._exchanges) >= MOST_EXCHANGES:
            raise OverflowError("too many questions on their way")
        self._last_number += 1
        exchange = Exchange(self._last_number, key, question, self._attempt(servers, now_ns))
        exchange.waiters.append(waiter)
        self._exchanges[exchange.number] = self._by_key[key] = exchange
        return self._carry_out(exchange, exchange.attempt.start(now_ns // 1_000_000), now_ns)

    def follow(self, exchange: Exchange, question: Question, servers: Sequence[int], now_ns: int) -> list[Result]:
        """Ask the exchange's next question, the one its CNAME chain leads to."""
        exchange.question = question
        exchange.attempt = self._attempt(servers, now_ns)
        return self._carry_out(exchange, exchange.attempt.start(now_ns // 1_000_000), now_ns)

    def finish(self, exchange: Exchange) -> None:
        """Forget the exchange; whatever still arrives for it is nobody's."""
        self._withdraw(exchange)
        del self._exchanges[exchange.number]
        del self._by_key[exchange.key]

    def owns(self, fd: int) -> bool:
        """Whether `fd` is one of the sockets towards upstreams."""
        return any(fd in pool.by_fd for pool in self._pools)

    def receive(self, fd: int, most: int, now_ns: int) -> Iterator[Result]:
        """What the datagrams on one upstream socket mean."""
        held = next((pool.by_fd[fd] for pool in self._pools if fd in pool.by_fd), None)
        for _ in range(most):
            if held is None or held.sock.fileno() != fd:
                return
            try:
                message = held.sock.recv(_LARGEST_ANSWER)
            except BlockingIOError:
                return
            except OSError:  # ICMP says that nobody listens there; anybody could have sent that
                yield from self._unreachable(held, now_ns)
                continue
            yield from self._arrived(held, message, now_ns)

    def expire(self, now_ns: int) -> Iterator[Result]:
        """Retry or give up what has waited long enough; retire worn sockets."""
        now_ms = now_ns // 1_000_000
        while self._timers and self._timers[0][0] <= now_ms:
            when_ms, number = heapq.heappop(self._timers)
            exchange = self._exchanges.get(number)
            if exchange is not None and exchange.wait_until_ms == when_ms:
                self._failed(exchange.server, Failure.TIMEOUT, now_ms)
                exchange.reason = Failure.TIMEOUT
                yield from self._carry_out(exchange, exchange.attempt.on_timeout(now_ms), now_ns)
        if now_ms >= self._sweep_at_ms:
            self._sweep_at_ms = now_ms + SWEEP_MS
            for pool in self._pools:
                pool.sweep(now_ms)

    def came_by_stream(self, exchange: Exchange, message: bytes | None, now_ns: int) -> list[Result]:
        """What the stream that a `Cut` asked for brought; None when it failed."""
        now_ms = now_ns // 1_000_000
        try:
            answer = None if message is None else parse_answer(message)
        except MalformedMessage:
            answer = None
        if answer is None or answer.tc or not _same_question(answer.question, exchange.question):
            self._failed(exchange.server, Failure.UNREACHABLE if message is None else Failure.MALFORMED, now_ms)
            return self._carry_out(exchange, exchange.attempt.on_error(now_ms), now_ns)
        return self._carry_out(exchange, exchange.attempt.on_answer(answer.rcode, False, now_ms), now_ns, answer)

    def close(self) -> None:
        for pool in self._pools:
            pool.close()

    def _attempt(self, servers: Sequence[int], now_ns: int) -> Attempt:
        ordered = self._health.order(servers, now_ns // 1_000_000)
        return Attempt(ordered, min(self._health.first_wait_ms(ordered[0]), self._longest_wait_ms))

    def _carry_out(self, exchange: Exchange, step: Step, now_ns: int, answer: Answer | None = None) -> list[Result]:
        exchange.wait_until_ms = None
        while isinstance(step, Send):
            if self._send(exchange, step, now_ns):
                exchange.wait_until_ms = step.wait_until_ms
                heapq.heappush(self._timers, (step.wait_until_ms, exchange.number))
                return []
            exchange.reason = Failure.UNREACHABLE
            self._failed(step.server, Failure.UNREACHABLE, now_ns // 1_000_000)
            step = exchange.attempt.on_error(now_ns // 1_000_000)
        self._withdraw(exchange)
        match step:
            case Accept() if answer is not None:
                return [Got(exchange, answer)]
            case AskByStream(server):
                return [Cut(exchange, server, self._message(exchange, 0))]
            case Accept() | Exhausted():
                return [Gone(exchange)]

    def _send(self, exchange: Exchange, step: Send, now_ns: int) -> bool:
        pool = self._pools[step.server]
        try:
            held, number = pool.draw(now_ns // 1_000_000)
            held.sock.send(self._message(exchange, number))
        except OSError:
            return False
        held.sends += 1
        held.waiting[number] = exchange.number
        exchange.sends.append((held, number))
        exchange.server = step.server
        exchange.sent_ns = now_ns
        self._slots[self._counters[step.server].queries] += 1
        return True

    def _message(self, exchange: Exchange, number: int) -> bytes:
        key = exchange.key
        return build_upstream_query(exchange.question, id=number, cd=key.cd, do=key.do, ad=self._want_ad)

    def _arrived(self, held: PoolSocket, message: bytes, now_ns: int) -> list[Result]:
        """Match by socket, id and question (RFC 5452 section 9.1); anything else changes nothing."""
        exchange = self._exchanges.get(held.waiting.get(int.from_bytes(message[:2], "big"), 0))
        if exchange is None or len(message) < 2:
            self._count(held.server, Failure.MISMATCH)
            return []
        try:
            answer = parse_answer(message)
        except MalformedMessage:
            self._count(held.server, Failure.MALFORMED)
            return []
        if not _same_question(answer.question, exchange.question):
            self._count(held.server, Failure.MISMATCH)
            return []
        now_ms = now_ns // 1_000_000
        step = exchange.attempt.on_answer(answer.rcode, answer.tc, now_ms, held.server)
        if isinstance(step, Accept | AskByStream):
            elapsed_ns = now_ns - exchange.sent_ns
            self._health.succeeded(held.server, elapsed_ns // 1_000_000, now_ms)
            self._counters[held.server].duration.observe(self._slots, elapsed_ns)
        elif answer.rcode == Rcode.SERVFAIL:
            # About the name more often than about the server, which therefore stays in its place.
            exchange.reason = Failure.SERVFAIL
            self._count(held.server, Failure.SERVFAIL)
        else:
            exchange.reason = Failure.REFUSED
            self._failed(held.server, Failure.REFUSED, now_ms)
        if isinstance(step, Exhausted) and held.server != exchange.server:
            return []  # a late word of another server: the one asked last still has its time
        exchange.server = held.server
        return self._carry_out(exchange, step, now_ns, answer)

    def _unreachable(self, held: PoolSocket, now_ns: int) -> list[Result]:
        """Turn to another server where there is one; the wait for this one goes on, for ICMP is easily forged."""
        now_ms = now_ns // 1_000_000
        results: list[Result] = []
        for exchange in [self._exchanges[number] for number in held.waiting.values() if number in self._exchanges]:
            if exchange.server != held.server:
                continue
            exchange.reason = Failure.UNREACHABLE
            self._failed(held.server, Failure.UNREACHABLE, now_ms)
            step = exchange.attempt.on_error(now_ms)
            if isinstance(step, Send):
                results += self._carry_out(exchange, step, now_ns)
        return results

    def _withdraw(self, exchange: Exchange) -> None:
        for held, number in exchange.sends:
            held.waiting.pop(number, None)
        exchange.sends.clear()

    def _failed(self, server: int, reason: Failure, now_ms: int) -> None:
        self._health.failed(server, now_ms)
        self._count(server, reason)

    def _count(self, server: int, reason: Failure) -> None:
        self._slots[self._counters[server].failure(reason)] += 1


def _same_question(answered: Question, asked: Question) -> bool:
    return (answered.name, answered.qtype, answered.qclass) == (asked.name, asked.qtype, asked.qclass)
