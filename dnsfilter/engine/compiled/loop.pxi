# The main loop: the steps of a datagram, in their order.
#
#   a client's datagram     1 receive, a batch at a time          `Loop.read_questions`
#                           2 parse, and look ahead               `Loop.look_ahead`
#                           3 client and limits                   `answer_plain`, `answer_odd`
#                           4 local names                         `resolve`
#                           5 cache: serve a fresh entry, by policy on the question and on all its targets
#                           6 policy on a question that the cache does not answer
#                           7 known failures
#                           8 join an equal question, or forward  `Loop.ask_upstream`
#                           9 send the replies of the batch
#   an upstream's datagram  10 match and cache                    `Loop.read_answers`
#                           11 decide each waiting query again    `Loop.deliver`
#   the alarm               12 late answers, timeouts, probes, worn sockets: on the slow path
#
# A step that is not certain hands over to the slow path, which replaces the later steps. As in
# engine/slow_path/query_decider.py, policy comes before local names and before the cache. Steps 4 and 5 therefore apply
# it themselves; a cache entry remembers what its names belong to.

from dnsfilter.engine.slow_path.case import Turn
from dnsfilter.engine.interface import Drop, Reply, Update

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_wait(int epoll_fd, epoll_event* ready, int most, int timeout_ms)


# Steps 3 to 7 of one query. Each function returns the size of the reply in `out`, or HAND_OVER, MISS or DROPPED.

cdef int answer_plain(
    FastPath fast, const Asked* asked, const LookAhead* ahead, const uint8_t* client, int client_size, int transport,
    int64_t at, int64_t now_ms, uint32_t limit, uint8_t* out,
) noexcept nogil:
    """Answer a plain query, after `look_ahead`."""
    fast.note_type(asked)
    # 3. Count the client's range or network, and refuse it unless it may ask. Limits apply to every client.
    fast.note_client(ahead, client, client_size, now_ms)
    if not ahead.may_ask:
        return fast.answer_unregistered(asked, client, client_size, transport, now_ms, limit, out)
    if fast.admit(client, client_size, True, transport, now_ms) != ADMIT_PASS:
        return DROPPED
    return resolve(fast, asked, ahead, transport, at, now_ms, limit, out)


cdef int resolve(
    FastPath fast, const Asked* asked, const LookAhead* ahead, int transport, int64_t at, int64_t now_ms,
    uint32_t limit, uint8_t* out,
) noexcept nogil:
    """Answer a query for data of class IN. The limits have passed it."""
    cdef Entry* entry
    cdef int known
    # 4. Local names, unless policy refuses the question.
    if ahead.ours != NOT_OURS and not (ahead.ours & ZONE_OVERRIDABLE and ahead.view):
        return fast.answer_ours(
            asked, fast.ours(asked, ahead.range_class, at), ahead.range_class, transport, at, limit, out
        )
    # 5. The cache. An expired entry may be served as stale in step 7.
    entry = fast.store.find(
        ahead.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd, ahead.hash, now_ms
    )
    if entry != NULL and now_ms < entry.expires_ms:
        return fast.serve(asked, entry, ahead.range_class, transport, KEPT, at, now_ms, limit, out)
    # 6. Policy, before failures are looked up: a refused question requests no probe.
    if not fast.pass_policy(asked, ahead.range_class, at):
        return fast.refused_or_handed(asked, ahead.range_class, transport, at, limit, out)
    # 7. Do not forward a question that is known to fail.
    known = fast.failures.known_for(ahead.view, ahead.hash, entry != NULL, now_ms)
    if known == UNKNOWN:
        return MISS
    if known == IN_PYTHON or (entry == NULL and fast.store.has_other(asked, ahead.view, now_ms)):
        return HAND_OVER
    if entry != NULL:
        return fast.serve(asked, entry, ahead.range_class, transport, AS_STALE, at, now_ms, limit, out)
    return fast.fail(asked, known, transport, limit, out)


