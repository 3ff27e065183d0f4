# Replies, byte for byte as wire/reply.py writes them: a new header, the client's question, records with aged TTLs, and
# a new OPT if the client sent one. QR=1, RA=1, AA=0, RD and CD as in the query.

cdef enum:
    OPT_BYTES = 11         # an OPT without options (RFC 6891 section 6.1.2)
    EDE_BYTES = 6          # an extended error without text: code and length of the option, code of the error
    OPTION_EDE = 15         # RFC 8914 section 2
    REPLY_FLAGS = 0x8080    # QR, RA
    REPLY_RD = 0x0100
    REPLY_CD = 0x0010
    REPLY_AD = 0x0020
    DATA_BEHIND_TTL = 6     # bytes from a record's TTL to its data
    EXTENDED = 15           # an rcode above needs an OPT for its upper bits
    EDE_STALE = 3
    EDE_STALE_NXDOMAIN = 19
    UNEXPRESSED = 2         # SERVFAIL, in place of an rcode that needs an OPT if there is none


cdef uint32_t udp_limit_of(const Asked* asked) noexcept nogil:
    """Return the size limit of a UDP reply: 512 bytes without OPT, else the client's payload size, 512 to 1,232."""
    if not asked.edns or asked.payload < MIN_LIMIT:
        return MIN_LIMIT
    return asked.payload if asked.payload < OUR_PAYLOAD else OUR_PAYLOAD


cdef inline uint32_t reply_limit(const Asked* asked, int transport) noexcept nogil:
    """Return the size limit of a reply without its cookie."""
    return (STREAM_ROOM if transport else udp_limit_of(asked)) - cookie_bytes(asked)


cdef inline uint32_t expressible(const Asked* asked, uint32_t rcode) noexcept nogil:
    """Return the rcode of a reply, as wire/reply.py."""
    return UNEXPRESSED if rcode > EXTENDED and not asked.edns else rcode


cdef void write_header(const Asked* asked, uint32_t rcode, uint32_t flags, uint8_t* out) noexcept nogil:
    """Write id, flags and the count of questions."""
    rcode = expressible(asked, rcode)
    write_16(out, asked.id)
    flags |= REPLY_FLAGS | (REPLY_RD if asked.rd else 0) | (REPLY_CD if asked.cd else 0)
    write_16(out + 2, flags | (rcode & EXTENDED))
    write_16(out + 4, 1)


cdef uint32_t write_opt(
    const Asked* asked, uint32_t rcode, int ede, const uint8_t* text, uint32_t text_size, uint8_t* out
) noexcept nogil:
    """Write an OPT with the cookie, if any, and an extended error, -1 for none. Return its size.

    The limits of replies leave the room for the cookie.
    """
    cdef uint32_t options = cookie_bytes(asked)
    cdef uint8_t* at = out + OPT_BYTES + options
    out[0] = 0
    write_16(out + 1, TYPE_OPT)
    write_16(out + 3, OUR_PAYLOAD)
    write_16(out + 5, (rcode >> 4) << 8)
    write_16(out + 7, 0x8000 if asked.do_bit else 0)
    if options:
        write_cookie(asked, out + OPT_BYTES)
    if ede >= 0:
        options += EDE_BYTES + text_size
        write_16(at, OPTION_EDE)
        write_16(at + 2, 2 + text_size)
        write_16(at + 4, <uint32_t>ede)
        if text_size:
            memcpy(at + EDE_BYTES, text, text_size)
    write_16(out + 9, options)
    return OPT_BYTES + options


