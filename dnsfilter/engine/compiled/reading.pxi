# Questions from listening sockets, a batch at a time.
#
# All of a batch is looked at several times before anything of it is decided: each look asks memory for what the next
# one needs, and goes on to the other datagrams until that is there. They change nothing. Then each is decided in its
# turn, since a reply may change what the next one meets.

@cython.final
cdef class Seat:
    """A listening socket, and the descriptor by which later replies leave."""

    cdef readonly object listener
    cdef int fd, way
    cdef bint wildcard

    def __init__(self, listener, way):
        self.listener, self.fd, self.way, self.wildcard = listener, listener.fileno(), way, listener.wildcard


@cython.final
cdef class Reader:
    """Reads the questions that `Answering` decides and `Pending` asks on."""

    cdef Answering fast
    cdef Pending pending
    cdef Batch batch
    cdef Times times
    cdef Durations durations
    cdef Asked[64] asked            # BATCH_DATAGRAMS
    cdef Where[64] where
    cdef bint[64] plain

    def __init__(self, Answering fast, Pending pending, clock, slots):
        self.fast, self.pending, self.batch = fast, pending, Batch()
        self.times, self.durations = Times(clock), Durations(slots)

    def swap(self, anchor):
        """Decide by the snapshot of that anchor from now on."""
        self.times.swap(anchor)

    def release(self):
        """Let go of the counters' memory; nothing is read afterwards."""
        self.durations.slots = None

    cdef void look_ahead(self, int count, int64_t at) noexcept nogil:
        """Look at all datagrams of the batch."""
        cdef const uint8_t* client = NULL
        cdef int i, size
        cdef bint[64] looked_up
        for i in range(count):
            looked_up[i] = False
            self.plain[i] = read_plain(self.batch.message(i), self.batch.received[i].msg_len, &self.asked[i])
            if self.plain[i]:
                size = self.batch.client(i, &client)
                looked_up[i] = self.fast.look_ahead(&self.asked[i], client, size, at, &self.where[i])
                if looked_up[i]:
                    self.fast.store.prefetch(self.where[i].hash)
        for i in range(count):
            if looked_up[i]:
                self.fast.store.prefetch_entry(self.where[i].hash)
        for i in range(count):
            if looked_up[i]:
                looked_up[i] = not self.fast.store.may_hold(self.where[i].hash)
                if looked_up[i]:
                    self.fast.table.prefetch(&self.asked[i])
        for i in range(count):
            if looked_up[i]:
                self.fast.table.prefetch_records(&self.asked[i])

    cdef int read(self, engine, Seat seat, int64_t wall_s, int64_t boot_ns, int64_t at, list events) except -1:
        """Answer what waits at a socket, one batch of it."""
        cdef Batch batch = self.batch
        cdef Where* where
        cdef const uint8_t* client = NULL
        cdef int i, size, client_size
        cdef uint64_t due
        cdef object failed = None
        cdef int count = batch.receive(seat.fd, seat.wildcard)
        self.look_ahead(count, at)
        for i in range(count):
            client_size = batch.client(i, &client)
            where = &self.where[i]
            if self.plain[i]:
                size = self.fast.answer(
                    &self.asked[i], client, client_size, 0, at, boot_ns // NS_PER_MS, udp_limit_of(&self.asked[i]),
                    batch.room(), where,
                )
            else:
                size = self.fast.answer_odd(
                    batch.message(i), batch.received[i].msg_len, &self.asked[i], client, client_size, 0, at,
                    boot_ns // NS_PER_MS, batch.room(), where,
                )
            if size == MISS:
                size = ask_on(self.pending, batch, i, seat.way, &self.asked[i], where, boot_ns)
                if size == FULL:
                    size = self.stale_or_drop(&self.asked[i], where, at, boot_ns // NS_PER_MS)
                else:
                    size = ADMITTED if size == ELSEWHERE else DROPPED
            if size > 0:
                batch.reply(i, size)
            elif size != DROPPED:
                try:
                    hand_over(
                        engine, batch, i, <bytes>(<const char*>client)[:client_size], seat.listener, wall_s, boot_ns,
                        size, where.range_class, events,
                    )
                except Exception as error:  # the others of the batch are answered before it is raised
                    failed = error
        due = self.durations.due(batch.reply_count)
        batch.flush(seat.fd)
        if due:
            self.durations.observe(self.times.boot_ns() - boot_ns, due)
        if failed is not None:
            raise failed
        return 0

    cdef int stale_or_drop(self, const Asked* asked, const Where* where, int64_t at, int64_t now_ms) noexcept nogil:
        """Answer a query that finds no room to wait with a stale answer; drop and count it if there is none."""
        cdef Entry* entry = self.fast.store.find(
            where.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd, where.hash, now_ms
        )
        if entry == NULL and self.fast.store.has_other(asked, where.view, now_ms):
            return ADMITTED
        if entry == NULL:
            self.fast.drop_waiting(0)
            return DROPPED
        return self.fast.serve(
            asked, entry, where.range_class, 0, AS_STALE, at, now_ms, udp_limit_of(asked), self.batch.room()
        )


cdef void hand_over(
    engine, Batch batch, int i, bytes client, listener, wall_s, boot_ns, int size, int range_class, list events
) except *:
    message = <bytes>(<const char*>batch.message(i))[: batch.received[i].msg_len]
    outcome = decided(engine, message, client, Transport.UDP, wall_s, boot_ns // NS_PER_MS, size, range_class)
    if isinstance(outcome, Reply):
        batch.reply_with(i, outcome.message)
    elif isinstance(outcome, Miss):
        waiter = Waiter(outcome.query, client, boot_ns, listener, batch.peer(i), batch.ancillary(i))
        engine._ask(outcome, waiter, wall_s, boot_ns, events)
