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
    cdef int bypass_first, bypass_stride    # slot of the first kind, and words of an authority
    cdef int bypass_encrypted
    cdef int policy_stride, refused, monitored, exempted
    cdef Py_ssize_t first_ban, first_bypass  # words of the policy counts

    def __init__(self, slots, recent_names):
        self.slots, self.names = slots, NameRings(recent_names)
        self.bypass_first, self.bypass_stride = min(BYPASS.values()), BYPASS_KINDS
        self.bypass_encrypted = BYPASS_KIND[Bypass.ENCRYPTED_DNS]
        self.policy_stride, self.refused = POLICY_KINDS, PolicyKind.REFUSED
        self.monitored, self.exempted = PolicyKind.MONITORED, PolicyKind.EXEMPTED

    def swap(self, Table table, policy):
        """Count in `policy` under the snapshot of `table` from now on."""
        self.table, self.policy = table, policy
        self.names.swap()
        self.first_ban, self.first_bypass = table.snapshot.words.first_ban, table.snapshot.words.first_bypass

    cdef void note(self, const Judged* judged, const Asked* asked) noexcept nogil:
        """Count the effect of the bans on a query, and an attempt to use an encrypted resolver. Note its name."""
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
        if judged.is_bypass:
            self.note_bypass(judged.range_class, self.bypass_encrypted)

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