cdef int answer_odd(
    FastPath fast, const uint8_t* message, uint32_t size, Asked* asked, LookAhead* ahead, const uint8_t* client,
    int client_size, int transport, int64_t at, int64_t now_ms, uint8_t* out,
) noexcept nogil:
    """Parse and answer a message that is no plain query. On MISS, `asked` holds the query."""
    cdef Fault fault
    cdef uint32_t limit
    # 2. Parse. A message that is too short or is itself a response gets no answer.
    cdef int result = read_odd(message, size, transport, asked, &fault)
    ahead.range_class = -1
    if result == ODD_SILENT:
        fast.slots[fast.outcomes[transport][AS_DROPPED]] += 1
        return DROPPED
    limit = STREAM_ROOM if transport else udp_limit_of(asked)
    if result == ODD_QUERY:
        fast.note_type(asked)
    # 3. Client and limits.
    ahead.range_class = fast.table.find_counted(client, client_size, &ahead.counted)
    fast.note_client(ahead, client, client_size, now_ms)
    ahead.may_ask = fast.may_ask(ahead.range_class, client, client_size, at)
    if result == ODD_QUERY and not ahead.may_ask:
        return fast.answer_unregistered(asked, client, client_size, transport, now_ms, limit, out)
    if fast.admit(client, client_size, ahead.may_ask or transport, transport, now_ms) != ADMIT_PASS:
        return DROPPED
    if result == ODD_QUERY:
        return answer_rare(fast, asked, ahead, transport, at, now_ms, limit, out)
    if fault.opcode == OPCODE_UPDATE and fast.takes_updates and ahead.range_class >= 0:
        return HAND_OVER
    result = AS_UNSUPPORTED if fault.rcode == RCODE_NOTIMP else AS_MALFORMED
    fast.count(transport, result, fault.rcode)
    return <int>write_fault(asked, &fault, out)


cdef int answer_rare(
    FastPath fast, Asked* asked, LookAhead* ahead, int transport, int64_t at, int64_t now_ms, uint32_t limit,
    uint8_t* out,
) noexcept nogil:
    """Answer a well-formed query that is not plain. The limits have passed it."""
    cdef int ours
    # 6. Policy comes first here: the steps below may decline a query that it passes.
    if not fast.pass_policy(asked, ahead.range_class, at):
        return fast.refused_or_handed(asked, ahead.range_class, transport, at, limit, out)
    if not asked.rd:
        return fast.decline(asked, AS_NOT_RECURSIVE, EDE_NOT_AUTHORITATIVE, transport, limit, out)
    if asked.qclass == CLASS_CH or asked.qclass == CLASS_NONE or asked.qclass == CLASS_ANY:
        return fast.decline(asked, AS_UNSUPPORTED, -1, transport, limit, out)
    if asked.qclass != CLASS_IN or (asked.qtype != TYPE_ANY and not is_plain_type(asked.qtype)):
        return HAND_OVER
    # 4. Local names. For other names, ANY is answered from the name's CNAME.
    if asked.qtype == TYPE_ANY:
        ours = fast.ours(asked, ahead.range_class, at)
        if ours != NOT_OURS and not (ours & ZONE_OVERRIDABLE and fast.routes.view_of(asked, True)):
            return fast.answer_ours(asked, ours, ahead.range_class, transport, at, limit, out)
        look_for_alias(asked)
    fast.find_route(asked, at, ahead)
    return resolve(fast, asked, ahead, transport, at, now_ms, limit, out)


