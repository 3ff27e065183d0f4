# The health of the upstreams, exactly as upstream/health.py; C and the slow path share one object.
#
#   order_of(servers, count, fastest, now_ms, out)
#                                           the order in which to ask the servers; it changes nothing
#   probe(servers, count, fastest, now_ms)  the changes of `order`: call it once the question is sent
#   succeeded_at, failed_at, wait_of        succeeded, failed, first_wait_ms
#   has_edns_at, is_plain_at                has_edns, is_plain
#   keeps_case_at, is_lower_at              keeps_case, is_lower
#   has_cookie_at, expects_cookie_at        has_cookie, expects_cookie
#   write_cookie                            cookie_for
#   can_race, sent_to, heard_at             may_race, sent, heard
#   are_dead, are_gone, may_be_tried        all_dead, all_gone, may_try
#
# C callers must pass valid server numbers; numbers from Python are checked.

from libc.stdlib cimport calloc, free

cdef enum:
    MOST_SERVERS = 16           # of one view; the slow path asks the servers of larger views

cdef struct Known:
    double rtt_ms
    double variation_ms
    int64_t failures
    int64_t back_off_ms         # 0: healthy
    int64_t probe_at_ms
    int64_t edns_until_ms
    int64_t plain_until_ms      # asked without EDNS until then
    int64_t case_until_ms
    int64_t case_changes
    int64_t lower_until_ms      # asked in lower case until then
    int64_t cookie_until_ms     # answers need a cookie until then
    uint8_t cookie[40]          # client and server cookie
    uint32_t cookie_size
    int64_t send_probe_at_ms
    int64_t try_at_ms
    int64_t silent_since_ms
    int64_t unanswered
    int64_t useless
    bint dead
    bint tried                  # rtt_ms and variation_ms are valid
    bint probing


cdef bint is_quiet(const Known* known, int64_t now_ms) noexcept nogil:
    cdef double usual_ms = UNKNOWN_QUIET_MS
    if known.unanswered < UNANSWERED_TO_BE_QUIET:
        return False
    if known.tried:
        usual_ms = known.rtt_ms + 4 * known.variation_ms
    return now_ms - known.silent_since_ms >= (usual_ms if usual_ms > SHORTEST_QUIET_MS else <double>SHORTEST_QUIET_MS)


cdef bint is_gone(const Known* known, int64_t now_ms) noexcept nogil:
    return known.dead and known.unanswered > 0 and now_ms - known.silent_since_ms >= SILENCE_TO_BE_GONE_MS


