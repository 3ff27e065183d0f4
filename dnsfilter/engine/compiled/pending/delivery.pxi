# Cache an ordinary answer, and deliver it to the waiting queries in C. Each query is decided again.

cdef enum:
    OUTBOX = 64


@cython.final
cdef class Outbox:
    """Outgoing replies. Consecutive replies of one listener are sent together."""

    cdef uint8_t* data
    cdef Waiting[64] waiting        # only their addresses are used
    cdef iovec[64] parts
    cdef mmsghdr[64] replies
    cdef int count
    cdef int fd

    def __cinit__(self):
        self.data = <uint8_t*>malloc(OUTBOX * REPLY_ROOM)
        if self.data == NULL:
            raise MemoryError
        memset(self.replies, 0, sizeof(self.replies))
        self.count = 0
        self.fd = -1

    def __dealloc__(self):
        free(self.data)

    cdef uint8_t* next_reply(self) noexcept nogil:
        """Return where to write the next reply. Write it before the next `add`."""
        if self.count == OUTBOX:
            self.flush()
        return self.data + self.count * REPLY_ROOM

    cdef void add(self, const Waiting* waiting, uint32_t size) noexcept nogil:
        """Queue the `size` bytes in `next_reply` for a waiting query."""
        cdef uint8_t* written = self.next_reply()
        cdef msghdr* out
        if waiting.listener != self.fd:
            self.flush()
            memmove(self.next_reply(), written, size)
        self.fd = waiting.listener
        self.waiting[self.count] = waiting[0]
        self.parts[self.count].iov_base = self.next_reply()
        self.parts[self.count].iov_len = size
        out = &self.replies[self.count].msg_hdr
        out.msg_iov, out.msg_iovlen = &self.parts[self.count], 1
        out.msg_name, out.msg_namelen = self.waiting[self.count].peer, waiting.peer_size
        out.msg_control = self.waiting[self.count].control if waiting.control_size else NULL
        out.msg_controllen = waiting.control_size
        self.count += 1

    cdef void flush(self) noexcept nogil:
        """Send all replies. A reply that the kernel does not accept is lost, as UDP may."""
        cdef int sent, done = 0
        while done < self.count:
            sent = sendmmsg(self.fd, self.replies + done, self.count - done, MSG_DONTWAIT)
            done += sent if sent > 0 else 1
        self.count = 0


@cython.final
cdef class Delivery:
    """Caches and delivers the answers of one `Pending` for one `FastPath`."""

    cdef FastPath fast
    cdef Pending pending
    cdef Outbox outbox
    cdef Connections connections
    cdef const uint8_t* last_reply  # of `deliver`, and its size
    cdef uint32_t last_size
    cdef bint trust_ad
    cdef uint64_t delivered         # replies so far, of which one in eight is timed
    cdef int64_t[64] asked_ns       # arrival times of the timed queries
    cdef int timed

    def __init__(self, FastPath fast, Pending pending, Connections connections, bint trust_ad):
        self.fast, self.pending, self.connections, self.trust_ad = fast, pending, connections, trust_ad
        self.outbox = Outbox()
        self.delivered = 0
        self.timed = 0

    cdef Entry* keep(self, const Arrived* arrived, int64_t now_ms) noexcept nogil:
        """Cache an ordinary answer and return its entry. NULL: the slow path must judge it; nothing is counted."""
        cdef Flight* flight = arrived.flight
        cdef Ordinary* found = &self.pending.ordinary
        cdef const uint8_t* name = found.names
        cdef Asked target
        cdef int i
        cdef uint32_t size
        if not found.lifetime_s or (flight.view and flight.qtype == TYPE_DS):
            return NULL
        if found.has_private and self.fast.store.marks and not flight.view:
            return NULL
        for i in range(found.target_count):
            size = bytes_of_name(name, found.names_size - <uint32_t>(name - found.names))
            memcpy(target.name, name, size)
            target.name_size = <uint16_t>size
            target.labels = <uint8_t>label_starts(name, <int>size, target.starts)
            target.qtype, target.do_bit = flight.qtype, flight.do_bit
            if self.fast.routes.ours(&target) != NOT_OURS or self.fast.routes.view_of(&target, False) != flight.view:
                return NULL
            name += size
        return self.fast.store.keep(
            flight.view, flight.name, flight.name_size, flight.qtype, flight.do_bit, flight.cd, flight.hash,
            arrived.message, found, self.trust_ad and found.ad and flight.view == 0 and not flight.plain,
            now_ms,
        )

    cdef int deliver(self, const Waiting* waiting, Entry* entry, int64_t at, int64_t now_ms) noexcept nogil:
        """Put the reply to a waiting query into the outbox, or to those of its connection.

        Return False if the slow path must answer.
        """
        cdef Asked asked
        cdef Connection* connection
        cdef bint stream = waiting.stream != 0
        cdef uint8_t* out = self.connections.next_reply() if stream else self.outbox.next_reply()
        cdef int size, range_class
        if waiting.handed:
            return False
        range_class = self.fast.table.find(waiting.address, waiting.address_size)
        if not self.fast.may_ask(range_class, waiting.address, waiting.address_size, at):
            return False
        if not read_query(<const uint8_t*>(waiting + 1), waiting.message_size, stream, &asked):
            return False
        self.fast.cookies.answer(&asked, waiting.address, waiting.address_size, waiting.transport, at)
        size = self.fast.serve(
            &asked, entry, range_class, waiting.transport, DELIVERED, at, now_ms,
            reply_limit(&asked, waiting.transport), out,
        )
        if size <= 0:
            return False
        self.last_reply, self.last_size = out, <uint32_t>size
        if stream:
            connection = self.connections.answer(
                waiting.stream,
                <uint32_t>size,
                asked_options(asked.message, asked.size, waiting.transport == OVER_DOT),
            )
            if connection != NULL:
                self.connections.add_due(connection)
        else:
            self.outbox.add(waiting, <uint32_t>size)
        self.delivered += 1
        if self.delivered % SAMPLE_EVERY == 0 and self.timed < OUTBOX:
            self.asked_ns[self.timed] = waiting.asked_ns
            self.timed += 1
        return True

    cdef void flush(self, Times times, Durations durations) noexcept nogil:
        """Send the outbox, and record the durations of the timed replies."""
        cdef int i
        self.outbox.flush()
        for i in range(self.timed):
            durations.observe(times.boot_ns() - self.asked_ns[i], 1)
        self.timed = 0
