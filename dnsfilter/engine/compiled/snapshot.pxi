# A snapshot as C reads it, in place: the three files together, answering as `dnsfilter.snapshot.reader.Snapshot` does.
#
# docs/snapshot-format.md has the layout. A count of -1 in `Matches` and a verdict of -1 in `Judged` mean that there is
# more than C has room for, or that the names file is wrong: the snapshot itself decides then.

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
        """The class of the most specific range that holds an address of 4 or 16 octets, -1 for none."""
        return self._ranges.find(address, size)

    cdef bint suspends_all(self, int64_t at) noexcept nogil:
        """Whether nothing is refused for anybody at `at`, so that clients of no class may ask."""
        return self._rules.suspends_all(at)

    cdef void match(self, const Asked* asked, Matches* out) noexcept nogil:
        """Every entry that the question's name belongs to, by entry, each with its longest suffix."""
        self._names.match(asked.name, asked.name_size, asked.starts, asked.labels, out)

    cdef void prefetch(self, const Asked* asked) noexcept nogil:
        """Fetch where `match` will look for the question's name."""
        self._names.prefetch(asked.name, asked.name_size, asked.starts, asked.labels, False)

    cdef void prefetch_records(self, const Asked* asked) noexcept nogil:
        """Once that is there, fetch what it leads to."""
        self._names.prefetch(asked.name, asked.name_size, asked.starts, asked.labels, True)

    cdef void match_one(self, const uint8_t* name, int size, Matches* out) noexcept nogil:
        """The same for any folded wire name."""
        self._names.match_one(name, size, out)

    cdef void add_target(self, const uint8_t* name, int size, Matches* into) noexcept nogil:
        """Adds what a name that the answer leads to belongs to, as `match_all` does."""
        self._names.add_target(name, size, into)

    cdef void judge(
        self, int range_class, const Matches* matches, bint question_only, int64_t at, Judged* out
    ) noexcept nogil:
        """What a query of that class (-1: none) meets at `at`; `question_only` leaves out what targets belong to."""
        self._rules.judge(range_class, matches, question_only, at, out)

    cdef bint enforcing(self, int range_class, int64_t at) noexcept nogil:
        """Whether any rule of that class (-1: none) refuses something at `at`."""
        return self._rules.enforcing(range_class, at)

    cdef bint concerned(self, const Matches* matches) noexcept nogil:
        """Whether a ban of any class is on one of these entries, in force or not."""
        return self._rules.concerned(matches)

    cdef int64_t next_change(self, int range_class, const Matches* matches, int64_t at) noexcept nogil:
        """The first instant after `at` at which a rule of that class on these entries changes; INT64_MAX for none."""
        return self._rules.next_change(range_class, matches, at)

    cdef int reply_of(self, uint32_t rule) noexcept nogil:
        """The place of a rule's reply in `layout.REPLIES`, -1 where there is no such rule."""
        return self._rules.reply_of(rule)

    cdef const uint8_t* text_of(self, uint32_t rule, uint16_t* size, uint16_t* ede) noexcept nogil:
        """The text of a rule's refusals, its octets and the extended error; NULL where there is no such rule."""
        return self._rules.text_of(rule, size, ede)

    cdef const uint8_t* addresses_of(self, uint32_t rule, uint32_t* count) noexcept nogil:
        """The addresses of a rule's ban, each of ADDRESS_BYTES; none where there is no such rule."""
        return self._rules.addresses_of(rule, count)

    cdef bint is_bypass(self, uint32_t rule) noexcept nogil:
        """Whether the rule's ban is on the service of encrypted resolvers."""
        return self._rules.is_bypass(rule)
