"""The reference engine in plain Python. With the modules that it calls, it specifies the compiled engine.

A query passes the steps in the only order that the rules allow: receive, parse, client and limits (`answer`); policy,
local names, cache (`QueryDecider.decide`); join or forward (`Forwarder.ask`); policy on the answer
(`QueryPolicy.serve`). Datagrams from upstreams are handled by `Inflight.arrived`, deadlines by `Inflight.expire`.
"""

import secrets
import select
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from dnsfilter.cache.answer_cache import AnswerCache, Cache, Mark
from dnsfilter.cache.failure_cache import Failures
from dnsfilter.config.node_config import Clients, Limits
from dnsfilter.engine.clock import Anchor, EngineClock, Reference
from dnsfilter.engine.interface import (
    Capture,
    Captured,
    ClientOf,
    Drop,
    Event,
    Miss,
    NodeLabel,
    Reply,
    ReportAnswer,
    StreamListening,
    Update,
    nobody,
)
from dnsfilter.engine.limits import KEY_BYTES, Admission, Limiter
from dnsfilter.engine.pending_names import PendingCount
from dnsfilter.engine.range_counts import RangeCounts
from dnsfilter.engine.reference.own_table import OwnTable
from dnsfilter.engine.reference.room import Room
from dnsfilter.engine.reference.timer import BootTimer
from dnsfilter.engine.refused_clients import RefusedClient
from dnsfilter.engine.server_cookies import ServerCookies, is_proven
from dnsfilter.engine.slow_path.case import Case, Turn
from dnsfilter.engine.slow_path.exchange import Waiter
from dnsfilter.engine.slow_path.forwarder import STREAM_LIMIT
from dnsfilter.engine.slow_path.local import asks_probe
from dnsfilter.engine.slow_path.named_clients import answering_subnet, named_client
from dnsfilter.engine.slow_path.slow_path import SlowPath
from dnsfilter.engine.tallies import type_slot
from dnsfilter.engine.udp_listener import UdpListener, packed_peer
from dnsfilter.engine.unregistered_counts import TABLE_KEY_BYTES, Noted, UnregisteredTable
from dnsfilter.policy.fleets import plain_client
from dnsfilter.policy.model import Instant, WireName
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Failure, Limit, Outcome, Transport
from dnsfilter.telemetry.slots import CACHE_BYTES, CACHE_ENTRIES, LIMITED
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS
from dnsfilter.upstream.health import Health
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.iana import Rcode
from dnsfilter.wire.proxy_header import unwrap_proxied
from dnsfilter.wire.query import Fault, Query, parse_query
from dnsfilter.wire.reply import empty_reply, truncated_reply, udp_limit

BATCH = 64
# Outcomes of faults by rcode. The last two answer a query for a cookie.
_FAULTS: dict[int, Outcome] = {
    Rcode.NOTIMP: Outcome.UNSUPPORTED,
    Rcode.NOERROR: Outcome.LOCAL,
    Rcode.BADCOOKIE: Outcome.LOCAL,
}


