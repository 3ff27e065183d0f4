# How the upstreams have been doing, exactly as upstream/health.py says it; both sides of the engine share one.
#
#   order_of(servers, count, now_ms, out)   whom to ask, in which order; it changes nothing
#   probe(servers, count, now_ms)           what `order` changes: to be said once the question is really on its way
#   succeeded_at, failed_at, wait_of        succeeded, failed, first_wait_ms
#   has_edns_at, is_plain_at                has_edns, is_plain
#
# Numbers of servers are the caller's business in C; from Python they are checked.

from libc.stdlib cimport calloc, free

cdef enum:
    FAILURES_TO_BACK_OFF = 3
    FIRST_BACK_OFF_MS = 5000
    LONGEST_BACK_OFF_MS = 60000
    UNKNOWN_WAIT_MS = 800
    EDNS_REMEMBERED_MS = 900000
    SHORTEST_WAIT_MS = 400
    LONGEST_WAIT_MS = 1000
    MOST_SERVERS = 16           # of one view; the questions of larger ones travel in Python

cdef struct Known:
    double rtt_ms
    double variation_ms
    int64_t failures
    int64_t back_off_ms         # 0: healthy
    int64_t probe_at_ms
    int64_t edns_until_ms
    int64_t plain_until_ms      # asked without EDNS until then
    bint tried                  # whether rtt_ms means anything
    bint probing


@cython.final
cdef class Health:
    """The state of `count` servers, as `dnsfilter.upstream.health.Health`."""

    cdef Known* known
    cdef int count

    def __cinit__(self, int count):
        if count < 0:
            raise ValueError(f"watch {count} servers")
        self.known = <Known*>calloc(count + 1, sizeof(Known))
        if self.known == NULL:
            raise MemoryError
        self.count = count

    def __dealloc__(self):
        free(self.known)

    cdef void order_of(self, const uint16_t* servers, int count, int64_t now_ms, uint16_t* out) noexcept nogil:
        cdef int i, filled = 0
        for i in range(count):
            if self.is_first(servers[i], now_ms):
                out[filled] = servers[i]
                filled += 1
        for i in range(count):
            if filled < count and not self.is_first(servers[i], now_ms):
                out[filled] = servers[i]
                filled += 1

    cdef bint is_first(self, uint16_t server, int64_t now_ms) noexcept nogil:
        """Healthy, or in back-off and due for a probe."""
        return not self.known[server].back_off_ms or now_ms >= self.known[server].probe_at_ms

    cdef void probe(self, const uint16_t* servers, int count, int64_t now_ms) noexcept nogil:
        cdef Known* known
        cdef int i
        for i in range(count):
            known = &self.known[servers[i]]
            if known.back_off_ms and now_ms >= known.probe_at_ms:
                known.probe_at_ms = now_ms + known.back_off_ms
                known.probing = True

    cdef void succeeded_at(self, int server, int64_t rtt_ms, int64_t now_ms) noexcept nogil:
        cdef Known* known = &self.known[server]
        cdef double off
        known.failures = known.back_off_ms = 0
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

    cdef void has_edns_at(self, int server, int64_t now_ms) noexcept nogil:
        self.known[server].edns_until_ms = now_ms + EDNS_REMEMBERED_MS
        self.known[server].plain_until_ms = 0

    cdef bint is_plain_at(self, int server, int64_t now_ms) noexcept nogil:
        return now_ms < self.known[server].plain_until_ms

    cdef int64_t wait_of(self, int server) noexcept nogil:
        cdef Known* known = &self.known[server]
        cdef double wait_ms
        if not known.tried:
            return UNKNOWN_WAIT_MS
        wait_ms = known.rtt_ms + 4 * known.variation_ms
        if wait_ms >= LONGEST_WAIT_MS:  # before the conversion, which a larger number might not survive
            return LONGEST_WAIT_MS
        return max(<int64_t>SHORTEST_WAIT_MS, <int64_t>wait_ms)

    cdef int checked(self, server) except -1:
        cdef int number = server
        if not 0 <= number < self.count:
            raise IndexError(f"no server {number}: there are {self.count}")
        return number

    # For Python, as health.py has them.

    def order(self, servers, int64_t now_ms):
        cdef uint16_t known[1]
        first = []
        last = []
        for number in servers:
            known[0] = self.checked(number)
            (first if self.is_first(known[0], now_ms) else last).append(number)
            self.probe(known, 1, now_ms)
        return (*first, *last)

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

    def is_healthy(self, server):
        return not self.known[self.checked(server)].back_off_ms

    def rtt_ms(self, server):
        cdef Known* known = &self.known[self.checked(server)]
        return known.rtt_ms if known.tried else None

    def first_wait_ms(self, server):
        return self.wait_of(self.checked(server))

    def ordered(self, servers, int64_t now_ms):
        """What a question in C does, for tests: `order_of`, then `probe`."""
        cdef uint16_t given[MOST_SERVERS]
        cdef uint16_t out[MOST_SERVERS]
        cdef int i, count = len(servers)
        if count > MOST_SERVERS:
            raise ValueError(f"order {count} servers: at most {MOST_SERVERS}")
        for i in range(count):
            given[i] = self.checked(servers[i])
        self.order_of(given, count, now_ms, out)
        self.probe(given, count, now_ms)
        return tuple([out[i] for i in range(count)])
