# Choose the question to evict when the table is full: the twin of engine/reference/shares.py, which defines the rules.

cdef enum:
    LEAST_DEPTH = 2
    MOST_DEPTH = 4
    GROUPS = 5                  # conditional zone, the last 2, 3 and 4 labels, client
    CLIENT_GROUP = 4
    GROUP_BUCKETS = 8192

@cython.final
cdef class Shares:
    """The pending questions, the oldest first."""

    cdef Flight young           # the list heads of two circular lists
    cdef Flight old
    cdef Group* buckets[8192]   # GROUP_BUCKETS
    cdef uint64_t[2] secret

    def __cinit__(self):
        draw_secret(self.secret)
        memset(self.buckets, 0, sizeof(self.buckets))
        self.clear()

    def __dealloc__(self):
        self.clear()

    cdef void clear(self) noexcept nogil:
        """Forget all questions."""
        cdef Group* group
        cdef int i
        self.young.before = self.young.behind = &self.young
        self.old.before = self.old.behind = &self.old
        for i in range(GROUP_BUCKETS):
            while self.buckets[i] != NULL:
                group = self.buckets[i]
                self.buckets[i] = group.next
                free(group)

    cdef void add(self, Flight* flight, const Client* client) noexcept nogil:
        """Add a question, first asked by `client`."""
        flight.client_hash = client.hash
        append_flight(&self.young, flight)

    cdef void remove(self, Flight* flight) noexcept nogil:
        """Forget a question."""
        cdef int i
        unlink_flight(flight)
        for i in range(GROUPS):
            if flight.groups[i] != NULL:
                self.leave(flight.groups[i])

    cdef Flight* find_evictable(
        self, uint16_t view, const uint8_t* name, uint32_t size, uint64_t client_hash, int64_t now_ms
    ) noexcept nogil:
        """Return the question to evict for a new one; NULL if the new one gets no place."""
        cdef uint64_t hashes[GROUPS]
        cdef uint32_t wanted[GROUPS]
        cdef Flight* oldest
        cdef Group* group
        cdef uint32_t zone = 0
        cdef int i
        self.count_old(now_ms)
        self.hash_groups(view, name, size, client_hash, hashes)
        for i in range(GROUPS):
            group = self.find(hashes[i])
            wanted[i] = group.count if group != NULL else 0
            if i != CLIENT_GROUP:
                zone = max(zone, wanted[i])
        if zone >= HEAVY and wanted[CLIENT_GROUP] >= HEAVY:
            return NULL
        for i in range(LOOKS):
            oldest = self.old.behind
            if oldest == &self.old:
                return NULL
            if is_heavy(oldest):
                return oldest if is_lighter(wanted, oldest) else NULL
            unlink_flight(oldest)
            append_flight(&self.old, oldest)
        return NULL

    cdef void count_old(self, int64_t now_ms) noexcept nogil:
        cdef Flight* flight = self.young.behind
        cdef uint64_t hashes[GROUPS]
        cdef int i
        while flight != &self.young and now_ms - flight.sent_ns // 1_000_000 >= OLD_MS:
            unlink_flight(flight)
            append_flight(&self.old, flight)
            self.hash_groups(flight.view, flight.name, flight.name_size, flight.client_hash, hashes)
            for i in range(GROUPS):
                flight.groups[i] = self.enter(hashes[i])
            flight = self.young.behind

    cdef void hash_groups(
        self, uint16_t view, const uint8_t* name, uint32_t size, uint64_t client_hash, uint64_t* out
    ) noexcept nogil:
        """Write the hash of each group to `out`; 0 is no group."""
        cdef uint8_t[128] starts
        cdef int labels = label_starts(name, <int>size, starts)
        cdef int depth, at
        out[0] = sip_hash(self.secret, 0, <uint8_t*>&view, sizeof(view)) if view else 0
        for depth in range(LEAST_DEPTH, MOST_DEPTH + 1):
            out[depth - 1] = 0
            if labels >= depth:
                at = starts[labels - depth]
                out[depth - 1] = sip_hash(self.secret, <uint64_t>depth, name + at, size - at)
        out[CLIENT_GROUP] = client_hash

    cdef Group* find(self, uint64_t hash) noexcept nogil:
        cdef Group* group = self.buckets[hash % GROUP_BUCKETS]
        while group != NULL and group.hash != hash:
            group = group.next
        return group

    cdef Group* enter(self, uint64_t hash) noexcept nogil:
        """Count one more old question of the group. Return NULL if there is no such group, or no memory."""
        cdef Group* group = self.find(hash)
        if group == NULL and hash:
            group = <Group*>calloc(1, sizeof(Group))
            if group != NULL:
                group.hash, group.next = hash, self.buckets[hash % GROUP_BUCKETS]
                self.buckets[hash % GROUP_BUCKETS] = group
        if group != NULL:
            group.count += 1
        return group

    cdef void leave(self, Group* group) noexcept nogil:
        """Count one less. The last call frees the group."""
        cdef Group** at
        group.count -= 1
        if group.count:
            return
        at = &self.buckets[group.hash % GROUP_BUCKETS]
        while at[0] != group:
            at = &at[0].next
        at[0] = group.next
        free(group)


cdef inline bint is_heavy(const Flight* flight) noexcept nogil:
    cdef int i
    for i in range(GROUPS):
        if flight.groups[i] != NULL and flight.groups[i].count >= HEAVY:
            return True
    return False


cdef inline bint is_lighter(const uint32_t* wanted, const Flight* flight) noexcept nogil:
    """Return whether some group of the flight is heavy and has at least twice the count of the new question's group."""
    cdef int i
    for i in range(GROUPS):
        if flight.groups[i] != NULL and flight.groups[i].count >= HEAVY:
            if wanted[i] <= flight.groups[i].count // 2:
                return True
    return False


cdef inline void append_flight(Flight* ends, Flight* flight) noexcept nogil:
    flight.before, flight.behind = ends.before, ends
    ends.before.behind = flight
    ends.before = flight


cdef inline void unlink_flight(Flight* flight) noexcept nogil:
    flight.before.behind = flight.behind
    flight.behind.before = flight.before
