# Queries of races that another server has won, exactly as engine/reference/overtaken.py.
#
#   overtake(flight, server, sent_ns)     stop waiting for the answers of other servers than `server`
#   has(sending)                          whether a send without a flight is one of these, and no probe
#   arrived(sending, message, size, now_ns)
#   expire(now_ms)

cdef struct OvertakenSend:
    Sending sending             # without a socket: this slot of the ring is free
    int64_t sent_ns


@cython.final
cdef class Overtaken:
    """The overtaken queries of one table, in a ring."""

    cdef FlightTable table
    cdef Health health
    cdef OvertakenSend* ring
    cdef int turn
    cdef int count

    def __cinit__(self, FlightTable table not None, Health health not None):
        self.table, self.health = table, health
        self.ring = <OvertakenSend*>calloc(MOST_OVERTAKEN, sizeof(OvertakenSend))
        if self.ring == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.ring)

    cdef void overtake(self, Flight* flight, int server, int64_t sent_ns) noexcept nogil:
        cdef Sending** at = &flight.sends
        cdef Sending* sending = at[0]
        while sending != NULL:
            if sending.held.server == server:
                at = &sending.next_of_flight
            else:
                at[0] = sending.next_of_flight
                self.add(sending, sent_ns)
                if sending != &flight.own:
                    free(sending)
            sending = at[0]

    cdef void add(self, Sending* sending, int64_t sent_ns) noexcept nogil:
        cdef OvertakenSend* slot = &self.ring[self.turn]
        cdef int server
        if slot.sending.held != NULL:
            server = slot.sending.held.server
            self.forget(slot)
            if sent_ns - slot.sent_ns >= LONG_ENOUGH_MS * <int64_t>1_000_000:
                self.health.failed_at(server, sent_ns // 1_000_000)
        self.table.move_send(sending, &slot.sending)
        slot.sent_ns = sent_ns
        self.turn = (self.turn + 1) % MOST_OVERTAKEN
        self.count += 1

    cdef bint has(self, const Sending* sending) noexcept nogil:
        cdef const OvertakenSend* slot = <const OvertakenSend*>sending
        return self.ring <= slot < self.ring + MOST_OVERTAKEN

    cdef void arrived(self, Sending* sending, const uint8_t* message, uint32_t size, int64_t now_ns) noexcept nogil:
        cdef OvertakenSend* slot = <OvertakenSend*>sending
        cdef int server = sending.held.server
        cdef int rcode
        if size < 12 or not message[2] & 0x80:
            return
        rcode = message[3] & 15
        self.forget(slot)
        # AA, TC or RA
        if rcode == RCODE_NXDOMAIN or (rcode == RCODE_NOERROR and (message[2] & 0x06 or message[3] & 0x80)):
            self.health.succeeded_at(server, (now_ns - slot.sent_ns) // 1_000_000, now_ns // 1_000_000)
            return
        self.health.heard_at(server)
        if rcode == RCODE_REFUSED or rcode == RCODE_NOTAUTH:
            self.health.failed_at(server, now_ns // 1_000_000)

    cdef void expire(self, int64_t now_ms) noexcept nogil:
        cdef OvertakenSend* slot
        cdef int i, server
        for i in range(MOST_OVERTAKEN if self.count else 0):
            slot = &self.ring[i]
            if slot.sending.held != NULL and now_ms - slot.sent_ns // 1_000_000 >= SILENCE_TO_BE_GONE_MS:
                server = slot.sending.held.server
                self.forget(slot)
                self.health.failed_at(server, now_ms)

    cdef void forget(self, OvertakenSend* slot) noexcept nogil:
        self.table.drop_send(&slot.sending)
        self.count -= 1

    cdef void clear(self) noexcept nogil:
        """Forget all. No index may point to them any more."""
        memset(self.ring, 0, MOST_OVERTAKEN * sizeof(OvertakenSend))
        self.count = 0
