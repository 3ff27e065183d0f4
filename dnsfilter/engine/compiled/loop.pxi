# The main loop: what happens to what has arrived, in the order in which a datagram meets the steps.
#
#   a client's datagram     1 receive, a batch at a time          `Loop.read_questions`
#                           2 parse, and look ahead               `Loop.look_ahead`
#                           3 client and limits                   `answer_plain`, `answer_odd`
#                           4 names of ours                       `resolve`
#                           5 cache: what is fresh is served, by policy on the question and on all it leads to
#                           6 policy on a question that the cache does not answer
#                           7 failures that are known already
#                           8 join an equal question, or forward  `Loop.ask_on`
#                           9 send the replies of the batch
#   an upstream's datagram  10 match and keep                     `Loop.read_answers`
#                           11 decide again for each who waited   `Loop.deliver`
#   the alarm               12 late, timed out, probes, worn sockets: all the slow path's
#
# A step that is not certain hands over to the slow path, and the steps behind it are not taken. Policy comes before names
# of ours and before the cache, as in engine/slow_path/deciding.py: both have it in them, the cache by what its entries remember.

from dnsfilter.engine.slow_path.case import Turn
from dnsfilter.engine.interface import Drop, Reply

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_wait(int epoll_fd, epoll_event* ready, int most, int timeout_ms)


@cython.final
cdef class Seat:
    """A listening socket, and the descriptor by which later replies leave."""

    cdef readonly object listener
    cdef int fd, way
    cdef bint wildcard

    def __init__(self, listener, way):
        self.listener, self.fd, self.way, self.wildcard = listener, listener.fileno(), way, listener.wildcard


# Steps 3 to 7 of one query. All give the size of the reply in `out`, or HAND_OVER, MISS or DROPPED.

cdef int answer_plain(
    Answering fast, const Asked* asked, const Where* where, const uint8_t* client, int client_size, int transport,
    int64_t at, int64_t now_ms, uint32_t limit, uint8_t* out,
) noexcept nogil:
    """Answer a plain query, after the look ahead."""
    # 3. A client in no range is noted, and refused unless it may ask. Any client has its limits.
    if where.range_class < 0:
        fast.unregistered.note(client, client_size, now_ms)
    if not where.may_ask:
        return fast.answer_unregistered(asked, client, client_size, transport, now_ms, limit, out)
    if fast.admit(client, client_size, True, transport, now_ms) != ADMIT_PASS:
        return DROPPED
    return resolve(fast, asked, where, transport, at, now_ms, limit, out)


cdef int resolve(
    Answering fast, const Asked* asked, const Where* where, int transport, int64_t at, int64_t now_ms, uint32_t limit,
    uint8_t* out,
) noexcept nogil:
    """Answer a query for data of class IN that is within its limits."""
    cdef Entry* entry
    cdef int known
    # 4. Names of ours, unless policy refuses the question.
    if where.ours != NOT_OURS and not (where.ours & ZONE_OVERRIDABLE and where.view):
        return fast.tell_ours(
            asked, fast.ours(asked, where.range_class, at), where.range_class, transport, at, limit, out
        )
    # 5. The cache. What has expired may still have to do.
    entry = fast.store.find(
        where.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd, where.hash, now_ms
    )
    if entry != NULL and now_ms < entry.expires_ms:
        return fast.serve(asked, entry, where.range_class, transport, KEPT, at, now_ms, limit, out)
    # 6. Policy, before failures are looked up: a question that policy refuses asks for no probe.
    if not fast.pass_policy(asked, where.range_class, at):
        return fast.refused_or_handed(asked, where.range_class, transport, at, limit, out)
    # 7. A question that is known to fail is not asked.
    known = fast.failures.known_for(where.view, where.hash, entry != NULL, now_ms)
    if known == UNKNOWN:
        return MISS
    if known == IN_PYTHON or (entry == NULL and fast.store.has_other(asked, where.view, now_ms)):
        return HAND_OVER
    if entry != NULL:
        return fast.serve(asked, entry, where.range_class, transport, AS_STALE, at, now_ms, limit, out)
    return fast.fail(asked, known, transport, limit, out)


