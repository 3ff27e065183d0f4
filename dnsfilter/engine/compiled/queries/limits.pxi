# Rate limits: the buckets of engine/limits.py, in the same memory. That module defines the meaning of each word.

cdef enum:
    SET_BITS = 13
    SETS = 1 << 13
    WAYS = 4
    TICKS_PER_MS = 16000
    KIND_NETWORK = 2

cdef enum:
    ADMIT_PASS = 0
    ADMIT_SLIP = 1
    ADMIT_DROP = 2

# The charge of one query.
cdef struct Charge:
    int kind
    uint64_t block
    uint64_t cost
    uint64_t depth


cdef uint8_t[8] OF_FLEETS
memcpy(OF_FLEETS, <const char*>(<bytes>FLEET_HALF), 8)


cdef inline bint is_in_block(const uint8_t* address, int size) noexcept nogil:
    """Return whether a packed address is in the block of fleets."""
    return size == 16 and memcmp(address, OF_FLEETS, 8) == 0


cdef inline const uint8_t* half_of_client(const uint8_t* address, int size) noexcept nogil:
    """Return where the at most 8 bytes begin that are one client, as `client_block` of engine/limits.py."""
    return address + 8 if is_in_block(address, size) else address


cdef inline void leave_fleets(uint8_t* address, int size) noexcept nogil:
    """Set the client of an address that came without a fleet's name, as `plain_client` of policy/fleets.py."""
    if is_in_block(address, size):
        memset(address + 8, 0, 4)


cdef class Buckets:
    """A `Limiter` in C, over the same table."""

    cdef uint64_t[::1] table
    cdef const uint64_t[::1] starts4, costs4, depths4, starts6, costs6, depths6
    cdef uint64_t k0, k1, k2, k3, network_cost, network_depth
    cdef int slip

    def __init__(self, limiter):
        self.table = limiter.table
        if self.table.shape[0] != 2 * SETS * WAYS * 2:
            raise ValueError(f"limiter table has {self.table.shape[0]} words, not {2 * SETS * WAYS * 2}")
        self.k0, self.k1, self.k2, self.k3 = limiter.keys
        self.slip = limiter.slip
        self.network_cost, self.network_depth = limiter.network
        self.starts4, self.costs4, self.depths4 = limiter.v4.starts, limiter.v4.costs, limiter.v4.depths
        self.starts6, self.costs6, self.depths6 = limiter.v6.starts, limiter.v6.costs, limiter.v6.depths

    cdef void charge_of(self, const uint8_t* address, int size, bint as_client, Charge* out) noexcept nogil:
        """Find the charge of a query from a packed address. Charge the client, or its network unless `as_client`."""
        cdef int at
        address = half_of_client(address, size)
        out.block = 0
        for at in range(4 if size == 4 else 8):
            out.block = out.block << 8 | address[at]
        out.kind = size != 4
        if not as_client:
            out.kind |= KIND_NETWORK
            out.block &= ~<uint64_t>0xff
            out.cost, out.depth = self.network_cost, self.network_depth
        elif size == 4:
            at = last_start(self.starts4, out.block)
            out.cost, out.depth = self.costs4[at], self.depths4[at]
        else:
            at = last_start(self.starts6, out.block)
            out.cost, out.depth = self.costs6[at], self.depths6[at]

    cdef uint64_t* first_of(self, const Charge* charge) noexcept nogil:
        """Return the set of the bucket, one cache line."""
        cdef uint64_t lower = <uint32_t>charge.block, upper = charge.block >> 32
        cdef uint64_t mixed = self.k0 + self.k1 * lower + self.k2 * upper + self.k3 * <uint64_t>charge.kind
        return &self.table[((charge.kind >> 1) * SETS + <Py_ssize_t>(mixed >> (64 - SET_BITS))) * WAYS * 2]

    cdef uint64_t* bucket_of(self, const Charge* charge) noexcept nogil:
        """Return the pair of the bucket, or the pair to reuse for it."""
        cdef uint64_t* pair = self.first_of(charge)
        cdef uint64_t* least = pair
        cdef int way
        for way in range(WAYS):
            if pair[0] == charge.block and <int>(pair[1] & 3) == charge.kind:
                return pair
            if pair[1] >> 6 < least[1] >> 6:
                least = pair
            pair += 2
        return least

    cdef int admit(self, const Charge* charge, int64_t now_ms) noexcept nogil:
        """Charge one query. Return ADMIT_PASS, ADMIT_SLIP or ADMIT_DROP."""
        cdef uint64_t now = <uint64_t>now_ms * TICKS_PER_MS
        cdef uint64_t* pair
        cdef uint64_t full, unanswered
        cdef int admission = ADMIT_PASS
        if charge.cost == 0:
            return ADMIT_PASS
        pair = self.bucket_of(charge)
        full = full_at(pair[1], charge, now)
        unanswered = pair[1] >> 2 & 15
        if full + charge.cost - now <= charge.depth:
            full += charge.cost
        else:
            admission = ADMIT_DROP
            if charge.kind & KIND_NETWORK and self.slip > 0:
                unanswered = (unanswered + 1) % <uint64_t>self.slip
                if unanswered == 0:
                    admission = ADMIT_SLIP
        pair[0] = charge.block
        pair[1] = full << 6 | unanswered << 2 | <uint64_t>charge.kind
        return admission


cdef inline uint64_t full_at(uint64_t state, const Charge* charge, uint64_t now) noexcept nogil:
    """Return when the bucket is full again: from `now` to the instant when an empty one would be."""
    cdef uint64_t at = state >> 6
    if at < now:
        return now
    return at if at < now + charge.depth else now + charge.depth


cdef inline int last_start(const uint64_t[::1] starts, uint64_t block) noexcept nogil:
    """Return the index of the last start that is not above the block; the first start is 0."""
    cdef int low = 0, high = <int>starts.shape[0], middle
    while high - low > 1:
        middle = (low + high) >> 1
        if starts[middle] <= block:
            low = middle
        else:
            high = middle
    return low
