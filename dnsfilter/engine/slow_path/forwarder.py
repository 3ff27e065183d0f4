"""Settle questions that went upstream: cache and deliver answers, follow chains, remember failures.

The reference engine settles every question here, the compiled engine those that need more than one answer.
"""

from collections.abc import Iterable, Sequence
from typing import assert_never

from dnsfilter.cache.answer_cache import Cache, Entry
from dnsfilter.cache.failure_cache import MOST_TARGETS
from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.ad_bit import passes_ad
from dnsfilter.engine.clock import Clock
from dnsfilter.engine.interface import Answered, AskStream, Miss, ProbeStream
from dnsfilter.engine.rules.stale import stale_answer
from dnsfilter.engine.server_cookies import ServerCookies
from dnsfilter.engine.slow_path.case import FAILED_AS, Case, Failed, Turn
from dnsfilter.engine.slow_path.exchange import Exchange, Gone, Got, Late, Result, ToProbe, ToStream, Waiter
from dnsfilter.engine.slow_path.inflight import Inflight
from dnsfilter.engine.slow_path.known_failures import FailureBook
from dnsfilter.engine.slow_path.local import answered_by_others, local_leg, recorded_answer
from dnsfilter.engine.slow_path.query_policy import QueryPolicy
from dnsfilter.errors import MalformedMessage
from dnsfilter.telemetry.metrics import Limit, Outcome
from dnsfilter.telemetry.slots import ANSWER_DURATION, CACHE_HITS, CACHE_PREFETCHES, LIMITED
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.answer import Answer, Chain, follow, join_legs, prune_answer
from dnsfilter.wire.iana import EdeCode
from dnsfilter.wire.query import question_of
from dnsfilter.wire.reply import udp_limit

MOST_HOPS = 8
SAMPLE_EVERY = 8
"""Measure the duration of one reply in this number."""
STREAM_LIMIT = 65535


