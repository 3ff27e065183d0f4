# The main loop: the steps of a datagram, in their order.
#
#   a wake-up               0 wait for any descriptor or the next deadline: one system call, `Loop.serve_until`
#   a client's datagram     1 receive, a batch at a time          `Loop.read_questions`
#                           2 parse, and look ahead               `Loop.look_ahead`
#                           3 client and limits                   `answer_plain`, `answer_odd` (queries/steps.pxi)
#                           4 local names                         `resolve`
#                           5 cache: serve a fresh entry, by policy on the question and on all its targets
#                           6 policy on a question that the cache does not answer
#                           7 known failures
#                           8 join an equal question, or forward  `Loop.ask_upstream`
#                           9 send the replies of the batch
#   an upstream's datagram  10 match and cache                    `Loop.read_answers`
#                           11 decide each waiting query again    `Loop.deliver`
#   a deadline              12 late answers, timeouts, probes, worn sockets: on the slow path
#
# No step needs Python. A step that is not certain hands over to the slow path (slow_turn.pxi), which replaces the later
# steps. As in engine/slow_path/query_decider.py, policy comes before local names and before the cache. Steps 4 and 5
# therefore apply it themselves; a cache entry remembers what its names belong to.

from dnsfilter.telemetry.slots import CACHE_BYTES, CACHE_ENTRIES, CACHE_PREFETCHES

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_wait(int epoll_fd, epoll_event* ready, int most, int timeout_ms)


cdef enum:
    MOST_READY = 64
    LONGEST_POLL_MS = 3_600_000
    FOREIGN = 1             # why `Loop.serve` returned: the watched descriptor is readable
    FOR_PYTHON = 2          # `Loop.poll` has events, or a new policy must come into force before queries are read


cdef class Streams


