"""The slow path: handle queries, and questions to upstreams, in readable Python.

The reference engine uses it for everything. The compiled engine uses it for what it cannot decide alone: odd queries,
chains, truncated answers, failures, timeouts, streams.
"""

from collections.abc import Callable, Iterable, Sequence

from dnsfilter.cache.answer_cache import Cache
from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.node_config import Clients
from dnsfilter.engine.clock import Anchor, Clock
from dnsfilter.engine.interface import Capture, Captured, Miss, NodeLabel, Reply, ReportAnswer, Update
from dnsfilter.engine.server_cookies import ServerCookies
from dnsfilter.engine.slow_path.case import Case, Turn
from dnsfilter.engine.slow_path.dynamic_updates import decide_update, is_taken
from dnsfilter.engine.slow_path.exchange import Waiter
from dnsfilter.engine.slow_path.forwarder import STREAM_LIMIT, Forwarder
from dnsfilter.engine.slow_path.inflight import Inflight
from dnsfilter.engine.slow_path.known_failures import FailureBook
from dnsfilter.engine.slow_path.named_clients import answering_subnet
from dnsfilter.engine.slow_path.pending_table import HealthBook, Table
from dnsfilter.engine.slow_path.query_decider import QueryDecider
from dnsfilter.engine.slow_path.query_policy import QueryPolicy
from dnsfilter.engine.slow_path.recorder import Recorder
from dnsfilter.policy.model import WireName
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Failure, Outcome, Transport
from dnsfilter.telemetry.slots import CACHE_BYTES, CACHE_ENTRIES, UPSTREAM_ANSWERS, UPSTREAM_UNKNOWN, upstream_slots
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.iana import Rcode
from dnsfilter.wire.query import Fault, Query, parse_query
from dnsfilter.wire.reply import empty_reply, udp_limit


