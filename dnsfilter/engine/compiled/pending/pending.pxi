# The one table of pending questions: the waiting queries, what was sent, and the next deadline. Simple cases are
# handled here without Python objects; handover.pxi has the interface for the slow path.
#
#   begin(asked, view, hash, origin, now_ns)
#                                         -> JOINED, SENT, FULL (no room: answer stale, or drop and count the query), or
#                                            ELSEWHERE: nothing was done or counted; the slow path must ask
#
# For a readable descriptor that `owns` knows, with `left` set to ARRIVALS, the most that one turn may read:
#
#   next_arrival(fd, &left, &arrived, now_ns)
#                                         -> NOTHING    this descriptor is done
#                                            ORDINARY   `ordinary` holds the result of read_ordinary for
#                                                       arrived.message, the answer to arrived.flight. Either call
#                                                       `accept`, cache it, reply to flight.first and the `next` of
#                                                       each, and call `finish`; or treat it as JUDGE: nothing has
#                                                       been counted
#                                            JUDGE      the slow path must judge it
#                                            PROBED     it answers a probe: for the slow path
#                                            REFUSED    an ICMP error: for the slow path
#
# arrived.message is valid until the next call. A Flight is valid until it is finished. A Waiting is valid until its
# flight is finished or the slow path has dismissed it.

cdef enum:
    MOST_KEPT_QUERY = 512       # bytes of a query that waits here; longer ones wait in Python
    LARGEST_ANSWER = 65535
    ARRIVALS = 64

cdef enum:
    ELSEWHERE = 0
    JOINED = 1
    SENT = 2
    FULL = 3

cdef enum:
    NOTHING = 0
    ORDINARY = 1
    JUDGE = 2
    PROBED = 3
    REFUSED = 4

# Where a query came from, and where its reply goes.
cdef struct Origin:
    const uint8_t* client       # the packed address
    uint32_t client_size
    uint64_t stream             # the handle of a connection, which gets the reply; 0: a datagram
    uint8_t transport           # index in TRANSPORTS
    int listener                # the descriptor that sends the reply
    const void* peer            # as recvmsg returns it
    uint32_t peer_size
    const void* control         # one control message, ready for sendmsg
    uint32_t control_size

cdef struct Servers:
    int count                   # 0: too many for `numbers`, or one is encrypted: for the slow path
    bint fastest                # the fastest one is asked first
    bint races                  # the two fastest are asked at once
    bint varies                 # the case of names in questions varies
    bint cookies                # questions have cookies
    uint16_t numbers[16]

# A server's outstanding probe, if `sending` has a socket.
cdef struct Probe:
    Sending sending
    int64_t until_ms

# Slot numbers of one server's counters.
cdef struct Counts:
    uint32_t queries
    uint32_t mismatch
    uint32_t late
    uint32_t durations