class Forwarder:
    """Settle the questions of one `Inflight`. `trust_ad` says whether to believe the default upstreams' AD bit."""

    def __init__(
        self,
        policy: QueryPolicy,
        inflight: Inflight,
        zones: Zones,
        cache: Cache,
        failures: FailureBook,
        trust_ad: bool,
        clock: Clock,
        slots: "memoryview[int]",
        cookies: ServerCookies,
    ) -> None:
        self._policy = policy
        self._inflight = inflight
        self._zones = zones
        self._cache = cache
        self._failures = failures
        self._trust_ad = trust_ad
        self._clock = clock
        self._slots, self._cookies = slots, cookies
        self._answered = 0

    def ask(self, turn: Turn, miss: Miss, waiter: Waiter) -> bool:
        """Forward the query, or join an equal one. Return False if there is neither room nor a stale answer."""
        key = miss.key
        question = question_of(key.name, key.qtype, key.qclass)
        # If there is no room, another question may be ended; its waiting queries are answered.
        ended = self._inflight.make_room(key, miss.client, turn.boot_ns)
        self._slots[LIMITED[Limit.DISPLACED]] += len(ended)
        self.settle(turn, ended)
        # A record of this node is the first answer of a chain that leads to other servers.
        recorded = recorded_answer(question, self._zones)
        try:
            results = self._inflight.join(key, question, miss.servers, waiter, turn.boot_ns, recorded)
        except OverflowError:
            if (entry := stale_answer(self._cache, key, turn.boot_ms)) is not None:
                self._slots[CACHE_HITS] += 1
                self.deliver(turn, waiter, entry, Outcome.STALE)
                return True
            self._policy.count(miss.transport, Outcome.LIMITED)
            self._slots[LIMITED[Limit.WAITING]] += 1
            if self._policy.recorder is not None:
                self._policy.recorder.dropped(miss.client, miss.transport, miss.query.question)
            return False
        self.settle(turn, results)
        return True

    def ask_again(self, turn: Turn, key: CacheKey, client: bytes) -> None:
        """Ask for an answer whose TTL ends soon, if there is room for a question of this client. No query waits."""
        question = question_of(key.name, key.qtype, key.qclass)
        servers = self._zones.route(key.name, key.qtype).servers
        recorded = recorded_answer(question, self._zones)
        results = self._inflight.ask_again(key, question, servers, client, turn.boot_ns, recorded)
        if results is not None:
            self._slots[CACHE_PREFETCHES] += 1
            self.settle(turn, results)

    def settle(self, turn: Turn, results: Iterable[Result]) -> None:
        """Handle each result before the next one is made."""
        for result in results:
            match result:
                case Got(exchange, answer):
                    self.settle(turn, self._got(turn, exchange, answer))
                case ToStream(exchange, server, message, until_ms):
                    group = exchange.attempt.servers
                    turn.events.append(AskStream(exchange.number, server, message, exchange.client, until_ms, group))
                case ToProbe(server, message, until_ms):
                    turn.events.append(ProbeStream(server, message, until_ms))
                case Gone(exchange):
                    self._gone(turn, exchange, FAILED_AS[exchange.reason])
                case Late(exchange):
                    self._late(turn, exchange)
                case _:
                    assert_never(result)

    def deliver(self, turn: Turn, waiter: Waiter, found: Entry | Failed, outcome: Outcome) -> None:
        """Decide a waiting query again, and send the reply or hand it up."""
        policy = self._policy
        transport = waiter.transport
        at = policy.anchor.instant(turn.wall_s, turn.boot_ms)
        query = self._cookies.answer(waiter.query, waiter.client, transport, at)
        limit = STREAM_LIMIT if transport.is_stream else udp_limit(query)
        range_class = policy.snapshot.find(waiter.client)
        case = Case(query, transport, waiter.client, range_class, at, turn.boot_ms, limit)
        if not policy.may_ask(waiter.client, range_class, at):
            message = policy.unregistered(case)
        elif isinstance(found, Entry):
            message = policy.serve(case, found, outcome)
        else:
            message = policy.fail(case, found)
        if policy.recorder is not None:
            policy.recorder.replied(waiter.client, transport, message)
        self.send(turn, waiter, message)
        self.time(waiter.asked_ns)

    def send(self, turn: Turn, waiter: Waiter, message: bytes) -> None:
        """Send the reply to a waiting query, or hand it up."""
        if waiter.listener is not None and waiter.peer is not None:
            waiter.listener.send(message, waiter.peer, waiter.source)
        elif waiter.reply is not None:
            waiter.reply(message)
        else:
            turn.events.append(Answered(waiter.ticket, message))

    def time(self, asked_ns: int) -> None:
        """Measure how long a reply took, if it is one of those that are measured."""
        self._answered += 1
        if self._answered % SAMPLE_EVERY == 0:
            ANSWER_DURATION.observe(self._slots, self._clock.boot_ns() - asked_ns)

    def _got(self, turn: Turn, exchange: Exchange, answer: Answer) -> Sequence[Result]:
        """Cache the answer and deliver it to the waiting queries; or follow a CNAME that leads out of the answer.

        After MOST_HOPS aliases out of answers, or too many within one, deliver what was found.
        """
        do = exchange.key.do
        chain = follow(answer, exchange.question, answered_by_others(exchange.question, do, self._zones))
        exchange.legs.append((answer, chain))
        if not chain.complete and not chain.long and len(exchange.legs) <= MOST_HOPS:
            return self._follow_chain(turn, exchange, chain)
        try:
            joined, chain = join_legs(exchange.legs)
            relayed = prune_answer(joined, chain, do)
        except MalformedMessage:  # the aliases loop, or the joined answer exceeds the size of a message
            self._gone(turn, exchange, EdeCode.OTHER)
            return ()
        ad = passes_ad(self._trust_ad, ((leg.ad, self._zones.covers(leg.question.name)) for leg, _ in exchange.legs))
        entry = self._cache.put(exchange.key, relayed, chain.targets, ad, turn.boot_ms, complete=chain.complete)
        self._failures.forget(exchange.key)
        for waiter in self._inflight.finish(exchange):
            self.deliver(turn, waiter, entry, Outcome.FORWARDED)
        return ()

    def _follow_chain(self, turn: Turn, exchange: Exchange, chain: Chain) -> Sequence[Result]:
        name, asked = chain.end, exchange.question
        if any(name == leg.question.name for leg, _ in exchange.legs):
            self._gone(turn, exchange, EdeCode.OTHER)
            return ()
        question = question_of(name, asked.qtype, asked.qclass)
        local = local_leg(question, exchange.key.do, self._zones, self._policy.snapshot.revision)
        if local is not None:
            exchange.question = question
            return self._got(turn, exchange, local)
        servers = self._zones.route(name, asked.qtype).servers
        return self._inflight.follow(exchange, question, servers, turn.boot_ns)

    def _gone(self, turn: Turn, exchange: Exchange, code: EdeCode | None) -> None:
        """Answer all waiting queries from stale data (RFC 8767), else with SERVFAIL."""
        waiters = self._inflight.finish(exchange)
        entry = stale_answer(self._cache, exchange.key, turn.boot_ms)
        if entry is not None and waiters:
            self._slots[CACHE_HITS] += 1
        targets = tuple(target for _, chain in exchange.legs for target in chain.targets)
        if exchange.reason is not None and len(targets) <= MOST_TARGETS:
            self._failures.note(exchange.key, code, targets, self._inflight.health.recoveries, turn.boot_ms)
        for waiter in waiters:
            self.deliver(turn, waiter, entry or Failed(code, targets), Outcome.STALE)

    def _late(self, turn: Turn, exchange: Exchange) -> None:
        """Answer all waiting queries from stale data, and go on asking upstream (RFC 8767 section 5)."""
        entry = stale_answer(self._cache, exchange.key, turn.boot_ms)
        waiters = self._inflight.dismiss(exchange) if entry is not None else []
        if entry is None or not waiters:
            return
        self._slots[CACHE_HITS] += 1
        for waiter in waiters:
            self.deliver(turn, waiter, entry, Outcome.STALE)
