# The engine: its parts, and its public interface.

import secrets
import select

from dnsfilter.engine.clock import Anchor
from dnsfilter.engine.limits import KEY_BYTES, Limiter
from dnsfilter.engine.range_counts import RangeCounts
from dnsfilter.engine.server_cookies import ServerCookies
from dnsfilter.engine.slow_path.slow_path import SlowPath
from dnsfilter.engine.unregistered_counts import TABLE_KEY_BYTES, UnregisteredTable
from dnsfilter.telemetry.slots import upstream_slots


class CompiledEngine:
    """Implements `Engine`: ordinary queries in C, all others by the slow path that the reference engine uses."""

    make_cache = Store

    def __init__(
        self, *, listeners, zones, cache, clients, limits, trust_ad, longest_wait_ms=LONGEST_FIRST_WAIT_MS, clock,
        counters, cookie_secret, snapshot, since_ms=None, reference=None,
    ):
        self._cache, self._clock, self._counters, self._slots = cache, clock, counters, counters.slots
        self._unregistered = UnregisteredTable(secrets.token_bytes(TABLE_KEY_BYTES))
        self._range_counts = RangeCounts()
        self._epoll, self._alarm = select.epoll(), Alarm()
        self._epoll.register(self._alarm.fd, select.EPOLLIN)
        # Later replies use duplicated descriptors: a listener may be closed meanwhile, and its number reused.
        self._listening, self._by_socket, self._named = ListeningSockets(), {}, {}
        for listener in listeners:
            self.listen(listener)
        self._pending = make_pending(
            zones.endpoints, zones.views, self._epoll.fileno(), upstream_slots(len(zones.endpoints)), self._slots,
            trust_ad, longest_wait_ms, limits, cache,
        )
        proxies = Prefixes(clients.trusted_proxies)
        connections = Connections(limits, proxies, self._alarm, self._slots, self._epoll.fileno())
        self._table = PendingTable(self._pending, self._named, connections)
        failures = Failures(self._pending)
        self._slow_path = SlowPath(
            table=self._table, health=self._pending.health, failures=failures, cache=cache, zones=zones,
            clients=clients, trust_ad=trust_ad, longest_wait_ms=longest_wait_ms, clock=clock, counters=counters,
            cookies=ServerCookies(cookie_secret),
        )
        limiter = Limiter(limits, secrets.token_bytes(KEY_BYTES))
        self._fast = FastPath(
            cache, zones, clients, self._slots, limiter, self._unregistered, self._slow_path.policy.refused_clients,
            self._slow_path.policy.names, self._slow_path.policy.pending_names, failures, CookieMaker(cookie_secret),
        )
        self._recording = Recording()
        self._loop = Loop(
            self._fast, self._table, self._slow_path, self._alarm, self._listening, self._epoll.fileno(), trust_ad,
            clock, counters, proxies, self._recording,
        )
        self.streams = self._loop.streams
        self.swap(snapshot, since_ms, reference)

    def fileno(self):
        return self._epoll.fileno()

    def close(self):
        self.streams.close()
        self._pending.close()
        self._fast.release()
        self._loop.release()
        self._alarm.close()
        self._epoll.close()
        for reply_fd in self._by_socket.values():
            os.close(reply_fd)

    def swap(self, snapshot, since_ms=None, reference=None):
        table = Table(snapshot)
        now_ms = self._clock.boot_ns() // NS_PER_MS
        anchor = Anchor(snapshot.made_s, now_ms if since_ms is None else since_ms, reference)
        self._slow_path.swap(snapshot, anchor)
        self._loop.swap(anchor)
        self._range_counts.swap(snapshot)
        self._fast.swap(table, self._counters.policy, self._range_counts)

    def introduce(self, node):
        self._slow_path.introduce(node)

    def capture(self, captures):
        self._recording.use(self._slow_path.capture(captures))

    def report_answers(self, report):
        self._recording.use(self._slow_path.report_answers(report))

    def take_captured(self):
        return self._slow_path.take_captured()

    def flush(self, name, *, below):
        return self._slow_path.flush(name, below=below)

    def listen(self, listener):
        number = os.fstat(listener.fileno()).st_ino
        if number not in self._by_socket:
            self._by_socket[number] = os.dup(listener.fileno())
        reply_fd = self._by_socket[number]
        self._named[reply_fd] = listener
        self._listening.add(listener, reply_fd)
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    def unlisten(self, listener):
        self._listening.remove(listener)
        self._epoll.unregister(listener.fileno())

    def pending_count(self):
        return len(self._table)

    def take_unregistered(self):
        return self._unregistered.take()

    def take_ranges(self):
        return self._range_counts.take()

    def take_refused_clients(self):
        return self._slow_path.policy.refused_clients.take()

    def take_pending_names(self):
        return self._slow_path.policy.pending_names.take()

    def record_upstreams(self):
        self._slow_path.record_upstreams()

    def answer(self, message, client, transport, wall_s, boot_ms):
        outcome, client = self._loop.answer(message, client, transport, wall_s, boot_ms)
        if self._recording.recorder is not None:
            self._recording.recorder.decided(message, client, transport, outcome)
        return outcome

    def poll(self, budget):
        return self._loop.poll(budget)

    # Waiting without Python, for an event loop that waits here.

    def watch(self, fd):
        self._epoll.register(fd, select.EPOLLIN)
        self._loop.watch(fd)

    def unwatch(self, fd):
        self._epoll.unregister(fd)
        self._loop.watch(-1)
        self._loop.set_alarm()

    def serve(self, wait_ns):
        found = self._loop.serve(wait_ns)
        return bool(found & FOREIGN), bool(found & FOR_PYTHON)

    # Streams of clients and to upstreams.

    def name_clients(self, client_of):
        self._loop.name_clients(client_of)

    def serve_tls(self, make_side):
        return TlsStreams(self.streams, make_side)

    def forward(self, miss, ticket):
        turn = Turn(self._clock.wall_s(), self._clock.boot_ns())
        self._slow_path.forward(turn, miss, ticket)
        self._loop.set_alarm()
        return turn.events

    def complete(self, exchange, message, *, failure=Failure.UNREACHABLE):
        turn = Turn(self._clock.wall_s(), self._clock.boot_ns())
        self._slow_path.complete(turn, exchange, message, failure)
        self._loop.set_alarm()
        return turn.events

    def complete_probe(self, server, message, *, failure=Failure.UNREACHABLE):
        turn = Turn(self._clock.wall_s(), self._clock.boot_ns())
        self._slow_path.complete_probe(turn, server, message, failure)
        self._loop.set_alarm()
        return turn.events

    def is_open(self, exchange):
        return self._table.get(exchange) is not None