cdef int answer_odd(
    Answering fast, const uint8_t* message, uint32_t size, Asked* asked, Where* where, const uint8_t* client,
    int client_size, int transport, int64_t at, int64_t now_ms, uint8_t* out,
) noexcept nogil:
    """Answer a message that is no plain query. Parse it here, without a look ahead; on MISS it is in `asked`."""
    cdef Fault fault
    cdef uint32_t limit
    # 2. Parse; what is too short, or itself a response, gets no answer.
    cdef int said = read_odd(message, size, asked, &fault)
    where.range_class = -1
    if said == ODD_SILENT:
        fast.slots[fast.outcomes[transport][AS_DROPPED]] += 1
        return DROPPED
    limit = STREAM_ROOM if transport else udp_limit_of(asked)
    # 3. Client and limits.
    where.range_class = fast.table.find(client, client_size)
    if where.range_class < 0:
        fast.unregistered.note(client, client_size, now_ms)
    where.may_ask = fast.may_ask(where.range_class, client, client_size, at)
    if said == ODD_QUERY and not where.may_ask:
        return fast.answer_unregistered(asked, client, client_size, transport, now_ms, limit, out)
    if fast.admit(client, client_size, where.may_ask or transport, transport, now_ms) != ADMIT_PASS:
        return DROPPED
    if said == ODD_QUERY:
        return answer_rare(fast, asked, where, transport, at, now_ms, limit, out)
    said = AS_UNSUPPORTED if fault.rcode == RCODE_NOTIMP else AS_MALFORMED
    fast.slots[fast.outcomes[transport][said]] += 1
    return <int>write_fault(asked, &fault, out)


cdef int answer_rare(
    Answering fast, Asked* asked, Where* where, int transport, int64_t at, int64_t now_ms, uint32_t limit, uint8_t* out
) noexcept nogil:
    """Answer a well-formed query that is not plain and is within its limits."""
    cdef int ours
    # 6. Policy comes first here: what it lets through may be declined.
    if not fast.pass_policy(asked, where.range_class, at):
        return fast.refused_or_handed(asked, where.range_class, transport, at, limit, out)
    if not asked.rd:
        return fast.decline(asked, AS_NOT_RECURSIVE, EDE_NOT_AUTHORITATIVE, transport, limit, out)
    if asked.qclass == CLASS_CH or asked.qclass == CLASS_NONE or asked.qclass == CLASS_ANY:
        return fast.decline(asked, AS_UNSUPPORTED, -1, transport, limit, out)
    if asked.qclass != CLASS_IN or (asked.qtype != TYPE_ANY and not is_plain_type(asked.qtype)):
        return HAND_OVER
    # 4. Names of ours; elsewhere ANY is answered by what its name has of type CNAME.
    if asked.qtype == TYPE_ANY:
        ours = fast.ours(asked, where.range_class, at)
        if ours != NOT_OURS and not (ours & ZONE_OVERRIDABLE and fast.places.view_of(asked, True)):
            return fast.tell_ours(asked, ours, where.range_class, transport, at, limit, out)
        look_for_alias(asked)
    fast.place(asked, at, where)
    return resolve(fast, asked, where, transport, at, now_ms, limit, out)


