# The snapshot's files for C: constants and records as `dnsfilter.snapshot.layout` defines them, and how to read them.
#
# C does not check again what the Python reader checked on opening: every record of the ranges and rules files, and the
# slots of the names file.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport INT64_MAX

from dnsfilter.snapshot.layout import Kind, Part

cdef extern from *:
    """
    #define SNAPSHOT_NONE 0xFFFFFFFFu
    #define SNAPSHOT_PRIME (((uint64_t)1 << 61) - 1)
    #define SNAPSHOT_SPREAD 0x9E3779B97F4A7C15u
    #define SNAPSHOT_FOREVER ((int64_t)1 << 62)     /* `policy.intervals.FOREVER` */
    /* One word of a name's hash: (running + word) * multiplier modulo 2**61 - 1, for running and multiplier below the
       modulus and a word of seven bytes. The product has at most 123 bits; 2**61 is 1, so its upper part is added. */
    static inline uint64_t snapshot_hash_step(uint64_t running, uint64_t word, uint64_t multiplier) {
        const unsigned __int128 product = (unsigned __int128)(running + word) * multiplier;
        uint64_t folded = ((uint64_t)product & SNAPSHOT_PRIME) + (uint64_t)(product >> 61);
        folded = (folded & SNAPSHOT_PRIME) + (folded >> 61);
        return folded >= SNAPSHOT_PRIME ? folded - SNAPSHOT_PRIME : folded;
    }
    """
    const uint32_t SNAPSHOT_NONE
    const uint64_t SNAPSHOT_PRIME
    const uint64_t SNAPSHOT_SPREAD
    const int64_t SNAPSHOT_FOREVER
    uint64_t snapshot_hash_step(uint64_t running, uint64_t word, uint64_t multiplier) noexcept nogil

cdef extern from *:
    void __builtin_prefetch(const void* at) noexcept nogil

# Sizes of records in bytes and offsets of their fields, as `layout` defines them.
cdef enum:
    HASH_WORD_BYTES = 7
    SLOT_BYTES = 8
    RECORD_BYTES = 3
    RECORD_ENTRY_BYTES = 3
    RECORD_ENTRY_DOMAIN = 1
    RECORD_ENTRY_HOST = 2
    RANGE_BYTES = 32
    RANGE_COUNTED = 18
    RANGE_CLASS = 20
    V4_BYTES = 4
    V6_BYTES = 16
    CLASS_BYTES = 12
    RULE_BYTES = 32
    RULE_FIRST_ENTRY = 4
    RULE_FIRST_SPAN = 8
    RULE_SPANS = 12
    RULE_TEXT = 16
    RULE_PAIR = 20
    RULE_ENTRIES = 24
    RULE_EDE = 26
    RULE_BOUND = 28
    RULE_PENDING = 29
    SPAN_BYTES = 24
    SPAN_END = 8
    SPAN_EFFECT = 16
    BAN_BYTES = 20
    BAN_FIRST_ADDRESS = 12
    BAN_ADDRESSES = 16
    BAN_REPLY = 18
    ADDRESS_BYTES = 20
    ADDRESS_AT = 4
    STRING_BYTES = 2
    STRUCTURED_TEXT_BYTES = 4
    ALLOWED_BYTES = 24
    ALLOWED_END = 8
    ALLOWED_NAME = 16
    ALLOWED_NAME_SIZE = 20
    ALLOWED_EXACT = 21
    CLASS_ALLOWED_BYTES = 8
    EFFECT_NONE = 0
    EFFECT_ENFORCE = 1
    EFFECT_MONITOR = 2
    EFFECT_EXEMPT = 3


cdef inline uint16_t little16(const uint8_t* at) noexcept nogil:
    cdef uint16_t value
    memcpy(&value, at, 2)
    return value


cdef inline uint32_t little32(const uint8_t* at) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, at, 4)
    return value


cdef inline uint64_t little64(const uint8_t* at) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, at, 8)
    return value


cdef struct Buffer:
    const uint8_t* at
    uint64_t size


cdef Buffer bytes_of(object view):
    """Return the memory of a view, valid while the view lives."""
    cdef Py_buffer buffer
    cdef Buffer found
    PyObject_GetBuffer(view, &buffer, PyBUF_SIMPLE)
    found.at = <const uint8_t*>buffer.buf
    found.size = <uint64_t>buffer.len
    PyBuffer_Release(&buffer)
    return found


cdef Buffer section_of(list views, object snapshot, object kind, object part):
    """Return a section of the snapshot, kept alive in `views`."""
    view = memoryview(snapshot.section(kind, part))
    views.append(view)
    return bytes_of(view)


cdef inline int64_t earlier(int64_t found, int64_t at, int64_t change) noexcept nogil:
    """Return the earlier of two changes. `change` counts only if it is after `at` and before SNAPSHOT_FOREVER."""
    return change if at < change < SNAPSHOT_FOREVER and change < found else found
