# Replies from local records, byte for byte as `local_reply` of wire/reply.py and engine/rules/refusal_reply.py write
# them. The functions of the reference make the data of the records once. The code here adds owner, TTL and class.

from dnsfilter.engine.slow_path.local import LOCALHOST, SIGNAL_TTL_S, ZONE_TTL_S, any_answer, special_answer
from dnsfilter.engine.rules.refusal_reply import SYNTHESISED_TTL_S
from dnsfilter.engine.rules.withheld_reply import WITHHELD_CODE, WITHHELD_TEXT
from dnsfilter.upstream.special import special
from dnsfilter.wire.answer import parse_answer
from dnsfilter.wire.compose import raw
from dnsfilter.wire.iana import Type
from dnsfilter.wire.own_records import soa_record
from dnsfilter.wire.query import RECORD, Query, question_of

cdef enum:
    COUNT_ANSWER = 6        # offsets in the header of the record counts
    COUNT_AUTHORITY = 8
    CLASS_AT = 2            # offsets in a record after its owner
    TTL_AT = 4
    POINTER_BYTES = 2
    QUESTION_POINTER = 0xC00C
    MOST_BODY = 96          # bytes of a local record without its owner
    MOST_SYNTHESISED = 10   # rules/refusal_reply.py
    EDE_FORGED = 4
    EDE_CACHED_ERROR = 13
    EDE_FILTERED = 17
    NO_EDE = -1
    REPLY_TC = 0x0200
    V4_FAMILY = 4

# A local record from its type on.
cdef struct Body:
    uint32_t size
    uint8_t data[96]        # MOST_BODY

# A reply that is being written. `end` is the offset after the `count` records that fit.
cdef struct Draft:
    uint8_t* out
    uint32_t limit
    uint32_t end
    uint16_t count
    bint cut

# Extended errors of a reply, the first one with a text.
cdef struct Edes:
    uint32_t count
    uint16_t codes[2]
    const uint8_t* text
    uint32_t text_size


cdef void set_body(record, Body* into) except *:
    """Copy a Python record without its owner."""
    data = RECORD.pack(record.rtype, record.rclass, record.ttl, len(record.rdata)) + record.rdata
    if len(data) > MOST_BODY:
        raise ValueError(f"local record of type {record.rtype} has {len(data)} bytes: the limit is {MOST_BODY}")
    into.size = <uint32_t>len(data)
    memcpy(into.data, <const uint8_t*><bytes>data, into.size)


@cython.final
cdef class Records:
    """The local records that C sends."""

    cdef Body denials[11]       # the SOA of a refusal, by its TTL, which is also its MINIMUM, from 1 on
    cdef Body zone              # the SOA of a built-in zone
    cdef Body signal            # the SOA of a signal's denial
    cdef Body any               # the answer to ANY
    cdef Body loopback4, loopback6
    cdef bytes withheld         # text in place of an answer that is withheld
    cdef const uint8_t* withheld_text
    cdef uint32_t withheld_size

    def __init__(self):
        self.withheld = WITHHELD_TEXT.encode()
        self.withheld_text, self.withheld_size = <const uint8_t*><const char*>self.withheld, len(self.withheld)
        if WITHHELD_CODE != EDE_FILTERED:
            raise ValueError(f"WITHHELD_CODE is {WITHHELD_CODE}, but EDE_FILTERED is {EDE_FILTERED}")
        if SYNTHESISED_TTL_S != MOST_SYNTHESISED:
            raise ValueError(f"SYNTHESISED_TTL_S is {SYNTHESISED_TTL_S}, but MOST_SYNTHESISED is {MOST_SYNTHESISED}")
        for ttl_s in range(1, MOST_SYNTHESISED + 1):
            set_body(soa_record(b"", ttl_s, ttl_s), &self.denials[<int>ttl_s])
        set_body(soa_record(b"", ZONE_TTL_S, ZONE_TTL_S), &self.zone)
        set_body(soa_record(b"", SIGNAL_TTL_S, SIGNAL_TTL_S), &self.signal)
        set_body_from(any_answer(query_for(b"\0", Type.ANY).question), &self.any)
        set_body_from(loopback(Type.A), &self.loopback4)
        set_body_from(loopback(Type.AAAA), &self.loopback6)


cdef object query_for(bytes name, qtype):
    return Query(0, True, False, False, question_of(name, qtype), None)