class SlowPath:
    """Decide queries and settle answers, over the table, health, cache and failures of one engine. Call `swap` first.

    Events that the engine's caller must handle are added to the turn.
    """

    def __init__(
        self,
        *,
        table: Table,
        health: HealthBook,
        failures: FailureBook,
        cache: Cache,
        zones: Zones,
        clients: Clients,
        trust_ad: bool,
        longest_wait_ms: int,
        clock: Clock,
        counters: CounterBlock,
        cookies: ServerCookies,
    ) -> None:
        slots, upstreams = counters.slots, upstream_slots(len(zones.endpoints))
        self._table = table
        self._health = health
        self._upstreams = upstreams
        self._slots = slots
        self._cache, self._zones = cache, zones
        self._failures, self._cookies = failures, cookies
        self.policy = QueryPolicy(clients, counters)
        self._recorder = Recorder(self.policy, clock)
        self._decider = QueryDecider(self.policy, zones, cache, failures, health, slots)
        self._inflight = Inflight(table, health, zones, upstreams, slots, trust_ad, longest_wait_ms)
        self._forwarder = Forwarder(
            self.policy, self._inflight, zones, cache, failures, trust_ad, clock, slots, cookies
        )

    def swap(self, snapshot: Snapshot, anchor: Anchor) -> None:
        """Decide by `snapshot` from now on."""
        self.policy.swap(snapshot, anchor)

    def introduce(self, node: NodeLabel) -> None:
        """Show this name and site to clients that ask for the probe's name."""
        self.policy.node = node

    def capture(self, captures: Sequence[Capture]) -> Recorder | None:
        """Record the queries of these ranges from now on. Return the recorder; None if it has nothing to do."""
        self._recorder.capture(captures)
        self.policy.recorder = self._recorder if self._recorder.is_needed else None
        return self.policy.recorder

    def report_answers(self, report: ReportAnswer) -> Recorder:
        """Report each reply from now on. Return the recorder."""
        self._recorder.report = report
        self.policy.recorder = self._recorder
        return self._recorder

    def take_captured(self) -> Captured:
        """Return what was recorded since the last call."""
        return self._recorder.take()

    def flush(self, name: WireName, *, below: bool) -> int:
        """Forget answers about the name, or with `below` also about all below it. Return how many these were.

        Forget all failures, because not every engine keeps their names. They last for minutes only.
        """
        self._failures.clear()
        count = self._cache.flush(name, below=below)
        self._slots[CACHE_ENTRIES], self._slots[CACHE_BYTES] = len(self._cache), self._cache.bytes
        return count

    # Queries.

    def decide(self, case: Case) -> Reply | Miss:
        """Decide a query that is within its client's limits, of a client that may ask or for the probe's name."""
        return self._decider.decide(case)

    def takes(self, fault: Fault, range_class: int | None) -> bool:
        """Return whether a message is an update for `update`."""
        return is_taken(fault, range_class, self._zones)

    def update(self, message: bytes, fault: Fault, client: bytes, transport: Transport) -> Reply | Update:
        """Decide on an update that `takes` accepts and that is within its client's limits."""
        limit = STREAM_LIMIT if transport.is_stream else udp_limit(fault)
        return decide_update(message, fault, client, transport, self._zones, self.policy, limit)

    def decide_message(
        self,
        turn: Turn,
        message: bytes,
        client: bytes,
        transport: Transport,
        range_class: int | None,
        is_named: bool = False,
    ) -> Reply | Miss | Update:
        """Parse a query or update and decide it. Raise ValueError if the message is neither.

        `is_named` says that the query's subnet names the client.
        """
        at = self.policy.anchor.instant(turn.wall_s, turn.boot_ms)
        query = parse_query(message, stream=transport.is_stream)
        query = None if query is None else self._cookies.answer(query, client, transport, at)
        if isinstance(query, Fault) and self.takes(query, range_class):
            return self.update(message, query, client, transport)
        if not isinstance(query, Query):
            raise ValueError(f"message {message.hex()} is not a query")
        query = answering_subnet(query) if is_named else query
        limit = STREAM_LIMIT if transport.is_stream else udp_limit(query)
        return self.decide(Case(query, transport, client, range_class, at, turn.boot_ms, limit))

    # Questions upstream.

    def ask(self, turn: Turn, miss: Miss, waiter: Waiter) -> bool:
        """Ask upstream, or join an equal question. Return False if there is neither room nor a stale answer."""
        return self._forwarder.ask(turn, miss, waiter)

    def ask_for_due(self, turn: Turn) -> None:
        """Ask for the answer that the last hit has found to end soon, if any."""
        due, self._decider.due = self._decider.due, None
        if due is not None:
            self.ask_again(turn, *due)

    def ask_again(self, turn: Turn, key: CacheKey, client: bytes) -> None:
        """Ask for a popular answer whose TTL ends soon, as this client's question. No query waits for it."""
        self._forwarder.ask_again(turn, key, client)

    def forward(self, turn: Turn, miss: Miss, ticket: int = 0, reply: Callable[[bytes], object] | None = None) -> None:
        """Ask for a stream's client, whose reply goes to `reply` or is this ticket's event, now or in a later turn."""
        waiter = Waiter(miss.query, miss.client, turn.boot_ns, ticket=ticket, reply=reply, transport=miss.transport)
        if not self.ask(turn, miss, waiter):
            self.policy.count_reply(Rcode.SERVFAIL)
            self._forwarder.send(turn, waiter, empty_reply(miss.query, Rcode.SERVFAIL))

    def arrived(
        self,
        turn: Turn,
        server: int,
        number: int,
        message: bytes | None,
        letters: int | None = None,
        cookie: bytes | None = None,
    ) -> None:
        """Settle a datagram of an upstream for exchange `number`. A message of None is an ICMP error.

        `letters` are those of the query, if their case varied; `cookie` is its client cookie, if it had one.
        """
        self._forwarder.settle(turn, self._inflight.arrived(server, number, message, letters, cookie, turn.boot_ns))

    def complete(self, turn: Turn, number: int, message: bytes | None, failure: Failure | None) -> None:
        """Settle the answer of a stream for exchange `number`, if it is still pending."""
        exchange = self._table.get(number)
        if exchange is not None:
            results = self._inflight.handle_stream_answer(exchange, message, turn.boot_ns, failure)
            self._forwarder.settle(turn, results)

    def complete_probe(self, turn: Turn, server: int, message: bytes | None, failure: Failure | None) -> None:
        """Record the answer of a server that was probed by stream, or why there is none."""
        self._inflight.probed_by_stream(server, message, turn.boot_ns, failure)

    def expire(self, turn: Turn) -> None:
        """Handle what is due: late answers, timeouts, probes, worn sockets."""
        self._forwarder.settle(turn, self._inflight.expire(turn.boot_ns))

    def next_alarm_ms(self) -> int | None:
        """Return when `expire` next has work; None if there is none."""
        return self._inflight.next_alarm_ms()

    def record_upstreams(self) -> None:
        """Write the state of each upstream to its slot."""
        for server, upstream in enumerate(self._upstreams):
            failures = self._health.consecutive_failures(server)
            self._slots[upstream.state] = UPSTREAM_UNKNOWN if failures is None else UPSTREAM_ANSWERS + failures

    # Replies.

    def deliver(self, turn: Turn, waiters: Iterable[Waiter], key: CacheKey) -> None:
        """Answer waiting queries from the entry that was just cached."""
        entry = self._cache.get(key, turn.boot_ms)
        if entry is None:
            raise ValueError(f"cannot deliver {key}: it is not in the cache")
        for waiter in waiters:
            self._forwarder.deliver(turn, waiter, entry, Outcome.FORWARDED)

    def time(self, asked_ns: int) -> None:
        """Measure how long a reply took, if it is one of those that are measured."""
        self._forwarder.time(asked_ns)