class ReferenceEngine:
    """Implements `Engine` over listening sockets, upstream endpoints and a counter block."""

    streams: ClassVar[StreamListening | None] = None
    make_cache: ClassVar[Callable[[int, int, bool, Mark | None], Cache]] = AnswerCache
    """Make this engine's cache. Arguments: limit in bytes, seconds to keep an answer after its TTL, prefetch, mark."""

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
        clock: EngineClock,
        counters: CounterBlock,
        cookie_secret: bytes,
        snapshot: Snapshot,
        since_ms: int | None = None,
        reference: Reference | None = None,
    ) -> None:
        self._cache = cache
        self._limiter = Limiter(limits, secrets.token_bytes(KEY_BYTES))
        self._cookies = ServerCookies(cookie_secret)
        self._unregistered = UnregisteredTable(secrets.token_bytes(TABLE_KEY_BYTES))
        self._range_counts = RangeCounts()
        self._clients = clients
        self._client_of: ClientOf = nobody
        self._clock = clock
        self._slots = counters.slots
        self._epoll = select.epoll()
        self._timer = BootTimer()
        self._alarm_ms: int | None = None
        self._epoll.register(self._timer.fileno(), select.EPOLLIN)
        self._listeners: dict[int, UdpListener] = {}
        for listener in listeners:
            self.listen(listener)
        health = Health(len(zones.endpoints))
        self._table = OwnTable(zones.endpoints, self._epoll, Room(limits), health)
        self._path = SlowPath(
            table=self._table,
            health=health,
            failures=Failures(),
            cache=cache,
            zones=zones,
            clients=clients,
            trust_ad=trust_ad,
            longest_wait_ms=longest_wait_ms,
            clock=clock,
            counters=counters,
            cookies=self._cookies,
        )
        self._policy = self._path.policy
        self.swap(snapshot, since_ms, reference)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._table.close()
        self._timer.close()
        self._epoll.close()

    def swap(self, snapshot: Snapshot, since_ms: int | None = None, reference: Reference | None = None) -> None:
        now_ms = self._clock.boot_ns() // 1_000_000
        self._path.swap(snapshot, Anchor(snapshot.made_s, now_ms if since_ms is None else since_ms, reference))
        self._range_counts.swap(snapshot)

    def introduce(self, node: NodeLabel) -> None:
        self._path.introduce(node)

    def capture(self, captures: Sequence[Capture]) -> None:
        self._path.capture(captures)

    def report_answers(self, report: ReportAnswer) -> None:
        self._path.report_answers(report)

    def take_captured(self) -> Captured:
        return self._path.take_captured()

    def flush(self, name: WireName, *, below: bool) -> int:
        return self._path.flush(name, below=below)

    def listen(self, listener: UdpListener) -> None:
        self._listeners[listener.fileno()] = listener
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    def unlisten(self, listener: UdpListener) -> None:
        del self._listeners[listener.fileno()]
        self._epoll.unregister(listener.fileno())

    def pending_count(self) -> int:
        return len(self._table)

    def take_unregistered(self) -> Sequence[Noted]:
        return self._unregistered.take()

    def take_ranges(self) -> dict[str, int]:
        return self._range_counts.take()

    def take_refused_clients(self) -> Sequence[RefusedClient]:
        return self._policy.refused_clients.take()

    def take_pending_names(self) -> tuple[Sequence[PendingCount], int]:
        return self._policy.pending_names.take()

    def record_upstreams(self) -> None:
        self._path.record_upstreams()

    # The main loop.

    def poll(self, budget: int) -> Sequence[Event]:
        events: list[Event] = []
        for _ in range(budget):
            ready = self._epoll.poll(0, BATCH)
            if not ready:
                break
            turn = self._turn()
            for fd, _mask in ready:
                self._serve_descriptor(turn, fd)
            events += turn.events
        self._set_alarm()
        self._slots[CACHE_ENTRIES], self._slots[CACHE_BYTES] = len(self._cache), self._cache.bytes
        return events

    def _turn(self) -> Turn:
        return Turn(self._clock.wall_s(), self._clock.boot_ns())

    def _serve_descriptor(self, turn: Turn, fd: int) -> None:
        """Read one batch from a descriptor."""
        listener = self._listeners.get(fd)
        if listener is not None:
            self._read_queries(turn, listener)
        elif fd == self._timer.fileno():
            self._timer.clear()
            self._alarm_ms = None
            self._path.expire(turn)
        else:
            for arrival in self._table.receive(fd, BATCH, turn.boot_ns):
                self._path.arrived(turn, *arrival)

    def _read_queries(self, turn: Turn, listener: UdpListener) -> None:
        for message, peer, source in listener.receive(BATCH):
            client = plain_client(packed_peer(peer))
            if self._clients.trusts(client):
                message, client = unwrap_proxied(message, client, self._client_by_header)
            outcome = self.answer(message, client, Transport.UDP, turn.wall_s, turn.boot_ms)
            match outcome:
                case Reply(reply):
                    listener.send(reply, peer, source)
                    self._path.time(turn.boot_ns)
                case Miss():
                    waiter = Waiter(outcome.query, outcome.client, turn.boot_ns, listener, peer, source)
                    self._path.ask(turn, outcome, waiter)
                case Update():
                    turn.events.append(outcome.answered_by(listener, peer, source))
                case Drop():
                    pass
            self._path.ask_for_due(turn)

    def _client_by_header(self, server_name: str | None, peer: bytes) -> bytes | None:
        client = plain_client(peer)
        return client if server_name is None else self._client_of(server_name, client)

    def _set_alarm(self) -> None:
        alarm_ms = self._path.next_alarm_ms()
        if alarm_ms is not None and alarm_ms != self._alarm_ms:
            self._timer.set(self._clock.alarm_ms(alarm_ms))
            self._alarm_ms = alarm_ms

    # One query.

    def answer(
        self, message: bytes, client: bytes, transport: Transport, wall_s: Instant, boot_ms: int
    ) -> Reply | Miss | Drop | Update:
        # 1. Parse. A forwarder's query may name its client.
        query = parse_query(message, stream=transport.is_stream)
        named = None
        if isinstance(query, Query) and self._clients.forwards(client):
            named = named_client(query, client, self._policy.snapshot)
            client = client if named is None else named
        outcome = self._answer(message, query, client, named is not None, transport, wall_s, boot_ms)
        if self._policy.recorder is not None:
            self._policy.recorder.decided(message, client, transport, outcome)
        return outcome

    def _answer(
        self,
        message: bytes,
        query: Query | Fault | None,
        client: bytes,
        is_named: bool,
        transport: Transport,
        wall_s: Instant,
        boot_ms: int,
    ) -> Reply | Miss | Drop | Update:
        policy = self._policy
        # A message that is too short or is itself a response gets no answer.
        if query is None:
            policy.count(transport, Outcome.DROPPED)
            return Drop()
        if isinstance(query, Query):
            self._slots[type_slot(query.question.qtype)] += 1
        # 2. The client, and whether it may ask.
        range_class = policy.snapshot.find(client)
        if range_class is None:
            self._unregistered.note(client, boot_ms)
        else:
            self._range_counts.note(client)
        at = policy.anchor.instant(wall_s, boot_ms)
        may_ask = policy.may_ask(client, range_class, at)
        query = self._cookies.answer(query, client, transport, at)
        # 3. Its limits.
        forgeable = not (transport.is_stream or is_proven(query))
        admission = self._limiter.admit(client, may_ask, forgeable, boot_ms)
        if admission is not Admission.PASS:
            limit = Limit.CLIENT if may_ask or not forgeable else Limit.UNREGISTERED
            return self._limited(query, transport, limit, admission)
        # 4. Faults, and clients that may not ask.
        size_limit = STREAM_LIMIT if transport.is_stream else udp_limit(query)
        if isinstance(query, Fault):
            if self._path.takes(query, range_class):
                return self._path.update(message, query, client, transport)
            policy.count(transport, _FAULTS.get(query.rcode, Outcome.MALFORMED), query.rcode)
            return Reply(empty_reply(query, query.rcode, limit=size_limit))
        case = Case(query, transport, client, range_class, at, boot_ms, size_limit)
        if not may_ask and not asks_probe(query):
            return Reply(policy.unregistered(case))
        # 5. Policy, local names, the cache, or a miss.
        return self._path.decide(replace(case, query=answering_subnet(query)) if is_named else case)

    def _limited(self, query: Query | Fault, transport: Transport, limit: Limit, admission: Admission) -> Reply | Drop:
        self._policy.count(transport, Outcome.LIMITED)
        self._slots[LIMITED[limit]] += 1
        if admission is Admission.SLIP and isinstance(query, Query):
            # With a cookie in the query, the client can prove its address without TCP.
            rcode = Rcode.BADCOOKIE if query.edns is not None and query.edns.cookie else Rcode.NOERROR
            self._policy.count_reply(rcode)
            return Reply(empty_reply(query, rcode) if rcode else truncated_reply(query))
        return Drop()

    # Streams of clients and to upstreams.

    def name_clients(self, client_of: ClientOf) -> None:
        self._client_of = client_of

    def serve_tls(self, _make_side: object) -> None:
        return None

    def forward(self, miss: Miss, ticket: int) -> Sequence[Event]:
        turn = self._turn()
        self._path.forward(turn, miss, ticket)
        self._set_alarm()
        return turn.events

    def complete(
        self, exchange: int, message: bytes | None, *, failure: Failure | None = Failure.UNREACHABLE
    ) -> Sequence[Event]:
        turn = self._turn()
        self._path.complete(turn, exchange, message, failure)
        self._set_alarm()
        return turn.events

    def complete_probe(
        self, server: int, message: bytes | None, *, failure: Failure | None = Failure.UNREACHABLE
    ) -> Sequence[Event]:
        turn = self._turn()
        self._path.complete_probe(turn, server, message, failure)
        self._set_alarm()
        return turn.events

    def is_open(self, exchange: int) -> bool:
        return self._table.get(exchange) is not None
