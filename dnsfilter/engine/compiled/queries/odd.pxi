# Messages that are no plain queries, as `parse_query` of wire/query.py reads them: other well-formed queries, malformed
# queries that get an error, and messages without an answer. C reads them because anybody may send a flood of each.

cdef enum:
    RECORD_FIXED = 10       # bytes of a record between its owner and its data
    QUERY_HOPS = 128        # pointers of one query that are followed
    OPCODE_STATUS = 2
    OPCODE_UPDATE = 5
    ECS_FIXED = 4           # family, source and scope of a client subnet (RFC 7871 section 6)
    RR_IXFR = 251
    RR_MAILA = 254          # the last type from IXFR on that is not supported
    CLASS_CH = 3
    CLASS_NONE = 254
    CLASS_ANY = 255

cdef enum:
    RCODE_FORMERR = 1
    RCODE_NOTIMP = 4
    RCODE_BADVERS = 16
    RCODE_BADCOOKIE = 23
    EDE_INVALID_QUERY_TYPE = 30

cdef enum:
    ODD_SILENT = 1          # too short for a header, or itself a response
    ODD_FAULT = 2
    ODD_QUERY = 3           # it can be answered: Asked is filled

# The error that answers a query. The query's id, flags and OPT are in Asked.
cdef struct Fault:
    uint16_t rcode
    uint16_t opcode
    uint16_t question_size  # bytes of the question to copy; 0 if it cannot be read
    int ede                 # -1: none
    bint asks_cookie        # it has no question, but a cookie to answer: `Fault.asks_cookie` of wire/query.py

# Facts from the additional section of a query that are not in Asked.
cdef struct OptFound:
    uint8_t version
    bint bad_option


cdef int read_odd(const uint8_t* message, uint32_t size, bint stream, Asked* out, Fault* fault) noexcept nogil:
    """Classify a message that is no plain query: return ODD_SILENT, ODD_FAULT or ODD_QUERY; fill `out` and `fault`.

    `stream` says that it came over TCP, as for `parse_query`.
    """
    cdef uint16_t flags
    cdef uint32_t position
    cdef OptFound opt
    cdef int rcode = -1, found
    cdef bint known = False
    if size < HEADER_BYTES or message[2] & 0x80:
        return ODD_SILENT
    flags = big16(message + 2)
    out.message, out.size, out.id = message, size, big16(message)
    out.rd, out.ad, out.cd = (flags & BIT_RD) != 0, (flags & BIT_AD) != 0, (flags & BIT_CD) != 0
    out.edns, out.payload, out.do_bit = False, 0, False
    out.any = out.reads_json = out.is_named = False
    out.subnet = out.cookie = 0
    if big16(message + 4) == 1:
        position = read_question(message, size, out)
        known = position != 0
    else:
        position, rcode = skip_questions(message, size, big16(message + 4)), RCODE_FORMERR
    found = read_records(message, size, position, stream, out, &opt) if position else 0
    if found == 0:
        rcode, out.edns, out.payload, out.do_bit, out.cookie = RCODE_FORMERR, False, 0, False, 0
    fault.opcode, fault.ede = (flags & BITS_OPCODE) >> 11, -1
    if rcode < 0 and not fault.opcode:
        rcode = refusal_rcode(out, &opt, big32(message + 6) != 0)
        if rcode < 0:
            return ODD_QUERY
    fault.asks_cookie = not fault.opcode and out.cookie and not opt.bad_option and not (
        big32(message + 4) or big16(message + 8)
    )
    fault.rcode = RCODE_NOTIMP if fault.opcode else <uint16_t>rcode
    fault.question_size = out.name_size + 4 if known else 0
    if fault.opcode == OPCODE_UPDATE:
        fault.question_size = 0  # that section names a zone (RFC 2136 section 2.3)
    elif known and fault.rcode == RCODE_FORMERR and out.qtype == RR_NXNAME:
        fault.ede = EDE_INVALID_QUERY_TYPE
    return ODD_FAULT


cdef uint32_t read_question(const uint8_t* message, uint32_t size, Asked* out) noexcept nogil:
    """Read the only question into `out`. Return the offset after it, 0 if it is cut short or compressed."""
    cdef uint32_t run = labels_end(message, size, HEADER_BYTES)
    if run == 0 or message[run] != 0 or run + 5 > size:
        return 0
    out.name_size = <uint16_t>(run + 1 - HEADER_BYTES)
    fold(out.name, message + HEADER_BYTES, out.name_size)
    out.labels = <uint8_t>label_starts(out.name, out.name_size, out.starts)
    out.qtype, out.qclass = big16(message + run + 1), big16(message + run + 3)
    return run + 5


