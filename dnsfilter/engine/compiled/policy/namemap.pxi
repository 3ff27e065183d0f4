# Names from the configuration and from this program, with their numbers.

cdef enum:
    LEAST_SLOTS = 2048      # of a map, of which at most a quarter are taken


@cython.final
cdef class NameMap:
    """A map from a few folded wire names to numbers of at least 0."""

    cdef uint8_t* names
    cdef uint32_t used
    cdef uint32_t* offsets          # offset in `names` plus one; 0 is free
    cdef uint32_t mask
    cdef int count
    cdef uint16_t longest           # bytes of the longest name

    def __cinit__(self, dict numbers):
        cdef uint64_t slots = LEAST_SLOTS
        if len(numbers) > 0xFFFF:
            raise ValueError(f"cannot map {len(numbers)} names: the limit is {0xFFFF}")
        while slots < 4 * <uint64_t>len(numbers):
            slots *= 2
        self.mask = <uint32_t>(slots - 1)
        self.names = <uint8_t*>malloc(sum([len(name) + 3 for name in numbers]) + 1)
        self.offsets = <uint32_t*>calloc(slots, sizeof(uint32_t))
        if self.names == NULL or self.offsets == NULL:
            raise MemoryError
        self.used = 0
        self.count = 0
        self.longest = 0
        for name, number in numbers.items():
            self.add(name, len(name), number)

    def __dealloc__(self):
        free(self.names)
        free(self.offsets)

    cdef void add(self, const uint8_t* name, uint16_t size, uint16_t number) noexcept nogil:
        cdef uint32_t slot = self.slot(name, size)
        self.offsets[slot] = self.used + 1
        self.names[self.used] = <uint8_t>size
        memcpy(self.names + self.used + 1, &number, 2)
        memcpy(self.names + self.used + 3, name, size)
        self.used += size + 3
        self.longest = max(self.longest, size)
        self.count += 1

    cdef uint32_t slot(self, const uint8_t* name, uint16_t size) noexcept nogil:
        """Return the slot of a name, used or free. The hash is FNV-1a: these names do not come from clients."""
        cdef uint32_t mixed = 2166136261
        cdef uint16_t i
        cdef const uint8_t* held
        for i in range(size):
            mixed = (mixed ^ name[i]) * 16777619
        mixed &= self.mask
        while self.offsets[mixed]:
            held = self.names + self.offsets[mixed] - 1
            if held[0] == <uint8_t>size and memcmp(held + 3, name, size) == 0:
                break
            mixed = (mixed + 1) & self.mask
        return mixed

    cdef int get(self, const uint8_t* name, uint16_t size) noexcept nogil:
        """Return the name's number; -1 if there is none."""
        cdef uint32_t offset
        cdef uint16_t number
        if size > self.longest:  # do not hash it: callers look up many suffixes of a long name
            return -1
        offset = self.offsets[self.slot(name, size)]
        if not offset:
            return -1
        memcpy(&number, self.names + offset, 2)
        return number