@cython.final
cdef class Loop:
    """Serve the sockets and the alarm of one engine. `slow_path` is a SlowPath over `table`."""

    cdef Answering fast
    cdef Pending pending
    cdef PendingTable table
    cdef object slow_path
    cdef Delivering delivering
    cdef Batch batch
    cdef Times times
    cdef Durations durations
    cdef Alarm alarm
    cdef dict seats
    cdef int epoll_fd
    cdef Asked[64] asked            # BATCH_DATAGRAMS, of the batch in hand
    cdef Where[64] where
    cdef bint[64] plain
    cdef int64_t wall_s, boot_ns    # of this turn
    cdef int64_t now_ms, at         # its boot time in milliseconds, and the instant to decide by
    cdef object turn                # the Turn, once the slow path has needed it

    def __init__(
        self, Answering fast, PendingTable table, slow_path, Alarm alarm, dict seats, int epoll_fd, bint trust_ad, clock,
        slots,
    ):
        self.fast, self.pending, self.table, self.slow_path = fast, table.pending, table, slow_path
        self.delivering, self.batch = Delivering(fast, table.pending, trust_ad), Batch()
        self.times, self.durations = Times(clock), Durations(slots)
        self.alarm, self.seats, self.epoll_fd = alarm, seats, epoll_fd

    def swap(self, anchor):
        """Decide by the snapshot of that anchor from now on."""
        self.times.swap(anchor)

    def release(self):
        """Release the memory of the counters. Nothing is read afterwards."""
        self.durations.slots = None

    def poll(self, int budget):
        """Work through at most `budget` batches, one of each readable descriptor in a turn."""
        cdef epoll_event[64] ready
        cdef int i, count
        cdef list events = []
        try:
            for _ in range(budget):
                count = epoll_wait(self.epoll_fd, ready, 64, 0)
                if count <= 0:
                    break
                self.begin_turn()
                try:
                    for i in range(count):
                        self.work_off(ready[i].data.fd)
                finally:
                    # Also where the slow path has failed: what was answered before is others'.
                    self.delivering.flush(self.times, self.durations)
                if self.turn is not None:
                    events += self.turn.events
        finally:
            self.set_alarm()
        return events

    cdef int begin_turn(self) except -1:
        """Read both clocks, once for all that this turn does."""
        self.wall_s, self.boot_ns = self.times.wall_s(), self.times.boot_ns()
        self.now_ms = self.boot_ns // NS_PER_MS
        self.at = self.times.instant(self.wall_s, self.now_ms)
        self.turn = None
        return 0

    cdef object in_python(self):
        """Return this turn, for the slow path."""
        if self.turn is None:
            self.turn = Turn(self.wall_s, self.boot_ns)
        return self.turn

    cdef int work_off(self, int fd) except -1:
        if self.pending.owns(fd):
            return self.read_answers(fd)
        seat = self.seats.get(fd)
        if seat is not None:
            return self.read_questions(seat)
        # 12. The alarm.
        self.alarm.clear()
        self.slow_path.expire(self.in_python())
        return 0

    def set_alarm(self):
        """Set the alarm for the next work that no datagram announces."""
        self.alarm.set(self.pending.next_alarm())

    # What clients ask.

    cdef int read_questions(self, Seat seat) except -1:
        """Read one batch of queries from a socket, and answer it."""
        cdef Batch batch = self.batch
        cdef const uint8_t* client = NULL
        cdef int i, size, client_size, count
        cdef uint64_t due
        cdef object failed = None
        # 1. Receive.
        count = batch.receive(seat.fd, seat.wildcard)
        # 2. Parse, and look ahead: it changes nothing.
        self.look_ahead(count)
        for i in range(count):
            # 3. to 7. Each in its turn, since a reply may change what the next one meets.
            client_size = batch.client(i, &client)
            if self.plain[i]:
                size = answer_plain(
                    self.fast, &self.asked[i], &self.where[i], client, client_size, 0, self.at, self.now_ms,
                    udp_limit_of(&self.asked[i]), batch.room(),
                )
            else:
                size = answer_odd(
                    self.fast, batch.message(i), batch.received[i].msg_len, &self.asked[i], &self.where[i], client,
                    client_size, 0, self.at, self.now_ms, batch.room(),
                )
            # 8. What is nowhere here is asked of an upstream.
            if size == MISS:
                size = self.ask_on(seat, i)
            if size > 0:
                batch.reply(i, size)
            elif size == HAND_OVER:
                try:
                    self.hand_over(seat, i, <bytes>(<const char*>client)[:client_size])
                except Exception as error:  # the others of the batch are answered before it is raised
                    failed = error
        # 9. Send.
        due = self.durations.due(batch.reply_count)
        batch.flush(seat.fd)
        if due:
            self.durations.observe(self.times.boot_ns() - self.boot_ns, due)
        if failed is not None:
            raise failed
        return 0

    cdef void look_ahead(self, int count) noexcept nogil:
        """Look at all datagrams of the batch several times.

        Each look asks memory for what the next one needs, and goes on to the other datagrams until that is there.
        """
        cdef const uint8_t* client = NULL
        cdef int i, size
        cdef bint[64] looked_up
        for i in range(count):
            looked_up[i] = False
            self.plain[i] = read_plain(self.batch.message(i), self.batch.received[i].msg_len, &self.asked[i])
            if self.plain[i]:
                size = self.batch.client(i, &client)
                looked_up[i] = self.fast.look_ahead(&self.asked[i], client, size, self.at, &self.where[i])
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

    cdef int ask_on(self, Seat seat, int i) noexcept nogil:
        """Ask upstream for datagram `i`. Without room, answer from stale data, or drop and count it."""
        cdef Origin origin
        cdef Asked* asked = &self.asked[i]
        cdef Where* where = &self.where[i]
        cdef msghdr* came = &self.batch.received[i].msg_hdr
        cdef Entry* entry
        cdef int said
        origin.client_size = self.batch.client(i, &origin.client)
        origin.listener = seat.way
        origin.peer, origin.peer_size = came.msg_name, came.msg_namelen
        origin.control, origin.control_size = NULL, 0
        if came.msg_control != NULL and keep_local_address(came):
            origin.control, origin.control_size = came.msg_control, <uint32_t>came.msg_controllen
        said = self.pending.begin(asked, where.view, where.hash, &origin, self.boot_ns)
        if said != FULL:
            return HAND_OVER if said == ELSEWHERE else DROPPED
        entry = self.fast.store.find(
            where.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd, where.hash, self.now_ms
        )
        if entry == NULL and self.fast.store.has_other(asked, where.view, self.now_ms):
            return HAND_OVER
        if entry == NULL:
            self.fast.drop_waiting(0)
            return DROPPED
        return self.fast.serve(
            asked, entry, where.range_class, 0, AS_STALE, self.at, self.now_ms, udp_limit_of(asked), self.batch.room()
        )

    cdef int hand_over(self, Seat seat, int i, bytes client) except -1:
        """Let the slow path decide on datagram `i`."""
        cdef Batch batch = self.batch
        cdef int range_class = self.where[i].range_class
        message = <bytes>(<const char*>batch.message(i))[: batch.received[i].msg_len]
        outcome = self.slow_path.decide_message(
            self.in_python(), message, client, Transport.UDP, None if range_class < 0 else range_class
        )
        if isinstance(outcome, Reply):
            batch.reply_with(i, outcome.message)
        else:
            waiter = Waiter(
                outcome.query, client, self.boot_ns, seat.listener, batch.peer(i), batch.ancillary(i)
            )
            self.slow_path.ask(self.in_python(), outcome, waiter)
        return 0

    # What upstreams answer.

    cdef int read_answers(self, int fd) except -1:
        """Read one batch of datagrams from an upstream's socket."""
        cdef Arrived arrived
        cdef Entry* entry
        cdef int said, left = ARRIVALS
        while True:
            # 10. Match it by socket, id and question, and keep it where one answer is all.
            said = self.pending.next_arrival(fd, &left, &arrived)
            if said == NOTHING:
                return 0
            entry = self.delivering.keep(&arrived, self.now_ms) if said == ORDINARY else NULL
            if entry == NULL:
                self.hand_over_answer(said, fd, &arrived)
            else:
                self.deliver(arrived.flight, entry)

    cdef int hand_over_answer(self, int said, int fd, const Arrived* arrived) except -1:
        """Hand a datagram to the slow path. A NULL message is an ICMP error, which concerns all of the socket."""
        if said == REFUSED:
            for number in self.table.waiting_on(fd):
                self.slow_path.arrived(self.in_python(), arrived.server, number, None)
            return 0
        number = PROBE if said == PROBED else self.table.exchange_of(arrived.flight).number
        message = <bytes>arrived.message[: arrived.size]
        self.slow_path.arrived(self.in_python(), arrived.server, number, message)
        return 0

    cdef int deliver(self, Flight* flight, Entry* entry) except -1:
        """Answer all waiting queries from an entry that was just cached."""
        cdef Waiting* whom = flight.first
        cdef list left_over = []
        key = None
        self.pending.accept(flight, self.boot_ns)
        self.fast.failures.forget_hash(flight.hash)
        try:
            # 11. Decide again for each: the policy, or the client's range, may be another by now.
            while whom != NULL:
                if not self.delivering.deliver(whom, entry, self.at, self.now_ms):
                    left_over.append(self.table.waiter_of(whom))
                whom = whom.next
            if left_over:
                key = key_of_flight(flight)
        finally:
            self.pending.finish(flight)
        if left_over:
            self.slow_path.deliver(self.in_python(), left_over, key)
        return 0

    # Queries without a socket.

    def answer(self, bytes message not None, bytes client not None, transport, wall_s, boot_ms):
        """Answer one message, for `Engine.answer`."""
        cdef Asked asked
        cdef Where where
        cdef int size
        cdef int stream = 1 if transport is Transport.TCP else 0
        cdef uint8_t* out
        cdef const uint8_t* wire = <const uint8_t*><const char*>message
        cdef const uint8_t* asker = <const uint8_t*><const char*>client
        cdef int64_t at = self.times.instant(wall_s, boot_ms)
        if len(client) not in (4, 16):
            raise ValueError(f"answer: a client of {len(client)} bytes is no address")
        out = <uint8_t*>malloc(STREAM_ROOM)
        if out == NULL:
            raise MemoryError
        try:
            if read_plain(wire, len(message), &asked):
                self.fast.look_ahead(&asked, asker, len(client), at, &where)
                size = answer_plain(
                    self.fast, &asked, &where, asker, len(client), stream, at, boot_ms,
                    STREAM_ROOM if stream else udp_limit_of(&asked), out,
                )
            else:
                size = answer_odd(
                    self.fast, wire, len(message), &asked, &where, asker, len(client), stream, at, boot_ms, out
                )
            if size > 0:
                return Reply(<bytes>(<char*>out)[:size])
        finally:
            free(out)
        if size == DROPPED:
            return Drop()
        turn = Turn(wall_s, boot_ms * NS_PER_MS)
        return self.slow_path.decide_message(
            turn, message, client, transport, None if where.range_class < 0 else where.range_class
        )
