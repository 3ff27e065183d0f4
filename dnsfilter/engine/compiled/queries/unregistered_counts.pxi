# Unregistered networks that sent queries: the table of engine/unregistered_counts.py, in the same memory. That module
# defines the meaning of each word.

cdef enum:
    NOTED_SET_BITS = 6
    NOTED_WAYS = 8
    NOTED_SLOTS = 512
    STEADY_BITS = 3
    MOST_STEADY = 7
    FIRST_STAY_S = 2

cdef extern from *:
    """
    #define NOTED_SPREAD 0x9E3779B97F4A7C15u
    """
    const uint64_t NOTED_SPREAD


@cython.final
cdef class UnregisteredNetworks:
    """Writes an `UnregisteredTable` from C."""

    cdef uint64_t[::1] table
    cdef uint64_t k0, k1, k2

    def __init__(self, unregistered):
        self.table = unregistered.table
        if self.table.shape[0] != 3 * NOTED_SLOTS:
            raise ValueError(f"table of networks has {self.table.shape[0]} words, not {3 * NOTED_SLOTS}")
        self.k0, self.k1, self.k2 = unregistered.keys

    cdef void note(self, const uint8_t* client, int size, int64_t now_ms) noexcept nogil:
        """Count one query of a packed address."""
        cdef uint64_t network = 0, now_s = <uint64_t>(now_ms // 1000), steady = 0, queries = 0, seen
        cdef int at
        if size != V4_BYTES and size != V6_BYTES:
            return
        for at in range(3 if size == V4_BYTES else 6):
            network = network << 8 | client[at]
        network = network << 2 | (1 if size == V4_BYTES else 3)
        at = self.slot_of(network)
        seen = self.table[NOTED_SLOTS + at]
        if self.table[at] == network:
            queries = self.table[2 * NOTED_SLOTS + at]
            steady = seen & MOST_STEADY
            if steady < MOST_STEADY and now_s > seen >> STEADY_BITS:
                steady += 1
        elif self.table[at] and stay_ends(seen) > now_s:
            return
        self.table[at] = network
        self.table[NOTED_SLOTS + at] = now_s << STEADY_BITS | steady
        self.table[2 * NOTED_SLOTS + at] = queries + 1

    cdef int slot_of(self, uint64_t network) noexcept nogil:
        """Return the slot of a network, or the slot that it would take."""
        cdef uint64_t mixed = self.k0 + self.k1 * <uint64_t><uint32_t>network + self.k2 * (network >> 32)
        cdef int first = <int>(((mixed ^ mixed >> 32) * NOTED_SPREAD) >> (64 - NOTED_SET_BITS)) * NOTED_WAYS
        cdef int at, least = first
        cdef uint64_t ends, earliest = <uint64_t>-1
        for at in range(first, first + NOTED_WAYS):
            if self.table[at] == network:
                return at
        for at in range(first, first + NOTED_WAYS):
            ends = stay_ends(self.table[NOTED_SLOTS + at]) if self.table[at] else 0
            if ends < earliest:
                least, earliest = at, ends
        return least


cdef inline uint64_t stay_ends(uint64_t seen) noexcept nogil:
    """Return the second until which a slot is reserved for its network. `seen` is its word in the column `seen`."""
    return (seen >> STEADY_BITS) + (<uint64_t>FIRST_STAY_S << (2 * (seen & MOST_STEADY)))
