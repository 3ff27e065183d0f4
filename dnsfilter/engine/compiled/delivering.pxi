# Answers for those who waited: an ordinary one is kept and told in C, decided wholly anew for each of them.

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_wait(int epoll_fd, epoll_event* ready, int most, int timeout_ms)

cdef enum:
    OUTBOX = 64


@cython.final
cdef class Outbox:
    """Replies on their way out, sent together as long as they leave by one listener."""

    cdef uint8_t* octets
    cdef Waiting[64] whom           # only where their replies go
    cdef iovec[64] parts
    cdef mmsghdr[64] replies
    cdef int count
    cdef int fd

    def __cinit__(self):
        self.octets = <uint8_t*>malloc(OUTBOX * REPLY_ROOM)
        if self.octets == NULL:
            raise MemoryError
        memset(self.replies, 0, sizeof(self.replies))
        self.count = 0
        self.fd = -1

    def __dealloc__(self):
        free(self.octets)

    cdef uint8_t* room(self) noexcept nogil:
        """Where the next reply is to be written; nothing may be added between."""
        if self.count == OUTBOX:
            self.flush()
        return self.octets + self.count * REPLY_ROOM

    cdef void add(self, const Waiting* whom, uint32_t size) noexcept nogil:
        """The octets in `room` are for one who waited."""
        cdef uint8_t* written = self.room()
        cdef msghdr* out
        if whom.listener != self.fd:
            self.flush()
            memmove(self.room(), written, size)
        self.fd = whom.listener
        self.whom[self.count] = whom[0]
        self.parts[self.count].iov_base = self.room()
        self.parts[self.count].iov_len = size
        out = &self.replies[self.count].msg_hdr
        out.msg_iov, out.msg_iovlen = &self.parts[self.count], 1
        out.msg_name, out.msg_namelen = self.whom[self.count].peer, whom.peer_size
        out.msg_control = self.whom[self.count].control if whom.control_size else NULL
        out.msg_controllen = whom.control_size
        self.count += 1

    cdef void flush(self) noexcept nogil:
        """Send what there is; what the kernel does not take is lost, as UDP may."""
        cdef int sent, done = 0
        while done < self.count:
            sent = sendmmsg(self.fd, self.replies + done, self.count - done, MSG_DONTWAIT)
            done += sent if sent > 0 else 1
        self.count = 0


@cython.final
cdef class Delivering:
    """Takes the answers of one `Pending` for one `Answering`."""

    cdef Answering fast
    cdef Reader reader
    cdef Pending pending
    cdef Outbox outbox
    cdef bint trust_ad
    cdef uint64_t told              # replies so far, of which one in eight is timed
    cdef int64_t[64] asked_ns       # when those that are to be timed were asked
    cdef int timed

    def __init__(self, Answering fast, Reader reader, bint trust_ad):
        self.fast, self.reader, self.pending, self.trust_ad = fast, reader, reader.pending, trust_ad
        self.outbox = Outbox()
        self.told = 0
        self.timed = 0

    cdef Entry* keep(self, const Arrived* arrived, int64_t now_ms) noexcept nogil:
        """The entry of an ordinary answer; NULL where Python has to look: nothing has been counted then."""
        cdef Flight* flight = arrived.flight
        cdef Ordinary* found = &self.pending.ordinary
        cdef const uint8_t* name = found.names
        cdef Asked target
        cdef int i
        cdef uint32_t size
        if not found.lifetime_s or (flight.view and flight.qtype == TYPE_DS):
            return NULL
        for i in range(found.target_count):
            size = octets_of_name(name, found.names_size - <uint32_t>(name - found.names))
            memcpy(target.name, name, size)
            target.name_size = <uint16_t>size
            target.labels = <uint8_t>label_starts(name, <int>size, target.starts)
            target.qtype = flight.qtype
            if self.fast.places.ours(&target) != NOT_OURS or self.fast.places.view_of(&target, False) != flight.view:
                return NULL
            name += size
        return self.fast.store.keep(
            flight.view, flight.name, flight.name_size, flight.qtype, flight.do_bit, flight.cd, flight.hash,
            arrived.message, found, self.trust_ad and found.ad and flight.view == 0 and not flight.plain,
            now_ms,
        )

    cdef int tell(self, const Waiting* whom, Entry* entry, int64_t at, int64_t now_ms) noexcept nogil:
        """Whether the reply to one who waited is in the outbox."""
        cdef Asked asked
        cdef int size, range_class
        range_class = self.fast.table.find(whom.address, whom.address_size)
        if not self.fast.may_ask(range_class, whom.address, whom.address_size, at):
            return False
        if not read_query(<const uint8_t*>(whom + 1), whom.message_size, &asked):
            return False
        size = self.fast.serve(
            &asked, entry, range_class, 0, DELIVERED, at, now_ms, udp_limit_of(&asked), self.outbox.room()
        )
        if size <= 0:
            return False
        self.outbox.add(whom, <uint32_t>size)
        self.told += 1
        if self.told % TIMED_EVERY == 0 and self.timed < OUTBOX:
            self.asked_ns[self.timed] = whom.asked_ns
            self.timed += 1
        return True


