# The slow path's interface to `Pending`: exchanges, waiters and sends as Python objects.
#
# C handles a question until it needs judgement. From then on an Exchange belongs to it, under the number in its Flight.
# It stays in the one table, so that equal questions and late answers find it. Its waiting queries stay there too. Only
# a query that Python has parsed, such as a stream's, waits as a Waiter.

import os
import socket
from sys import byteorder
from struct import unpack_from

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.slow_path.exchange import Exchange, Waiter, resume_exchange
from dnsfilter.engine.slow_path.pending_table import PROBE
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.wire.query import parse_query

cdef enum:
    CONTROL_HEADER = 16         # of one control message: its size, level and type, on a machine of 64 bits


def make_pending(
    endpoints, views, int epoll_fd, counters, slots, bint want_ad, int longest_wait_ms, limits, Store store not None,
):
    """Make a `Pending` for `Zones.endpoints` and `.views`."""
    cdef Pending made = Pending.__new__(Pending)
    cdef int i, k
    cdef Servers* into
    made.pools = Pools([packed_endpoint(endpoint) for endpoint in endpoints], epoll_fd)
    made.health, made.deadlines = Health(len(endpoints)), Deadlines()
    made.table = FlightTable(store)
    made.shares = Shares()
    made.overtaken = Overtaken(made.table, made.health)
    made.room = Room(limits.waiting, limits.waiting_per_client)
    made.want_ad, made.longest_wait_ms = want_ad, longest_wait_ms
    bounds = counters[0].duration.bounds_ns if counters else ()
    made.bound_count, made.view_count = len(bounds), len(views)
    made.counts = <Counts*>calloc(len(counters) + 1, sizeof(Counts))
    made.probes = <Probe*>calloc(len(counters) + 1, sizeof(Probe))
    made.bounds_ns = <int64_t*>calloc(len(bounds) + 1, sizeof(int64_t))
    made.views = <Servers*>calloc(len(views) + 1, sizeof(Servers))
    made.inbox = <uint8_t*>malloc(LARGEST_ANSWER)
    if made.counts == NULL or made.probes == NULL or made.bounds_ns == NULL or made.views == NULL or made.inbox == NULL:
        raise MemoryError
    for i, of in enumerate(counters):
        if of.duration.sum >= len(slots):
            raise ValueError(f"upstream {i} has no counter slots: there are {len(slots)}")
        made.counts[i].queries = of.queries
        made.counts[i].mismatch, made.counts[i].late = of.failure(Failure.MISMATCH), of.failure(Failure.LATE)
        made.counts[i].durations = of.duration.first
    for i, bound in enumerate(bounds):
        made.bounds_ns[i] = bound
    for i, view in enumerate(views):
        into = &made.views[i]
        if view.number != i or not all([0 <= number < len(counters) for number in view.servers]):
            raise ValueError(f"view {view} is invalid: it must have number {i} and servers below {len(counters)}")
        if len(view.servers) <= MOST_SERVERS and all([endpoints[number].tls is None for number in view.servers]):
            into.count, into.fastest, into.races = len(view.servers), view.fastest, view.races
            into.varies, into.cookies = view.varies_case, view.sends_cookies
            for k in range(into.count):
                into.numbers[k] = view.servers[k]
    made.use_slots(slots)
    return made


cdef tuple packed_endpoint(endpoint):
    """Return the address family and the packed sockaddr of a server."""
    family, _, _, _, at = socket.getaddrinfo(
        str(endpoint.address), endpoint.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )[0]
    head = int(family).to_bytes(2, byteorder) + endpoint.port.to_bytes(2, "big")
    if family == socket.AF_INET:
        return int(family), head + endpoint.address.packed + bytes(8)
    return int(family), head + bytes(4) + endpoint.address.packed + at[3].to_bytes(4, byteorder)


