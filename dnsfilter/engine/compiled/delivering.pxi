# Answers for those who waited: an ordinary one is kept and delivered in C, decided again for each of them.

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
    cdef Pending pending
    cdef Outbox outbox
    cdef bint trust_ad
    cdef uint64_t delivered         # replies so far, of which one in eight is timed
    cdef int64_t[64] asked_ns       # when those that are to be timed were asked
    cdef int timed

    def __init__(self, Answering fast, Pending pending, bint trust_ad):
        self.fast, self.pending, self.trust_ad = fast, pending, trust_ad
        self.outbox = Outbox()
        self.delivered = 0
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
            size = bytes_of_name(name, found.names_size - <uint32_t>(name - found.names))
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

    cdef int deliver(self, const Waiting* whom, Entry* entry, int64_t at, int64_t now_ms) noexcept nogil:
        """Whether the reply to one who waited is in the outbox."""
        cdef Asked asked
        cdef int size, range_class
        if whom.handed:
            return False
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
        self.delivered += 1
        if self.delivered % TIMED_EVERY == 0 and self.timed < OUTBOX:
            self.asked_ns[self.timed] = whom.asked_ns
            self.timed += 1
        return True

    cdef void flush(self, Times times, Durations durations) except *:
        """Send what is in the outbox, and note how long those that are timed took."""
        cdef int i
        self.outbox.flush()
        for i in range(self.timed):
            durations.observe(times.boot_ns() - self.asked_ns[i], 1)
        self.timed = 0
