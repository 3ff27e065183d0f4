"""Questions on their way: sends, waits and retries over the socket pools, and the matching of what comes back.

An exchange is one question to one view's servers. Whoever asks an equal question meanwhile joins it. What an answer
means is the engine's business; here it only has to be the answer.
"""

import heapq
import select
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Endpoint, Limits
from dnsfilter.engine.arrivals import bare_failure, cut_question, parsed, same_question
from dnsfilter.engine.exchange import Cut, Exchange, Gone, Got, Late, Result
from dnsfilter.engine.handover import Begun, HealthBook, Sent, Waiter
from dnsfilter.engine.pool import PoolSocket, UpstreamPool
from dnsfilter.engine.probing import PROBE, Probes
from dnsfilter.engine.room import OwnRoom, Room
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
from dnsfilter.upstream.health import OWN_SHORTAGES, Health
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.edns import OUR_PAYLOAD
from dnsfilter.wire.iana import Rcode
from dnsfilter.wire.query import (
    FLAG_AD,
    FLAG_QR,
    HEADER,
    Question,
    build_upstream_query,
    read_question,
)

MOST_WAITERS = 4096
"""Queries that one exchange may hold, and eight times as many as one client may have waiting."""
SWEEP_MS = 1000
EXPIRED = 16
"""Waits whose end is dealt with before sockets get their next turn: thousands may end at once."""
STALE_AFTER_MS = 1_800
"""How long clients wait before a stale answer has to do (RFC 8767 section 5, the client response timer)."""
LONGEST_CHAIN_MS = TOTAL_MS
"""A question with all legs of its CNAME chain ends after so long: whoever asked has given up."""
MOST_SENDS = 16
"""Datagrams for one question with all legs of its chain; no leg is begun beyond."""
_LARGEST_ANSWER = 65535


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
        room: Room | None = None,
        health: HealthBook | None = None,
        suffixes: Sequence[bytes] | None = None,
    ) -> None:
        self._pools = [UpstreamPool(number, endpoint, poller) for number, endpoint in enumerate(endpoints)]
        self.health: HealthBook = Health(len(endpoints)) if health is None else health
        named = [b"\0"] * len(endpoints) if suffixes is None else suffixes
        self._probes = Probes(self._pools, named, self.health, counters, slots)
        self._room: Room = OwnRoom(Limits()) if room is None else room
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
        """When `expire` next has work, None while nothing is on its way and no socket is open."""
        # Called at every wake-up: plain comparisons, for lists and generators would cost more than a query.
        alarm_ms: int | None = None
        if self._timers:
            alarm_ms = self._timers[0][0]
        elif any(pool.by_fd for pool in self._pools):
            alarm_ms = self._sweep_at_ms
        probe_ms = self._probes.next_alarm_ms()
        return alarm_ms if probe_ms is None or (alarm_ms is not None and alarm_ms < probe_ms) else probe_ms

    def join(
        self, key: CacheKey, question: Question, servers: Sequence[int], waiter: Waiter, now_ns: int
    ) -> list[Result]:
        """Add `waiter` to the exchange of `key`, starting it if there is none; OverflowError when there is no room."""
        exchange = self._by_key.get(key)
        if exchange is None and (begun := self._room.hand_over(key)) is not None:
            exchange = self.adopt(begun)
        if exchange is not None:
            if len(exchange.waiters) >= MOST_WAITERS:
                raise OverflowError("too many clients wait for one question")
            self._room.enter(waiter.client)
            exchange.waiters.append(waiter)
            return [Late(exchange)] if exchange.late else []
        self._room.enter(waiter.client, key, now_ns // 1_000_000)
        exchange = self._open(key, question, self._attempt(servers, now_ns), now_ns // 1_000_000, waiter.client)
        exchange.waiters.append(waiter)
        return self._carry_out(exchange, exchange.attempt.start(now_ns // 1_000_000), now_ns)

    def make_way(self, key: CacheKey, client: bytes, now_ns: int) -> list[Result]:
        """End the exchange that gives way to a new one of `key`, before `join`; nothing is done while there is room.

        Its question has not failed.
        """
        leaving = None if key in self._by_key else self._room.giving_way(client, key, now_ns // 1_000_000)
        if leaving is None:
            return []
        exchange = self._by_key.get(leaving)
        if exchange is None and (begun := self._room.hand_over(leaving)) is not None:
            exchange = self.adopt(begun)
        if exchange is None:
            raise ValueError(f"end {leaving}: it is not on its way")
        self._withdraw(exchange)
        exchange.reason = None
        return [Gone(exchange)]

    def adopt(self, begun: Begun) -> Exchange:
        """Go on with an exchange whose first send is out, as if it had been made here; it has its room already."""
        started_ms = begun.sent_ns // 1_000_000
        plain = self._plain(begun.servers[1:], started_ms) | (set(begun.servers[:1]) if begun.plain else set())
        attempt = Attempt(begun.servers, begun.first_wait_ms, plain)
        exchange = self._open(begun.key, begun.question, attempt, started_ms, begun.waiters[0].client)
        exchange.waiters += begun.waiters
        step = attempt.start(started_ms)
        self._sent(exchange, begun.sent, begun.number, step.server, begun.sent_ns)
        self._wait(exchange, step)
        begun.sent.adopted(exchange.number)
        return exchange

    def _open(self, key: CacheKey, question: Question, attempt: Attempt, started_ms: int, client: bytes) -> Exchange:
        self._last_number += 1
        exchange = Exchange(self._last_number, key, question, attempt, started_ms, client)
        self._exchanges[exchange.number] = self._by_key[key] = exchange
        heapq.heappush(self._timers, (started_ms + STALE_AFTER_MS, exchange.number))
        return exchange

    def follow(self, exchange: Exchange, question: Question, servers: Sequence[int], now_ns: int) -> list[Result]:
        """Ask the exchange's next question, the one its CNAME chain leads to; all legs share one deadline."""
        now_ms, deadline_ms = now_ns // 1_000_000, exchange.started_ms + LONGEST_CHAIN_MS
        if now_ms >= deadline_ms or exchange.sent >= MOST_SENDS:
            self._withdraw(exchange)
            return [Gone(exchange)]
        exchange.question = question
        exchange.attempt = self._attempt(servers, now_ns)
        return self._carry_out(exchange, exchange.attempt.start(now_ms, deadline_ms), now_ns)

    def finish(self, exchange: Exchange) -> list[Waiter]:
        """Forget the exchange and return those who wait for it; an answer that still arrives is nobody's."""
        self._withdraw(exchange)
        del self._exchanges[exchange.number]
        del self._by_key[exchange.key]
        self._room.shut(exchange.key)
        return self.dismiss(exchange)

    def dismiss(self, exchange: Exchange) -> list[Waiter]:
        """Return those who wait for the exchange; they take up no room any more."""
        waiters, exchange.waiters = exchange.waiters, []
        for waiter in waiters:
            self._room.leave(waiter.client)
        return waiters

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
                for number in list(held.waiting.values()):
                    if number == PROBE:
                        self._probes.failed(held.server, Failure.UNREACHABLE)
                    elif (exchange := self._exchanges.get(number)) is not None:
                        yield from self.unreachable(exchange, held.server, now_ns)
                continue
            yield from self._arrived(held, message, now_ns)

    def expire(self, now_ns: int) -> Iterator[Result]:
        """Retry or give up what has waited long enough, `EXPIRED` at most; retire worn sockets."""
        now_ms = now_ns // 1_000_000
        left = EXPIRED
        while left and self._timers and self._timers[0][0] <= now_ms:
            when_ms, number = heapq.heappop(self._timers)
            exchange = self._exchanges.get(number)
            if exchange is None:
                continue
            left -= 1
            if not exchange.late and when_ms == exchange.started_ms + STALE_AFTER_MS:
                exchange.late = True
                yield Late(exchange)
            elif exchange.wait_until_ms == when_ms:
                yield from self._timed_out(exchange, now_ns)
        self._probes.expire(now_ms)
        if now_ms >= self._sweep_at_ms:
            self._sweep_at_ms = now_ms + SWEEP_MS
            for pool in self._pools:
                pool.sweep(now_ms)

    def _timed_out(self, exchange: Exchange, now_ns: int) -> list[Result]:
        now_ms = now_ns // 1_000_000
        if exchange.reason is Failure.TIMEOUT:  # else the failure is known and counted
            self._failed(exchange.server, Failure.TIMEOUT, now_ms)
        if self._room.is_crowded():
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

    def close(self) -> None:
        for pool in self._pools:
            pool.close()

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
                self._wait(exchange, step)
                return []
            step = exchange.attempt.on_error(now_ns // 1_000_000)
        self._withdraw(exchange)
        match step:
            case Accept() if answer is not None:
                return [Got(exchange, self._note_edns(exchange, answer, now_ns // 1_000_000))]
            case AskByStream(server, wait_until_ms):
                exchange.server, exchange.sent_ns = server, now_ns
                self._slots[self._counters[server].queries] += 1
                return [Cut(exchange, server, self._message(exchange, server, 0), wait_until_ms)]
            case Accept() | Exhausted():
                return [Gone(exchange)]

    def _wait(self, exchange: Exchange, step: Send) -> None:
        exchange.wait_until_ms = step.wait_until_ms
        heapq.heappush(self._timers, (step.wait_until_ms, exchange.number))

    def _send(self, exchange: Exchange, step: Send, now_ns: int) -> bool:
        pool = self._pools[step.server]
        try:
            held, number = pool.draw(now_ns // 1_000_000)
            held.send(self._message(exchange, step.server, number))
        except OSError as error:
            self._count(step.server, Failure.UNREACHABLE)
            exchange.reason = None if error.errno in OWN_SHORTAGES else Failure.UNREACHABLE
            if exchange.reason is not None:
                self.health.failed(step.server, now_ns // 1_000_000)
            return False
        exchange.reason = Failure.TIMEOUT
        self.health.sent(step.server, now_ns // 1_000_000)
        held.waiting[number] = exchange.number
        self._sent(exchange, held, number, step.server, now_ns)
        self._slots[self._counters[step.server].queries] += 1
        return True

    @staticmethod
    def _sent(exchange: Exchange, sent: Sent, number: int, server: int, now_ns: int) -> None:
        exchange.sends.append((sent, number))
        exchange.server = server
        exchange.sent += 1
        exchange.sent_ns = now_ns

    def _message(self, exchange: Exchange, server: int, number: int) -> bytes:
        key, edns = exchange.key, not exchange.attempt.is_plain(server)
        ad = self._want_ad and edns
        return build_upstream_query(exchange.question, id=number, cd=key.cd, do=key.do, ad=ad, edns=edns)

    def _note_edns(self, exchange: Exchange, answer: Answer, now_ms: int) -> Answer:
        """Remember whether the server that answered has EDNS; without EDNS its answer is not authentic."""
        server, attempt = exchange.server, exchange.attempt
        if answer.edns is not None:
            self.health.has_edns(server, now_ms)
        elif attempt.rejected_edns(server):
            self.health.lacks_edns(server, now_ms)
        return replace(answer, flags=answer.flags & ~FLAG_AD) if attempt.is_plain(server) else answer

    def _arrived(self, held: PoolSocket, message: bytes, now_ns: int) -> list[Result]:
        """Match by socket, id and question (RFC 5452 section 9.1); anything else changes nothing."""
        number = held.waiting.get(int.from_bytes(message[:2], "big"), 0)
        if number == PROBE and len(message) >= HEADER.size and message[2] & FLAG_QR >> 8:
            self._probes.answered(held.server, now_ns // 1_000_000)
            return []
        exchange = self._exchanges.get(number)
        if exchange is None or len(message) < 2:
            self._count(held.server, Failure.MISMATCH)
            return []
        return self.take(exchange, held.server, message, now_ns)

    def take(self, exchange: Exchange, server: int, message: bytes, now_ns: int) -> list[Result]:
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
            self._withdraw(exchange)  # what it still says to EDNS is no answer to the question without
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

    def _withdraw(self, exchange: Exchange) -> None:
        for held, number in exchange.sends:
            held.forget(number)
        exchange.sends.clear()

    def _failed(self, server: int, reason: Failure, now_ms: int) -> None:
        self.health.failed(server, now_ms)
        self._count(server, reason)

    def _count(self, server: int, reason: Failure) -> None:
        self._slots[self._counters[server].failure(reason)] += 1
