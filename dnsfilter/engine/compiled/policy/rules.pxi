# The rules file: judgements on queries. `dnsfilter.snapshot.rulebook.RuleTable` and the reader's `judge` are its twins.


cdef inline bint insert_number(int32_t* numbers, int* count, uint32_t number) noexcept nogil:
    """Add a number to distinct ascending ones. Return False if there is no room. SNAPSHOT_NONE is no number."""
    cdef int index = count[0]
    if number == SNAPSHOT_NONE:
        return True
    while index > 0 and <uint32_t>numbers[index - 1] >= number:
        index -= 1
    if index < count[0] and <uint32_t>numbers[index] == number:
        return True
    if count[0] == MOST_RULES:
        return False
    memmove(&numbers[index + 1], &numbers[index], (count[0] - index) * sizeof(int32_t))
    numbers[index] = <int32_t>number
    count[0] += 1
    return True


cdef inline bint add_pending(Judged* judged, uint32_t pair, const Match* hit) noexcept nogil:
    """Add a match of a pending name, once for a pair and suffix. Return False if there is no room."""
    cdef int index
    cdef PendingHit* pending
    if pair == SNAPSHOT_NONE:
        return True
    for index in range(judged.pending_count):
        pending = &judged.pending[index]
        if pending.pair == pair and pending.suffix == hit.suffix and pending.target == hit.target:
            return True
    if judged.pending_count == MOST_PENDING:
        return False
    pending = &judged.pending[judged.pending_count]
    pending.pair, pending.entry, pending.suffix, pending.target = pair, hit.entry, hit.suffix, hit.target
    judged.pending_count += 1
    return True


cdef inline void mark_entry(uint8_t* bits, uint16_t entry) noexcept nogil:
    bits[entry >> 3] |= 1 << (entry & 7)


cdef bint any_marked(const uint8_t* bits, const Matches* matches, bint question_only) noexcept nogil:
    """Return whether a match is of a marked entry. `question_only` ignores the matches of targets."""
    cdef int index
    cdef uint16_t entry
    for index in range(matches.count):
        entry = matches.at[index].entry
        if bits[entry >> 3] & (1 << (entry & 7)) and not (question_only and matches.at[index].target):
            return True
    return False


