# The ranges file: the class of an address. `dnsfilter.snapshot.ranges_file.RangeTable` is its twin.


@cython.final
cdef class RangesFile:
    """The intervals of the site, read in place."""

    cdef list _views
    cdef Buffer _v4_starts, _v4_ranges, _v6_starts, _v6_ranges, _ranges
    cdef uint32_t _v4_first, _v4_end, _v6_first, _v6_end

    def __init__(self, snapshot):
        self._views = []
        (v4_first, v4_count), (v6_first, v6_count) = snapshot.intervals
        self._v4_first, self._v4_end = v4_first, v4_first + v4_count
        self._v6_first, self._v6_end = v6_first, v6_first + v6_count
        self._v4_starts = section_of(self._views, snapshot, Kind.RANGES, Part.V4_STARTS)
        self._v4_ranges = section_of(self._views, snapshot, Kind.RANGES, Part.V4_RANGES)
        self._v6_starts = section_of(self._views, snapshot, Kind.RANGES, Part.V6_STARTS)
        self._v6_ranges = section_of(self._views, snapshot, Kind.RANGES, Part.V6_RANGES)
        self._ranges = section_of(self._views, snapshot, Kind.RANGES, Part.RANGES)

    cdef int find(self, const uint8_t* address, int size, uint32_t* counted) noexcept nogil:
        """Return the class of the most specific range that contains an address of 4 or 16 bytes; -1 for none.

        `counted` gets the range's number if its queries are counted, else SNAPSHOT_NONE.
        """
        cdef uint32_t index
        cdef const uint8_t* found
        counted[0] = SNAPSHOT_NONE
        if size == V4_BYTES:
            index = self._find_v4(address)
        elif size == V6_BYTES:
            index = self._find_v6(address)
        else:
            return -1
        if index == SNAPSHOT_NONE:
            return -1
        found = self._ranges.at + <uint64_t>index * RANGE_BYTES
        if found[RANGE_COUNTED]:
            counted[0] = index
        return <int>little32(found + RANGE_CLASS)

    cdef bint is_one(self, const uint8_t* first, const uint8_t* last, int size) noexcept nogil:
        """Return whether the same range is the most specific one of all addresses from `first` to `last`."""
        if size == V4_BYTES:
            return self._find_v4(first) != SNAPSHOT_NONE and self._place_v4(first) == self._place_v4(last)
        return self._find_v6(first) != SNAPSHOT_NONE and self._place_v6(first) == self._place_v6(last)

    cdef uint32_t _find_v4(self, const uint8_t* address) noexcept nogil:
        cdef uint64_t place = self._place_v4(address)
        return little32(self._v4_ranges.at + (place - 1) * 4) if place > self._v4_first else SNAPSHOT_NONE

    cdef uint32_t _find_v6(self, const uint8_t* address) noexcept nogil:
        cdef uint64_t place = self._place_v6(address)
        return little32(self._v6_ranges.at + (place - 1) * 4) if place > self._v6_first else SNAPSHOT_NONE

    cdef uint64_t _place_v4(self, const uint8_t* address) noexcept nogil:
        """Return the number of the interval after the one that holds the address."""
        cdef uint64_t low = self._v4_first, high = self._v4_end, middle
        cdef uint32_t wanted = (<uint32_t>address[0] << 24) | (<uint32_t>address[1] << 16)
        wanted |= (<uint32_t>address[2] << 8) | address[3]
        while low < high:
            middle = (low + high) // 2
            if wanted < little32(self._v4_starts.at + middle * V4_BYTES):
                high = middle
            else:
                low = middle + 1
        return low

    cdef uint64_t _place_v6(self, const uint8_t* address) noexcept nogil:
        cdef uint64_t low = self._v6_first, high = self._v6_end, middle
        while low < high:
            middle = (low + high) // 2
            if memcmp(address, self._v6_starts.at + middle * V6_BYTES, V6_BYTES) < 0:
                high = middle
            else:
                low = middle + 1
        return low
