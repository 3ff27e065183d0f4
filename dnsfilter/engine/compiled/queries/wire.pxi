# Names and plain queries in C: wire/names.py, and the parts of wire/query.py and edns.py that an ordinary query needs.

cdef enum:
    BIT_QR = 0x8000
    BITS_OPCODE = 0x7800
    BIT_AA = 0x0400
    BIT_TC = 0x0200
    BIT_RD = 0x0100
    BIT_RA = 0x0080
    BIT_AD = 0x0020
    BIT_CD = 0x0010

cdef enum:
    OPTION_ECS = 8
    OPTION_COOKIE = 10
    OPTION_KEEPALIVE = 11
    OPTION_PADDING = 12
    MOST_OWNERS = 128       # distinct names of one answer: question, owners and targets
    OWNERS_ROOM = 8192

cdef enum:
    IN_ANSWER = 0
    IN_AUTHORITY = 1
    IN_ADDITIONAL = 2

cdef enum:
    RR_A = 1
    RR_NS = 2
    RR_PTR = 12
    RR_MX = 15
    RR_SIG = 24
    RR_AAAA = 28
    RR_SRV = 33
    RR_DNAME = 39
    RR_DS = 43
    RR_RRSIG = 46
    RR_NSEC = 47
    RR_NSEC3 = 50
    SIGNER_AT = 18          # bytes of an RRSIG before the name of its signer
    LONGEST_WINDOW = 32     # bytes of one window of a type bitmap (RFC 4034 section 4.1.2)
    RR_SVCB = 64
    RR_HTTPS = 65
    RR_NXNAME = 128
    RR_TKEY = 249           # the first type up to ANY that is no data type
    RR_TSIG = 250


cdef inline uint16_t big16(const uint8_t* at) noexcept nogil:
    return <uint16_t>((at[0] << 8) | at[1])


cdef inline uint32_t big32(const uint8_t* at) noexcept nogil:
    return (<uint32_t>at[0] << 24) | (<uint32_t>at[1] << 16) | (<uint32_t>at[2] << 8) | at[3]


cdef inline void fold(uint8_t* into, const uint8_t* name, uint32_t size) noexcept nogil:
    """Copy a name with A to Z in lower case. Length bytes are outside that interval."""
    cdef uint32_t index
    cdef uint8_t value
    for index in range(size):
        value = name[index]
        into[index] = value | (<uint8_t>(<uint8_t>(value - 65) < 26) << 5)


cdef inline uint32_t labels_end(const uint8_t* message, uint32_t size, uint32_t offset) noexcept nogil:
    """Return where the labels at `offset` end, at a root label or pointer; 0 if malformed, cut short or too long."""
    cdef uint32_t position = offset
    cdef uint8_t length
    while position < size:
        length = message[position]
        if length == 0 or length >= 0xC0:
            return position
        if length > MOST_LABEL:
            return 0
        position += length + 1
        if position >= offset + MOST_NAME:
            return 0
    return 0


cdef uint32_t read_name(
    const uint8_t* message, uint32_t size, uint32_t offset, int* hops, uint8_t* into, uint32_t* length
) noexcept nogil:
    """Return the offset after the name at `offset`, 0 if it is malformed. Fold it into `into`, 255 bytes, unless NULL.

    A pointer must lead to labels that end before the labels that it continues begin. Results of pointers are not
    remembered, so `hops` falls at least as fast as the reference's budget.
    """
    cdef uint32_t start = offset, run, piece, before = 0, after = 0, total = 0, pointers = 0, target
    while True:
        run = labels_end(message, size, start)
        if run == 0:
            return 0
        if pointers and run + (1 if message[run] == 0 else 2) > before:
            return 0
        piece = run - start
        if total + piece >= MOST_NAME:
            return 0
        if into != NULL:
            fold(into + total, message + start, piece)
        total += piece
        if message[run] == 0:
            if into != NULL:
                into[total] = 0
            length[0] = total + 1
            return after if pointers else run + 1
        hops[0] -= 1
        pointers += 1
        if run + 1 >= size or hops[0] < 0 or pointers > MAX_HOPS_PER_NAME:
            return 0
        if pointers == 1:
            after = run + 2
        target = ((message[run] & 0x3F) << 8) | message[run + 1]
        if target < HEADER_BYTES or target >= start:
            return 0
        before = start
        start = target


cdef bint are_options(const uint8_t* options, uint32_t size, bint plain) noexcept nogil:
    """Return whether options fill the data of their OPT exactly; for `plain`, also whether C can ignore them all."""
    cdef uint32_t position = 0, count = 0
    while position < size:
        if size - position < 4:
            return False
        count += 1
        if plain and (count > MAX_OPTIONS or not is_plain_option(options + position)):
            return False
        position += 4 + big16(options + position + 2)
        if position > size:
            return False
    return True


