# From C to Python: what `Pending` began and `Inflight` goes on with, and the room that both share.
#
#   make_pending(...)                          in the engine's constructor; then
#   Inflight(..., room=SharedRoom(pending), health=pending.health)
#   judged(pending, said, &arrived, fd, now_ns, inflight)      what `next_arrival` gave, unless it was taken: Results
#   adopt(pending, flight, inflight)           -> the Exchange; its Waitings are void
#   adopt_expired(pending, now_ms, inflight)   those whose first wait is over; then `inflight.expire` deals with them
#
# An Exchange keeps its place in C's tables until `Inflight.finish`, so that equal questions find it, and so does what
# comes for its first send.

import socket
from sys import byteorder
from struct import unpack_from

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.handover import Begun, Waiter
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.wire.query import parse_query, question_of

cdef enum:
    EXPIRED = 16                # as engine/inflight.py says
    CONTROL_HEADER = 16         # of one control message: its size, level and type, on a machine of 64 bits


def make_pending(
    endpoints, views, int epoll_fd, counters, slots, bint want_ad, int longest_wait_ms, limits, listeners,
    int pool_size=POOL_SIZE, Store store=None,
):
    """A `Pending` for `Zones.endpoints` and `.views`; `listeners` keeps each one that a waiter may name."""
    cdef Pending made = Pending.__new__(Pending)
    cdef int i, k
    cdef Servers* into
    made.pools = Pools([packed_endpoint(endpoint) for endpoint in endpoints], epoll_fd, pool_size)
    made.health, made.deadlines = Health(len(endpoints)), Deadlines()
    made.table = FlightTable(Store(0, 0) if store is None else store)  # not `or`: an empty store is false
    made.shares = Shares()
    made.seats = Seats(limits.waiting, limits.waiting_per_client)
    made.listeners, made.want_ad, made.longest_wait_ms = listeners, want_ad, longest_wait_ms
    bounds = counters[0].duration.bounds_ns if counters else ()
    made.bound_count, made.view_count = len(bounds), len(views)
    made.counts = <Counts*>calloc(len(counters) + 1, sizeof(Counts))
    made.bounds_ns = <int64_t*>calloc(len(bounds) + 1, sizeof(int64_t))
    made.views = <Servers*>calloc(len(views) + 1, sizeof(Servers))
    made.inbox = <uint8_t*>malloc(LARGEST_ANSWER)
    if made.counts == NULL or made.bounds_ns == NULL or made.views == NULL or made.inbox == NULL:
        raise MemoryError
    for i, of in enumerate(counters):
        if of.duration.sum >= len(slots):
            raise ValueError(f"count for upstream {i}: no slots")
        made.counts[i].queries, made.counts[i].mismatch = of.queries, of.failure(Failure.MISMATCH)
        made.counts[i].durations = of.duration.first
    for i, bound in enumerate(bounds):
        made.bounds_ns[i] = bound
    for i, view in enumerate(views):
        into = &made.views[i]
        if view.number != i or not all([0 <= number < len(counters) for number in view.servers]):
            raise ValueError(f"ask the servers of view {view}: it is number {i}, and there are {len(counters)} servers")
        if len(view.servers) <= MOST_SERVERS:
            into.count = len(view.servers)
            for k in range(into.count):
                into.numbers[k] = view.servers[k]
    made.use_slots(slots)
    return made


cdef tuple packed_endpoint(endpoint):
    """Family and sockaddr of a server."""
    family, _, _, _, at = socket.getaddrinfo(
        str(endpoint.address), endpoint.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )[0]
    head = int(family).to_bytes(2, byteorder) + endpoint.port.to_bytes(2, "big")
    if family == socket.AF_INET:
        return int(family), head + endpoint.address.packed + bytes(8)
    return int(family), head + bytes(4) + endpoint.address.packed + at[3].to_bytes(4, byteorder)


cdef object adopt(Pending pending, Flight* flight, inflight):
    return inflight.adopt(begun_of(pending, flight))


cdef object begun_of(Pending pending, Flight* flight):
    """What Python needs to go on; those who wait keep their seats, which Python gives back by their addresses."""
    key = key_of_flight(flight)
    servers = tuple([flight.servers[i] for i in range(flight.server_count)])
    cdef Waiting* waiting = flight.first
    waiters = []
    while waiting != NULL:
        waiters.append(waiter_of(pending, waiting))
        waiting = waiting.next
    pending.table.free_waiting(flight)
    flight.adopted = True
    pending.deadlines.remove(flight)
    question = question_of(key.name, key.qtype, key.qclass)
    outstanding = Outstanding(pending, key)
    return Begun(
        key, question, servers, flight.first_wait_ms, flight.sent_ns, outstanding, flight.id, waiters,
        bool(flight.plain),
    )


cdef object waiter_of(Pending pending, const Waiting* waiting):
    query = parse_query(<bytes>(<const uint8_t*>(waiting + 1))[: waiting.message_size])
    client = <bytes>waiting.address[: waiting.address_size]
    if waiting.listener < 0:
        return Waiter(query, client, waiting.asked_ns, ticket=waiting.ticket)
    peer = peer_of(<bytes>waiting.peer[: waiting.peer_size])
    source = ancillary_of(<bytes>waiting.control[: waiting.control_size])
    return Waiter(query, client, waiting.asked_ns, pending.listeners[waiting.listener], peer, source)


cdef tuple peer_of(bytes packed):
    """A sockaddr as the socket module names it."""
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


