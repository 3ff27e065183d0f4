# Unregistered clients that may ask nevertheless: `Clients.admits` of config/node_config.py.

# A prefix, or rather its first address and how many bits of it count.
cdef struct Allowed:
    uint8_t address[16]
    int octets              # of an address of its family
    int bits


@cython.final
cdef class AllowedClients:
    """The configured prefixes; none where unregistered clients are refused."""

    cdef Allowed* prefixes
    cdef int count

    def __cinit__(self, clients):
        wanted = clients.allowed if clients.unregistered is Unregistered.RESOLVE else ()
        self.count = 0
        self.prefixes = <Allowed*>calloc(len(wanted) + 1, sizeof(Allowed))
        if self.prefixes == NULL:
            raise MemoryError
        for prefix in wanted:
            packed = prefix.network_address.packed
            memcpy(self.prefixes[self.count].address, <const uint8_t*><bytes>packed, len(packed))
            self.prefixes[self.count].octets = len(packed)
            self.prefixes[self.count].bits = prefix.prefixlen
            self.count += 1

    def __dealloc__(self):
        free(self.prefixes)

    cdef bint hold(self, const uint8_t* client, int size) noexcept nogil:
        """Whether a packed address is in one of them."""
        cdef const Allowed* prefix
        cdef int i, whole, rest
        for i in range(self.count):
            prefix = &self.prefixes[i]
            whole, rest = prefix.bits >> 3, prefix.bits & 7
            if size != prefix.octets or memcmp(client, prefix.address, whole) != 0:
                continue
            if rest == 0 or (client[whole] ^ prefix.address[whole]) >> (8 - rest) == 0:
                return True
        return False