cdef inline bint is_cookie(uint32_t size) noexcept nogil:
    """Return whether the data of a cookie may have this size, as edns.is_cookie."""
    return size == 8 or 16 <= size <= 40


cdef inline bint is_plain_option(const uint8_t* option) noexcept nogil:
    """Return whether C can ignore an option over UDP and TCP: it is none that is checked, or it needs no closer look."""
    cdef uint32_t code = big16(option), size = big16(option + 2)
    if code == OPTION_COOKIE:
        return is_cookie(size)
    return code != OPTION_ECS and (code != OPTION_KEEPALIVE or size == 0)


cdef bint is_plain_type(uint16_t qtype) noexcept nogil:
    """Return whether the type is a data type that can be asked for (RFC 6895 section 3.1, RFC 9824 section 3.5)."""
    if RR_TKEY <= qtype <= TYPE_ANY:
        return False
    return qtype != 0 and qtype != TYPE_OPT and qtype != RR_NXNAME


cdef bint read_plain(const uint8_t* message, uint32_t size, Asked* out) noexcept nogil:
    """Parse a plain query into `out`. Return False if `message` is none; `out` is then undefined."""
    cdef uint32_t position = HEADER_BYTES, length
    cdef uint16_t flags
    cdef int labels = 0
    if size < HEADER_BYTES + 5:
        return False
    flags = big16(message + 2)
    # One question, no answer, no authority; of the flags only RD, and perhaps AD and CD.
    if (flags & ~(BIT_AD | BIT_CD)) != BIT_RD or big32(message + 4) != 0x10000 or big16(message + 8) != 0:
        return False
    while True:
        if position >= size or message[position] > MOST_LABEL:
            return False
        if message[position] == 0:
            break
        # The root label needs the last of the 255 bytes, so there are at most 127 labels.
        if position + message[position] + 1 - HEADER_BYTES >= MOST_NAME:
            return False
        out.starts[labels] = <uint8_t>(position - HEADER_BYTES)
        labels += 1
        position += message[position] + 1
    position += 1
    if position + 4 > size or big16(message + position + 2) != CLASS_IN:
        return False
    length = position - HEADER_BYTES
    out.message = message
    out.size = size
    out.id = big16(message)
    out.qtype = big16(message + position)
    out.qclass = CLASS_IN
    out.name_size = <uint16_t>length
    out.labels = <uint8_t>labels
    out.any = False
    out.rd = True
    out.ad = (flags & BIT_AD) != 0
    out.cd = (flags & BIT_CD) != 0
    fold(out.name, message + HEADER_BYTES, length)
    return is_plain_type(out.qtype) and read_plain_opt(message, size, position + 4, out)


cdef bint read_plain_opt(const uint8_t* message, uint32_t size, uint32_t position, Asked* out) noexcept nogil:
    """Return whether nothing or one OPT of version 0 follows the question (RFC 6891 section 6.1)."""
    cdef uint16_t count = big16(message + 10)
    out.edns = count != 0
    out.payload = 0
    out.do_bit = out.reads_json = False
    out.cookie = 0
    if count == 0:
        return position == size
    if count != 1 or size - position < MIN_RECORD or message[position] != 0:
        return False
    if big16(message + position + 1) != TYPE_OPT or message[position + 6] != 0:
        return False
    if big16(message + position + 9) != size - position - MIN_RECORD:
        return False
    out.payload = big16(message + position + 3)
    out.do_bit = (message[position + 7] & 0x80) != 0
    if not are_options(message + position + MIN_RECORD, size - position - MIN_RECORD, True):
        return False
    note_options(message, position + MIN_RECORD, size, out)
    return True


cdef void note_options(const uint8_t* message, uint32_t position, uint32_t end, Asked* out) noexcept nogil:
    """Note the options that we use, the first of each code among MAX_OPTIONS. They fill `position` to `end` exactly."""
    cdef uint32_t count = 0, code, length
    cdef bint has_cookie = False
    out.reads_json, out.subnet, out.cookie = False, 0, 0
    while position < end and count < MAX_OPTIONS:
        code, length = big16(message + position), big16(message + position + 2)
        if code == OPTION_EDE:
            out.reads_json = True
        elif code == OPTION_ECS and not out.subnet:
            out.subnet = position + 4
        elif code == OPTION_COOKIE and not has_cookie:
            has_cookie = True
            if is_cookie(length):
                out.cookie, out.cookie_size = position + 4, <uint16_t>length
        position += 4 + length
        count += 1
