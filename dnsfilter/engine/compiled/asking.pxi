# Doors for tests: a `Pending` with its `Inflight` as an engine without a cache and without clients would use them.


def ask_pending(
    Pending pending, bytes message, bytes client, int64_t now_ns, int view=0, int listener=-1, bytes peer=b"",
    bytes control=b"", uint64_t ticket=0,
) -> str:
    cdef Asked asked
    cdef Origin origin
    cdef uint64_t hash
    if not read_plain(message, <uint32_t>len(message), &asked):
        raise ValueError(f"ask {message.hex()}: no plain query")
    origin.client, origin.client_size = client, <uint32_t>len(client)
    origin.listener, origin.ticket = listener, ticket
    origin.peer, origin.peer_size = <const uint8_t*>peer, <uint32_t>len(peer)
    origin.control, origin.control_size = <const uint8_t*>control, <uint32_t>len(control)
    hash = pending.table.hash_of(
        <uint16_t>view, asked.name, asked.name_size, asked.qtype, CLASS_IN, asked.do_bit, asked.cd
    )
    return ("elsewhere", "joined", "sent", "full")[pending.begin(&asked, <uint16_t>view, hash, &origin, now_ns)]


def read_pending(Pending pending, int fd, int64_t now_ns, inflight) -> list:
    """Results of `inflight`; for an ordinary answer its octets, and the tickets of those who waited."""
    cdef Arrived arrived
    cdef Waiting* waiting
    cdef int said, left = ARRIVALS
    found = []
    while True:
        said = pending.next_arrival(fd, &left, &arrived)
        if said == NOTHING:
            return found
        if said != ORDINARY:
            found += judged(pending, said, &arrived, fd, now_ns, inflight)
            continue
        pending.accept(arrived.flight, now_ns)
        tickets = []
        waiting = arrived.flight.first
        while waiting != NULL:
            tickets.append(waiting.ticket)
            waiting = waiting.next
        found.append((<bytes>arrived.message[: arrived.size], tickets))
        pending.finish(arrived.flight)


def expire_pending(Pending pending, int64_t now_ns, inflight) -> list:
    adopt_expired(pending, now_ns // 1_000_000, inflight)
    return list(inflight.expire(now_ns))


def state_of(Pending pending) -> tuple:
    """Flights, those with a deadline here, those who wait, sockets; and the next alarm in milliseconds, or None."""
    alarm_ms = pending.next_alarm()
    counts = (pending.table.count, pending.deadlines.count, pending.seats.waiting, pending.pools.open_count)
    return (*counts, None if alarm_ms < 0 else alarm_ms)


def upstream_sockets(Pending pending) -> list:
    """The descriptors of all sockets."""
    return [fd for fd in range(pending.pools.fd_room) if pending.owns(fd)]
