"""The reference engine: plain Python, and the specification of what a compiled one does.

A query goes through `answer` top to bottom, in the one order that the rules allow: parse, client, policy on the
question, special names, cache, upstream; `_serve` then applies policy to everything that the answer leads to.
"""

import secrets
import select
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, assert_never

from dnsfilter.cache.answers import AnswerCache, Cache, Entry
from dnsfilter.cache.failures import MOST_TARGETS, Failures
from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Clients, Limits
from dnsfilter.engine.case import FAILED_AS, Case, Failed
from dnsfilter.engine.clock import Anchor, Clock
from dnsfilter.engine.exchange import Cut, Exchange, Gone, Got, Late, Result
from dnsfilter.engine.failing import known_failure, stale_answer
from dnsfilter.engine.handover import Waiter
from dnsfilter.engine.inflight import Inflight
from dnsfilter.engine.interface import Answered, Drop, Event, Miss, Reply, Truncated
from dnsfilter.engine.judging import Judging
from dnsfilter.engine.limits import KEY_OCTETS, Admission, Limiter
from dnsfilter.engine.listening import UdpListener, packed_peer
from dnsfilter.engine.local import (
    SIGNAL_NAMES,
    Local,
    asks_any,
    local_leg,
    others_than,
    signal_answer,
    special_answer,
)
from dnsfilter.engine.room import OwnRoom
from dnsfilter.engine.strangers import TABLE_KEY_OCTETS, Noted, StrangerTable
from dnsfilter.engine.timer import BootTimer
from dnsfilter.errors import MalformedMessage
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Limit, Outcome, Transport
from dnsfilter.telemetry.slots import (
    ANSWER_DURATION,
    BYPASS,
    CACHE_BYTES,
    CACHE_ENTRIES,
    CACHE_HITS,
    LIMITED,
    upstream_slots,
)
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.answer import Answer, Chain, follow, join_legs, kept
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.iana import Class, EdeCode, Rcode, Type
from dnsfilter.wire.query import Fault, Query, parse_query, question_of
from dnsfilter.wire.reply import empty_reply, truncated_reply, udp_limit

BATCH = 64
MOST_HOPS = 8
SAMPLE_EVERY = 8
"""One answer in so many is timed."""
STREAM_LIMIT = 65535
_UNANSWERED_CLASSES = frozenset({Class.CH, Class.NONE, Class.ANY})


