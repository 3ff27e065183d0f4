# Who answers a name: the engine itself (engine/slow_path/local.py), or the servers of a view (upstream/zones.py). Names
# with records of this node, and special names above these or above a zone, are left to the slow path.

from dnsfilter.engine.slow_path.local import CANARY_NAME, LOCALHOST, OURS, PROBE_NAME, RESOLVER_ARPA, SIGNAL_NAMES
from dnsfilter.upstream.special import APEXES, TOP_LABELS, below, special

cdef enum:
    TYPE_DS = 43

# Flags of a local name. If C answers it, the lower bits hold the rcode.
cdef enum:
    NOT_OURS = 0
    BY_REFERENCE = 1        # the slow path decides
    SINGLE_NAME = 2         # names below it are not special
    ZONE_RCODE = 0x000F
    ZONE_OVERRIDABLE = 0x0100
    ZONE_BYPASS = 0x0200
    LOOPBACK = 0x1000       # localhost and all below it
    SIGNAL = 0x2000         # a signal name, answered here for clients of a class with an enforced ban
    SIGNAL_CANARY = 0x4000
    ZONE_HERE = 0x8000
    SINGLE_LABEL_HOST = 0x8100  # ZONE_HERE, ZONE_OVERRIDABLE and NOERROR
    RECORDED = 0x0400       # the slow path decides; the other flags hold for names below it


@cython.final
cdef class NameRoutes:
    """The local names and the conditional zones."""

    cdef NameMap tops               # top-level labels of special names
    cdef NameMap specials           # local names: apexes of zones and single names, with the flags above
    cdef NameMap zones              # conditional zones, with the numbers of their views
    cdef uint32_t apex              # size of the zone's name that `ours` found last
    cdef uint8_t[256] single_sizes  # 1 for the sizes of names in `specials`
    cdef bytes _probe_name
    cdef const uint8_t* _probe
    cdef uint16_t _probe_size

    def __init__(self, zones):
        self.tops = NameMap(dict.fromkeys(TOP_LABELS, 0))
        names = dict(SPECIAL_NUMBERS)
        for name in (*zones.records, *zones.not_empty):
            names[name] = names.get(name, int(SINGLE_NAME)) | RECORDED
        self.specials = NameMap(names)
        self.zones = NameMap(zones.numbers())
        memset(self.single_sizes, 0, sizeof(self.single_sizes))
        self._probe_name = PROBE_NAME
        self._probe, self._probe_size = self._probe_name, <uint16_t>len(PROBE_NAME)
        for name in names:
            self.single_sizes[len(name)] = 1

    cdef int ours(self, const Asked* asked) noexcept nogil:
        """Return the flags of a question's name: NOT_OURS, BY_REFERENCE, or those of its zone.

        Set `apex` to the size of the zone's name, which is the end of the name.
        """
        cdef int i, number
        cdef uint16_t start
        if not asked.labels:
            return NOT_OURS
        self.apex = asked.name_size
        number = self.specials.get(asked.name, asked.name_size) if self.single_sizes[asked.name_size] else -1
        if number >= 0:
            return number if number & (LOOPBACK | SIGNAL) and not number & RECORDED else BY_REFERENCE
        if asked.labels == 1:
            return SINGLE_LABEL_HOST if asks_for_host(asked.qtype) and not asked.do_bit else NOT_OURS
        start = asked.starts[asked.labels - 1]
        if self.tops.get(asked.name + start, asked.name_size - start) < 0:
            return NOT_OURS
        for i in range(1, asked.labels):
            start = asked.starts[i]
            number = self.specials.get(asked.name + start, asked.name_size - start)
            if number >= 0 and not number & SIGNAL and number & ~RECORDED != SINGLE_NAME:
                self.apex = asked.name_size - start
                return number & ~RECORDED
        return NOT_OURS

    cdef bint is_probe(self, const Asked* asked) noexcept nogil:
        """Return `asks_probe` of the query."""
        return (
            asked.rd and asked.qclass == CLASS_IN and asked.name_size == self._probe_size
            and memcmp(asked.name, self._probe, self._probe_size) == 0
        )

    cdef uint16_t view_of(self, const Asked* asked, bint is_ours) noexcept nogil:
        """Return the number of the view that serves the name: of its longest conditional zone, or 0.

        The DS of a zone is in its parent, except for local names (Zones.route).
        """
        cdef int i, view, first = 0
        cdef uint16_t start
        if not self.zones.count:
            return 0
        if asked.qtype == TYPE_DS and asked.labels and not is_ours:
            first = 1 if self.zones.get(asked.name, asked.name_size) >= 0 else 0
        for i in range(first, asked.labels + 1):
            start = asked.starts[i] if i < asked.labels else asked.name_size - 1
            view = self.zones.get(asked.name + start, asked.name_size - start)
            if view >= 0:
                return <uint16_t>view
        return 0


cdef bint asks_for_host(uint16_t qtype) noexcept nogil:
    """Return whether a type is one of `HOST_TYPES`."""
    return qtype in (RR_A, RR_AAAA, RR_HTTPS, TYPE_CNAME, TYPE_ANY)


cdef int special_number(bytes name) except -1:
    """Return the flags of a name of `OURS` for `NameRoutes.specials`."""
    if name in SIGNAL_NAMES:
        return SIGNAL | (SIGNAL_CANARY | RCODE_NXDOMAIN if name == CANARY_NAME else RCODE_NOERROR)
    if name not in APEXES:
        return SINGLE_NAME
    rcode = below(name)
    if name != LOCALHOST and rcode is None:
        return BY_REFERENCE
    number = LOOPBACK if rcode is None else ZONE_HERE | int(rcode)
    if special(b"\x01x" + name, int(Type.A)).overridable:
        number |= ZONE_OVERRIDABLE
    return number | ZONE_BYPASS if name == RESOLVER_ARPA else number


SPECIAL_NUMBERS = {name: special_number(name) for name in OURS}
"""The flags of each name of `OURS` in `NameRoutes.specials`; the same in every engine of a process."""