cdef object loopback(qtype):
    found = special(LOCALHOST, int(qtype))
    return parse_answer(special_answer(query_for(LOCALHOST, qtype), found, 0, MIN_LIMIT).message)


cdef void set_body_from(answer, Body* into) except *:
    """Copy the only record of an answer that the reference made. Its owner is the question's name."""
    (record,) = answer.records
    set_body(raw(answer, record), into)


cdef void begin_draft(const Asked* asked, uint32_t limit, uint8_t* out, Draft* draft) noexcept nogil:
    """Begin a reply with header and question. `limit` is at least 484."""
    draft.out, draft.limit, draft.count, draft.cut = out, limit, 0, False
    draft.end = HEADER_BYTES + asked.name_size + 4
    memset(out, 0, HEADER_BYTES)
    memcpy(out + HEADER_BYTES, asked.message + HEADER_BYTES, asked.name_size + 4)


cdef uint8_t* add_local_record(
    const Asked* asked, Draft* draft, const uint8_t* name, uint32_t suffix, const Body* body
) noexcept nogil:
    """Add a record whose owner is the last `suffix` bytes of `name`, the question's name.

    Return the address of its type; NULL if it or an earlier record does not fit. Room is reserved for the OPT, which
    every reply to EDNS has.
    """
    cdef bint is_full_name = suffix >= asked.name_size
    cdef uint32_t owner = POINTER_BYTES if is_full_name else suffix
    cdef uint8_t* at = draft.out + draft.end
    if draft.cut or draft.end + owner + body.size + (OPT_BYTES if asked.edns else 0) > draft.limit:
        draft.cut = True
        return NULL
    if is_full_name:
        write_16(at, QUESTION_POINTER)
    else:
        memcpy(at, name + asked.name_size - suffix, suffix)
    memcpy(at + owner, body.data, body.size)
    draft.end += owner + body.size
    draft.count += 1
    return at + owner


cdef uint32_t end_draft(
    const Asked* asked, Draft* draft, uint32_t rcode, int section, const Edes* edes
) noexcept nogil:
    """Write the header, and an OPT with as much of the errors as fits. Return the size of the reply."""
    cdef uint8_t* at = draft.out + draft.end
    cdef uint32_t room, text, size, end, i
    write_header(asked, rcode, REPLY_TC if draft.cut else 0, draft.out)
    write_16(draft.out + section, draft.count)
    if not asked.edns:
        return draft.end
    room = draft.limit - draft.end - OPT_BYTES
    text = edes.text_size if edes.text_size <= MAX_EDE_TEXT else 0
    size = edes.count * EDE_BYTES
    if size + text > room:
        text = 0
    if size > room:
        size = 0
    write_16(draft.out + 10, 1)
    if size == 0:
        return draft.end + write_opt(asked, rcode, -1, NULL, 0, at)
    end = write_opt(asked, rcode, edes.codes[0], edes.text, text, at)
    for i in range(1, edes.count):
        write_16(at + end, OPTION_EDE)
        write_16(at + end + 2, 2)
        write_16(at + end + 4, edes.codes[i])
        end += EDE_BYTES
    write_16(at + 9, end - OPT_BYTES)
    return draft.end + end


cdef uint32_t write_denial(
    const Asked* asked, uint32_t rcode, const uint8_t* name, uint32_t suffix, const Body* soa, int section,
    const Edes* edes, uint32_t limit, uint8_t* out,
) noexcept nogil:
    """Write a denial with the SOA of the question's class. Its owner is the last `suffix` bytes of `name`.

    `section` is COUNT_AUTHORITY, or COUNT_ANSWER for a question about that SOA.
    """
    cdef Draft draft
    cdef uint8_t* at
    begin_draft(asked, limit, out, &draft)
    at = add_local_record(asked, &draft, name, suffix, soa)
    if at != NULL:
        write_16(at + CLASS_AT, asked.qclass)
    return end_draft(asked, &draft, rcode, section, edes)


cdef bint has_address(uint16_t qtype, const uint8_t* address) noexcept nogil:
    """Return whether an address record of the rules file has the family that is asked for."""
    return qtype == (RR_A if address[0] == V4_FAMILY else RR_AAAA)