@cython.final
cdef class Health:
    """The state of `count` servers, as `dnsfilter.upstream.health.Health`."""

    cdef Known* known
    cdef int count
    cdef bint wanted
    cdef uint64_t turns
    cdef readonly uint32_t recoveries

    def __cinit__(self, int count):
        if count < 0:
            raise ValueError(f"cannot watch {count} servers")
        self.known = <Known*>calloc(count + 1, sizeof(Known))
        if self.known == NULL:
            raise MemoryError
        self.count = count

    def __dealloc__(self):
        free(self.known)

    cdef void order_of(
        self, const uint16_t* servers, int count, bint fastest, int64_t now_ms, uint16_t* out
    ) noexcept nogil:
        cdef int i, filled = 0
        for i in range(count):
            if self.is_first(servers[i], now_ms):
                out[filled] = servers[i]
                filled += 1
        if fastest and filled > 1:
            self.sort_by_speed(out, filled)
        for i in range(count):
            if filled < count and not self.is_first(servers[i], now_ms):
                out[filled] = servers[i]
                filled += 1

    cdef void sort_by_speed(self, uint16_t* first, int count) noexcept nogil:
        """Sort servers by speed. Every EXPLORE_EVERY-th time a slower one, each in turn, comes before the fastest."""
        cdef uint64_t turn = self.turns + 1
        cdef int i, k
        cdef uint16_t moved
        for i in range(1, count):
            moved, k = first[i], i
            while k > 0 and self.is_faster(moved, first[k - 1]):
                first[k] = first[k - 1]
                k -= 1
            first[k] = moved
        if turn % EXPLORE_EVERY == 0:
            k = 1 + <int>(turn // EXPLORE_EVERY % <uint64_t>(count - 1))
            moved = first[k]
            memmove(first + 1, first, k * sizeof(uint16_t))
            first[0] = moved

    cdef bint is_faster(self, uint16_t one, uint16_t other) noexcept nogil:
        """Return whether the first server has the shorter time. A server without one is faster than those with one."""
        return (self.known[one].rtt_ms if self.known[one].tried else 0.0) < (
            self.known[other].rtt_ms if self.known[other].tried else 0.0
        )

    cdef bint is_first(self, uint16_t server, int64_t now_ms) noexcept nogil:
        """Return whether a server is healthy and not quiet, or in back-off, due to be tried, and not dead."""
        cdef const Known* known = &self.known[server]
        if not known.back_off_ms:
            return not is_quiet(known, now_ms)
        return now_ms >= known.probe_at_ms and not known.dead

    cdef void probe(self, const uint16_t* servers, int count, bint fastest, int64_t now_ms) noexcept nogil:
        cdef int i
        self.turns += fastest
        if self.are_dead(servers, count):
            self.known[servers[0]].try_at_ms = now_ms + PROBE_EVERY_MS
        for i in range(count):
            self.try_one(servers[i], now_ms)

    cdef inline void try_one(self, uint16_t server, int64_t now_ms) noexcept nogil:
        cdef Known* known = &self.known[server]
        if not known.back_off_ms:
            return
        self.wanted = True
        if self.is_first(server, now_ms):
            known.probe_at_ms = now_ms + known.back_off_ms
            known.probing = True

    cdef bint are_dead(self, const uint16_t* servers, int count) noexcept nogil:
        cdef int i = 0
        while i < count and self.known[servers[i]].dead:
            i += 1
        return count > 0 and i == count

    cdef bint are_gone(self, const uint16_t* servers, int count, int64_t now_ms) noexcept nogil:
        cdef int i = 0
        while i < count and is_gone(&self.known[servers[i]], now_ms):
            i += 1
        return count > 0 and i == count

    cdef bint may_be_tried(self, const uint16_t* servers, int64_t now_ms) noexcept nogil:
        return now_ms >= self.known[servers[0]].try_at_ms

    cdef bint can_race(self, int server, int64_t now_ms) noexcept nogil:
        cdef const Known* known = &self.known[server]
        cdef bint is_tried = known.probing and known.probe_at_ms == now_ms + known.back_off_ms
        return not known.dead and (not known.back_off_ms or is_tried)

    cdef inline void sent_to(self, int server, int64_t now_ms) noexcept nogil:
        cdef Known* known = &self.known[server]
        if not known.unanswered:
            known.silent_since_ms = now_ms
        known.unanswered += 1

    cdef void succeeded_at(self, int server, int64_t rtt_ms, int64_t now_ms) noexcept nogil:
        cdef Known* known = &self.known[server]
        cdef double off
        self.recoveries += known.back_off_ms > 0 or known.useless >= USELESS_TO_RECOVER
        known.dead = False
        known.failures = known.back_off_ms = known.unanswered = known.useless = 0
        known.probe_at_ms = now_ms
        known.probing = False
        # RFC 6298 section 2: gains 1/8 and 1/4.
        if not known.tried:
            known.tried = True
            known.rtt_ms = <double>rtt_ms
            known.variation_ms = <double>rtt_ms / 2
            return
        off = known.rtt_ms - rtt_ms
        known.variation_ms += ((-off if off < 0 else off) - known.variation_ms) / 4
        known.rtt_ms += (rtt_ms - known.rtt_ms) / 8

    cdef void heard_at(self, int server) noexcept nogil:
        self.known[server].unanswered = 0
        self.known[server].useless += 1

    cdef void failed_at(self, int server, int64_t now_ms) noexcept nogil:
        cdef Known* known = &self.known[server]
        known.failures += 1
        if known.back_off_ms:
            if known.probing:
                known.back_off_ms = min(2 * known.back_off_ms, <int64_t>LONGEST_BACK_OFF_MS)
                known.probe_at_ms = now_ms + known.back_off_ms
                known.probing = False
        elif known.failures >= FAILURES_TO_BACK_OFF:
            known.back_off_ms = FIRST_BACK_OFF_MS
            known.probe_at_ms = now_ms + FIRST_BACK_OFF_MS
            known.send_probe_at_ms = now_ms

    cdef void has_edns_at(self, int server, int64_t now_ms) noexcept nogil:
        self.known[server].edns_until_ms = now_ms + EDNS_REMEMBERED_MS
        self.known[server].plain_until_ms = 0

    cdef bint is_plain_at(self, int server, int64_t now_ms) noexcept nogil:
        return now_ms < self.known[server].plain_until_ms

    cdef void keeps_case_at(self, int server, int64_t now_ms) noexcept nogil:
        self.known[server].case_until_ms = now_ms + CASE_REMEMBERED_MS
        self.known[server].lower_until_ms = self.known[server].case_changes = 0

    cdef bint is_lower_at(self, int server, int64_t now_ms) noexcept nogil:
        return now_ms < self.known[server].lower_until_ms

    cdef void has_cookie_at(self, int server, const uint8_t* cookie, uint32_t size, int64_t now_ms) noexcept nogil:
        """Remember a cookie of at most 40 bytes."""
        cdef Known* known = &self.known[server]
        memcpy(known.cookie, cookie, size)
        known.cookie_size, known.cookie_until_ms = size, now_ms + COOKIE_EXPECTED_MS

    cdef bint expects_cookie_at(self, int server, int64_t now_ms) noexcept nogil:
        return now_ms < self.known[server].cookie_until_ms

    cdef uint32_t write_cookie(self, int server, const uint8_t* client_cookie, uint8_t* out) noexcept nogil:
        """Write what to send with a client cookie, at most 40 bytes. Return its size."""
        cdef const Known* known = &self.known[server]
        if known.cookie_size and memcmp(known.cookie, client_cookie, CLIENT_COOKIE) == 0:
            memcpy(out, known.cookie, known.cookie_size)
            return known.cookie_size
        memcpy(out, client_cookie, CLIENT_COOKIE)
        return CLIENT_COOKIE

    cdef int64_t wait_of(self, int server) noexcept nogil:
        cdef Known* known = &self.known[server]
        cdef double wait_ms
        if not known.tried:
            return UNKNOWN_WAIT_MS
        wait_ms = known.rtt_ms + 4 * known.variation_ms
        if wait_ms >= LONGEST_WAIT_MS:  # before the conversion, which a larger number could overflow
            return LONGEST_WAIT_MS
        return max(<int64_t>SHORTEST_WAIT_MS, <int64_t>wait_ms)

    cdef int64_t next_probe(self) noexcept nogil:
        """Return when `due` next has servers; -1 while no probe is wanted."""
        cdef int i
        cdef int64_t at_ms = -1
        for i in range(self.count if self.wanted else 0):
            if self.known[i].back_off_ms and (at_ms < 0 or self.known[i].send_probe_at_ms < at_ms):
                at_ms = self.known[i].send_probe_at_ms
        return at_ms

    cdef int checked(self, server) except -1:
        cdef int number = server
        if not 0 <= number < self.count:
            raise IndexError(f"no server {number}: there are {self.count}")
        return number

    # For Python, as in health.py.

    def order(self, servers, int64_t now_ms, *, bint fastest=False):
        cdef uint16_t* given = <uint16_t*>calloc(2 * len(servers) + 1, sizeof(uint16_t))
        cdef uint16_t* out = given + len(servers)
        cdef int i, count = len(servers)
        if given == NULL:
            raise MemoryError
        try:
            for i in range(count):
                given[i] = self.checked(servers[i])
            self.order_of(given, count, fastest, now_ms, out)
            self.probe(given, count, fastest, now_ms)
            return tuple([out[i] for i in range(count)])
        finally:
            free(given)

    def sent(self, server, int64_t now_ms):
        self.sent_to(self.checked(server), now_ms)

    def may_race(self, server, int64_t now_ms):
        return bool(self.can_race(self.checked(server), now_ms))

    def heard(self, server):
        self.heard_at(self.checked(server))

    def succeeded(self, server, int64_t rtt_ms, int64_t now_ms):
        self.succeeded_at(self.checked(server), rtt_ms, now_ms)

    def failed(self, server, int64_t now_ms):
        self.failed_at(self.checked(server), now_ms)

    def has_edns(self, server, int64_t now_ms):
        self.has_edns_at(self.checked(server), now_ms)

    def lacks_edns(self, server, int64_t now_ms):
        cdef Known* known = &self.known[self.checked(server)]
        if now_ms >= known.edns_until_ms:
            known.plain_until_ms = now_ms + EDNS_REMEMBERED_MS

    def is_plain(self, server, int64_t now_ms):
        return self.is_plain_at(self.checked(server), now_ms)

    def keeps_case(self, server, int64_t now_ms):
        self.keeps_case_at(self.checked(server), now_ms)

    def changes_case(self, server, int64_t now_ms):
        cdef Known* known = &self.known[self.checked(server)]
        if now_ms < known.case_until_ms:
            return
        known.case_changes = min(known.case_changes + 1, CHANGES_TO_LOWER)
        if known.case_changes == CHANGES_TO_LOWER:
            known.lower_until_ms = now_ms + CASE_REMEMBERED_MS

    def is_lower(self, server, int64_t now_ms):
        return self.is_lower_at(self.checked(server), now_ms)

    def has_cookie(self, server, bytes cookie not None, int64_t now_ms):
        if not CLIENT_COOKIE <= len(cookie) <= 40:
            raise ValueError(f"cookie of {len(cookie)} bytes")
        self.has_cookie_at(self.checked(server), <const uint8_t*><const char*>cookie, <uint32_t>len(cookie), now_ms)

    def expects_cookie(self, server, int64_t now_ms):
        return self.expects_cookie_at(self.checked(server), now_ms)

    def cookie_for(self, server, bytes client_cookie not None):
        cdef uint8_t[40] out
        if len(client_cookie) != CLIENT_COOKIE:
            raise ValueError(f"client cookie of {len(client_cookie)} bytes")
        size = self.write_cookie(self.checked(server), <const uint8_t*><const char*>client_cookie, out)
        return <bytes>(<const char*>out)[:size]

    def first_wait_ms(self, server):
        return self.wait_of(self.checked(server))

    def consecutive_failures(self, server):
        cdef Known* known = &self.known[self.checked(server)]
        if known.back_off_ms:
            return known.failures
        return 0 if known.tried else None

    def all_dead(self, servers):
        return bool(servers) and all([self.known[self.checked(server)].dead for server in servers])

    def all_gone(self, servers, int64_t now_ms):
        return bool(servers) and all([is_gone(&self.known[self.checked(server)], now_ms) for server in servers])

    def may_try(self, servers, int64_t now_ms):
        return now_ms >= self.known[self.checked(servers[0])].try_at_ms

    def want_probes(self):
        self.wanted = True

    def next_probe_ms(self):
        cdef int64_t at_ms = self.next_probe()
        return None if at_ms < 0 else at_ms

    def due(self, int64_t now_ms):
        cdef int i
        cdef list due = []
        for i in range(self.count if self.wanted else 0):
            if self.known[i].back_off_ms and now_ms >= self.known[i].send_probe_at_ms:
                self.known[i].send_probe_at_ms = now_ms + PROBE_EVERY_MS
                due.append(i)
        if due:
            self.wanted = False
        return due

    def answered_probe(self, server, int64_t now_ms):
        cdef Known* known = &self.known[self.checked(server)]
        if known.dead:
            self.recoveries += 1
            known.dead = False
            known.probe_at_ms = now_ms

    def missed_probe(self, server):
        cdef Known* known = &self.known[self.checked(server)]
        known.dead = known.back_off_ms > 0
