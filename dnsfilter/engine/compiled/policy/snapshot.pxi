# The three files of a snapshot, read in place by C, with the results of `dnsfilter.snapshot.reader.Snapshot`.
#
# docs/reference/snapshot-format.md has the layout. A count of -1 in `Matches` and a verdict of -1 in `Judged` mean that C has too
# little room, or that the names file is wrong. The Python snapshot then decides.

@cython.final
cdef class Table:
    """A `Snapshot`, read by C. It keeps the snapshot's buffers alive."""

    cdef object snapshot
    cdef NamesFile _names
    cdef RangesFile _ranges
    cdef RulesFile _rules

    def __init__(self, snapshot):
        self.snapshot = snapshot
        self._names = NamesFile(snapshot)
        self._ranges = RangesFile(snapshot)
        self._rules = RulesFile(snapshot)

    cdef int find(self, const uint8_t* address, int size) noexcept nogil:
        """Return the class of the most specific range that contains an address of 4 or 16 bytes; -1 for none."""
        cdef uint32_t counted
        return self._ranges.find(address, size, &counted)

    cdef int find_counted(self, const uint8_t* address, int size, uint32_t* counted) noexcept nogil:
        """Return the class as `find` does, and in `counted` the number of a range whose queries are counted."""
        return self._ranges.find(address, size, counted)

    cdef bint is_one_range(self, const uint8_t* first, const uint8_t* last, int size) noexcept nogil:
        """Return whether the same range is the most specific one of both addresses."""
        return self._ranges.is_one(first, last, size)

    cdef bint suspends_all(self, int64_t at) noexcept nogil:
        """Return whether all authorities are suspended at `at`; unregistered clients may ask then."""
        return self._rules.suspends_all(at)

    cdef void match(self, const Asked* asked, Matches* out) noexcept nogil:
        """Find every entry that the question's name belongs to, in order of entry, each with its longest suffix."""
        self._names.match(asked.name, asked.name_size, asked.starts, asked.labels, out)

    cdef void prefetch(self, const Asked* asked) noexcept nogil:
        """Prefetch the slots that `match` reads for the question's name."""
        self._names.prefetch(asked.name, asked.name_size, asked.starts, asked.labels, False)

    cdef void prefetch_records(self, const Asked* asked) noexcept nogil:
        """Prefetch the records of these slots, once the slots are there."""
        self._names.prefetch(asked.name, asked.name_size, asked.starts, asked.labels, True)

    cdef void match_one(self, const uint8_t* name, int size, Matches* out) noexcept nogil:
        """Match any folded wire name."""
        self._names.match_one(name, size, out)

    cdef bint has_match(self, const uint8_t* name, int size, const PendingHit* wanted) noexcept nogil:
        """Return whether a target belongs to an entry by a suffix of this size."""
        cdef Matches found
        cdef int index
        self._names.match_one(name, size, &found)
        for index in range(found.count):
            if found.at[index].entry == wanted.entry and found.at[index].suffix == wanted.suffix:
                return True
        return False

    cdef void add_target(self, const uint8_t* name, int size, Matches* into) noexcept nogil:
        """Add the entries that a target of the answer belongs to, as `match_all` does."""
        self._names.add_target(name, size, into)

    cdef void judge(
        self, int range_class, const Matches* matches, const Matches* own, bint question_only, int64_t at, Judged* out
    ) noexcept nogil:
        """Judge a query of a class (-1: none) at `at`. Own bans apply by the matches in `own`.

        `question_only` ignores the matches of targets.
        """
        self._rules.judge(range_class, matches, own, question_only, at, out)

    cdef inline bint has_allowed(self, int range_class) noexcept nogil:
        """Return whether the authority of a class (-1: none) has allowed names, in force or not."""
        return self._rules.allowed.has_any(range_class)

    cdef bint allows(self, int range_class, const uint8_t* name, int size, int64_t at, int64_t* change) noexcept nogil:
        """Return whether a name is allowed for a class that `has_allowed`. Lower `change` to when that may change."""
        return self._rules.allowed.covers(range_class, name, size, at, change)

    cdef bint enforcing(self, int range_class, int64_t at) noexcept nogil:
        """Return whether any rule of a class (-1: none) refuses something at `at`."""
        return self._rules.enforcing(range_class, at)

    cdef bint concerned(self, const Matches* matches) noexcept nogil:
        """Return whether a ban of any class, in force or not, is on one of these entries."""
        return self._rules.concerned(matches)

    cdef int64_t next_change(self, int range_class, const Matches* matches, int64_t at) noexcept nogil:
        """Return the first instant after `at` when a rule of the class on these entries changes; INT64_MAX for none."""
        return self._rules.next_change(range_class, matches, at)

    cdef int reply_of(self, uint32_t rule) noexcept nogil:
        """Return the index of a rule's reply in `layout.REPLIES`; -1 if there is no such rule."""
        return self._rules.reply_of(rule)

    cdef const uint8_t* text_of(self, uint32_t rule, bint* structured, uint16_t* size, uint16_t* ede) noexcept nogil:
        """Return `RuleTable.text_of` of a rule."""
        return self._rules.text_of(rule, structured, size, ede)

    cdef const uint8_t* addresses_of(self, uint32_t rule, uint32_t* count) noexcept nogil:
        """Return the addresses of a rule's ban, each of ADDRESS_BYTES; none if there is no such rule."""
        return self._rules.addresses_of(rule, count)

    cdef inline bint notes_clients(self, int range_class, int64_t at) noexcept nogil:
        """Return whether clients of a class (-1: none) are noted at `at` if their queries are refused."""
        return self._rules.notes_clients(range_class, at)

    cdef int bypass_number(self, int range_class) noexcept nogil:
        """Return the number of the authority that bypass attempts of a class (-1: none) count for; -1 for none."""
        return self._rules.bypass_number(range_class)
