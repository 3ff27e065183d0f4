# The names that were last refused, monitored or failed: the rings of telemetry/recent_names.py, in the same memory.
# That module defines the meaning of each word.

from dnsfilter.telemetry.recent_names import NAMES_WORDS, NameOutcome

cdef enum:
    NAME_REFUSED = 0
    NAME_MONITORED = 1
    NAME_FAILED = 2

cdef enum:
    NAME_SLOTS = 128
    NAMES_MINUTE = 1        # after the word `left`
    NAMES_ORDER = 2
    NAMES_TAGS = 3
    NAMES_SEEN = 131        # NAMES_TAGS + NAME_SLOTS
    NAMES_TEXTS = 259       # NAMES_SEEN + NAME_SLOTS
    NAME_SLUG_BYTES = 64
    NAME_TEXT_BYTES = 320   # of the slug and the name
    NAMES_RING_WORDS = 5379 # NAMES_TEXTS + NAME_SLOTS * NAME_TEXT_BYTES / 8

cdef extern from *:
    """
    #define FNV_START 0xCBF29CE484222325u
    #define FNV_PRIME 0x100000001B3u
    """
    const uint64_t FNV_START
    const uint64_t FNV_PRIME


@cython.final
cdef class NameRings:
    """Writes the rings of a `RecentNames` from C."""

    cdef object recent
    cdef uint64_t[::1] words
    cdef const uint8_t[::1] slugs

    def __init__(self, recent):
        if tuple(NameOutcome) != (NameOutcome.REFUSED, NameOutcome.MONITORED, NameOutcome.FAILED):
            raise ValueError("rings of names have another order")
        if len(recent.words) != NAMES_WORDS or NAMES_WORDS != 3 * NAMES_RING_WORDS:
            raise ValueError(f"rings of names have {len(recent.words)} words, not {3 * NAMES_RING_WORDS}")
        self.recent, self.words = recent, recent.words
        self.swap()

    def swap(self):
        """Note for the authorities of `recent` from now on."""
        self.slugs = self.recent.slugs

    cdef inline bint has_room(self, int ring) noexcept nogil:
        """Return whether `note` would note a name."""
        return self.words[ring * NAMES_RING_WORDS] != 0

    cdef void note(self, int ring, int number, const Asked* asked) noexcept nogil:
        """Note the name of a question for the authority with this number; -1 is for none."""
        cdef uint64_t* words = &self.words[ring * NAMES_RING_WORDS]
        cdef uint64_t* seen = words + NAMES_SEEN
        cdef const uint8_t* slug
        cdef uint8_t* text
        cdef uint64_t tag
        cdef int at, index = 0
        if number < 0 or (number + 1) * NAME_SLUG_BYTES > self.slugs.shape[0] or not words[0]:
            return
        slug = &self.slugs[number * NAME_SLUG_BYTES]
        tag = name_tag(slug, asked)
        words[0] -= 1
        words[NAMES_ORDER] += 1
        for at in range(NAME_SLOTS):
            if words[NAMES_TAGS + at] == tag:
                index = at
                break
            if seen[at] < seen[index]:
                index = at
        if words[NAMES_TAGS + index] != tag:
            text = <uint8_t*>(words + NAMES_TEXTS) + index * NAME_TEXT_BYTES
            memset(text, 0, NAME_TEXT_BYTES)
            memcpy(text, slug, NAME_SLUG_BYTES)
            memcpy(text + NAME_SLUG_BYTES, asked.name, asked.name_size)
            words[NAMES_TAGS + index] = tag
        seen[index] = words[NAMES_MINUTE] << 32 | <uint32_t>words[NAMES_ORDER]


cdef uint64_t name_tag(const uint8_t* slug, const Asked* asked) noexcept nogil:
    """Return the hash of an authority and a name, which is not 0."""
    cdef uint64_t tag = FNV_START
    cdef int i
    for i in range(NAME_SLUG_BYTES):
        if not slug[i]:
            break
        tag = (tag ^ slug[i]) * FNV_PRIME
    for i in range(asked.name_size):
        tag = (tag ^ asked.name[i]) * FNV_PRIME
    return tag | 1