cdef int ask_on(Pending pending, Batch batch, int i, int fd, const Asked* asked, const Where* where, int64_t now_ns) noexcept nogil:
    """Ask upstream for datagram `i`, whose reply leaves by `fd`; what `Pending.begin` says."""
    cdef Origin origin
    cdef msghdr* came = &batch.received[i].msg_hdr
    origin.client_size = batch.client(i, &origin.client)
    origin.listener, origin.ticket = fd, 0
    origin.peer, origin.peer_size = came.msg_name, came.msg_namelen
    origin.control, origin.control_size = NULL, 0
    if came.msg_control != NULL and keep_local_address(came):
        origin.control, origin.control_size = came.msg_control, <uint32_t>came.msg_controllen
    return pending.begin(asked, where.view, where.hash, &origin, now_ns)


cdef int read_answers(
    engine, Delivering delivering, int fd, int64_t at, wall_s, int64_t boot_ns, list events
) except -1:
    """Work off what has arrived at a socket towards an upstream."""
    cdef Pending pending = delivering.pending
    cdef Arrived arrived
    cdef Waiting* whom
    cdef Entry* entry
    cdef int said, left = ARRIVALS
    cdef int64_t now_ms = boot_ns // 1_000_000
    cdef list left_over = []
    while True:
        said = pending.next_arrival(fd, &left, &arrived)
        if said == NOTHING:
            return 0
        entry = delivering.keep(&arrived, now_ms) if said == ORDINARY else NULL
        if entry == NULL:
            engine._settle(judged(pending, said, &arrived, fd, boot_ns, engine._inflight), wall_s, boot_ns, events)
            continue
        pending.accept(arrived.flight, boot_ns)
        delivering.fast.failures.forget_hash(arrived.flight.hash)
        found = None
        whom = arrived.flight.first
        try:
            while whom != NULL:
                if not delivering.tell(whom, entry, at, now_ms):
                    left_over.append(waiter_of(pending, whom))
                whom = whom.next
            if left_over:
                found = engine._cache.get(key_of_flight(arrived.flight), now_ms)
        finally:
            pending.finish(arrived.flight)
        for waiter in left_over:
            engine._deliver(waiter, found, Outcome.FORWARDED, wall_s, boot_ns, events)
        left_over.clear()


def turn(engine, Delivering delivering, dict seats, int epoll_fd, list events):
    """Work off what is ready, a batch of each descriptor; False where nothing is."""
    cdef epoll_event[64] ready
    cdef int i, fd
    cdef int count = epoll_wait(epoll_fd, ready, 64, 0)
    if count <= 0:
        return False
    cdef Times times = delivering.reader.times
    cdef int64_t wall_s = times.wall_s(), boot_ns = times.boot_ns()
    cdef int64_t at = times.instant(wall_s, boot_ns // NS_PER_MS)
    try:
        for i in range(count):
            fd = ready[i].data.fd
            if delivering.pending.owns(fd):
                read_answers(engine, delivering, fd, at, wall_s, boot_ns, events)
            elif (seat := seats.get(fd)) is not None:
                delivering.reader.read(engine, seat, wall_s, boot_ns, at, events)
            else:
                engine._work_off(fd, wall_s, boot_ns, events)
    finally:
        # Also where Python's part has failed: what was answered before is others'.
        delivering.outbox.flush()
        for i in range(delivering.timed):
            delivering.reader.durations.observe(times.boot_ns() - delivering.asked_ns[i], 1)
        delivering.timed = 0
    return True


cdef object key_of_flight(const Flight* flight):
    name = <bytes>flight.name[: flight.name_size]
    return CacheKey(flight.view, name, flight.qtype, flight.qclass, bool(flight.do_bit), bool(flight.cd))
