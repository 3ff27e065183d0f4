# Where a name is answered: here (engine/slow_path/local.py), or by the servers of which view (upstream/zones.py).

from dnsfilter.engine.slow_path.local import CANARY_NAME, LOCALHOST, OURS, RESOLVER_ARPA, SIGNAL_NAMES
from dnsfilter.upstream.special import APEXES, TOP_LABELS, below, special

cdef enum:
    TYPE_DS = 43

# What is known of a name that may be answered here; of what C answers also the rcode, in the lower bits.
cdef enum:
    NOT_OURS = 0
    BY_REFERENCE = 1        # it is for the reference to look at
    SINGLE_NAME = 2         # nothing below it is special for that
    ZONE_RCODE = 0x000F
    ZONE_OVERRIDABLE = 0x0100
    ZONE_BYPASS = 0x0200
    LOOPBACK = 0x1000       # localhost and all below it
    SIGNAL = 0x2000         # a name that is answered here for whom some row enforces
    SIGNAL_CANARY = 0x4000
    ZONE_HERE = 0x8000


@cython.final
cdef class Places:
    """The names that are answered here, and the conditional zones."""

    cdef NameMap tops               # last labels below which some name is special
    cdef NameMap specials           # what may be answered here: apexes of zones, and single names; numbers as above
    cdef NameMap zones              # conditional zones, with the numbers of their views
    cdef uint32_t apex              # what `ours` has found last: octets of the zone's name
    cdef uint8_t[256] single_sizes  # 1 for the sizes of names in `specials`

    def __init__(self, zones):
        self.tops = NameMap(dict.fromkeys(TOP_LABELS, 0))
        self.specials = NameMap(SPECIAL_NUMBERS)
        self.zones = NameMap(zones.numbers())
        memset(self.single_sizes, 0, sizeof(self.single_sizes))
        for name in OURS:
            self.single_sizes[len(name)] = 1

    cdef int ours(self, const Asked* asked) noexcept nogil:
        """Whether the name may be answered without an upstream: NOT_OURS, BY_REFERENCE, or the numbers of its zone.

        `apex` then says how many octets of the name's end the zone's name is.
        """
        cdef int i, number
        cdef uint16_t start
        if not asked.labels:
            return NOT_OURS
        self.apex = asked.name_size
        number = self.specials.get(asked.name, asked.name_size) if self.single_sizes[asked.name_size] else -1
        if number >= 0:
            return number if number & (LOOPBACK | SIGNAL) else BY_REFERENCE
        start = asked.starts[asked.labels - 1]
        if self.tops.get(asked.name + start, asked.name_size - start) < 0:
            return NOT_OURS
        for i in range(1, asked.labels):
            start = asked.starts[i]
            number = self.specials.get(asked.name + start, asked.name_size - start)
            if number >= 0 and number != SINGLE_NAME and not number & SIGNAL:
                self.apex = asked.name_size - start
                return number
        return NOT_OURS

    cdef uint16_t view_of(self, const Asked* asked, bint is_ours) noexcept nogil:
        """The number of the view that serves the name: of the longest conditional zone that holds it, or 0.

        A zone's own DS stands in its parent, but for names of ours (Zones.route).
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


cdef int special_number(bytes name) except -1:
    """What a name of `OURS` is in `Places.specials`."""
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
"""What each name of `OURS` is in `Places.specials`: the same in every engine of a process."""
