# Batches of datagrams through `Answering`; what that hands over goes through the reference's code.

import os

from dnsfilter.engine.case import Case
from dnsfilter.engine.inflight import Inflight
from dnsfilter.engine.interface import Drop, Miss, Reply
from dnsfilter.engine.reference import STREAM_LIMIT, ReferenceEngine
from dnsfilter.telemetry.slots import CACHE_BYTES, CACHE_ENTRIES, upstream_slots
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS
from dnsfilter.wire.query import parse_query
from dnsfilter.wire.reply import udp_limit


def answer_one(engine, Answering fast, bytes message not None, bytes client not None, transport, wall_s, boot_ms):
    """What `Engine.answer` says to one message."""
    cdef Asked asked
    cdef Where where
    cdef int size
    cdef int stream = 1 if transport is Transport.TCP else 0
    cdef uint8_t* out
    cdef const uint8_t* octets = <const uint8_t*><const char*>message
    cdef const uint8_t* asker = <const uint8_t*><const char*>client
    cdef int64_t at = engine._anchor.instant(wall_s, boot_ms)
    if len(client) not in (4, 16):
        raise ValueError(f"answer: a client of {len(client)} octets is no address")
    out = <uint8_t*>malloc(STREAM_ROOM)
    if out == NULL:
        raise MemoryError
    try:
        if read_plain(octets, len(message), &asked):
            fast.look_ahead(&asked, asker, len(client), at, &where)
            size = fast.answer(
                &asked, asker, len(client), stream, at, boot_ms, STREAM_ROOM if stream else udp_limit_of(&asked), out,
                &where,
            )
        else:
            size = fast.answer_odd(octets, len(message), &asked, asker, len(client), stream, at, boot_ms, out, &where)
        if size > 0:
            return Reply(<bytes>(<char*>out)[:size])
    finally:
        free(out)
    return decided(engine, message, client, transport, wall_s, boot_ms, size, where.range_class)


cdef object decided(engine, bytes message, bytes client, transport, wall_s, boot_ms, int size, int range_class):
    """What the reference makes of a message that C has not answered."""
    if size == DROPPED:
        return Drop()
    if size == HAND_OVER:
        return ReferenceEngine.answer(engine, message, client, transport, wall_s, boot_ms)
    query = parse_query(message)
    limit = STREAM_LIMIT if transport is Transport.TCP else udp_limit(query)
    at = engine._anchor.instant(wall_s, boot_ms)
    return engine._answer(Case(query, transport, client, None if range_class < 0 else range_class, at, boot_ms, limit))


class CompiledEngine(ReferenceEngine):
    """The engine whose ordinary queries are answered in C; all else is the reference's own code."""

    make_cache = Store

    def __init__(self, **settings):
        # Replies leave by descriptors of our own: a listener's may be closed, and its number another's, meanwhile.
        self._seats, self._by_socket, self._named = {}, {}, {}
        super().__init__(**settings)
        zones, limits = settings["zones"], settings["limits"]
        longest_wait_ms = settings.get("longest_wait_ms", LONGEST_FIRST_WAIT_MS)
        upstreams = upstream_slots(len(zones.endpoints))
        self._pending = make_pending(
            zones.endpoints, zones.views, self._epoll.fileno(), upstreams, self._slots, self._trust_ad,
            longest_wait_ms, limits, self._named, store=self._cache,
        )
        self._inflight = Inflight(
            zones.endpoints, self._epoll, upstreams, self._slots, self._trust_ad, longest_wait_ms,
            SharedRoom(self._pending), self._pending.health, zones.suffixes,
        )
        self._failures = Failures(self._pending)
        self._fast.watch(self._failures)
        self._reader = Reader(self._fast, self._pending, self._clock, self._slots)
        self._reader.swap(self._anchor)
        self._delivering = Delivering(self._fast, self._reader, self._trust_ad)
        self._epoll_fd = self._epoll.fileno()

    def listen(self, listener):
        number = os.fstat(listener.fileno()).st_ino
        if number not in self._by_socket:
            self._by_socket[number] = os.dup(listener.fileno())
        way = self._by_socket[number]
        self._named[way] = listener
        self._seats[listener.fileno()] = Seat(listener, way)
        super().listen(listener)

    def unlisten(self, listener):
        super().unlisten(listener)
        del self._seats[listener.fileno()]

    def in_hand(self):
        return in_hand_of(self._pending) + len(self._inflight)

    def swap(self, snapshot, since_ms=None):
        table = Table(snapshot)
        super().swap(snapshot, since_ms)
        if not hasattr(self, "_fast"):
            self._fast = Answering(
                self._cache, self._zones, self._clients, self._slots, self._limiter, self._strangers
            )
        else:
            self._reader.swap(self._anchor)
        self._fast.swap(table, self._counters.policy)

    def close(self):
        self._pending.close()
        self._fast.release()
        self._reader.release()
        super().close()
        for way in self._by_socket.values():
            os.close(way)

    def answer(self, message, client, transport, wall_s, boot_ms):
        return answer_one(self, self._fast, message, client, transport, wall_s, boot_ms)

    def poll(self, budget):
        events = []
        try:
            for _ in range(budget):
                if not turn(self, self._delivering, self._seats, self._epoll_fd, events):
                    break
        finally:
            self._set_alarm()
        self._slots[CACHE_ENTRIES], self._slots[CACHE_BYTES] = len(self._cache), self._cache.bytes
        return events

    def _expire(self, wall_s, boot_ns, events):
        adopt_late(self._pending, boot_ns // 1_000_000, self._inflight)
        super()._expire(wall_s, boot_ns, events)

    def _next_alarm_ms(self):
        ours, theirs = next_alarm(self._pending), super()._next_alarm_ms()
        return theirs if ours < 0 else ours if theirs is None else min(ours, theirs)


def adopt_late(Pending pending, int64_t now_ms, inflight):
    """Hand over what has waited long enough for its first answer."""
    adopt_expired(pending, now_ms, inflight)


def next_alarm(Pending pending):
    """When there is work, in milliseconds of boot time; -1: never."""
    return pending.next_alarm()


def in_hand_of(Pending pending):
    """Questions on their way."""
    return pending.deadlines.count
