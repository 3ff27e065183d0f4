# Queries per registered range: the words of engine/range_counts.py, in the same memory.


@cython.final
cdef class RangeWords:
    """Writes the words of `RangeCounts` from C."""

    cdef uint64_t[::1] words
    cdef uint64_t* at
    cdef uint32_t first, count

    def __init__(self, counts):
        self.words = counts.words
        self.first, self.count = counts.first, <uint32_t>len(counts.words)
        self.at = &self.words[0] if self.count else NULL

    cdef inline void note(self, uint32_t row) noexcept nogil:
        """Count one query of a range that is counted."""
        if row - self.first < self.count:
            self.at[row - self.first] += 1