cdef uint32_t write_empty(
    const Asked* asked,
    uint16_t rcode,
    int ede,
    const uint8_t* text,
    uint16_t text_size,
    uint32_t limit,
    uint8_t* out,
) noexcept nogil:
    """Write a reply without records. Return its size, at most `limit` and the cookie. `limit` is at least 484.

    If it does not fit, leave out the extended error's text (UTF-8), then the error (-1 for none), then the OPT.
    """
    cdef uint32_t size = HEADER_BYTES + asked.name_size + 4
    cdef uint32_t room
    memset(out, 0, HEADER_BYTES)
    write_header(asked, rcode, 0, out)
    memcpy(out + HEADER_BYTES, asked.message + HEADER_BYTES, asked.name_size + 4)
    if not asked.edns or size + OPT_BYTES > limit:
        return size
    room = limit - size - OPT_BYTES
    if text_size > MAX_EDE_TEXT or (ede >= 0 and EDE_BYTES + <uint32_t>text_size > room):
        text_size = 0
    if ede >= 0 and EDE_BYTES + <uint32_t>text_size > room:
        ede = -1
    write_16(out + 10, 1)
    return size + write_opt(asked, rcode, ede, text, text_size, out + size)


cdef void set_ttls(const Entry* entry, int64_t ttl, uint8_t* message) noexcept nogil:
    """Give every record the same TTL."""
    cdef const uint8_t* at = entry_ttls(entry)
    cdef uint16_t where
    cdef int index
    for index in range(entry.record_count):
        memcpy(&where, at + 2 * index, 2)
        write_32(message + where, <uint32_t>ttl)


cdef void age_ttls(const Entry* entry, uint32_t age_s, int64_t cap_s, uint8_t* message) noexcept nogil:
    """Lower each TTL by the age, to no less than 0, then to the cap (-1: no cap)."""
    cdef const uint8_t* at = entry_ttls(entry)
    cdef uint16_t where
    cdef uint32_t ttl
    cdef int index
    if age_s == 0 and cap_s < 0:
        return
    for index in range(entry.record_count):
        memcpy(&where, at + 2 * index, 2)
        ttl = read_32(message + where)
        ttl = ttl - age_s if ttl > age_s else 0
        if cap_s >= 0 and ttl > cap_s:
            ttl = <uint32_t>cap_s
        write_32(message + where, ttl)


cdef void rotate_addresses(const Entry* entry, uint32_t turn, uint8_t* message) noexcept nogil:
    """Rotate the addresses of the set by `turn`: _rotate_addresses of wire/reply.py."""
    cdef const uint8_t* ttls = entry_ttls(entry) + 2 * entry.rotation_first
    cdef const uint8_t* kept = entry_message(entry)
    cdef uint32_t size = 4 if entry.qtype == RR_A else 16
    cdef uint16_t into, source
    cdef uint32_t index
    for index in range(entry.rotation_count):
        memcpy(&into, ttls + 2 * index, 2)
        memcpy(&source, ttls + 2 * ((index + turn) % entry.rotation_count), 2)
        memcpy(message + into + DATA_BEHIND_TTL, kept + source + DATA_BEHIND_TTL, size)


cdef uint32_t write_relayed(
    const Asked* asked,
    const Entry* entry,
    uint32_t age_s,
    int64_t cap_s,
    bint ad,
    bint stale,
    uint32_t limit,
    uint8_t* out,
) noexcept nogil:
    """Write a reply with the records of an entry for the same question. Return its size, 0 if it exceeds `limit`.

    The reference shortens replies that are too long.
    """
    cdef uint32_t size = entry.size
    cdef uint32_t additional
    cdef int ede = -1
    if stale:
        ede = EDE_STALE_NXDOMAIN if entry.rcode == RCODE_NXDOMAIN else EDE_STALE
    if size + (OPT_BYTES + (EDE_BYTES if stale else 0) if asked.edns else 0) > limit or asked.name_size != entry.name_size:
        return 0
    memcpy(out, entry_message(entry), size)
    memcpy(out + HEADER_BYTES, asked.message + HEADER_BYTES, asked.name_size + 4)
    write_header(asked, entry.rcode, REPLY_AD if ad else 0, out)
    if stale:
        set_ttls(entry, cap_s if 0 <= cap_s < STALE_TTL_S else STALE_TTL_S, out)
    else:
        age_ttls(entry, age_s, cap_s, out)
    if asked.edns:
        additional = ((<uint32_t>out[10] << 8) | out[11]) + 1
        write_16(out + 10, additional)
        size += write_opt(asked, entry.rcode, ede, NULL, 0, out + size)
    return size
