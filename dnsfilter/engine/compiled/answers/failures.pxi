# Questions that could not be resolved, as in cache/failure_cache.py, found by the hash of the cache key. The hash
# depends on the cache's secret, so nobody can choose two questions with the same hash. A full set loses its oldest failure.
#
#   known_for(view, hash, has_stale, now_ms)    return how to answer instead of asking: UNKNOWN (ask), IN_PYTHON, or the
#                                               extended error, NO_EDE for none
#   forget_hash(hash)                           forget the failure of a question that was resolved

from dnsfilter.cache.failure_cache import Unresolved as AgedFailure
from dnsfilter.wire.iana import EdeCode

cdef enum:
    FAILURE_SETS = 2048
    FAILURE_WAYS = 4            # MOST_FAILURES in all
    EDE_UNREACHABLE = 22
    UNKNOWN = -2
    IN_PYTHON = -3              # the answers to its first legs lead to targets that need a policy decision

cdef struct Unresolved:
    uint64_t hash
    int64_t failed_ms
    int32_t hold_ms             # 0: free
    uint32_t recoveries
    int32_t code
    bint has_targets


@cython.final
cdef class Failures:
    """`Failures` of cache/failure_cache.py for the questions of one `Pending`."""

    cdef Pending pending
    cdef Health health
    cdef Unresolved* table
    cdef dict targets           # by index in the table
    cdef readonly int count

    def __cinit__(self, Pending pending not None):
        self.pending, self.health, self.targets = pending, pending.health, {}
        self.table = <Unresolved*>calloc(FAILURE_SETS * FAILURE_WAYS, sizeof(Unresolved))
        if self.table == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.table)

    def __len__(self):
        return self.count

    cdef int known_for(self, uint16_t view, uint64_t hash, bint has_stale, int64_t now_ms) noexcept nogil:
        cdef const Servers* servers = &self.pending.views[view]
        cdef const Unresolved* found = self.find(hash) if self.count else NULL
        if found != NULL and holds(found, self.health.recoveries, now_ms):
            self.health.wanted = True
            return IN_PYTHON if found.has_targets else found.code
        if not self.health.are_dead(servers.numbers, servers.count):
            return UNKNOWN
        if not has_stale and not self.health.are_gone(servers.numbers, servers.count, now_ms):
            return UNKNOWN
        if not has_stale and self.health.may_be_tried(servers.numbers, now_ms):
            return UNKNOWN
        self.health.wanted = True
        return EDE_UNREACHABLE

    cdef Unresolved* find(self, uint64_t hash) noexcept nogil:
        cdef Unresolved* at = self.table + hash % FAILURE_SETS * FAILURE_WAYS
        cdef int i
        for i in range(FAILURE_WAYS):
            if at[i].hold_ms and at[i].hash == hash:
                return at + i
        return NULL

    cdef Unresolved* place_for(self, uint64_t hash) noexcept nogil:
        """Return a free place in the set of a hash, else the place of its oldest failure."""
        cdef Unresolved* at = self.table + hash % FAILURE_SETS * FAILURE_WAYS
        cdef Unresolved* oldest = at
        cdef int i
        for i in range(FAILURE_WAYS):
            if not at[i].hold_ms:
                return at + i
            if at[i].failed_ms < oldest.failed_ms:
                oldest = at + i
        return oldest

    cdef inline void forget_hash(self, uint64_t hash) noexcept nogil:
        cdef Unresolved* found = self.find(hash) if self.count else NULL
        if found != NULL:
            found.hold_ms = 0
            self.count -= 1

    # For the slow path.

    cdef uint64_t hash_from(self, key) except? 0:
        cdef Key wanted = key_from(key)
        return self.pending.table.store._hash(&wanted)

    def get(self, key, uint32_t recoveries, int64_t now_ms):
        cdef const Unresolved* found = self.find(self.hash_from(key))
        if found == NULL or not holds(found, recoveries, now_ms):
            return None
        code = None if found.code == NO_EDE else EdeCode(found.code)
        targets = self.targets[found - self.table] if found.has_targets else ()
        return AgedFailure(code, targets, found.failed_ms, found.hold_ms, found.recoveries)

    def note(self, key, code, tuple targets, uint32_t recoveries, int64_t now_ms):
        cdef uint64_t hash = self.hash_from(key)
        cdef Unresolved* found = self.find(hash)
        cdef int32_t hold_ms = FIRST_HOLD_MS
        if found != NULL and now_ms < found.failed_ms + found.hold_ms + LONGEST_HOLD_MS:
            hold_ms = min(2 * found.hold_ms, <int32_t>LONGEST_HOLD_MS)
        if found == NULL:
            found = self.place_for(hash)
            self.count += not found.hold_ms
        found.hash, found.failed_ms, found.hold_ms, found.recoveries = hash, now_ms, hold_ms, recoveries
        found.code, found.has_targets = NO_EDE if code is None else code, bool(targets)
        if targets:
            self.targets[found - self.table] = targets
        else:
            self.targets.pop(found - self.table, None)

    def clear(self):
        memset(self.table, 0, FAILURE_SETS * FAILURE_WAYS * sizeof(Unresolved))
        self.targets.clear()
        self.count = 0

    def forget(self, key):
        self.forget_hash(self.hash_from(key))


cdef inline bint holds(const Unresolved* failure, uint32_t recoveries, int64_t now_ms) noexcept nogil:
    return now_ms < failure.failed_ms + (failure.hold_ms if recoveries == failure.recoveries else FIRST_HOLD_MS)
