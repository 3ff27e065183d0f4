# What judgements on queries count: the words of telemetry/policy_words.py, and the recent names.

from dnsfilter.telemetry.metrics import Bypass
from dnsfilter.telemetry.policy_words import BYPASS_KIND, BYPASS_KINDS, POLICY_KINDS, PolicyKind
from dnsfilter.telemetry.slots import BYPASS


@cython.final
cdef class JudgementCounts:
    """Counts the effect of bans on queries, and attempts to use a way around the resolver."""

    cdef Table table
    cdef uint64_t[::1] slots
    cdef uint64_t[::1] policy
    cdef NameRings names
    cdef PendingNameCounts pending_names
    cdef int bypass_first, bypass_stride    # slot of the first kind, and words of an authority
    cdef int bypass_encrypted
    cdef int policy_stride, refused, monitored, exempted
    cdef Py_ssize_t first_ban, first_bypass  # words of the policy counts

    def __init__(self, slots, recent_names, pending_names):
        self.slots, self.names, self.pending_names = slots, NameRings(recent_names), PendingNameCounts(pending_names)
        self.bypass_first, self.bypass_stride = min(BYPASS.values()), BYPASS_KINDS
        self.bypass_encrypted = BYPASS_KIND[Bypass.ENCRYPTED_DNS]
        self.policy_stride, self.refused = POLICY_KINDS, PolicyKind.REFUSED
        self.monitored, self.exempted = PolicyKind.MONITORED, PolicyKind.EXEMPTED

    def swap(self, Table table, policy):
        """Count in `policy` under the snapshot of `table` from now on."""
        self.table, self.policy = table, policy
        self.names.swap()
        self.first_ban, self.first_bypass = table.snapshot.words.first_ban, table.snapshot.words.first_bypass

    cdef void note(self, const Judged* judged, const Asked* asked, Entry* entry) noexcept nogil:
        """Count the effect of the bans on a query, and an attempt to use an encrypted resolver. Note its name.

        `entry` is that whose targets were judged too; NULL for none.
        """
        if judged.verdict == VERDICT_REFUSE:
            self.note_name(NAME_REFUSED, asked, judged.range_class)
        elif judged.verdict == VERDICT_MONITOR:
            self.note_name(NAME_MONITORED, asked, judged.range_class)
        self._note_all(
            0, judged.refused, judged.monitored, judged.monitored_count, judged.exempted, judged.exempted_count
        )
        self._note_all(
            self.first_ban, judged.refused_by, judged.monitored_by, judged.monitored_by_count, judged.exempted_by,
            judged.exempted_by_count,
        )
        if judged.pending_count:
            self._note_pending(judged, asked, entry)
        if judged.is_bypass:
            self.note_bypass(judged.range_class, self.bypass_encrypted)

    cdef void _note_pending(self, const Judged* judged, const Asked* asked, Entry* entry) noexcept nogil:
        """Count the query for the pending names that it belongs to."""
        cdef const PendingHit* hit
        cdef const uint8_t* name
        cdef int index, i, size
        cdef uint32_t at
        for index in range(judged.pending_count):
            hit = &judged.pending[index]
            if not hit.target:
                self.pending_names.note(hit.pair, asked.name + asked.name_size - hit.suffix, hit.suffix)
                continue
            at = 0
            for i in range(entry.target_count if entry != NULL else 0):
                at = next_name(entry, at, &name, &size)
                if self.table.has_match(name, size, hit):
                    self.pending_names.note(hit.pair, name + size - hit.suffix, hit.suffix)
                    break

    cdef inline void _note_all(
        self, Py_ssize_t first, int32_t refused, const int32_t* monitored, int monitored_count,
        const int32_t* exempted, int exempted_count,
    ) noexcept nogil:
        cdef int i
        if refused >= 0:
            self.policy[first + <Py_ssize_t>refused * self.policy_stride + self.refused] += 1
        for i in range(monitored_count):
            self.policy[first + <Py_ssize_t>monitored[i] * self.policy_stride + self.monitored] += 1
        for i in range(exempted_count):
            self.policy[first + <Py_ssize_t>exempted[i] * self.policy_stride + self.exempted] += 1

    cdef inline void note_name(self, int ring, const Asked* asked, int range_class) noexcept nogil:
        """Note the name of a judged question."""
        if self.names.has_room(ring):
            self.names.note(ring, self.table.bypass_number(range_class), asked)

    cdef void note_bypass(self, int range_class, int kind) noexcept nogil:
        """Count an attempt to use a way around the resolver, also for the client's authority."""
        cdef int number = self.table.bypass_number(range_class)
        self.slots[self.bypass_first + kind] += 1
        if number >= 0:
            self.policy[self.first_bypass + <Py_ssize_t>number * self.bypass_stride + kind] += 1