@cython.final
cdef class Loop:
    """Serve the sockets and the alarm of one engine. `slow_path` is a SlowPath over `table`."""

    cdef FastPath fast
    cdef Pending pending
    cdef PendingTable table
    cdef object slow_path
    cdef Delivery delivery
    cdef Batch batch
    cdef Times times
    cdef Durations durations
    cdef Alarm alarm
    cdef dict listening
    cdef int epoll_fd
    cdef Asked[64] asked            # BATCH_DATAGRAMS, of the current batch
    cdef LookAhead[64] ahead
    cdef bint[64] plain
    cdef int64_t wall_s, boot_ns    # of this turn
    cdef int64_t now_ms, at         # the turn's boot time in milliseconds, and the instant to decide by
    cdef object turn                # the Turn, once the slow path needs it
    cdef Recording recording        # of captured ranges' queries

    def __init__(
        self, FastPath fast, PendingTable table, slow_path, Alarm alarm, dict listening, int epoll_fd, bint trust_ad,
        clock, slots, Prefixes proxies, Recording recording not None,
    ):
        self.fast, self.pending, self.table, self.slow_path = fast, table.pending, table, slow_path
        self.delivery, self.batch = Delivery(fast, table.pending, trust_ad), Batch(proxies)
        self.recording = recording
        self.times, self.durations = Times(clock), Durations(slots)
        self.alarm, self.listening, self.epoll_fd = alarm, listening, epoll_fd

    def swap(self, anchor):
        """Decide by the snapshot of `anchor` from now on."""
        self.times.swap(anchor)

    def release(self):
        """Release the memory of the counters. Do not poll afterwards."""
        self.durations.slots = None

    def poll(self, int budget):
        """Run at most `budget` turns; each reads one batch from every readable descriptor. Return the events."""
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
                        self.serve_descriptor(ready[i].data.fd)
                finally:
                    # Send also if the slow path has failed: these replies belong to other clients.
                    self.delivery.flush(self.times, self.durations)
                if self.turn is not None:
                    events += self.turn.events
        finally:
            self.set_alarm()
        return events

    cdef int begin_turn(self) except -1:
        """Read both clocks, once per turn."""
        self.wall_s, self.boot_ns = self.times.wall_s(), self.times.boot_ns()
        self.now_ms = self.boot_ns // NS_PER_MS
        self.at = self.times.instant(self.wall_s, self.now_ms)
        self.turn = None
        return 0

    cdef object python_turn(self):
        """Return the Turn that the slow path uses; make it on first use."""
        if self.turn is None:
            self.turn = Turn(self.wall_s, self.boot_ns)
        return self.turn

    cdef int serve_descriptor(self, int fd) except -1:
        if self.pending.owns(fd):
            return self.read_answers(fd)
        source = self.listening.get(fd)
        if source is not None:
            return self.read_questions(source)
        # 12. The alarm.
        self.alarm.clear()
        self.slow_path.expire(self.python_turn())
        return 0

    def set_alarm(self):
        """Set the alarm for the next work that no datagram announces."""
        self.alarm.set(self.times.alarm_ms(self.pending.next_alarm()))

    # Queries of clients.

    cdef int read_questions(self, ListeningSocket source) except -1:
        """Read one batch of queries from a socket, and answer it."""
        cdef Batch batch = self.batch
        cdef const uint8_t* client = NULL
        cdef int i, size, client_size, count
        cdef uint64_t due
        cdef object failed = None
        # 1. Receive, and take the client from a trusted proxy's header.
        count = batch.receive(source.fd, source.wildcard)
        # 2. Parse and look ahead. This changes nothing.
        self.look_ahead(count)
        for i in range(count):
            # 3. to 7. One query after the other, because a reply may change the state that the next one uses.
            client_size = batch.client(i, &client)
            if self.plain[i]:
                size = answer_plain(
                    self.fast, &self.asked[i], &self.ahead[i], client, client_size, 0, self.at, self.now_ms,
                    udp_limit_of(&self.asked[i]), batch.next_reply(),
                )
            else:
                size = answer_odd(
                    self.fast, batch.message(i), batch.received[i].msg_len, &self.asked[i], &self.ahead[i], client,
                    client_size, 0, self.at, self.now_ms, batch.next_reply(),
                )
            # 8. Ask an upstream.
            if size == MISS:
                size = self.ask_upstream(source, i)
            if size > 0:
                batch.reply(i, size)
            elif size == HAND_OVER:
                try:
                    self.hand_over(source, i, <bytes>(<const char*>client)[:client_size])
                except Exception as error:  # raised once the rest of the batch is answered
                    failed = error
            elif size == DROPPED and self.recording.recorder is not None:
                self.recording.dropped(batch, i)
        if self.recording.recorder is not None:
            self.recording.replied(batch)
        # 9. Send.
        due = self.durations.due(batch.reply_count)
        batch.flush(source.fd)
        if due:
            self.durations.observe(self.times.boot_ns() - self.boot_ns, due)
        if failed is not None:
            raise failed
        return 0

    cdef void look_ahead(self, int count) noexcept nogil:
        """Parse the batch and find ranges and cache keys, in several passes over all datagrams.

        Each pass prefetches the memory that the next pass needs, so that the reads overlap.
        """
        cdef const uint8_t* client = NULL
        cdef int i, size
        cdef bint[64] looked_up
        for i in range(count):
            looked_up[i] = False
            self.plain[i] = read_plain(self.batch.message(i), self.batch.received[i].msg_len, &self.asked[i])
            if self.plain[i]:
                size = self.batch.client(i, &client)
                looked_up[i] = self.fast.look_ahead(&self.asked[i], client, size, self.at, &self.ahead[i])
                if looked_up[i]:
                    self.fast.store.prefetch(self.ahead[i].hash)
        for i in range(count):
            if looked_up[i]:
                self.fast.store.prefetch_entry(self.ahead[i].hash)
        for i in range(count):
            if looked_up[i]:
                looked_up[i] = not self.fast.store.may_hold(self.ahead[i].hash)
                if looked_up[i]:
                    self.fast.table.prefetch(&self.asked[i])
        for i in range(count):
            if looked_up[i]:
                self.fast.table.prefetch_records(&self.asked[i])

    cdef int ask_upstream(self, ListeningSocket source, int i) noexcept nogil:
        """Ask upstream for datagram `i`. If there is no room, answer from stale data, or drop and count it."""
        cdef Origin origin
        cdef Asked* asked = &self.asked[i]
        cdef LookAhead* ahead = &self.ahead[i]
        cdef msghdr* header = &self.batch.received[i].msg_hdr
        cdef Entry* entry
        cdef int result
        origin.client_size = self.batch.client(i, &origin.client)
        origin.listener = source.reply_fd
        origin.peer, origin.peer_size = header.msg_name, header.msg_namelen
        origin.control, origin.control_size = NULL, 0
        if header.msg_control != NULL and keep_local_address(header):
            origin.control, origin.control_size = header.msg_control, <uint32_t>header.msg_controllen
        result = self.pending.begin(asked, ahead.view, ahead.hash, &origin, self.boot_ns)
        if result != FULL:
            return HAND_OVER if result == ELSEWHERE else WAITS
        entry = self.fast.store.find(
            ahead.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd, ahead.hash, self.now_ms
        )
        if entry == NULL and self.fast.store.has_other(asked, ahead.view, self.now_ms):
            return HAND_OVER
        if entry == NULL:
            self.fast.drop_waiting(0)
            return DROPPED
        return self.fast.serve(
            asked, entry, ahead.range_class, 0, AS_STALE, self.at, self.now_ms, udp_limit_of(asked),
            self.batch.next_reply(),
        )

    cdef int hand_over(self, ListeningSocket source, int i, bytes client) except -1:
        """Let the slow path decide on datagram `i`."""
        cdef Batch batch = self.batch
        cdef int range_class = self.ahead[i].range_class
        message = <bytes>(<const char*>batch.message(i))[: batch.received[i].msg_len]
        outcome = self.slow_path.decide_message(
            self.python_turn(), message, client, Transport.UDP, None if range_class < 0 else range_class
        )
        if isinstance(outcome, Reply):
            batch.reply_with(i, outcome.message)
        elif isinstance(outcome, Update):
            self.python_turn().events.append(outcome.answered_by(source.listener, batch.peer(i), batch.ancillary(i)))
        else:
            waiter = Waiter(
                outcome.query, client, self.boot_ns, source.listener, batch.peer(i), batch.ancillary(i)
            )
            self.slow_path.ask(self.python_turn(), outcome, waiter)
        return 0

    # Answers of upstreams.

    cdef int read_answers(self, int fd) except -1:
        """Read one batch of datagrams from an upstream's socket."""
        cdef Arrived arrived
        cdef Entry* entry
        cdef int result, left = ARRIVALS
        while True:
            # 10. Match it by socket, id and question. Cache it if this one answer is sufficient.
            result = self.pending.next_arrival(fd, &left, &arrived)
            if result == NOTHING:
                return 0
            entry = self.delivery.keep(&arrived, self.now_ms) if result == ORDINARY else NULL
            if entry == NULL:
                self.hand_over_answer(result, fd, &arrived)
            else:
                self.deliver(arrived.flight, entry)

    cdef int hand_over_answer(self, int result, int fd, const Arrived* arrived) except -1:
        """Hand a datagram to the slow path. REFUSED is an ICMP error, which concerns every question on the socket."""
        if result == REFUSED:
            for number in self.table.waiting_on(fd):
                self.slow_path.arrived(self.python_turn(), arrived.server, number, None)
            return 0
        number = PROBE if result == PROBED else self.table.exchange_of(arrived.flight).number
        message = <bytes>arrived.message[: arrived.size]
        self.slow_path.arrived(self.python_turn(), arrived.server, number, message)
        return 0

    cdef int deliver(self, Flight* flight, Entry* entry) except -1:
        """Answer all waiting queries from an entry that was just cached."""
        cdef Waiting* waiting = flight.first
        cdef list left_over = []
        key = None
        self.pending.accept(flight, self.boot_ns)
        self.fast.failures.forget_hash(flight.hash)
        try:
            # 11. Decide each query again: the policy or the client's range may have changed.
            while waiting != NULL:
                if not self.delivery.deliver(waiting, entry, self.at, self.now_ms):
                    left_over.append(self.table.waiter_of(waiting))
                elif self.recording.recorder is not None:
                    self.recording.delivered(self.delivery.outbox, waiting)
                waiting = waiting.next
            if left_over:
                key = key_of_flight(flight)
        finally:
            self.pending.finish(flight)
        if left_over:
            self.slow_path.deliver(self.python_turn(), left_over, key)
        return 0

    # Queries without a socket.

    def answer(self, bytes message not None, bytes client not None, transport, wall_s, boot_ms):
        """Answer one message, for `Engine.answer`."""
        cdef Asked asked
        cdef LookAhead ahead
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
                self.fast.look_ahead(&asked, asker, len(client), at, &ahead)
                size = answer_plain(
                    self.fast, &asked, &ahead, asker, len(client), stream, at, boot_ms,
                    STREAM_ROOM if stream else udp_limit_of(&asked), out,
                )
            else:
                size = answer_odd(
                    self.fast, wire, len(message), &asked, &ahead, asker, len(client), stream, at, boot_ms, out
                )
            if size > 0:
                return Reply(<bytes>(<char*>out)[:size])
        finally:
            free(out)
        if size == DROPPED:
            return Drop()
        turn = Turn(wall_s, boot_ms * NS_PER_MS)
        return self.slow_path.decide_message(
            turn, message, client, transport, None if ahead.range_class < 0 else ahead.range_class
        )