cdef list judged(Pending pending, int said, const Arrived* arrived, int fd, int64_t now_ns, inflight):
    """What an arrival means, ORDINARY ones included."""
    if said == REFUSED:
        waiting = adopt_all_of(pending, fd, inflight)
        return [result for exchange in waiting for result in inflight.unreachable(exchange, arrived.server, now_ns)]
    message = <bytes>arrived.message[: arrived.size]
    if said == ADOPTED:
        return inflight.take(inflight.get(arrived.flight.number), arrived.server, message, now_ns)
    return inflight.take(adopt(pending, arrived.flight, inflight), arrived.server, message, now_ns)


cdef list adopt_all_of(Pending pending, int fd, inflight):
    """The Exchanges that wait on a socket."""
    cdef Pooled* held = pending.pools.at(fd)
    cdef Flight* flight
    cdef int i
    numbers = []
    for i in range(FLIGHT_BUCKETS if held != NULL and held.waiting else 0):
        flight = pending.table.by_send[i]
        while flight != NULL:
            if flight.held == held:
                numbers.append(flight.number if flight.adopted else adopt(pending, flight, inflight).number)
            flight = flight.next_of_send
    return [inflight.get(number) for number in numbers]


cdef int adopt_expired(Pending pending, int64_t now_ms, inflight) except -1:
    """How many there were, at most EXPIRED; worn sockets are retired as well."""
    cdef int count = 0
    while count < EXPIRED and pending.deadlines.count and pending.deadlines.heap[0].deadline_ms <= now_ms:
        adopt(pending, pending.deadlines.heap[0], inflight)
        count += 1
    pending.sweep(now_ms)
    return count


cdef class Outstanding:
    """The first send of an adopted exchange, as `SentElsewhere` of engine/handover.py."""

    cdef Pending pending
    cdef object key

    def __init__(self, Pending pending, key):
        self.pending, self.key = pending, key

    def adopted(self, int64_t number):
        cdef Flight* flight = flight_of(self.pending, self.key)
        if flight != NULL:
            flight.number = number

    def forget(self, int number):
        cdef Flight* flight = flight_of(self.pending, self.key)
        if flight != NULL and flight.adopted and flight.id == number:
            self.pending.table.remove_send(flight)


cdef Flight* flight_of(Pending pending, key) except? NULL:
    cdef const uint8_t* name = <bytes>key.name
    cdef uint32_t size = <uint32_t>len(key.name)
    return pending.table.find(
        pending.table.hash_of(key.view, name, size, key.qtype, key.qclass, key.do, key.cd),
        key.view, name, size, key.qtype, key.qclass, key.do, key.cd,
    )


class SharedRoom:
    """Implements `Room` of engine/room.py by the seats and the table of a `Pending`."""

    def __init__(self, pending):
        self._pending = pending

    def enter(self, client, opening=None, now_ms=0):
        enter_room(self._pending, client, opening, now_ms)

    def giving_way(self, client, opening, now_ms):
        return giving_way_in_room(self._pending, client, opening, now_ms)

    def is_crowded(self):
        return is_crowded(self._pending)

    def leave(self, client):
        leave_room(self._pending, client)

    def shut(self, key):
        shut_in_room(self._pending, key)

    def hand_over(self, key):
        return hand_over_in_room(self._pending, key)


cdef int enter_room(Pending pending, bytes client, opening, int64_t now_ms) except -1:
    cdef Flight* made
    cdef Client* seated
    if opening is not None and pending.table.count >= MOST_EXCHANGES:
        raise OverflowError("too many questions on their way")
    if len(opening.name if opening is not None else b"") > MOST_NAME:
        raise ValueError(f"open {opening}: too long a name")
    if opening is not None and flight_of(pending, opening) != NULL:
        raise ValueError(f"open {opening}: on its way already")
    seated = pending.seats.enter(client, <uint32_t>len(client))
    if seated == NULL:
        raise OverflowError("too many clients, or too many questions of one client, wait")
    if opening is None:
        return 0
    made = pending.table.new_flight()
    if made == NULL:
        raise MemoryError
    made.view, made.qtype, made.qclass = opening.view, opening.qtype, opening.qclass
    made.do_bit, made.cd, made.sent_ns = opening.do, opening.cd, now_ms * 1_000_000
    made.name_size, made.adopted, made.place = <uint16_t>len(opening.name), True, -1
    memcpy(made.name, <const uint8_t*>(<bytes>opening.name), made.name_size)
    made.hash = pending.table.hash_of(
        made.view, made.name, made.name_size, made.qtype, made.qclass, made.do_bit, made.cd
    )
    pending.table.add(made)
    pending.shares.add(made, seated)
    return 0


cdef int leave_room(Pending pending, bytes client) except -1:
    cdef uint64_t hash
    cdef Client* found = pending.seats.find(client, <uint32_t>len(client), &hash)
    if found == NULL:
        raise ValueError(f"leave: nothing of client {client.hex()} waits")
    pending.seats.leave(found)
    return 0


cdef int shut_in_room(Pending pending, key) except -1:
    cdef Flight* flight = flight_of(pending, key)
    if flight != NULL:
        pending.finish(flight)
    return 0


cdef object giving_way_in_room(Pending pending, bytes client, opening, int64_t now_ms):
    cdef bytes name = opening.name
    cdef Flight* leaving
    if flight_of(pending, opening) != NULL:
        return None
    leaving = pending.giving_way(opening.view, name, <uint32_t>len(name), client, <uint32_t>len(client), now_ms)
    return None if leaving == NULL else key_of_flight(leaving)


cdef bint is_crowded(Pending pending) noexcept:
    return pending.table.count >= CROWDED_FROM


cdef object hand_over_in_room(Pending pending, key):
    cdef Flight* flight = flight_of(pending, key)
    return None if flight == NULL or flight.adopted else begun_of(pending, flight)
