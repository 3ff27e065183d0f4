# The names file: the entries that a name belongs to. `dnsfilter.snapshot.names_file.NameTable` is its twin.
#
# The offset of a record is checked when it is followed, as in the twin. An offset outside the file makes a count of -1;
# the twin then reports the error.

cdef int label_starts(const uint8_t* name, int size, uint8_t* starts) noexcept nogil:
    """Return the number of labels without the root, and write their offsets to `starts`; 0 for a malformed name."""
    cdef int position = 0
    cdef int labels = 0
    if size < 1 or size > MOST_NAME:
        return 0
    while position < size - 1 and 0 < name[position] <= MOST_LABEL:
        starts[labels] = <uint8_t>position      # a label takes at least two bytes: at most 127 fit
        labels += 1
        position += name[position] + 1
    return labels if position == size - 1 and name[position] == 0 else 0


cdef inline uint64_t hash_word(const uint8_t* at, int size, int readable) noexcept nogil:
    """Return the first `size` bytes, at most seven, as a number; read eight at once if they are `readable`."""
    cdef uint64_t word = 0
    if readable >= 8:
        return little64(at) & ((<uint64_t>1 << (8 * size)) - 1)
    memcpy(&word, at, size)
    return word


cdef inline void insert_match(Matches* found, int entry, int suffix, bint domain, bint target) noexcept nogil:
    """Insert an entry in order, or replace the match that it already has."""
    cdef int index = found.count
    if index < 0:
        return
    while index > 0 and found.at[index - 1].entry >= entry:
        index -= 1
    if index == found.count or found.at[index].entry != entry:
        if found.count == MOST_MATCHES:
            found.count = -1
            return
        memmove(&found.at[index + 1], &found.at[index], (found.count - index) * sizeof(Match))
        found.count += 1
    found.at[index].entry = <uint16_t>entry
    found.at[index].suffix = <uint8_t>suffix
    found.at[index].domain = domain
    found.at[index].target = target


cdef void keep_question_matches(Matches* found) noexcept nogil:
    """Keep only the matches of the question itself."""
    cdef int i, kept = 0
    for i in range(found.count):
        if not found.at[i].target:
            found.at[kept] = found.at[i]
            kept += 1
    if found.count > 0:
        found.count = kept