@cython.final
cdef class Loop:
    """Serve the sockets and the deadlines of one engine. `slow_path` is a SlowPath over `table`."""

    cdef FastPath fast
    cdef Pending pending
    cdef SlowTurn slow
    cdef Delivery delivery
    cdef readonly Streams streams
    cdef Batch batch
    cdef Times times
    cdef Durations durations
    cdef Alarm alarm
    cdef ListeningSockets listening
    cdef int epoll_fd
    cdef int watched_fd             # of the event loop that calls `serve`; -1: none, and the alarm wakes the caller
    cdef uint64_t[::1] revisions    # of the policy that the supervisor wants in force, and of the last one received
    cdef uint64_t[::1] slots
    cdef int cache_entries, cache_bytes, cache_prefetches
    cdef Asked[64] asked            # BATCH_DATAGRAMS, of the current batch
    cdef LookAhead[64] ahead
    cdef bint[64] plain
    cdef int64_t wall_s, boot_ns    # of this turn
    cdef int64_t now_ms, at         # the turn's boot time in milliseconds, and the instant to decide by
    cdef Recording recording        # of captured ranges' queries

    def __init__(
        self, FastPath fast, PendingTable table, slow_path, Alarm alarm, ListeningSockets listening, int epoll_fd,
        bint trust_ad, clock, counters, Prefixes proxies, Recording recording not None,
    ):
        self.fast, self.pending, self.recording = fast, table.pending, recording
        self.delivery, self.batch = Delivery(fast, table.pending, table.connections, trust_ad), Batch(proxies, fast.forwarders)
        self.streams = Streams(table.connections, self)
        self.slow = SlowTurn(slow_path, table, listening, self.batch, self.delivery, recording)
        self.times, self.durations = Times(clock), Durations(counters.slots)
        self.alarm, self.listening, self.epoll_fd, self.watched_fd = alarm, listening, epoll_fd, -1
        self.revisions, self.slots = counters.revisions, counters.slots
        self.cache_entries, self.cache_bytes, self.cache_prefetches = CACHE_ENTRIES, CACHE_BYTES, CACHE_PREFETCHES

    def swap(self, anchor):
        """Decide by the snapshot of `anchor` from now on."""
        self.times.swap(anchor)

    def name_clients(self, client_of):
        """Take the clients of server names from `client_of` from now on."""
        self.batch.client_of = self.streams.client_of = client_of

    def release(self):
        """Release the memory of the counters. Do not poll afterwards."""
        self.durations.slots = self.slots = self.revisions = None
        self.streams.release()

    def watch(self, int fd):
        """Have `serve` return when this descriptor is readable. Without one (-1), the alarm makes `epoll_fd` readable."""
        self.watched_fd = fd

    def poll(self, int budget):
        """Take at most `budget` turns without waiting. Return the events, also those of turns that `serve` took."""
        cdef epoll_event[64] ready
        cdef int count
        for _ in range(budget):
            count = 0 if self.slow.failed is not None else epoll_wait(self.epoll_fd, ready, MOST_READY, 0)
            if self.slow.failed is not None or not self.owns_any(ready, count):
                break
            self.take_turn(ready, count)
        self.set_alarm()
        return self.slow.take_events()

    def serve(self, int64_t wait_ns):
        """Take turns until the watched descriptor is readable, `poll` has work, or `wait_ns` have passed (-1: never).

        Return FOREIGN and FOR_PYTHON as far as they apply.
        """
        cdef int found
        with nogil:
            found = self.serve_until(-1 if wait_ns < 0 else nanoseconds_of(CLOCK_BOOTTIME) + wait_ns)
        return found

    cdef int serve_until(self, int64_t until_ns) noexcept nogil:
        cdef epoll_event[64] ready
        cdef int64_t now_ns = nanoseconds_of(CLOCK_BOOTTIME)
        cdef int count
        cdef bint foreign = False
        while not self.slow.has_work:
            # 0. Wait.
            count = epoll_wait(self.epoll_fd, ready, MOST_READY, self.wait_ms(until_ns, now_ns))
            if count < 0:
                break  # a signal, whose handler is Python's
            if self.revisions[0] != self.revisions[1] and self.owns_any(ready, count):
                return FOR_PYTHON
            foreign = self.take_turn(ready, count)
            now_ns = self.boot_ns if self.times.system else nanoseconds_of(CLOCK_BOOTTIME)
            if foreign or 0 <= until_ns <= now_ns:
                break
        return (FOREIGN if foreign else 0) | (FOR_PYTHON if self.slow.has_work else 0)

    cdef int wait_ms(self, int64_t until_ns, int64_t now_ns) noexcept nogil:
        """Return how long to wait for a descriptor: until this instant or the next deadline; -1 is without end."""
        cdef int64_t alarm_ms = self.times.alarm_ms(self.next_alarm())
        cdef int64_t at_ns = sooner(until_ns, alarm_ms * NS_PER_MS if alarm_ms >= 0 else -1)
        if at_ns < 0:
            return -1
        return <int>min(max(at_ns - now_ns + NS_PER_MS - 1, <int64_t>0) // NS_PER_MS, <int64_t>LONGEST_POLL_MS)

    cdef bint owns_any(self, const epoll_event* ready, int count) noexcept nogil:
        """Return whether there is work: a descriptor is ready that is not the watched one, or a connection waits."""
        return count > 1 or (count == 1 and ready[0].data.fd != self.watched_fd) or self.streams.has_work()

    cdef bint take_turn(self, const epoll_event* ready, int count) noexcept nogil:
        """Serve each of these descriptors, and what is due. Return whether the watched one is among them."""
        cdef int64_t alarm_ms
        cdef bint foreign = False
        cdef int i
        self.begin_turn()
        for i in range(count):
            if ready[i].data.fd == self.watched_fd:
                foreign = True
            else:
                self.serve_descriptor(ready[i].data.fd, ready[i].events)
        alarm_ms = self.pending.next_alarm() if self.watched_fd >= 0 else -1
        if 0 <= alarm_ms <= self.now_ms:
            self.slow.expire()
        self.delivery.flush(self.times, self.durations)
        self.streams.finish_turn()
        self.slots[self.cache_entries] = self.fast.store.count
        self.slots[self.cache_bytes] = self.fast.store.memory()
        self.slow.end_turn()
        return foreign

    cdef void begin_turn(self) noexcept nogil:
        """Read both clocks, once per turn."""
        self.wall_s, self.boot_ns = self.times.wall_s(), self.times.boot_ns()
        self.now_ms = self.boot_ns // NS_PER_MS
        self.at = self.times.instant(self.wall_s, self.now_ms)
        self.slow.begin_turn(self.wall_s, self.boot_ns)

    cdef void serve_descriptor(self, int fd, uint32_t events) noexcept nogil:
        cdef const Listening* source
        if self.pending.owns(fd):
            self.read_answers(fd)
            return
        source = self.listening.at(fd)
        if source != NULL:
            self.read_questions(source)
        elif self.streams.owns(fd):
            self.streams.serve(fd, events)
        elif fd == self.alarm.fd:
            self.alarm.clear()
            self.slow.expire()

    def set_alarm(self):
        """Set the alarm for the next work that no datagram announces. `serve` needs none."""
        if self.watched_fd < 0:
            self.alarm.set(self.times.alarm_ms(self.next_alarm()))

    cdef int64_t next_alarm(self) noexcept nogil:
        """Return when there is work that no descriptor announces, in milliseconds of CLOCK_BOOTTIME; -1 is never."""
        return sooner(self.pending.next_alarm(), self.streams.next_alarm())

    # Queries of clients.

    cdef void read_questions(self, const Listening* source) noexcept nogil:
        """Read one batch of queries from a socket, and answer it."""
        cdef const uint8_t* client = NULL
        cdef int i, size, client_size, count
        cdef bint is_named
        cdef uint64_t due
        # 1. Receive, and take the client from a trusted proxy's header.
        count = self.batch.receive(source.fd, source.wildcard)
        # 2. Parse and look ahead. This changes nothing.
        self.look_ahead(count)
        for i in range(count):
            # 3. to 7. One query after the other, because a reply may change the state that the next one uses.
            client_size, is_named = self.batch.client(i, &client), False
            if self.plain[i]:
                size = answer_plain(
                    self.fast, &self.asked[i], &self.ahead[i], client, client_size, 0, self.at, self.now_ms,
                    self.batch.next_reply(),
                )
            else:
                size = answer_odd(
                    self.fast, self.batch.message(i), self.batch.received[i].msg_len, &self.asked[i], &self.ahead[i],
                    &client, &client_size, 0, self.at, self.now_ms, self.batch.next_reply(),
                )
                is_named = self.asked[i].is_named
                if is_named:
                    self.batch.name_client(i, client, client_size)
            # 8. Ask an upstream.
            if size == MISS:
                size = self.ask_upstream(source, i)
            elif self.fast.due:
                self.ask_again(&self.asked[i], &self.ahead[i], client, client_size)
            if size > 0:
                self.batch.reply(i, size)
            elif size == HAND_OVER:
                self.slow.decide(source, i, self.ahead[i].range_class, is_named)
            elif size == DROPPED and self.recording.active:
                self.slow.record_drop(i)
        if self.recording.active:
            self.slow.record_replies()
        # 9. Send.
        due = self.durations.due(self.batch.reply_count)
        self.batch.flush(source.fd)
        if due:
            self.durations.observe(self.times.boot_ns() - self.boot_ns, due)

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

    cdef int ask_upstream(self, const Listening* source, int i) noexcept nogil:
        """Ask upstream for datagram `i`. If there is no room, answer from stale data, or drop and count it."""
        cdef Origin origin
        cdef Asked* asked = &self.asked[i]
        cdef LookAhead* ahead = &self.ahead[i]
        cdef msghdr* header = &self.batch.received[i].msg_hdr
        cdef Entry* entry
        cdef int result
        origin.client_size = self.batch.client(i, &origin.client)
        origin.stream, origin.transport, origin.listener = 0, OVER_UDP, source.reply_fd
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
            asked, entry, ahead.range_class, 0, AS_STALE, self.at, self.now_ms, reply_limit(asked, 0),
            self.batch.next_reply(),
        )

    cdef void ask_again(
        self, const Asked* asked, const LookAhead* ahead, const uint8_t* client, int client_size
    ) noexcept nogil:
        """Ask for a popular answer that ends soon, if there is room for a question of this client. No query waits."""
        cdef int result
        self.fast.due = False
        result = self.pending.ask_again(asked, ahead.view, ahead.hash, client, client_size, self.boot_ns)
        if result == SENT:
            self.slots[self.cache_prefetches] += 1
        elif result == ELSEWHERE:
            self.slow.ask_again(asked, ahead.view, client, client_size)

    # Answers of upstreams.

    cdef void read_answers(self, int fd) noexcept nogil:
        """Read one batch of datagrams from an upstream's socket."""
        cdef Arrived arrived
        cdef Entry* entry
        cdef int result, left = ARRIVALS
        while True:
            # 10. Match it by socket, id and question. Cache it if this one answer is sufficient.
            result = self.pending.next_arrival(fd, &left, &arrived, self.boot_ns)
            if result == NOTHING:
                return
            entry = self.delivery.keep(&arrived, self.now_ms) if result == ORDINARY else NULL
            if entry == NULL:
                self.slow.take_answer(result, fd, &arrived)
            else:
                self.deliver(arrived.flight, arrived.server, entry)

    cdef void deliver(self, Flight* flight, int server, Entry* entry) noexcept nogil:
        """Answer all waiting queries from an entry that was just cached."""
        cdef Waiting* waiting = flight.first
        cdef bint all_answered = True
        self.pending.accept(flight, server, self.boot_ns)
        self.fast.failures.forget_hash(flight.hash)
        # 11. Decide each query again: the policy or the client's range may have changed.
        while waiting != NULL:
            if not self.delivery.deliver(waiting, entry, self.at, self.now_ms):
                all_answered = False
                self.slow.leave_over(waiting)
            elif self.recording.active:
                self.slow.record_delivery(waiting)
            waiting = waiting.next
        if all_answered:
            self.pending.finish(flight)
        else:
            self.slow.finish(flight)

    # Queries without a socket.

    def answer(self, bytes message not None, bytes client not None, transport, wall_s, boot_ms):
        """Answer one message, for `Engine.answer`. Return the outcome and the client."""
        cdef Asked asked
        cdef LookAhead ahead
        cdef int size
        cdef int stream = TRANSPORTS.index(transport)
        cdef uint8_t* out
        cdef const uint8_t* wire = <const uint8_t*><const char*>message
        cdef const uint8_t* asker = <const uint8_t*><const char*>client
        cdef int asker_size = len(client)
        cdef bint is_named = False
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
                    self.fast, &asked, &ahead, asker, len(client), stream, at, boot_ms, out
                )
            else:
                size = answer_odd(
                    self.fast, wire, len(message), &asked, &ahead, &asker, &asker_size, stream, at, boot_ms, out
                )
                is_named = asked.is_named
                client = <bytes>(<const char*>asker)[:asker_size]
            if size > 0:
                return Reply(<bytes>(<char*>out)[:size]), client
        finally:
            free(out)
            self.fast.due = False  # nothing is asked here
        if size == DROPPED:
            return Drop(), client
        outcome = self.slow.decide_message(message, client, transport, wall_s, boot_ms, ahead.range_class, is_named)
        return outcome, client
