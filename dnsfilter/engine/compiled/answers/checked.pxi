# The strict check of an upstream's message in C: wire/checker.py and rdata.py, and the records that it reads. It
# rejects every message that those reject, and hands over some that they accept.

# One record; `owner` is the number of its folded name.
cdef struct Seen:
    uint32_t start
    uint32_t ttl_at
    uint32_t ttl            # 0 if the top bit was set (RFC 2181 section 8), at most LONGEST_TTL_S
    uint32_t rdata
    uint32_t end
    uint16_t rtype
    uint16_t rclass
    uint8_t owner
    uint8_t section
    bint kept               # part of the chain, or belongs to it

# A message that passed the check. Name 0 is the question's.
cdef struct Reading:
    const uint8_t* message
    uint32_t size
    uint32_t question_end
    uint16_t rcode          # all twelve bits
    bint has_opt
    uint32_t options        # offset of its options; 0: none that are read
    uint32_t options_end
    int record_count        # without OPT
    int name_count
    uint32_t names_size
    uint32_t name_at[128]   # MOST_OWNERS
    uint8_t name_size[128]
    uint8_t on_chain[128]   # whether the name is the question's, or an alias leads to it
    Seen records[64]        # MOST_RECORDS
    uint8_t names[8192]     # OWNERS_ROOM


cdef bint has_layout(
    uint16_t rtype, uint32_t* before, uint32_t* strings, uint32_t* names, int* after
) noexcept nogil:
    """Find where names are in data of a type, as LAYOUTS of wire/rdata.py; `after` is -1 for any number of bytes."""
    before[0] = strings[0] = 0
    names[0] = 1
    after[0] = 0
    if rtype in (RR_NS, 3, 4, TYPE_CNAME, 7, 8, 9, 12, RR_DNAME):  # MD, MF; MB, MG, MR, PTR
        return True
    if rtype == TYPE_SOA:
        names[0] = 2
        after[0] = 20
    elif rtype in (14, 17):  # MINFO, RP
        names[0] = 2
    elif rtype in (15, 18, 21, 36):  # MX, AFSDB, RT, KX
        before[0] = 2
    elif rtype == RR_SIG:
        before[0] = 18
        after[0] = -1
    elif rtype == 26:  # PX
        before[0] = names[0] = 2
    elif rtype == 30:  # NXT
        after[0] = -1
    elif rtype == 33:  # SRV
        before[0] = 6
    elif rtype == 35:  # NAPTR
        before[0] = 4
        strings[0] = 3
    elif rtype in (RR_SVCB, RR_HTTPS):
        before[0] = 2
        after[0] = -1
    else:
        return False
    return True


cdef bint are_parameters(const uint8_t* message, uint32_t position, uint32_t end) noexcept nogil:
    """Return whether the parameters of a service binding are valid: _check_parameters of wire/rdata.py."""
    cdef int last = -1, key
    cdef uint32_t value, required = 0, required_end = 0
    while position < end:
        if end - position < 4:
            return False
        key, value = big16(message + position), position + 4
        position = value + big16(message + position + 2)
        if position > end or key <= last or not is_value(message, key, value, position):
            return False
        if key == 2 and last != 1:  # no-default-alpn, alpn
            return False
        if key == 0:  # mandatory
            required, required_end = value, position
        elif required < required_end:
            if big16(message + required) < key:
                return False
            required += 2 * (big16(message + required) == key)
        last = key
    return required == required_end


cdef bint is_value(const uint8_t* message, int key, uint32_t start, uint32_t end) noexcept nogil:
    """Return whether the value of a service parameter has the form of its key: _is_value of wire/rdata.py."""
    cdef uint32_t size = end - start
    if key == 1:  # alpn
        while start < end and message[start]:
            start += 1 + message[start]
        return size > 0 and start == end
    if key == 0 or key == 4 or key == 6:  # mandatory, ipv4hint, ipv6hint
        return size > 0 and size % (2 if key == 0 else 4 if key == 4 else 16) == 0
    if key == 2 or key == 3:  # no-default-alpn, port
        return size == (0 if key == 2 else 2)
    return True


cdef bint are_bitmaps(const uint8_t* message, uint32_t position, uint32_t end) noexcept nogil:
    """Return whether type bitmaps are valid: _check_bitmaps of wire/rdata.py."""
    cdef int last = -1
    while position < end:
        if end - position < 3 or message[position] <= last or not 0 < message[position + 1] <= LONGEST_WINDOW:
            return False
        last = message[position]
        position += 2 + message[position + 1]
        if position > end or not message[position - 1]:
            return False
    return position == end


cdef uint32_t bitmaps_start(const uint8_t* message, uint32_t start, uint32_t end) noexcept nogil:
    """Return where the type bitmaps of NSEC3 data begin, 0 if the data has no hash: _bitmaps_start of wire/rdata.py."""
    cdef uint32_t salt = start + 4, size
    if salt >= end:
        return 0
    size = salt + 1 + message[salt]
    if size >= end or not message[size] or size + 1 + message[size] > end:
        return 0
    return size + 1 + message[size]


