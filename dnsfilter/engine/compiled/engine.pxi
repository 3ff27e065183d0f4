# Batches of datagrams through `Answering`; what that hands over goes through the reference's code.

from dnsfilter.engine.case import Case
from dnsfilter.engine.inflight import Waiter
from dnsfilter.engine.interface import Drop, Miss, Reply
from dnsfilter.engine.reference import SAMPLE_EVERY, STREAM_LIMIT, ReferenceEngine
from dnsfilter.telemetry.slots import ANSWER_DURATION
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
    if not read_plain(octets, len(message), &asked):
        return ReferenceEngine.answer(engine, message, client, transport, wall_s, boot_ms)
    out = <uint8_t*>malloc(STREAM_ROOM)
    if out == NULL:
        raise MemoryError
    try:
        size = fast.answer(
            &asked, <const uint8_t*><const char*>client, len(client), stream, engine._anchor.instant(wall_s, boot_ms),
            boot_ms, STREAM_ROOM if stream else udp_limit_of(&asked), out, &where,
        )
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
    return engine._answer(Case(query, transport, client, range_class, at, boot_ms, limit))


def read_queries(engine, Answering fast, Batch batch, listener, wall_s, boot_ns, list events):
    """Answer what waits at a listening socket, one batch of it; how many replies left at once."""
    cdef Asked asked
    cdef Where where
    cdef const uint8_t* client = NULL
    cdef int i, size, client_size
    cdef int fd = listener.fileno()
    cdef int64_t boot_ms = boot_ns // 1_000_000
    cdef int64_t at = engine._anchor.instant(wall_s, boot_ms)
    cdef int count = batch.receive(fd, listener.wildcard)
    for i in range(count):
        client_size = batch.client(i, &client)
        size = HAND_OVER
        where.range_class = -1
        if read_plain(batch.message(i), batch.received[i].msg_len, &asked):
            size = fast.answer(
                &asked, client, client_size, 0, at, boot_ms, udp_limit_of(&asked), batch.room(), &where
            )
        if size > 0:
            batch.reply(i, size)
        elif size != DROPPED:
            hand_over(engine, batch, i, <bytes>(<const char*>client)[:client_size], listener, wall_s, boot_ns, size, where.range_class, events)
    size = batch.reply_count
    batch.flush(fd)
    return size


cdef void hand_over(
    engine, Batch batch, int i, bytes client, listener, wall_s, boot_ns, int size, int range_class, list events
) except *:
    message = <bytes>(<const char*>batch.message(i))[: batch.received[i].msg_len]
    outcome = decided(engine, message, client, Transport.UDP, wall_s, boot_ns // 1_000_000, size, range_class)
    if isinstance(outcome, Reply):
        batch.reply_with(i, outcome.message)
    elif isinstance(outcome, Miss):
        waiter = Waiter(outcome.query, client, boot_ns, listener, batch.peer(i), batch.ancillary(i))
        engine._ask(outcome, waiter, wall_s, boot_ns, events)


class CompiledEngine(ReferenceEngine):
    """The engine whose ordinary queries are answered in C; all else is the reference's own code."""

    make_cache = Store

    def swap(self, snapshot, since_ms=None):
        super().swap(snapshot, since_ms)
        if not hasattr(self, "_fast"):
            self._fast = Answering(self._cache, self._zones, self._clients, self._slots, self._limiter)
            self._batch = Batch()
        self._fast.swap(snapshot, self._counters.policy)

    def close(self):
        self._fast.release()
        super().close()

    def answer(self, message, client, transport, wall_s, boot_ms):
        return answer_one(self, self._fast, message, client, transport, wall_s, boot_ms)

    def _read_queries(self, listener, wall_s, boot_ns, events):
        replies = read_queries(self, self._fast, self._batch, listener, wall_s, boot_ns, events)
        untimed = self._answered % SAMPLE_EVERY
        self._answered += replies
        for _ in range((untimed + replies) // SAMPLE_EVERY):
            ANSWER_DURATION.observe(self._slots, self._clock.boot_ns() - boot_ns)
