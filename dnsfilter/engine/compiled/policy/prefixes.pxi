# Prefixes of the configuration: unregistered clients that may ask, and trusted proxies, as in config/node_config.py.

# A prefix: its first address and its length in bits.
cdef struct OnePrefix:
    uint8_t address[16]
    int address_size        # 4 or 16
    int bits


@cython.final
cdef class Prefixes:
    """A list of prefixes, which may be empty."""

    cdef OnePrefix* prefixes
    cdef int count

    def __cinit__(self, wanted):
        self.count = 0
        self.prefixes = <OnePrefix*>calloc(len(wanted) + 1, sizeof(OnePrefix))
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

    cdef bint hold(self, const uint8_t* address, int size) noexcept nogil:
        """Return whether one of the prefixes contains a packed address."""
        cdef const OnePrefix* prefix
        cdef int i, full_bytes, rest
        for i in range(self.count):
            prefix = &self.prefixes[i]
            full_bytes, rest = prefix.bits >> 3, prefix.bits & 7
            if size != prefix.address_size or memcmp(address, prefix.address, full_bytes) != 0:
                continue
            if rest == 0 or (address[full_bytes] ^ prefix.address[full_bytes]) >> (8 - rest) == 0:
                return True
        return False


@cython.final
cdef class AllowedClients:
    """The prefixes whose unregistered clients get answers, and the period in which they do."""

    cdef Prefixes prefixes
    cdef int64_t since
    cdef int64_t until

    def __init__(self, clients):
        self.prefixes = Prefixes(() if clients.unregistered is Unregistered.REFUSE else clients.allowed)
        self.since, self.until = 0, INT64_MAX
        if clients.unregistered is Unregistered.LEARN:
            self.until = clients.learn_until or 0
            self.since = self.until - MAX_LEARNING_S

    cdef bint hold(self, const uint8_t* client, int size, int64_t at) noexcept nogil:
        """Return whether one of the prefixes contains a packed address, and counts at `at`."""
        return self.since <= at < self.until and self.prefixes.hold(client, size)