class ReferenceEngine(Judging):
    """Implements `Engine` over listening sockets, upstream endpoints and a counter block."""

    make_cache: ClassVar[Callable[[int, int], Cache]] = AnswerCache
    """Octets at most, and seconds that an answer is kept past its TTL -> what this engine keeps answers in."""

    def __init__(
        self,
        *,
        listeners: Sequence[UdpListener],
        zones: Zones,
        cache: Cache,
        clients: Clients,
        limits: Limits,
        trust_ad: bool,
        longest_wait_ms: int = LONGEST_FIRST_WAIT_MS,
        clock: Clock,
        counters: CounterBlock,
        snapshot: Snapshot,
        since_ms: int | None = None,
    ) -> None:
        self._zones = zones
        self._cache = cache
        self._clients = clients
        self._limiter = Limiter(limits, secrets.token_bytes(KEY_OCTETS))
        self._strangers = StrangerTable(secrets.token_bytes(TABLE_KEY_OCTETS))
        self._trust_ad = trust_ad
        self._clock = clock
        self._counters = counters
        self._slots = counters.slots
        self._epoll = select.epoll()
        self._timer = BootTimer()
        self._alarm_ms: int | None = None
        self._epoll.register(self._timer.fileno(), select.EPOLLIN)
        self._listeners: dict[int, UdpListener] = {}
        for listener in listeners:
            self.listen(listener)
        counted, room = upstream_slots(len(zones.endpoints)), OwnRoom(limits)
        self._failures = Failures()
        self._inflight = Inflight(
            zones.endpoints, self._epoll, counted, self._slots, trust_ad, longest_wait_ms, room, suffixes=zones.suffixes
        )
        self._answered = 0
        self.swap(snapshot, since_ms)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._inflight.close()
        self._timer.close()
        self._epoll.close()

    def swap(self, snapshot: Snapshot, since_ms: int | None = None) -> None:
        self._counters.open_policy(snapshot.rules_digest, len(snapshot.pairs))
        now_ms = self._clock.boot_ns() // 1_000_000
        self._anchor = Anchor(snapshot.made_s, now_ms if since_ms is None else since_ms)
        self._snapshot = snapshot

    # The sockets.

    def listen(self, listener: UdpListener) -> None:
        self._listeners[listener.fileno()] = listener
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    def unlisten(self, listener: UdpListener) -> None:
        del self._listeners[listener.fileno()]
        self._epoll.unregister(listener.fileno())

    def in_hand(self) -> int:
        return len(self._inflight)

    def take_strangers(self) -> Sequence[Noted]:
        return self._strangers.take()

    def poll(self, budget: int) -> Sequence[Event]:
        events: list[Event] = []
        for _ in range(budget):
            ready = self._epoll.poll(0, BATCH)
            if not ready:
                break
            wall_s, boot_ns = self._clock.wall_s(), self._clock.boot_ns()
            for fd, _mask in ready:
                self._work_off(fd, wall_s, boot_ns, events)
        self._set_alarm()
        self._slots[CACHE_ENTRIES], self._slots[CACHE_BYTES] = len(self._cache), self._cache.bytes
        return events

    def _work_off(self, fd: int, wall_s: Instant, boot_ns: int, events: list[Event]) -> None:
        """Read what one descriptor has, at most a batch of it."""
        listener = self._listeners.get(fd)
        if listener is not None:
            self._read_queries(listener, wall_s, boot_ns, events)
        elif fd == self._timer.fileno():
            self._timer.clear()
            self._alarm_ms = None
            self._expire(wall_s, boot_ns, events)
        else:
            self._settle(self._inflight.receive(fd, BATCH, boot_ns), wall_s, boot_ns, events)

    def _read_queries(self, listener: UdpListener, wall_s: Instant, boot_ns: int, events: list[Event]) -> None:
        for message, peer, source in listener.receive(BATCH):
            client = packed_peer(peer)
            outcome = self.answer(message, client, Transport.UDP, wall_s, boot_ns // 1_000_000)
            match outcome:
                case Reply(reply):
                    listener.send(reply, peer, source)
                    self._time(boot_ns)
                case Miss():
                    waiter = Waiter(outcome.query, client, boot_ns, listener, peer, source)
                    self._ask(outcome, waiter, wall_s, boot_ns, events)
                case Drop():
                    pass

    def _expire(self, wall_s: Instant, boot_ns: int, events: list[Event]) -> None:
        self._settle(self._inflight.expire(boot_ns), wall_s, boot_ns, events)

    def _next_alarm_ms(self) -> int | None:
        return self._inflight.next_alarm_ms()

    def _set_alarm(self) -> None:
        alarm_ms = self._next_alarm_ms()
        if alarm_ms is not None and alarm_ms != self._alarm_ms:
            self._timer.set(alarm_ms)
            self._alarm_ms = alarm_ms

    def _time(self, asked_ns: int) -> None:
        self._answered += 1
        if self._answered % SAMPLE_EVERY == 0:
            ANSWER_DURATION.observe(self._slots, self._clock.boot_ns() - asked_ns)

    # One query.

    def answer(
        self, message: bytes, client: bytes, transport: Transport, wall_s: Instant, boot_ms: int
    ) -> Reply | Miss | Drop:
        query = parse_query(message)
        if query is None:
            self._count(transport, Outcome.DROPPED)
            return Drop()
        range_class = self._snapshot.find(client)
        if range_class is None:
            self._strangers.note(client, boot_ms)
        at = self._anchor.instant(wall_s, boot_ms)
        may_ask = self._may_ask(client, range_class, at)
        forgeable = transport is Transport.UDP
        admission = self._limiter.admit(client, may_ask, forgeable, boot_ms)
        if admission is not Admission.PASS:
            limit = Limit.CLIENT if may_ask or not forgeable else Limit.UNREGISTERED
            return self._limited(query, transport, limit, admission)
        octets = udp_limit(query) if forgeable else STREAM_LIMIT
        if isinstance(query, Fault):
            self._count(transport, Outcome.UNSUPPORTED if query.rcode == Rcode.NOTIMP else Outcome.MALFORMED)
            return Reply(empty_reply(query, query.rcode, limit=octets))
        case = Case(query, transport, client, range_class, at, boot_ms, octets)
        return self._answer(case) if may_ask else self._unregistered(case)

    def _limited(self, query: Query | Fault, transport: Transport, limit: Limit, admission: Admission) -> Reply | Drop:
        self._count(transport, Outcome.LIMITED)
        self._slots[LIMITED[limit]] += 1
        if admission is Admission.SLIP and isinstance(query, Query):
            return Reply(truncated_reply(query))
        return Drop()

    def _may_ask(self, client: bytes, range_class: int | None, at: Instant) -> bool:
        """Whether the client is registered, is allowed by configuration, or asks while all are suspended."""
        return range_class is not None or self._clients.admits(client) or self._snapshot.suspends_all(at)

    def _answer(self, case: Case) -> Reply | Miss:
        query, question, boot_ms = case.query, case.query.question, case.boot_ms
        matches = self._snapshot.match(question.name)
        judgement = self._judge(case, matches)
        if judgement.verdict is Verdict.REFUSE:
            return Reply(self._refuse(case, judgement, matches))
        immediate = self._without_upstream(case)
        if immediate is not None:
            self._note(judgement)
            return Reply(immediate)
        qtype = Type.CNAME if asks_any(question) else question.qtype
        route = self._zones.route(question.name, qtype)
        key = CacheKey(route.view, question.name, qtype, question.qclass, query.do, query.cd)
        entry = self._cache.get(key, boot_ms)
        if entry is not None and entry.is_fresh(boot_ms):
            self._slots[CACHE_HITS] += 1
            return Reply(self._serve(case, entry, Outcome.CACHED))
        failed = known_failure(self._failures, self._inflight.health, key, route.servers, entry, boot_ms)
        if failed is None:
            return Miss(query, key, case.client, case.transport, route.servers)
        stale = stale_answer(self._cache, key, boot_ms)
        if stale is None:
            return Reply(self._fail(case, failed))
        self._slots[CACHE_HITS] += 1
        return Reply(self._serve(case, stale, Outcome.STALE))

    def _unregistered(self, case: Case) -> Reply:
        self._count(case.transport, Outcome.UNREGISTERED)
        return Reply(empty_reply(case.query, Rcode.REFUSED, Ede(EdeCode.PROHIBITED), case.limit))

    def _without_upstream(self, case: Case) -> bytes | None:
        """The reply to what is answered here or not at all, None for everything else."""
        query = case.query
        if not query.rd:
            self._count(case.transport, Outcome.NOT_RECURSIVE)
            return empty_reply(query, Rcode.REFUSED, Ede(EdeCode.NOT_AUTHORITATIVE), case.limit)
        if query.question.qclass in _UNANSWERED_CLASSES:
            self._count(case.transport, Outcome.UNSUPPORTED)
            return empty_reply(query, Rcode.REFUSED, None, case.limit)
        local = self._local(case)
        if local is None:
            return None
        self._count(case.transport, Outcome.LOCAL)
        if local.bypass is not None:
            self._slots[BYPASS[local.bypass]] += 1
        return local.message

    def _local(self, case: Case) -> Local | None:
        question = case.query.question
        if question.qclass == Class.IN and question.name in SIGNAL_NAMES and self._enforces(case):
            return signal_answer(case.query, case.limit)
        return special_answer(case.query, self._zones.covers(question.name), self._snapshot.revision, case.limit)

    def _enforces(self, case: Case) -> bool:
        return case.range_class is not None and self._snapshot.enforcing(case.range_class, case.at)

    # Upstream.

    def forward(self, miss: Miss, ticket: int) -> Sequence[Event]:
        wall_s, boot_ns = self._clock.wall_s(), self._clock.boot_ns()
        events: list[Event] = []
        waiter = Waiter(miss.query, miss.client, boot_ns, ticket=ticket)
        if not self._ask(miss, waiter, wall_s, boot_ns, events):
            events.append(Answered(ticket, empty_reply(miss.query, Rcode.SERVFAIL)))
        self._set_alarm()
        return events

    def complete(self, exchange: int, message: bytes | None, *, server_failed: bool = True) -> Sequence[Event]:
        events: list[Event] = []
        found = self._inflight.get(exchange)
        if found is not None:
            wall_s, boot_ns = self._clock.wall_s(), self._clock.boot_ns()
            results = self._inflight.came_by_stream(found, message, boot_ns, server_failed)
            self._settle(results, wall_s, boot_ns, events)
            self._set_alarm()
        return events

    def is_open(self, exchange: int) -> bool:
        return self._inflight.get(exchange) is not None

    def _ask(self, miss: Miss, waiter: Waiter, wall_s: Instant, boot_ns: int, events: list[Event]) -> bool:
        """Whether the query was asked, joined those that ask the same, or, without room, had a stale answer."""
        key = miss.key
        question = question_of(key.name, key.qtype, key.qclass)
        self._make_way(key, miss.client, wall_s, boot_ns, events)
        try:
            results = self._inflight.join(key, question, miss.servers, waiter, boot_ns)
        except OverflowError:
            if (entry := stale_answer(self._cache, key, boot_ns // 1_000_000)) is not None:
                self._slots[CACHE_HITS] += 1
                self._deliver(waiter, entry, Outcome.STALE, wall_s, boot_ns, events)
                return True
            self._count(miss.transport, Outcome.LIMITED)
            self._slots[LIMITED[Limit.WAITING]] += 1
            return False
        self._settle(results, wall_s, boot_ns, events)
        return True

    def _make_way(self, key: CacheKey, client: bytes, wall_s: Instant, boot_ns: int, events: list[Event]) -> None:
        """Let another question give way to the one of `key` if there is no room; answer those who wait for it."""
        ended = self._inflight.make_way(key, client, boot_ns)
        self._slots[LIMITED[Limit.DISPLACED]] += len(ended)
        self._settle(ended, wall_s, boot_ns, events)

    def _settle(self, results: Iterable[Result], wall_s: Instant, boot_ns: int, events: list[Event]) -> None:
        waiting = deque(results)
        while waiting:
            result = waiting.popleft()
            match result:
                case Got(exchange, answer):
                    waiting += self._got(exchange, answer, wall_s, boot_ns, events)
                case Cut(exchange, server, message, until_ms):
                    events.append(Truncated(exchange.number, server, message, exchange.client, until_ms))
                case Gone(exchange):
                    self._gone(exchange, FAILED_AS[exchange.reason], wall_s, boot_ns, events)
                case Late(exchange):
                    self._late(exchange, wall_s, boot_ns, events)
                case _:
                    assert_never(result)

    def _got(
        self, exchange: Exchange, answer: Answer, wall_s: Instant, boot_ns: int, events: list[Event]
    ) -> Sequence[Result]:
        """Keep what the question reaches and answer all who wait; or ask on where a CNAME leads out of the answer."""
        chain = follow(answer, exchange.question, others_than(exchange.question, self._zones))
        exchange.walked.append((answer, chain))
        if not chain.complete:
            return self._ask_on(exchange, chain, wall_s, boot_ns, events)
        try:
            whole, whole_chain = join_legs(exchange.walked)
            relayed = kept(whole, whole_chain, exchange.key.do)
        except MalformedMessage:  # an answer that only compression kept within a message
            self._gone(exchange, EdeCode.OTHER, wall_s, boot_ns, events)
            return ()
        # What `trust_ad` says of the upstreams says nothing of a conditional zone's servers.
        ad = self._trust_ad and all(leg.ad and not self._zones.covers(leg.question.name) for leg, _ in exchange.walked)
        entry = self._cache.put(exchange.key, relayed, whole_chain.targets, ad, boot_ns // 1_000_000)
        self._failures.forget(exchange.key)
        for waiter in self._inflight.finish(exchange):
            self._deliver(waiter, entry, Outcome.FORWARDED, wall_s, boot_ns, events)
        return ()

    def _ask_on(
        self, exchange: Exchange, chain: Chain, wall_s: Instant, boot_ns: int, events: list[Event]
    ) -> Sequence[Result]:
        name, asked = chain.end, exchange.question
        if len(exchange.walked) > MOST_HOPS or any(name == leg.question.name for leg, _ in exchange.walked):
            self._gone(exchange, EdeCode.OTHER, wall_s, boot_ns, events)
            return ()
        question = question_of(name, asked.qtype, asked.qclass)
        local = local_leg(question, self._zones.covers(name), self._snapshot.revision)
        if local is not None:
            exchange.question = question
            return self._got(exchange, local, wall_s, boot_ns, events)
        return self._inflight.follow(exchange, question, self._zones.route(name, asked.qtype).servers, boot_ns)

    def _gone(
        self, exchange: Exchange, code: EdeCode | None, wall_s: Instant, boot_ns: int, events: list[Event]
    ) -> None:
        """Answer all who wait with what the cache still holds (RFC 8767), else with SERVFAIL."""
        boot_ms = boot_ns // 1_000_000
        waiters = self._inflight.finish(exchange)
        entry = stale_answer(self._cache, exchange.key, boot_ms)
        if entry is not None and waiters:
            self._slots[CACHE_HITS] += 1
        targets = tuple(target for _, chain in exchange.walked for target in chain.targets)
        if exchange.reason is not None and len(targets) <= MOST_TARGETS:
            self._failures.note(exchange.key, code, targets, self._inflight.health.recoveries, boot_ms)
        for waiter in waiters:
            self._deliver(waiter, entry or Failed(code, targets), Outcome.STALE, wall_s, boot_ns, events)

    def _late(self, exchange: Exchange, wall_s: Instant, boot_ns: int, events: list[Event]) -> None:
        """Answer all who wait with what the cache still holds; upstream goes on being asked (RFC 8767 section 5)."""
        entry = stale_answer(self._cache, exchange.key, boot_ns // 1_000_000)
        if entry is None or not exchange.waiters:
            return
        self._slots[CACHE_HITS] += 1
        for waiter in self._inflight.dismiss(exchange):
            self._deliver(waiter, entry, Outcome.STALE, wall_s, boot_ns, events)

    def _deliver(
        self,
        waiter: Waiter,
        found: Entry | Failed,
        outcome: Outcome,
        wall_s: Instant,
        boot_ns: int,
        events: list[Event],
    ) -> None:
        """Decide wholly anew for one who waited, and send the reply or hand it up."""
        transport = Transport.TCP if waiter.listener is None else Transport.UDP
        limit = STREAM_LIMIT if waiter.listener is None else udp_limit(waiter.query)
        boot_ms = boot_ns // 1_000_000
        at = self._anchor.instant(wall_s, boot_ms)
        range_class = self._snapshot.find(waiter.client)
        case = Case(waiter.query, transport, waiter.client, range_class, at, boot_ms, limit)
        if not self._may_ask(waiter.client, range_class, at):
            message = self._unregistered(case).message
        elif isinstance(found, Entry):
            message = self._serve(case, found, outcome)
        else:
            message = self._fail(case, found)
        if waiter.listener is not None and waiter.peer is not None:
            waiter.listener.send(message, waiter.peer, waiter.source)
        else:
            events.append(Answered(waiter.ticket, message))
        self._time(waiter.asked_ns)