@cython.final
cdef class NamesFile:
    """The names file, read in place."""

    cdef list _views
    cdef Buffer _slots, _records
    cdef uint64_t _multiplier, _offset
    cdef uint32_t _mask, _probes, _labels, _entries

    def __init__(self, snapshot):
        self._views = []
        cdef Buffer meta = section_of(self._views, snapshot, Kind.NAMES, Part.NAMES_META)
        self._slots = section_of(self._views, snapshot, Kind.NAMES, Part.SLOTS)
        self._records = section_of(self._views, snapshot, Kind.NAMES, Part.RECORDS)
        self._entries = len(snapshot.entries)
        self._multiplier = 1 + little64(meta.at) % (SNAPSHOT_PRIME - 1)
        self._offset = little64(meta.at + 8)
        self._mask = little32(meta.at + 16) - 1
        self._probes = little32(meta.at + 24)
        self._labels = min(little32(meta.at + 28), <uint32_t>MOST_LABELS)

    cdef void match_one(self, const uint8_t* name, int size, Matches* out) noexcept nogil:
        """Match any folded wire name. A `name` that is no wire name has no matches."""
        cdef uint8_t starts[MOST_LABELS + 1]
        out.count = -1
        if size <= MOST_NAME:
            self.match(name, size, starts, label_starts(name, size, starts), out)

    cdef void add_target(self, const uint8_t* name, int size, Matches* into) noexcept nogil:
        """Add the entries that a target of the answer belongs to.

        Matches of the question are unchanged. Of several targets, the longest suffix counts.
        """
        cdef Matches found
        cdef Match* known
        cdef int index, other = 0
        self.match_one(name, size, &found)
        if found.count < 0 or into.count < 0:
            into.count = -1
            return
        for index in range(found.count):
            while other < into.count and into.at[other].entry < found.at[index].entry:
                other += 1
            if other < into.count and into.at[other].entry == found.at[index].entry:
                known = &into.at[other]
                if not known.target or known.suffix >= found.at[index].suffix:
                    continue
            insert_match(into, found.at[index].entry, found.at[index].suffix, found.at[index].domain, True)

    cdef void match(
        self, const uint8_t* name, int size, const uint8_t* starts, int labels, Matches* out
    ) noexcept nogil:
        """Find every entry that a folded name belongs to, in order of entry, each with its longest suffix.

        Look up suffixes from the root on, up to the number of labels of the table's longest name.
        """
        cdef uint64_t running = 0, record
        cdef int end = size - 1, start, label
        out.count = 0
        for label in range(labels - 1, max(labels - <int>self._labels, 0) - 1, -1):
            start = starts[label]
            running = self._extend(running, name + start, end - start, size - start)
            if not self._look_up(running, name + start, size - start, &record):
                out.count = -1
                return
            if record and not self._add(record, size - start, start == 0, out):
                out.count = -1
                return
            end = start

    cdef void prefetch(
        self, const uint8_t* name, int size, const uint8_t* starts, int labels, bint records
    ) noexcept nogil:
        """Prefetch the slots that `match` will read; with `records`, once the slots are there, their records."""
        cdef uint64_t running = 0, offset
        cdef uint32_t slot, upper
        cdef const uint8_t* at
        cdef int end = size - 1, start, label
        for label in range(labels - 1, max(labels - <int>self._labels, 0) - 1, -1):
            start = starts[label]
            running = self._extend(running, name + start, end - start, size - start)
            slot = self._slot_of(running, &upper)
            at = self._slots.at + <uint64_t>slot * SLOT_BYTES
            if not records:
                __builtin_prefetch(at)
            elif little32(at) == upper:
                offset = little32(at + 4)
                if 0 < offset < self._records.size:
                    __builtin_prefetch(self._records.at + offset)
            end = start

    cdef inline uint32_t _slot_of(self, uint64_t running, uint32_t* upper) noexcept nogil:
        """Return the first slot for a name with this running hash, and set `upper` to the mark in its slot."""
        cdef uint64_t spreading = (running ^ self._offset) * SNAPSHOT_SPREAD
        upper[0] = <uint32_t>(spreading >> 32)
        return (<uint32_t>spreading ^ upper[0]) & self._mask

    cdef inline uint64_t _extend(self, uint64_t running, const uint8_t* label, int size, int readable) noexcept nogil:
        """Return the running hash of the name that `label`, with its length byte, prepends to the name of `running`."""
        cdef int offset = 0
        cdef uint64_t word
        while offset < size:
            word = hash_word(label + offset, min(size - offset, HASH_WORD_BYTES), readable - offset)
            running = snapshot_hash_step(running, word, self._multiplier)
            offset += HASH_WORD_BYTES
        return running

    cdef bint _look_up(self, uint64_t running, const uint8_t* name, int size, uint64_t* record) noexcept nogil:
        """Find the record of exactly this name, 0 if there is none. Return False if it lies outside the file."""
        cdef uint32_t upper, probe
        cdef uint32_t slot = self._slot_of(running, &upper)
        cdef const uint8_t* at
        cdef uint64_t offset
        record[0] = 0
        for probe in range(self._probes):
            at = self._slots.at + <uint64_t>slot * SLOT_BYTES
            offset = little32(at + 4)
            if offset == 0:
                return True
            if little32(at) == upper:
                if offset + RECORD_BYTES > self._records.size:
                    return False
                at = self._records.at + offset
                if at[2] == size:
                    if offset + RECORD_BYTES + size > self._records.size:
                        return False
                    if memcmp(at + RECORD_BYTES, name, size) == 0:
                        record[0] = offset
                        return True
            slot = (slot + 1) & self._mask
        return True

    cdef bint _add(self, uint64_t record, int suffix, bint full_name, Matches* out) noexcept nogil:
        """Add the record's entries; they replace those of shorter suffixes. Add a host only for the full name."""
        cdef const uint8_t* at = self._records.at + record
        cdef uint16_t count = little16(at), entry
        cdef uint8_t flags
        cdef uint64_t offset = record + RECORD_BYTES + at[2]
        if offset + <uint64_t>count * RECORD_ENTRY_BYTES > self._records.size:
            return False
        for _ in range(count):
            at = self._records.at + offset
            entry, flags = little16(at), at[2]
            if entry >= self._entries:
                return False
            if flags & RECORD_ENTRY_DOMAIN or (flags & RECORD_ENTRY_HOST and full_name):
                insert_match(out, entry, suffix, (flags & RECORD_ENTRY_DOMAIN) != 0, False)
            offset += RECORD_ENTRY_BYTES
        return out.count >= 0