cdef uint32_t skip_questions(const uint8_t* message, uint32_t size, uint32_t count) noexcept nogil:
    """Return the offset after `count` questions, which get no answer; 0 if they are cut short."""
    cdef uint32_t position = HEADER_BYTES, run
    while count:
        run = labels_end(message, size, position)
        if run == 0:
            return 0
        position = run + (1 if message[run] == 0 else 2) + 4
        if position > size:
            return 0
        count -= 1
    return position


cdef int read_records(
    const uint8_t* message, uint32_t size, uint32_t position, bint stream, Asked* out, OptFound* opt
) noexcept nogil:
    """Return whether the records after the questions are well formed. Fill `out` and `opt` from an OPT."""
    cdef uint32_t before = <uint32_t>big16(message + 6) + big16(message + 8)
    cdef uint32_t total = before + big16(message + 10), index, length, data
    cdef int hops = QUERY_HOPS
    opt.version, opt.bad_option = 0, False
    if total * MIN_RECORD > size - position:
        return 0
    for index in range(total):
        position = read_name(message, size, position, &hops, NULL, &length)
        if position == 0:
            return 0
        if size - position < RECORD_FIXED or big16(message + position + 8) > size - position - RECORD_FIXED:
            return 0
        data = position + RECORD_FIXED
        if big16(message + position) == TYPE_OPT:
            if index < before or length != 1 or out.edns:
                return 0
            out.edns, out.payload = True, big16(message + position + 2)
            opt.version, out.do_bit = message[position + 5], (message[position + 6] & 0x80) != 0
            if opt.version == 0:
                if not are_options(message + data, big16(message + position + 8), False):
                    return 0
                opt.bad_option = has_bad_option(message + data, big16(message + position + 8), stream)
                note_options(message, data, data + big16(message + position + 8), out)
        position = data + big16(message + position + 8)
    return position == size


cdef bint has_bad_option(const uint8_t* options, uint32_t size, bint stream) noexcept nogil:
    """Return whether one of the first MAX_OPTIONS options lacks the form that query._is_option demands.

    The options fill `size` bytes exactly.
    """
    cdef uint32_t position = 0, count = 0, code, length
    while position < size and count < MAX_OPTIONS:
        code, length = big16(options + position), big16(options + position + 2)
        if code == OPTION_ECS and not is_subnet(options + position + 4, length):
            return True
        if (code == OPTION_COOKIE and not is_cookie(length)) or (code == OPTION_KEEPALIVE and stream and length):
            return True
        position += 4 + length
        count += 1
    return False


cdef bint is_subnet(const uint8_t* data, uint32_t size) noexcept nogil:
    """Return whether `data` is a well-formed client subnet, as edns.is_client_subnet."""
    cdef uint32_t bits, family
    if size < ECS_FIXED:
        return False
    family, bits = big16(data), data[2]
    if family > 2 or data[3] or bits > (0 if family == 0 else 32 if family == 1 else 128):
        return False
    if size - ECS_FIXED != (bits + 7) // 8:
        return False
    return bits % 8 == 0 or not data[size - 1] & (0xFF >> (bits % 8))


cdef int refusal_rcode(const Asked* asked, const OptFound* opt, bint has_records) noexcept nogil:
    """Return the rcode of a well-formed query that is not answered, -1 for all others; as query._refusal_rcode."""
    if asked.edns and opt.version > 0:
        return RCODE_BADVERS
    if asked.qtype == TYPE_OPT or asked.qtype == RR_TSIG or asked.qtype == RR_NXNAME or opt.bad_option:
        return RCODE_FORMERR
    if asked.qtype == RR_TKEY or RR_IXFR <= asked.qtype <= RR_MAILA:
        return RCODE_NOTIMP
    return RCODE_FORMERR if has_records else -1


cdef bint read_query(const uint8_t* message, uint32_t size, bint stream, Asked* out) noexcept nogil:
    """Parse a query that can be answered into `out`. Return False if `message` is none."""
    cdef Fault fault
    if read_plain(message, size, out):
        return True
    if read_odd(message, size, stream, out, &fault) != ODD_QUERY:
        return False
    if out.qtype == TYPE_ANY and out.qclass == CLASS_IN:
        look_for_alias(out)
    return True


cdef void look_for_alias(Asked* asked) noexcept nogil:
    """Look up CNAME for a question for ANY, as `asks_any` of engine/slow_path/local.py."""
    asked.any, asked.qtype = True, TYPE_CNAME
