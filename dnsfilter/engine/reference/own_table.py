"""The reference engine's table of pending questions: dictionaries, a heap of deadlines, pools of sockets."""

import heapq
import secrets
import select
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.reference.overtaken import Overtaken
from dnsfilter.engine.reference.pool import PoolSocket, UpstreamPool
from dnsfilter.engine.reference.room import MOST_WAITERS, Room
from dnsfilter.engine.slow_path.exchange import Exchange, Waiter
from dnsfilter.engine.slow_path.pending_table import OVERTAKEN, PROBE, HealthBook
from dnsfilter.engine.slow_path.upstream_cookies import with_cookie
from dnsfilter.engine.slow_path.varied_case import VARIED_BYTES, with_letters
from dnsfilter.wire.query import Question

SWEEP_MS = 1000
_LARGEST_ANSWER = 65535


class Arrival(NamedTuple):
    """A datagram from `server`; without `message`, an ICMP error.

    `number` is the exchange that was sent under its id, or PROBE, LATE, or 0 if nothing was. `letters` are those of the
    query, if their case varied; `cookie` is its client cookie, if it had one.
    """

    server: int
    number: int
    message: bytes | None
    letters: int | None = None
    cookie: bytes | None = None


class OwnTable:
    """Implements `Table` over pools of sockets to `endpoints`; every socket is registered with `poller`."""

    def __init__(self, endpoints: Sequence[Endpoint], poller: select.epoll, room: Room, health: HealthBook) -> None:
        self._pools = [UpstreamPool(number, endpoint, poller) for number, endpoint in enumerate(endpoints)]
        self._room = room
        self._overtaken = Overtaken(health)
        self._health = health
        self._exchanges: dict[int, Exchange] = {}
        self._by_key: dict[CacheKey, Exchange] = {}
        self._waiters: dict[int, list[Waiter]] = {}
        self._sends: dict[int, list[tuple[PoolSocket, int]]] = {}
        self._probes: dict[int, tuple[PoolSocket, int, int]] = {}
        self._deadlines: list[tuple[int, int]] = []
        self._last_number = 0
        self._sweep_at_ms = 0

    def __len__(self) -> int:
        return len(self._exchanges)

    def close(self) -> None:
        """Close every socket."""
        for pool in self._pools:
            pool.close()

    # Questions and their waiting queries.

    def get(self, number: int) -> Exchange | None:
        return self._exchanges.get(number)

    def find(self, key: CacheKey) -> Exchange | None:
        return self._by_key.get(key)

    def open(
        self, key: CacheKey, question: Question, client: bytes, now_ns: int, waiter: Waiter | None = None
    ) -> Exchange:
        now_ms = now_ns // 1_000_000
        self._room.enter(client, key, now_ms)
        if waiter is None:
            self._room.leave(client)
        self._last_number += 1
        exchange = Exchange(self._last_number, key, question, now_ms, client)
        self._exchanges[exchange.number] = self._by_key[key] = exchange
        self._waiters[exchange.number], self._sends[exchange.number] = [] if waiter is None else [waiter], []
        return exchange

    def join(self, exchange: Exchange, waiter: Waiter) -> None:
        waiters = self._waiters[exchange.number]
        if len(waiters) >= MOST_WAITERS:
            raise OverflowError("too many waiting queries for one question")
        self._room.enter(waiter.client)
        waiters.append(waiter)

    def find_evictable(self, key: CacheKey, client: bytes, now_ms: int) -> Exchange | None:
        leaving = None if key in self._by_key else self._room.find_evictable(client, key, now_ms)
        return None if leaving is None else self._by_key[leaving]

    def is_crowded(self) -> bool:
        return self._room.is_crowded()

    def dismiss(self, exchange: Exchange) -> list[Waiter]:
        waiters, self._waiters[exchange.number] = self._waiters[exchange.number], []
        for waiter in waiters:
            self._room.leave(waiter.client)
        return waiters

    def finish(self, exchange: Exchange) -> list[Waiter]:
        self.withdraw(exchange)
        waiters = self.dismiss(exchange)
        for by_number in (self._exchanges, self._waiters, self._sends):
            del by_number[exchange.number]
        del self._by_key[exchange.key]
        self._room.end(exchange.key)
        return waiters

    # Deadlines.

    def schedule(self, exchange: Exchange) -> None:
        deadline_ms = exchange.deadline_ms
        if deadline_ms is not None:
            heapq.heappush(self._deadlines, (deadline_ms, exchange.number))

    def due(self, now_ms: int) -> Exchange | None:
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            when_ms, number = heapq.heappop(self._deadlines)
            exchange = self._exchanges.get(number)
            if exchange is not None and exchange.deadline_ms == when_ms:
                return exchange
        return None

    def sweep(self, now_ms: int) -> None:
        if now_ms >= self._sweep_at_ms:
            self._sweep_at_ms = now_ms + SWEEP_MS
            self._overtaken.expire(now_ms)
            for pool in self._pools:
                pool.sweep(now_ms)

    def next_alarm_ms(self) -> int | None:
        alarms = [until_ms for _, _, until_ms in self._probes.values()]
        if self._deadlines:
            alarms.append(self._deadlines[0][0])
        elif any(pool.by_fd for pool in self._pools):
            alarms.append(self._sweep_at_ms)
        return min(alarms, default=None)

    # Sends and arrivals.

    def send(
        self,
        exchange: Exchange,
        server: int,
        message: bytes,
        now_ms: int,
        vary: bool = False,
        has_cookie: bool = False,
    ) -> None:
        letters = secrets.randbits(VARIED_BYTES) if vary else None
        if letters is not None:
            message = with_letters(message, exchange.question, letters)
        held, number = self._send(server, message, now_ms, has_cookie)
        held.waiting[number] = exchange.number
        if letters is not None:
            held.letters[number] = letters
        if has_cookie:
            held.with_cookie.add(number)
        self._sends[exchange.number].append((held, number))

    def withdraw(self, exchange: Exchange) -> None:
        sends = self._sends[exchange.number]
        for held, number in sends:
            held.forget(number)
        sends.clear()

    def withdraw_from(self, exchange: Exchange, server: int) -> None:
        sends = self._sends[exchange.number]
        for held, number in sends:
            if held.server == server:
                held.forget(number)
        sends[:] = [send for send in sends if send[0].server != server]

    def overtake(self, exchange: Exchange, server: int, sent_ns: int) -> None:
        sends = self._sends[exchange.number]
        for held, number in sends:
            if held.server != server:
                self._overtaken.add(held, number, sent_ns)
        sends[:] = [send for send in sends if send[0].server == server]

    def send_probe(self, server: int, message: bytes, until_ms: int, now_ms: int) -> None:
        held, number = self._send(server, message, now_ms)
        held.waiting[number] = PROBE
        self._probes[server] = (held, number, until_ms)

    def end_probe(self, server: int) -> None:
        held, number, _ = self._probes.pop(server)
        held.forget(number)

    def is_probed(self, server: int) -> bool:
        return server in self._probes

    def overdue_probes(self, now_ms: int) -> list[int]:
        return [server for server, (_, _, until_ms) in self._probes.items() if until_ms <= now_ms]

    def receive(self, fd: int, most: int, now_ns: int) -> Iterator[Arrival]:
        """Yield at most `most` arrivals at a socket to an upstream. Record answers to overtaken queries."""
        held = next((pool.by_fd[fd] for pool in self._pools if fd in pool.by_fd), None)
        for _ in range(most):
            if held is None or held.sock.fileno() != fd:
                return
            try:
                message = held.sock.recv(_LARGEST_ANSWER)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error, which anybody can forge
                for number in dict.fromkeys(held.waiting.values()):  # a question sent twice fails once
                    if number != OVERTAKEN:
                        yield Arrival(held.server, number, None)
                continue
            number = held.exchange_of(message)
            if number == OVERTAKEN:
                self._overtaken.arrived(held, message, now_ns)
            else:
                yield Arrival(held.server, number, message, held.letters_of(message), held.cookie_of(message))

    def _send(self, server: int, message: bytes, now_ms: int, has_cookie: bool = False) -> tuple[PoolSocket, int]:
        held, number = self._pools[server].draw(now_ms)
        if has_cookie:
            message = with_cookie(message, self._health.cookie_for(server, held.cookie))
        held.send(number.to_bytes(2, "big") + message[2:])
        return held, number
