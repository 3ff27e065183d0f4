# Queries for pending names: the table of engine/pending_names.py, in the same memory. That module defines the meaning of
# each word.

from dnsfilter.engine import pending_names as pending_names_table

cdef enum:
    COUNTED_SLOTS = 1024
    COUNTED_MOST = 512
    COUNTED_USED = 0
    COUNTED_LOST = 1
    COUNTED_KEYS = 2
    COUNTED_COUNTS = 1026       # COUNTED_KEYS + COUNTED_SLOTS
    COUNTED_NAMES = 2050        # COUNTED_COUNTS + COUNTED_SLOTS
    COUNTED_NAME_BYTES = 256
    COUNTED_WORDS = 34818       # COUNTED_NAMES + COUNTED_SLOTS * COUNTED_NAME_BYTES / 8


@cython.final
cdef class PendingNameCounts:
    """Writes the table of a `PendingNames` from C."""

    cdef uint64_t[::1] words

    def __init__(self, counted):
        table = pending_names_table
        if (len(counted.words), table.SLOTS, table.MOST_NAMES) != (COUNTED_WORDS, COUNTED_SLOTS, COUNTED_MOST):
            raise ValueError(f"table of pending names has {len(counted.words)} words, not {COUNTED_WORDS}")
        self.words = counted.words

    cdef void note(self, uint32_t pair, const uint8_t* name, int size) noexcept nogil:
        """Count one query for a pending name, for the pair with this number."""
        cdef uint64_t* words = &self.words[0]
        cdef uint8_t* names = <uint8_t*>(words + COUNTED_NAMES)
        cdef uint64_t key = (<uint64_t>pair + 1) << 16 | <uint64_t>size
        cdef uint64_t at = FNV_START
        cdef int i
        for i in range(4):
            at = (at ^ (pair >> (8 * i) & 0xFF)) * FNV_PRIME
        for i in range(size):
            at = (at ^ name[i]) * FNV_PRIME
        at &= COUNTED_SLOTS - 1
        while words[COUNTED_KEYS + at]:
            if words[COUNTED_KEYS + at] == key and memcmp(names + at * COUNTED_NAME_BYTES, name, size) == 0:
                words[COUNTED_COUNTS + at] += 1
                return
            at = (at + 1) & (COUNTED_SLOTS - 1)
        if words[COUNTED_USED] == COUNTED_MOST:
            words[COUNTED_LOST] += 1
            return
        words[COUNTED_USED] += 1
        memcpy(names + at * COUNTED_NAME_BYTES, name, size)
        words[COUNTED_KEYS + at], words[COUNTED_COUNTS + at] = key, 1
