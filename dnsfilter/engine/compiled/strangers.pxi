# Networks that asked although no range holds them: engine/strangers.py's table, in the same memory. What each word means
# stands there.

cdef enum:
    STRANGER_SET_BITS = 6
    STRANGER_WAYS = 8
    STRANGERS = 512
    STEADY_BITS = 3
    MOST_STEADY = 7
    FIRST_STAY_S = 2

cdef extern from *:
    """
    #define STRANGER_SPREAD 0x9E3779B97F4A7C15u
    """
    const uint64_t STRANGER_SPREAD


@cython.final
cdef class Strangers:
    """A `StrangerTable`, which C writes too."""

    cdef uint64_t[::1] table
    cdef uint64_t k0, k1, k2

    def __init__(self, strangers):
        self.table = strangers.table
        if self.table.shape[0] != 3 * STRANGERS:
            raise ValueError(f"take strangers: a table has {3 * STRANGERS} words, not {self.table.shape[0]}")
        self.k0, self.k1, self.k2 = strangers.keys

    cdef void note(self, const uint8_t* client, int size, int64_t now_ms) noexcept nogil:
        """Count one query of a packed address."""
        cdef uint64_t whose = 0, now_s = <uint64_t>(now_ms // 1000), steady = 0, queries = 0, seen
        cdef int at
        if size != V4_OCTETS and size != V6_OCTETS:
            return
        for at in range(3 if size == V4_OCTETS else 6):
            whose = whose << 8 | client[at]
        whose = whose << 2 | (1 if size == V4_OCTETS else 3)
        at = self.place_of(whose)
        seen = self.table[STRANGERS + at]
        if self.table[at] == whose:
            queries = self.table[2 * STRANGERS + at]
            steady = seen & MOST_STEADY
            if steady < MOST_STEADY and now_s > seen >> STEADY_BITS:
                steady += 1
        elif self.table[at] and stay_ends(seen) > now_s:
            return
        self.table[at] = whose
        self.table[STRANGERS + at] = now_s << STEADY_BITS | steady
        self.table[2 * STRANGERS + at] = queries + 1

    cdef int place_of(self, uint64_t whose) noexcept nogil:
        """Where it stands, or whose place it would take."""
        cdef uint64_t mixed = self.k0 + self.k1 * <uint64_t><uint32_t>whose + self.k2 * (whose >> 32)
        cdef int first = <int>(((mixed ^ mixed >> 32) * STRANGER_SPREAD) >> (64 - STRANGER_SET_BITS)) * STRANGER_WAYS
        cdef int at, least = first
        cdef uint64_t ends, earliest = <uint64_t>-1
        for at in range(first, first + STRANGER_WAYS):
            if self.table[at] == whose:
                return at
        for at in range(first, first + STRANGER_WAYS):
            ends = stay_ends(self.table[STRANGERS + at]) if self.table[at] else 0
            if ends < earliest:
                least, earliest = at, ends
        return least


cdef inline uint64_t stay_ends(uint64_t seen) noexcept nogil:
    """The second until which a place is its network's, by its word in the column of that name."""
    return (seen >> STEADY_BITS) + (<uint64_t>FIRST_STAY_S << (2 * (seen & MOST_STEADY)))
