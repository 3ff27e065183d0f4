# The allowed names of the rules file. `dnsfilter.snapshot.rule_parts.allowed.AllowedTable` is its twin.


@cython.final
cdef class AllowedNames:
    """The allowed names of every class, read in place: for each a slice of records, sorted by name."""

    cdef list _views
    cdef Buffer _records, _names, _by_class

    def __init__(self, snapshot):
        self._views = []
        self._records = section_of(self._views, snapshot, Kind.RULES, Part.ALLOWED)
        self._names = section_of(self._views, snapshot, Kind.RULES, Part.ALLOWED_NAMES)
        self._by_class = section_of(self._views, snapshot, Kind.RULES, Part.CLASS_ALLOWED)

    cdef inline bint has_any(self, int range_class) noexcept nogil:
        """Return whether the authority of a class (-1: none) has allowed names, in force or not."""
        if range_class < 0 or <uint64_t>range_class * CLASS_ALLOWED_BYTES >= self._by_class.size:
            return False
        return little32(self._by_class.at + <uint64_t>range_class * CLASS_ALLOWED_BYTES + 4) > 0

    cdef bint covers(self, int range_class, const uint8_t* name, int size, int64_t at, int64_t* change) noexcept nogil:
        """Return whether an allowed name in force at `at` covers a folded name. Only call it if the class `has_any`.

        Lower `change` to the first instant after `at` when one that covers it starts or ends.
        """
        cdef uint8_t starts[MOST_LABELS + 1]
        cdef int labels = label_starts(name, size, starts), label, start
        cdef const uint8_t* record = self._by_class.at + <uint64_t>range_class * CLASS_ALLOWED_BYTES
        cdef uint64_t first = little32(record), index
        cdef uint64_t end = first + little32(record + 4)
        cdef int64_t since, until
        cdef bint found = False
        for label in range(labels):
            start = starts[label]
            index = self._first_of(name + start, size - start, first, end)
            while index < end and self._compared(index, name + start, size - start) == 0:
                record = self._records.at + index * ALLOWED_BYTES
                if label == 0 or not record[ALLOWED_EXACT]:
                    since, until = <int64_t>little64(record), <int64_t>little64(record + ALLOWED_END)
                    change[0] = earlier(earlier(change[0], at, since), at, until)
                    found = found or since <= at < until
                index += 1
        return found

    cdef uint64_t _first_of(self, const uint8_t* name, int size, uint64_t low, uint64_t high) noexcept nogil:
        """Return the index of the first record whose name is not before this one."""
        cdef uint64_t middle
        while low < high:
            middle = (low + high) // 2
            if self._compared(middle, name, size) < 0:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int _compared(self, uint64_t index, const uint8_t* name, int size) noexcept nogil:
        """Return how the name of a record compares with this one: less than 0 if it comes before, 0 if it is equal."""
        cdef const uint8_t* record = self._records.at + index * ALLOWED_BYTES
        cdef int own = record[ALLOWED_NAME_SIZE]
        cdef int found = memcmp(self._names.at + little32(record + ALLOWED_NAME), name, min(own, size))
        return found if found else own - size