@cython.final
cdef class Pending:
    """All pending questions; made by `make_pending`."""

    cdef Pools pools
    cdef readonly Health health
    cdef Room room
    cdef FlightTable table
    cdef Deadlines deadlines
    cdef Shares shares
    cdef Overtaken overtaken
    cdef object slots_view
    cdef uint64_t* slots
    cdef Counts* counts
    cdef Probe* probes          # by server
    cdef int probe_count        # outstanding probes
    cdef int64_t* bounds_ns
    cdef int bound_count
    cdef Servers* views
    cdef int view_count
    cdef int longest_wait_ms
    cdef bint want_ad
    cdef int64_t sweep_at_ms
    cdef uint8_t* inbox
    cdef Ordinary ordinary

    def __dealloc__(self):
        free(self.counts)
        free(self.probes)
        free(self.bounds_ns)
        free(self.views)
        free(self.inbox)

    def use_slots(self, uint64_t[::1] slots):
        self.slots_view, self.slots = slots, &slots[0]

    def close(self):
        """Close every socket, and release the counters so that they can be unmapped. Ask nothing afterwards."""
        self.table.clear()
        self.overtaken.clear()
        self.shares.clear()
        self.deadlines.count = self.probe_count = 0
        self.pools.close_all()
        self.slots_view, self.slots = None, NULL

    cdef int begin(
        self, const Asked* asked, uint16_t view, uint64_t hash, const Origin* origin, int64_t now_ns
    ) noexcept nogil:
        cdef Flight* flight = self.table.find(
            hash, view, asked.name, asked.name_size, asked.qtype, CLASS_IN, asked.do_bit, asked.cd
        )
        cdef Waiting* waiting
        cdef int result = JOINED
        if self.slots == NULL or asked.size > MOST_KEPT_QUERY or view >= self.view_count or not self.views[view].count:
            return ELSEWHERE
        if flight != NULL and flight.late:
            return ELSEWHERE
        if flight != NULL and flight.waiters >= MOST_WAITERS:
            return FULL
        if flight == NULL and self.table.count >= MOST_EXCHANGES:
            flight = self.find_evictable(
                view, asked.name, asked.name_size, origin.client, origin.client_size, now_ns // 1_000_000
            )
            return FULL if flight == NULL else ELSEWHERE
        waiting = self.new_waiting(asked, origin, now_ns)
        if waiting == NULL:
            return FULL
        if flight == NULL:
            result = SENT
            flight = self.start(asked, view, hash, waiting.client, origin.client, origin.client_size, now_ns)
        if flight == NULL:
            self.room.leave(waiting.client)
            self.table.release_waiting(waiting)
            return ELSEWHERE
        append_waiting(flight, waiting)
        return result

    cdef int ask_again(
        self, const Asked* asked, uint16_t view, uint64_t hash, const uint8_t* client, uint32_t size, int64_t now_ns
    ) noexcept nogil:
        """Begin a question for which no query waits: return SENT, ELSEWHERE as `begin` does, or FULL.

        FULL: there is no room for a question of this client, or it is pending already.
        """
        cdef Client* counted
        cdef Flight* flight
        if self.slots == NULL or view >= self.view_count or not self.views[view].count:
            return ELSEWHERE
        if self.table.count >= MOST_EXCHANGES or self.table.find(
            hash, view, asked.name, asked.name_size, asked.qtype, CLASS_IN, asked.do_bit, asked.cd
        ) != NULL:
            return FULL
        counted = self.room.enter(client, size)
        if counted == NULL:
            return FULL
        flight = self.start(asked, view, hash, counted, client, size, now_ns)
        self.room.leave(counted)
        return ELSEWHERE if flight == NULL else SENT

    cdef Waiting* new_waiting(self, const Asked* asked, const Origin* origin, int64_t now_ns) noexcept nogil:
        """Return a copy of what the reply needs; NULL if there is no room."""
        cdef Waiting* made
        if origin.client_size > sizeof(made.address):
            return NULL
        if origin.peer_size > sizeof(made.peer) or origin.control_size > sizeof(made.control):
            return NULL
        made = self.table.new_waiting(asked.size)
        if made == NULL:
            return NULL
        made.handed = 0
        made.client = self.room.enter(origin.client, origin.client_size)
        if made.client == NULL:
            self.table.release_waiting(made)
            return NULL
        made.asked_ns, made.stream, made.listener = now_ns, origin.stream, origin.listener
        made.transport = origin.transport
        made.peer_size, made.control_size = <uint8_t>origin.peer_size, <uint8_t>origin.control_size
        made.address_size = <uint8_t>origin.client_size
        memcpy(made.address, origin.client, origin.client_size)
        memcpy(made.peer, origin.peer, origin.peer_size)
        if origin.control_size:  # memcpy must not get the NULL that `control` is otherwise
            memcpy(made.control, origin.control, origin.control_size)
        memcpy(made + 1, asked.message, asked.size)
        return made

    cdef Flight* find_evictable(
        self, uint16_t view, const uint8_t* name, uint32_t size, const uint8_t* client, uint32_t client_size,
        int64_t now_ms,
    ) noexcept nogil:
        """Return the flight that must end before a new one can begin; NULL if none must, or none may be ended."""
        cdef uint64_t hash
        cdef Client* found = self.room.find(client, client_size, &hash)
        if self.table.count < MOST_EXCHANGES or not self.room.has_room(found):
            return NULL
        return self.shares.find_evictable(view, name, size, hash, now_ms)

    cdef Flight* start(
        self, const Asked* asked, uint16_t view, uint64_t hash, const Client* client, const uint8_t* address,
        uint32_t address_size, int64_t now_ns,
    ) noexcept nogil:
        """Return a new flight after sending its question; NULL, with nothing changed, if it could not be sent."""
        cdef int64_t now_ms = now_ns // 1_000_000
        cdef Servers* servers = &self.views[view]
        cdef uint8_t message[512]
        cdef uint32_t size
        cdef Flight* made = self.table.new_flight()
        if made == NULL:
            return NULL
        made.view, made.qtype, made.qclass = view, asked.qtype, CLASS_IN
        made.do_bit, made.cd = asked.do_bit, asked.cd
        made.hash, made.name_size = hash, asked.name_size
        memcpy(made.name, asked.name, asked.name_size)
        made.address_size = <uint8_t>address_size
        memcpy(made.address, address, address_size)
        made.server_count, made.sent_ns = servers.count, now_ns
        self.health.order_of(servers.numbers, servers.count, servers.fastest, now_ms, made.servers)
        made.plain = self.health.is_plain_at(made.servers[0], now_ms)
        if servers.races and servers.count > 1 and self.health.is_plain_at(made.servers[1], now_ms) != made.plain:
            self.table.release_flight(made)  # two messages: for the slow path
            return NULL
        made.first_wait_ms = <int>min(self.health.wait_of(made.servers[0]), <int64_t>self.longest_wait_ms)
        made.deadline_ms = now_ms + max(SHORTEST_FIRST_WAIT_MS, min(made.first_wait_ms, LONGEST_FIRST_WAIT_MS))
        size = write_question(made, self.want_ad, message)
        if self.ask(&made.own, made, made.servers[0], message, size, now_ms):
            self.table.release_flight(made)
            return NULL
        self.health.sent_to(made.servers[0], now_ms)
        self.health.probe(servers.numbers, servers.count, servers.fastest, now_ms)
        self.slots[self.counts[made.servers[0]].queries] += 1
        if servers.races and servers.count > 1 and self.health.can_race(made.servers[1], now_ms):
            self.race(made, message, size, now_ms)
        self.table.add(made)
        self.shares.add(made, client)
        self.deadlines.add(made)
        return made

    cdef void race(self, Flight* flight, uint8_t* message, uint32_t size, int64_t now_ms) noexcept nogil:
        """Send the question to the second server at once, if it can be sent."""
        cdef int rival = flight.servers[1]
        cdef Sending* sending = <Sending*>malloc(sizeof(Sending))
        memcpy(message + HEADER_BYTES, flight.name, flight.name_size)
        if sending == NULL or self.ask(sending, flight, rival, message, size, now_ms):
            free(sending)
            return
        flight.raced = True
        self.health.sent_to(rival, now_ms)
        self.slots[self.counts[rival].queries] += 1

    cdef int ask(
        self, Sending* sending, Flight* flight, int server, uint8_t* message, uint32_t size, int64_t now_ms
    ) noexcept nogil:
        """Send the question of `write_question`, as `marks` of engine/slow_path/sent_questions.py says."""
        cdef const Servers* servers = &self.views[flight.view]
        cdef bint varies = servers.varies and not self.health.is_lower_at(server, now_ms)
        return self.post(
            sending, flight, server, message, size, flight.name_size if varies else 0,
            servers.cookies and not flight.plain, now_ms,
        )

    cdef int post(
        self, Sending* sending, Flight* flight, int server, uint8_t* message, uint32_t size, uint32_t varied_size,
        bint has_cookie, int64_t now_ms,
    ) noexcept nogil:
        """Send from a random socket under a random id, and register the send. On failure return `errno` instead.

        The case of the first `varied_size` bytes of the question, a folded name, varies. With `has_cookie`, the OPT,
        which is last, gets a cookie: behind the message is room for MOST_COOKIE bytes.
        """
        cdef Pooled* held = self.pools.draw(server, now_ms)
        cdef uint16_t id
        if held == NULL:
            return errno or EIO
        id = self.pools.random16()
        while self.table.find_send(held, id) != NULL:
            id = self.pools.random16()
        message[0], message[1] = id >> 8, id & 255
        sending.varied = varied_size > 0
        if sending.varied:
            sending.letters = self.pools.draw_letters(varied_size)
            vary(message + HEADER_BYTES, varied_size, sending.letters)
        sending.has_cookie = has_cookie
        if has_cookie:
            size += add_cookie(self.health, held, message + size)
        if send_upstream(held.fd, message, size, 0) < 0:
            # The socket may first report an ICMP error of an earlier datagram (udp(7)).
            if errno != ECONNREFUSED or send_upstream(held.fd, message, size, 0) < 0:
                return errno or EIO
        held.sends += 1
        self.table.add_send(sending, flight, held, id)
        if not self.sweep_at_ms:
            self.sweep_at_ms = now_ms + SWEEP_MS
        return 0

    cdef int next_arrival(self, int fd, int* left, Arrived* out, int64_t now_ns) noexcept nogil:
        cdef Pooled* held = self.pools.at(fd)
        cdef Sending* sending
        cdef ssize_t size
        cdef uint16_t id
        cdef int found
        # After the first read of a turn, read on only if an answer is outstanding; leave the rest to the next turn.
        while held != NULL and left[0] > 0 and (held.waiting or left[0] == ARRIVALS):
            left[0] -= 1
            size = recv_upstream(fd, self.inbox, LARGEST_ANSWER, 0)
            if size < 0 and (errno == EAGAIN or errno == EINTR):
                break
            out.server = held.server
            if size < 0:
                return REFUSED
            out.message, out.size = self.inbox, <uint32_t>size
            out.flight, out.varied, out.cookie, found, sending = NULL, False, NULL, -1, NULL
            if size >= 2:
                id = <uint16_t>(self.inbox[0] << 8 | self.inbox[1])
                sending = self.table.find_send(held, id)
            if sending != NULL and sending.flight == NULL:
                if not self.overtaken.has(sending):
                    return PROBED
                self.overtaken.arrived(sending, self.inbox, out.size, now_ns)
                continue
            if sending != NULL:
                out.flight, out.varied, out.letters = sending.flight, sending.varied, sending.letters
                out.cookie = held.cookie if sending.has_cookie else NULL
                if out.flight.number:
                    return JUDGE
                self.table.store.prefetch(out.flight.hash)  # where the answer will be cached
                if out.varied:
                    self.restore(out, now_ns // 1_000_000)
                found = read_ordinary(
                    self.inbox, out.size, sending.id, out.flight.name, out.flight.name_size, out.flight.qtype,
                    out.flight.do_bit, &self.ordinary,
                )
            if found >= 0:
                if not found or out.varied:
                    return JUDGE
                return ORDINARY if takes_cookie(self.health, out, &self.ordinary, now_ns // 1_000_000) else JUDGE
            if size >= 2 and sending == NULL and is_past(held, id):
                self.slots[self.counts[held.server].late] += 1
            else:
                self.slots[self.counts[held.server].mismatch] += 1
        left[0] = 0
        return NOTHING

    cdef void restore(self, Arrived* arrived, int64_t now_ms) noexcept nogil:
        """Fold an answer that repeats the letters that were asked: it is then as if their case had not varied."""
        cdef const Flight* flight = arrived.flight
        cdef const uint8_t* found = self.inbox + HEADER_BYTES
        if arrived.size < HEADER_BYTES + <uint32_t>flight.name_size:
            return
        if not repeats(found, flight.name, flight.name_size, arrived.letters):
            return
        if memcmp(found, flight.name, flight.name_size):
            self.health.keeps_case_at(arrived.server, now_ms)
        fold_answer(self.inbox, arrived.size, flight.name_size)
        arrived.varied = False

    cdef void accept(self, Flight* flight, int server, int64_t now_ns) noexcept nogil:
        """Count the answer of a server to a flight, and wait for no other."""
        cdef int64_t elapsed_ns = now_ns - flight.sent_ns
        cdef uint64_t* durations = self.slots + self.counts[server].durations
        cdef int bucket = 0
        self.health.succeeded_at(server, elapsed_ns // 1_000_000, now_ns // 1_000_000)
        if self.ordinary.has_opt:
            self.health.has_edns_at(server, now_ns // 1_000_000)
        elapsed_ns = max(elapsed_ns, <int64_t>0)
        while bucket < self.bound_count and self.bounds_ns[bucket] < elapsed_ns:
            bucket += 1
        durations[bucket] += 1
        durations[self.bound_count + 1] += elapsed_ns
        if flight.raced:
            self.overtaken.overtake(flight, server, flight.sent_ns)
        self.table.remove_sends(flight)
        self.deadlines.remove(flight)

    cdef void dismiss(self, Flight* flight) noexcept nogil:
        """Forget all waiting queries of a flight. The caller has taken those that are `handed`."""
        while flight.first != NULL:
            flight.last = flight.first.next
            self.room.leave(flight.first.client)
            self.table.release_waiting(flight.first)
            flight.first = flight.last
        flight.waiters = 0

    cdef void finish(self, Flight* flight) noexcept nogil:
        """Forget the flight and all its waiting queries."""
        self.dismiss(flight)
        self.deadlines.remove(flight)
        self.shares.remove(flight)
        self.table.remove(flight)

    cdef bint owns(self, int fd) noexcept nogil:
        return self.pools.at(fd) != NULL

    cdef void sweep(self, int64_t now_ms) noexcept nogil:
        """Retire worn sockets, once a second."""
        if now_ms >= self.sweep_at_ms:
            self.sweep_at_ms = now_ms + SWEEP_MS
            self.overtaken.expire(now_ms)
            self.pools.sweep(now_ms)

    cdef int64_t next_alarm(self) noexcept nogil:
        """Return when there is work next, in milliseconds of CLOCK_BOOTTIME; -1 is never."""
        cdef int64_t at_ms = self.sweep_at_ms if self.pools.open_count else -1
        cdef int i
        if self.deadlines.count:
            at_ms = sooner(at_ms, self.deadlines.heap[0].deadline_ms)
        if self.health.wanted:
            at_ms = sooner(at_ms, self.health.next_probe())
        for i in range(self.health.count if self.probe_count else 0):
            if self.probes[i].sending.held != NULL:
                at_ms = sooner(at_ms, self.probes[i].until_ms)
        return at_ms


cdef inline int64_t sooner(int64_t one, int64_t other) noexcept nogil:
    """Return the earlier of two instants; -1 is never."""
    return other if one < 0 or 0 <= other < one else one


cdef inline void append_waiting(Flight* flight, Waiting* waiting) noexcept nogil:
    if flight.last != NULL:
        flight.last.next = waiting
    else:
        flight.first = waiting
    flight.last = waiting
    flight.waiters += 1