cdef uint32_t write_addresses(
    const Asked* asked, const uint8_t* addresses, uint32_t count, uint32_t ttl_s, const Edes* edes, uint32_t limit,
    uint8_t* out,
) noexcept nogil:
    """Write a reply with the addresses of the family that is asked for. Return its size, 0 if there are none."""
    cdef Draft draft
    cdef Body body
    cdef uint32_t i, size = 4 if asked.qtype == RR_A else 16
    body.size = RECORD_FIXED + size
    write_16(body.data, asked.qtype)
    write_16(body.data + CLASS_AT, CLASS_IN)
    write_32(body.data + TTL_AT, ttl_s)
    write_16(body.data + 8, size)
    begin_draft(asked, limit, out, &draft)
    for i in range(count):
        if has_address(asked.qtype, addresses + i * ADDRESS_BYTES):
            memcpy(body.data + RECORD_FIXED, addresses + i * ADDRESS_BYTES + ADDRESS_AT, size)
            add_local_record(asked, &draft, asked.name, asked.name_size, &body)
    if not draft.count and not draft.cut:
        return 0
    return end_draft(asked, &draft, RCODE_NOERROR, COUNT_ANSWER, edes)


cdef uint32_t write_one(
    const Asked* asked, const Body* body, int64_t cap_s, bint stale, uint32_t limit, uint8_t* out
) noexcept nogil:
    """Write a reply with one record of the asked name, its TTL at most the cap (-1: no cap), and a stale one's."""
    cdef Draft draft
    cdef Edes edes
    cdef uint8_t* at
    edes.count, edes.codes[0], edes.text, edes.text_size = 1 if stale else 0, EDE_STALE, NULL, 0
    if stale and (cap_s < 0 or cap_s > STALE_TTL_S):
        cap_s = STALE_TTL_S
    begin_draft(asked, limit, out, &draft)
    at = add_local_record(asked, &draft, asked.name, asked.name_size, body)
    if at != NULL and 0 <= cap_s < <int64_t>read_32(at + TTL_AT):
        write_32(at + TTL_AT, <uint32_t>cap_s)
    return end_draft(asked, &draft, RCODE_NOERROR, COUNT_ANSWER, &edes)


cdef uint32_t write_withheld(
    const Asked* asked, Records records, int ttl_s, uint32_t limit, uint8_t* out
) noexcept nogil:
    """Write the reply in place of an answer that is withheld: rules/withheld_reply.py."""
    cdef Edes edes
    edes.count, edes.codes[0] = 1, EDE_FILTERED
    edes.text, edes.text_size = records.withheld_text, records.withheld_size
    return write_denial(
        asked, RCODE_NOERROR, asked.name, asked.name_size, &records.denials[ttl_s], COUNT_AUTHORITY, &edes, limit, out
    )


cdef uint32_t write_failure(const Asked* asked, int code, uint32_t limit, uint8_t* out) noexcept nogil:
    """Write SERVFAIL for a known failure, with its extended error (NO_EDE: none)."""
    cdef Draft draft
    cdef Edes edes
    edes.count, edes.text, edes.text_size = 0, NULL, 0
    if code != NO_EDE:
        edes.codes[0], edes.count = <uint16_t>code, 1
    edes.codes[edes.count] = EDE_CACHED_ERROR
    edes.count += 1
    begin_draft(asked, limit, out, &draft)
    return end_draft(asked, &draft, RCODE_SERVFAIL, COUNT_ANSWER, &edes)


cdef uint32_t write_fault(const Asked* asked, const Fault* fault, uint8_t* out) noexcept nogil:
    """Write the error that answers a query, at most 316 bytes, as `empty_reply` of a `Fault`."""
    cdef uint32_t size = HEADER_BYTES + fault.question_size
    memset(out, 0, HEADER_BYTES)
    write_header(asked, fault.rcode, <uint32_t>fault.opcode << 11, out)
    if fault.opcode > OPCODE_STATUS:  # as reply._flags
        out[2] &= ~<uint8_t>(REPLY_RD >> 8)
        out[3] &= EXTENDED
    elif fault.opcode:
        out[3] &= ~<uint8_t>REPLY_CD
    write_16(out + 4, 1 if fault.question_size else 0)
    memcpy(out + HEADER_BYTES, asked.message + HEADER_BYTES, fault.question_size)
    if not asked.edns:
        return size
    write_16(out + 10, 1)
    return size + write_opt(asked, fault.rcode, fault.ede, NULL, 0, out + size)