@cython.final
cdef class PendingTable:
    """Implements `Table` of engine/slow_path/pending_table.py. `listeners` maps reply descriptors to listeners.

    `connections` are those whose queries may wait, if any.
    """

    cdef Pending pending
    cdef Connections connections
    cdef dict listeners
    cdef dict exchanges         # by number
    cdef dict handed            # Waiters that Python handed in, by number
    cdef int64_t last_number

    def __init__(self, Pending pending not None, dict listeners not None, Connections connections=None):
        self.pending, self.listeners, self.connections = pending, listeners, connections
        self.exchanges, self.handed, self.last_number = {}, {}, 0

    def __len__(self):
        return self.pending.table.count

    # Questions and their waiting queries.

    def get(self, number):
        return self.exchanges.get(number)

    def find(self, key):
        cdef Flight* flight = flight_of(self.pending, key)
        return None if flight == NULL else self.exchange_of(flight)

    cdef object exchange_of(self, Flight* flight):
        """Return the exchange of a flight; make it if there is none."""
        cdef Health health = self.pending.health
        cdef int64_t started_ms = flight.sent_ns // 1_000_000
        cdef int i
        cdef int asked = 2 if flight.raced else 1
        if flight.number:
            return self.exchanges[flight.number]
        servers = tuple([flight.servers[i] for i in range(flight.server_count)])
        plain = {server for server in servers[asked:] if health.is_plain_at(server, started_ms)}
        if flight.plain:
            plain.update(servers[:asked])
        client = <bytes>flight.address[: flight.address_size]
        self.last_number += 1
        exchange = resume_exchange(
            self.last_number, key_of_flight(flight), servers, flight.first_wait_ms, plain, flight.sent_ns, client,
            bool(flight.raced),
        )
        self.exchanges[self.last_number] = exchange
        flight.number = self.last_number
        return exchange

    def open(self, key, question, bytes client not None, int64_t now_ns, waiter=None):
        cdef Flight* made
        cdef Client* counted
        cdef bytes name = key.name
        if self.pending.table.count >= MOST_EXCHANGES:
            raise OverflowError("too many pending questions")
        if len(name) > MOST_NAME or flight_of(self.pending, key) != NULL:
            raise ValueError(f"open {key}: its name is too long, or it is pending already")
        made = self.pending.table.new_flight()
        if made == NULL:
            raise MemoryError
        if waiter is None:
            counted = self.pending.room.enter(client, <uint32_t>len(client))
        else:
            counted = self.add_waiter(made, waiter)
        if counted == NULL:
            self.pending.table.release_flight(made)
            raise OverflowError("too many waiting queries, in all or of one client")
        made.view, made.qtype, made.qclass = key.view, key.qtype, key.qclass
        made.do_bit, made.cd, made.sent_ns = key.do, key.cd, now_ns
        made.name_size, made.heap_index = <uint16_t>len(name), -1
        memcpy(made.name, <const uint8_t*>name, made.name_size)
        made.hash = self.pending.table.hash_of(
            made.view, made.name, made.name_size, made.qtype, made.qclass, made.do_bit, made.cd
        )
        self.last_number += 1
        made.number = self.last_number
        exchange = Exchange(made.number, key, question, now_ns // 1_000_000, client)
        self.exchanges[made.number] = exchange
        self.pending.table.add(made)
        self.pending.shares.add(made, counted)
        if waiter is None:
            self.pending.room.leave(counted)
        return exchange

    def join(self, exchange, waiter):
        cdef Flight* flight = self.flight(exchange)
        if flight.waiters >= MOST_WAITERS:
            raise OverflowError("too many waiting queries for one question")
        if self.add_waiter(flight, waiter) == NULL:
            raise OverflowError("too many waiting queries, in all or of one client")

    cdef Client* add_waiter(self, Flight* flight, waiter) except? NULL:
        """Add a Waiter to a flight. Return the count of its client; NULL if there is no room."""
        cdef bytes client = waiter.client
        cdef Waiting* made = self.pending.table.new_waiting(0)
        if made == NULL:
            raise MemoryError
        made.client = self.pending.room.enter(client, <uint32_t>len(client))
        if made.client == NULL:
            self.pending.table.release_waiting(made)
            return NULL
        self.last_number += 1
        made.handed = self.last_number
        self.handed[made.handed] = waiter
        append_waiting(flight, made)
        return made.client

    cdef object waiter_of(self, const Waiting* waiting):
        """Return the Waiter of a waiting query. Call it at most once for each."""
        cdef const uint8_t* message = <const uint8_t*>(waiting + 1)
        if waiting.handed:
            return self.handed.pop(waiting.handed)
        query = parse_query(<bytes>message[: waiting.message_size], stream=waiting.stream != 0)
        client = <bytes>waiting.address[: waiting.address_size]
        if waiting.stream:
            options = asked_options(message, waiting.message_size, waiting.transport == OVER_DOT)
            reply = stream_reply(self.connections, waiting.stream, options)
            return Waiter(query, client, waiting.asked_ns, reply=reply, transport=TRANSPORTS[waiting.transport])
        peer = peer_of(<bytes>waiting.peer[: waiting.peer_size])
        source = ancillary_of(<bytes>waiting.control[: waiting.control_size])
        return Waiter(query, client, waiting.asked_ns, self.listeners[waiting.listener], peer, source)

    def find_evictable(self, key, bytes client, int64_t now_ms):
        cdef bytes name = key.name
        cdef Flight* leaving
        if flight_of(self.pending, key) != NULL:
            return None
        leaving = self.pending.find_evictable(
            key.view, name, <uint32_t>len(name), client, <uint32_t>len(client), now_ms
        )
        return None if leaving == NULL else self.exchange_of(leaving)

    def is_crowded(self):
        return self.pending.table.count >= CROWDED_FROM

    def dismiss(self, exchange):
        cdef Flight* flight = self.flight(exchange)
        cdef Waiting* waiting = flight.first
        waiters = []
        while waiting != NULL:
            waiters.append(self.waiter_of(waiting))
            waiting = waiting.next
        self.pending.dismiss(flight)
        return waiters

    def finish(self, exchange):
        waiters = self.dismiss(exchange)
        del self.exchanges[exchange.number]
        self.pending.finish(self.flight(exchange))
        return waiters

    cdef Flight* flight(self, exchange) except NULL:
        cdef Flight* found = flight_of(self.pending, exchange.key)
        if found == NULL or found.number != exchange.number:
            raise ValueError(f"exchange {exchange.number} is finished")
        return found

    # Deadlines.

    def schedule(self, exchange):
        cdef Flight* flight = self.flight(exchange)
        deadline_ms = exchange.deadline_ms
        flight.late = exchange.late
        self.pending.deadlines.remove(flight)
        if deadline_ms is not None:
            flight.deadline_ms = deadline_ms
            self.pending.deadlines.add(flight)

    def due(self, int64_t now_ms):
        cdef Deadlines deadlines = self.pending.deadlines
        if not deadlines.count or deadlines.heap[0].deadline_ms > now_ms:
            return None
        return self.exchange_of(deadlines.heap[0])

    def sweep(self, int64_t now_ms):
        self.pending.sweep(now_ms)

    def next_alarm_ms(self):
        cdef int64_t at_ms = self.pending.next_alarm()
        return None if at_ms < 0 else at_ms

    # Sends and arrivals.

    def send(self, exchange, int server, bytes message, int64_t now_ms, bint vary=False, bint has_cookie=False):
        cdef Flight* flight = self.flight(exchange)
        cdef Sending* sending = &flight.own if flight.own.held == NULL else <Sending*>malloc(sizeof(Sending))
        if sending == NULL:
            raise MemoryError
        cdef uint32_t varied_size = <uint32_t>len(exchange.question.name) if vary else 0
        cdef int failed = self.post(sending, flight, server, message, varied_size, has_cookie, now_ms)
        if failed:
            if sending != &flight.own:
                free(sending)
            raise OSError(failed, os.strerror(failed))

    cdef int post(
        self, Sending* sending, Flight* flight, int server, bytes message, uint32_t varied_size, bint has_cookie,
        int64_t now_ms,
    ) except -1:
        cdef uint8_t[512] query
        cdef Py_ssize_t least = HEADER_BYTES + <Py_ssize_t>varied_size, most = <Py_ssize_t>sizeof(query) - MOST_COOKIE
        if not 0 <= server < self.pending.pools.servers or not least <= len(message) <= most:
            raise ValueError(f"cannot send {len(message)} bytes to server {server}")
        memcpy(query, <const uint8_t*>message, len(message))
        return self.pending.post(
            sending, flight, server, query, <uint32_t>len(message), varied_size, has_cookie, now_ms
        )

    def withdraw(self, exchange):
        self.pending.table.remove_sends(self.flight(exchange))

    def withdraw_from(self, exchange, int server):
        self.pending.table.remove_sends_to(self.flight(exchange), server)

    def overtake(self, exchange, int server, int64_t sent_ns):
        self.pending.overtaken.overtake(self.flight(exchange), server, sent_ns)

    def send_probe(self, int server, bytes message, int64_t until_ms, int64_t now_ms):
        if self.is_probed(server):
            raise ValueError(f"server {server} is being probed already")
        cdef Probe* probe = &self.pending.probes[server]
        cdef int failed = self.post(&probe.sending, NULL, server, message, 0, False, now_ms)
        if failed:
            raise OSError(failed, os.strerror(failed))
        probe.until_ms = until_ms
        self.pending.probe_count += 1

    def end_probe(self, server):
        if not self.is_probed(server):
            raise ValueError(f"server {server} has no probe to end")
        self.pending.table.drop_send(&self.pending.probes[<int>server].sending)
        self.pending.probe_count -= 1

    def is_probed(self, int server):
        return 0 <= server < self.pending.health.count and self.pending.probes[server].sending.held != NULL

    def overdue_probes(self, int64_t now_ms):
        cdef int i
        return [
            i for i in range(self.pending.health.count)
            if self.pending.probes[i].sending.held != NULL and self.pending.probes[i].until_ms <= now_ms
        ]

    cdef list waiting_on(self, int fd):
        """Return the numbers of the exchanges that wait for answers at a socket, each once; PROBE for a probe."""
        cdef Pooled* held = self.pending.pools.at(fd)
        cdef Sending* sending
        cdef int i
        numbers = []
        for i in range(FLIGHT_BUCKETS if held != NULL and held.waiting else 0):
            sending = self.pending.table.by_send[i]
            while sending != NULL:
                if sending.held == held and not self.pending.overtaken.has(sending):
                    numbers.append(PROBE if sending.flight == NULL else self.exchange_of(sending.flight).number)
                sending = sending.next_of_bucket
        return list(dict.fromkeys(numbers))


cdef tuple peer_of(bytes packed):
    """Return a sockaddr as the socket module represents it."""
    family = int.from_bytes(packed[:2], byteorder)
    port = int.from_bytes(packed[2:4], "big")
    if family == socket.AF_INET:
        return socket.inet_ntop(family, packed[4:8]), port
    flow, scope = int.from_bytes(packed[4:8], "big"), int.from_bytes(packed[24:28], byteorder)
    return socket.inet_ntop(family, packed[8:24]), port, flow, scope


cdef list ancillary_of(bytes control):
    if len(control) < CONTROL_HEADER:
        return []
    size, level, kind = unpack_from("@Nii", control)
    return [(level, kind, control[CONTROL_HEADER:size])]


cdef Flight* flight_of(Pending pending, key) except? NULL:
    cdef const uint8_t* name = <bytes>key.name
    cdef uint32_t size = <uint32_t>len(key.name)
    return pending.table.find(
        pending.table.hash_of(key.view, name, size, key.qtype, key.qclass, key.do, key.cd),
        key.view, name, size, key.qtype, key.qclass, key.do, key.cd,
    )


cdef object key_of_flight(const Flight* flight):
    name = <bytes>flight.name[: flight.name_size]
    return CacheKey(flight.view, name, flight.qtype, flight.qclass, bool(flight.do_bit), bool(flight.cd))