cdef bint is_data(
    const uint8_t* message, uint32_t size, uint16_t rtype, uint16_t rclass, uint32_t start, uint32_t end, int* hops
) noexcept nogil:
    """Return whether the data in `[start, end)` has the form of its type: check_rdata of wire/rdata.py."""
    cdef uint32_t before, strings, names, length, position
    cdef int after
    if rtype == RR_A or rtype == RR_AAAA:
        return rclass != CLASS_IN or end - start == (4 if rtype == RR_A else 16)
    if rtype == RR_RRSIG or rtype == RR_NSEC:
        position = labels_end(message, size, start + (18 if rtype == RR_RRSIG else 0))
        if position == 0 or position >= end or message[position] != 0:
            return False
        return rtype == RR_RRSIG or are_bitmaps(message, position + 1, end)
    if rtype == RR_NSEC3:
        position = bitmaps_start(message, start, end)
        return position != 0 and are_bitmaps(message, position, end)
    if not has_layout(rtype, &before, &strings, &names, &after):
        return True
    position = start + before
    while strings:
        if position >= end:
            return False
        position += 1 + message[position]
        strings -= 1
    while names:
        position = read_name(message, size, position, hops, NULL, &length)
        if position == 0:
            return False
        names -= 1
    if after >= 0:
        return position + after == end
    if rtype == RR_SVCB or rtype == RR_HTTPS:
        return position <= end and are_parameters(message, position, end)
    return position <= end


cdef int name_number(Reading* reading, const uint8_t* name, uint32_t length) noexcept nogil:
    """Return the number of a folded name among those of the message; add it if it is new. -1: no room."""
    cdef int index
    for index in range(reading.name_count):
        if reading.name_size[index] == length and not memcmp(reading.names + reading.name_at[index], name, length):
            return index
    if reading.name_count == MOST_OWNERS or reading.names_size + length > OWNERS_ROOM:
        return -1
    index = reading.name_count
    memcpy(reading.names + reading.names_size, name, length)
    reading.name_at[index] = reading.names_size
    reading.name_size[index] = <uint8_t>length
    reading.names_size += length
    reading.name_count += 1
    return index


cdef int numbered(const uint8_t* message, uint32_t size, uint32_t offset, Reading* reading) noexcept nogil:
    """Return the number of the name at `offset` of a checked message; -1 if there is no room."""
    cdef uint8_t name[256]
    cdef uint32_t length
    cdef int hops = MAX_HOPS_PER_NAME
    if message[offset] == 0xC0 and message[offset + 1] == HEADER_BYTES:
        return 0
    if read_name(message, size, offset, &hops, name, &length) == 0:
        return -1
    return name_number(reading, name, length)


cdef bint is_message(const uint8_t* message, uint32_t size, uint32_t position, Reading* reading) noexcept nogil:
    """Return whether all records after the question, from `position` on, pass the check of wire/checker.py.

    Fill `reading`, which has its first name already, unless it is NULL. Return False also if it has no room. Reading
    stops after the last record that the header counts.
    """
    cdef uint32_t counts[3]
    cdef uint32_t index, length, rdata, start
    cdef int section, number = 0, hops = 512 + <int>(size // 4)
    cdef bint has_opt = False
    cdef uint16_t rtype
    for section in range(3):
        counts[section] = big16(message + 6 + 2 * section)
    if (counts[0] + counts[1] + counts[2]) * MIN_RECORD > size - position:
        return False
    for section in range(3):
        for index in range(counts[section]):
            start = position
            position = read_name(message, size, start, &hops, NULL, &length)
            if position == 0 or position + 10 > size:
                return False
            rtype = big16(message + position)
            rdata = position + 10
            position = rdata + big16(message + rdata - 2)
            if position > size:
                return False
            if not is_data(message, size, rtype, big16(message + rdata - 8), rdata, position, &hops):
                return False
            if rtype != TYPE_OPT:
                if reading != NULL and not add_record(reading, start, rdata, position, section):
                    return False
                continue
            if section != IN_ADDITIONAL or length != 1 or has_opt:
                return False
            # The options of another version than 0 are not read (RFC 6891 section 6.1.3).
            if message[rdata - 5] == 0 and not are_options(message + rdata, position - rdata, False):
                return False
            has_opt = True
            if reading != NULL:
                reading.has_opt = True
                if message[rdata - 5] == 0:
                    reading.options, reading.options_end = rdata, position
                reading.rcode |= <uint16_t>(message[rdata - 6] << 4)
    if reading != NULL:
        reading.size = position
    return True


cdef bint add_record(Reading* reading, uint32_t start, uint32_t rdata, uint32_t end, int section) noexcept nogil:
    """Add a checked record to `reading`. Return False if there is no room."""
    cdef const uint8_t* message = reading.message
    cdef Seen* record
    cdef int owner
    cdef uint32_t ttl
    if reading.record_count == MOST_RECORDS:
        return False
    owner = numbered(message, reading.size, start, reading)
    if owner < 0:
        return False
    ttl = big32(message + rdata - 6)
    record = &reading.records[reading.record_count]
    reading.record_count += 1
    record.start = start
    record.ttl_at = rdata - 6
    record.ttl = 0 if ttl >> 31 else least_of(ttl, LONGEST_TTL_S)
    record.rdata = rdata
    record.end = end
    record.rtype = big16(message + rdata - 10)
    record.rclass = big16(message + rdata - 8)
    record.owner = <uint8_t>owner
    record.section = <uint8_t>section
    record.kept = False
    return True


cdef bint has_target(uint16_t rtype) noexcept nogil:
    """Return whether the type is in TYPES_WITH_TARGET of wire/chain.py."""
    return rtype in (TYPE_CNAME, RR_DNAME, RR_SVCB, RR_HTTPS)


cdef int target_number(Reading* reading, const Seen* record) noexcept nogil:
    """Return the number of a record's target; -1 if there is no room."""
    cdef uint32_t before = 2 if record.rtype in (RR_SVCB, RR_HTTPS) else 0
    return numbered(reading.message, reading.size, record.rdata + before, reading)
