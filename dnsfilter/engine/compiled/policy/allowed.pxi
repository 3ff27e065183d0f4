# Unregistered clients that may ask: `Clients.admits` of config/node_config.py.

# A prefix: its first address and its length in bits.
cdef struct Allowed:
    uint8_t address[16]
    int address_size        # 4 or 16
    int bits


@cython.final
cdef class AllowedClients:
    """The configured prefixes, and the instant at which they end; none if unregistered clients are refused."""

    cdef Allowed* prefixes
    cdef int count
    cdef int64_t until

    def __cinit__(self, clients):
        wanted = () if clients.unregistered is Unregistered.REFUSE else clients.allowed
        self.until = INT64_MAX
        if clients.unregistered is Unregistered.LEARN:
            self.until = clients.learn_until or 0
        self.count = 0
        self.prefixes = <Allowed*>calloc(len(wanted) + 1, sizeof(Allowed))
        if self.prefixes == NULL:
            raise MemoryError
        for prefix in wanted:
            packed = prefix.network_address.packed
            memcpy(self.prefixes[self.count].address, <const uint8_t*><bytes>packed, len(packed))
            self.prefixes[self.count].address_size = len(packed)
            self.prefixes[self.count].bits = prefix.prefixlen
            self.count += 1

    def __dealloc__(self):
        free(self.prefixes)

    cdef bint hold(self, const uint8_t* client, int size, int64_t at) noexcept nogil:
        """Return whether one of the prefixes contains a packed address, and counts at `at`."""
        cdef const Allowed* prefix
        cdef int i, full_bytes, rest
        if at >= self.until:
            return False
        for i in range(self.count):
            prefix = &self.prefixes[i]
            full_bytes, rest = prefix.bits >> 3, prefix.bits & 7
            if size != prefix.address_size or memcmp(client, prefix.address, full_bytes) != 0:
                continue
            if rest == 0 or (client[full_bytes] ^ prefix.address[full_bytes]) >> (8 - rest) == 0:
                return True
        return False