@cython.final
cdef class RulesFile:
    """The rules of every class, read in place."""

    cdef list _views
    cdef Buffer _classes, _rules, _spans, _rule_entries, _bans, _addresses, _strings, _rule_counts, _class_counts
    cdef Buffer _class_clients
    cdef Buffer _structured             # empty, or a text for each rule
    cdef AllowedNames allowed
    cdef uint32_t _class_count, _rule_count
    cdef uint8_t _concerned[8192]       # a bit for each entry
    cdef uint8_t _bypass[8192]          # entries of the service `encrypted_dns`
    cdef int64_t* _all_suspended        # start and end of each interval
    cdef uint32_t _all_count

    def __cinit__(self, snapshot):
        cdef uint32_t i
        edges = [edge for interval in snapshot.all_suspended for edge in interval]
        self._all_suspended = <int64_t*>calloc(len(edges) + 1, sizeof(int64_t))
        if self._all_suspended == NULL:
            raise MemoryError
        for i in range(<uint32_t>len(edges)):
            self._all_suspended[i] = edges[i]
        self._all_count = <uint32_t>len(edges) // 2

    def __dealloc__(self):
        free(self._all_suspended)

    def __init__(self, snapshot):
        self._views = []
        cdef Buffer concerned = section_of(self._views, snapshot, Kind.RULES, Part.CONCERNED)
        cdef uint64_t index
        cdef uint16_t entry
        self._classes = section_of(self._views, snapshot, Kind.RULES, Part.CLASSES)
        self._rules = section_of(self._views, snapshot, Kind.RULES, Part.RULES)
        self._spans = section_of(self._views, snapshot, Kind.RULES, Part.SPANS)
        self._rule_entries = section_of(self._views, snapshot, Kind.RULES, Part.RULE_ENTRIES)
        self._bans = section_of(self._views, snapshot, Kind.RULES, Part.BANS)
        self._addresses = section_of(self._views, snapshot, Kind.RULES, Part.ADDRESSES)
        self._strings = section_of(self._views, snapshot, Kind.RULES, Part.STRINGS)
        self._class_count = <uint32_t>(self._classes.size // CLASS_BYTES)
        self._rule_count = <uint32_t>(self._rules.size // RULE_BYTES)
        self._rule_counts = section_of(self._views, snapshot, Kind.RULES, Part.RULE_COUNTS)
        self._class_counts = section_of(self._views, snapshot, Kind.RULES, Part.CLASS_COUNTS)
        self._class_clients = section_of(self._views, snapshot, Kind.RULES, Part.CLASS_CLIENTS)
        self._structured = section_of(self._views, snapshot, Kind.RULES, Part.STRUCTURED_TEXTS)
        self.allowed = AllowedNames(snapshot)
        memset(self._concerned, 0, sizeof(self._concerned))
        for index in range(0, concerned.size, 2):
            mark_entry(self._concerned, little16(concerned.at + index))
        memset(self._bypass, 0, sizeof(self._bypass))
        for entry in snapshot.bypass_entries:
            mark_entry(self._bypass, entry)

    cdef bint suspends_all(self, int64_t at) noexcept nogil:
        """Return whether a suspension of all authorities is in force at `at`."""
        cdef uint32_t i
        for i in range(self._all_count):
            if self._all_suspended[2 * i] <= at < self._all_suspended[2 * i + 1]:
                return True
        return False

    cdef void judge(
        self, int range_class, const Matches* matches, const Matches* own, bint question_only, int64_t at, Judged* out
    ) noexcept nogil:
        """Judge a query of a class (-1: none). Verdict -1: more matches or pairs than C has room for.

        `own` are the matches by which own bans apply: `matches` itself unless a name is allowed.
        """
        cdef uint32_t rule, end, enforced = SNAPSHOT_NONE
        cdef const uint8_t* record
        cdef const Match* hit
        cdef const Match* kept
        cdef int effect
        cdef bint fits = matches.count >= 0 and own.count >= 0
        out.verdict, out.refused, out.monitored_count, out.exempted_count = VERDICT_PASS, -1, 0, 0
        out.refused_by, out.monitored_by_count, out.exempted_by_count = -1, 0, 0
        out.pending_count = 0
        out.range_class = range_class
        out.is_bypass = range_class >= 0 and any_marked(self._bypass, matches, question_only)
        rule = self._first_rule(range_class, matches, &end)
        while fits and rule < end:
            record = self._rules.at + <uint64_t>rule * RULE_BYTES
            hit = self._hit(record, matches, question_only)
            effect = EFFECT_NONE if hit == NULL else self._effect(record, at)
            if own != matches and effect != EFFECT_NONE and not record[RULE_BOUND]:
                kept = self._hit(record, own, question_only)
                if kept == NULL:
                    effect = EFFECT_EXEMPT
                else:
                    hit = kept
            if effect == EFFECT_ENFORCE:
                enforced = little32(record)
            elif effect == EFFECT_MONITOR and little32(record) == enforced:
                effect = EFFECT_NONE  # the ban refuses another of its names, and only monitors this one for now
            if effect == EFFECT_EXEMPT:
                fits = insert_number(
                    out.exempted, &out.exempted_count, little32(record + RULE_PAIR)
                ) and insert_number(out.exempted_by, &out.exempted_by_count, self._count_of(rule))
            elif effect != EFFECT_NONE:
                if effect == EFFECT_MONITOR:
                    fits = insert_number(
                        out.monitored, &out.monitored_count, little32(record + RULE_PAIR)
                    ) and insert_number(out.monitored_by, &out.monitored_by_count, self._count_of(rule))
                    if record[RULE_PENDING]:
                        fits = fits and add_pending(out, little32(record + RULE_PAIR), hit)
                self._compete(rule, hit, VERDICT_REFUSE if effect == EFFECT_ENFORCE else VERDICT_MONITOR, out)
            rule += 1
        if not fits:
            out.verdict = -1
        elif out.verdict != VERDICT_PASS:
            out.exempted_count = out.exempted_by_count = 0
            record = self._rules.at + <uint64_t>out.rule * RULE_BYTES
            if out.verdict == VERDICT_REFUSE:  # SNAPSHOT_NONE becomes -1
                out.pending_count = 0
                out.refused = <int32_t>little32(record + RULE_PAIR)
                out.refused_by = <int32_t>self._count_of(out.rule)

    cdef inline uint32_t _first_rule(self, int range_class, const Matches* matches, uint32_t* end) noexcept nogil:
        """Return the first rule of a class, and set `end` to the end of its rules; none without a class or a match."""
        cdef const uint8_t* record
        cdef uint32_t first
        end[0] = 0
        if range_class < 0 or <uint32_t>range_class >= self._class_count or matches.count <= 0:
            return 0
        record = self._classes.at + <uint64_t>range_class * CLASS_BYTES
        first = little32(record + 4)
        end[0] = first + little32(record + 8)
        return first

    cdef const Match* _hit(self, const uint8_t* rule, const Matches* matches, bint question_only) noexcept nogil:
        """Return the hit by which a rule applies: the question's before a target's, then the longest suffix."""
        cdef const Match* best = NULL
        cdef const Match* hit
        cdef int index
        for index in range(matches.count):
            hit = &matches.at[index]
            if (question_only and hit.target) or not self._has_entry(rule, hit.entry):
                continue
            if best == NULL or (best.target and not hit.target) or (
                best.target == hit.target and best.suffix < hit.suffix
            ):
                best = hit
        return best

    cdef inline bint _has_entry(self, const uint8_t* rule, uint16_t entry) noexcept nogil:
        cdef const uint8_t* at = self._rule_entries.at + <uint64_t>little32(rule + RULE_FIRST_ENTRY) * 2
        cdef uint16_t count = little16(rule + RULE_ENTRIES), index
        for index in range(count):
            if little16(at + <uint64_t>index * 2) == entry:
                return True
        return False

    cdef void _compete(self, uint32_t rule, const Match* hit, int verdict, Judged* out) noexcept nogil:
        """Make the rule the winner if it has precedence over the winner so far."""
        cdef const uint8_t* ours = self._rules.at + <uint64_t>rule * RULE_BYTES
        cdef const uint8_t* theirs
        if verdict < out.verdict:
            return
        if verdict == out.verdict:
            theirs = self._rules.at + <uint64_t>out.rule * RULE_BYTES
            if (ours[RULE_BOUND] != 0) != (theirs[RULE_BOUND] != 0):
                if ours[RULE_BOUND]:
                    return
            elif hit.suffix != out.suffix:
                if hit.suffix < out.suffix:
                    return
            elif little32(self._ban(ours)) >= little32(self._ban(theirs)):
                return
        out.verdict, out.rule = verdict, rule
        out.suffix, out.domain, out.target = hit.suffix, hit.domain, hit.target

    cdef uint64_t _span_end(self, const uint8_t* rule, int64_t at) noexcept nogil:
        """Return the index, in the section, after the rule's last span that starts at `at` or before."""
        cdef uint64_t low = little32(rule + RULE_FIRST_SPAN), middle
        cdef uint64_t high = low + little32(rule + RULE_SPANS)
        while low < high:
            middle = (low + high) // 2
            if at < <int64_t>little64(self._spans.at + middle * SPAN_BYTES):
                high = middle
            else:
                low = middle + 1
        return low

    cdef int _effect(self, const uint8_t* rule, int64_t at) noexcept nogil:
        cdef uint64_t index = self._span_end(rule, at)
        cdef const uint8_t* span
        if index == little32(rule + RULE_FIRST_SPAN):
            return EFFECT_NONE
        span = self._spans.at + (index - 1) * SPAN_BYTES
        return span[SPAN_EFFECT] if at < <int64_t>little64(span + SPAN_END) else EFFECT_NONE

    cdef bint enforcing(self, int range_class, int64_t at) noexcept nogil:
        """Return whether any rule of a class (-1: none) refuses something at `at`."""
        cdef const uint8_t* record
        cdef uint32_t rule, first
        if range_class < 0 or <uint32_t>range_class >= self._class_count:
            return False
        record = self._classes.at + <uint64_t>range_class * CLASS_BYTES
        first = little32(record + 4)
        for rule in range(first, first + little32(record + 8)):
            if self._effect(self._rules.at + <uint64_t>rule * RULE_BYTES, at) == EFFECT_ENFORCE:
                return True
        return False

    cdef bint concerned(self, const Matches* matches) noexcept nogil:
        """Return whether a ban of any class, in force or not, is on one of these entries."""
        return any_marked(self._concerned, matches, False)

    cdef int64_t next_change(self, int range_class, const Matches* matches, int64_t at) noexcept nogil:
        """Return the first instant after `at` when a rule of the class on these entries changes; INT64_MAX for none."""
        cdef uint32_t rule, end
        cdef uint64_t index, first
        cdef const uint8_t* record
        cdef int64_t found = INT64_MAX
        rule = self._first_rule(range_class, matches, &end)
        while rule < end:
            record = self._rules.at + <uint64_t>rule * RULE_BYTES
            if self._hit(record, matches, False) != NULL:
                first = little32(record + RULE_FIRST_SPAN)
                index = self._span_end(record, at)
                if index > first:
                    found = earlier(found, at, little64(self._spans.at + (index - 1) * SPAN_BYTES + SPAN_END))
                if index < first + little32(record + RULE_SPANS):
                    found = earlier(found, at, little64(self._spans.at + index * SPAN_BYTES))
            rule += 1
        return found

    cdef inline const uint8_t* _ban(self, const uint8_t* rule) noexcept nogil:
        return self._bans.at + <uint64_t>little32(rule) * BAN_BYTES

    cdef int reply_of(self, uint32_t rule) noexcept nogil:
        """Return the index of a rule's reply in `layout.REPLIES`; -1 if there is no such rule."""
        return self._ban(self._rules.at + <uint64_t>rule * RULE_BYTES)[BAN_REPLY] if rule < self._rule_count else -1

    cdef const uint8_t* text_of(self, uint32_t rule, bint* structured, uint16_t* size, uint16_t* ede) noexcept nogil:
        """Return the UTF-8 text of a rule's refusals, its size and extended error; NULL if there is no such rule.

        If `structured` is set, the client reads JSON. It is cleared if the rule has no such text.
        """
        cdef const uint8_t* record
        cdef const uint8_t* text
        cdef uint32_t reference = 0
        if rule >= self._rule_count:
            return NULL
        record = self._rules.at + <uint64_t>rule * RULE_BYTES
        text = self._strings.at + little32(record + RULE_TEXT)
        if structured[0]:
            if self._structured.size:
                reference = little32(self._structured.at + <uint64_t>rule * STRUCTURED_TEXT_BYTES)
            structured[0] = reference != 0
            if reference:
                text = self._strings.at + reference
        size[0], ede[0] = little16(text), little16(record + RULE_EDE)
        return text + STRING_BYTES

    cdef const uint8_t* addresses_of(self, uint32_t rule, uint32_t* count) noexcept nogil:
        """Return the addresses of a rule's ban, each of ADDRESS_BYTES; none if there is no such rule."""
        cdef const uint8_t* ban
        count[0] = 0
        if rule >= self._rule_count:
            return NULL
        ban = self._ban(self._rules.at + <uint64_t>rule * RULE_BYTES)
        count[0] = little16(ban + BAN_ADDRESSES)
        return self._addresses.at + <uint64_t>little32(ban + BAN_FIRST_ADDRESS) * ADDRESS_BYTES

    cdef inline uint32_t _count_of(self, uint32_t rule) noexcept nogil:
        """Return the ban count of a rule; SNAPSHOT_NONE for none."""
        return little32(self._rule_counts.at + <uint64_t>rule * 4) if self._rule_counts.size else SNAPSHOT_NONE

    cdef inline bint notes_clients(self, int range_class, int64_t at) noexcept nogil:
        """Return whether clients of a class (-1: none) are noted at `at` if their queries are refused."""
        if range_class < 0 or <uint64_t>range_class * 8 >= self._class_clients.size:
            return False
        return at < <int64_t>little64(self._class_clients.at + <uint64_t>range_class * 8)

    cdef int bypass_number(self, int range_class) noexcept nogil:
        """Return the number of the authority that bypass attempts of a class (-1: none) count for; -1 for none."""
        if range_class < 0 or <uint64_t>range_class * 4 >= self._class_counts.size:
            return -1
        return <int32_t>little32(self._class_counts.at + <uint64_t>range_class * 4)
