# The chain of aliases in an answer: wire/chain.py in C, for complete chains.


cdef inline bint is_at(const Seen* record, int owner) noexcept nogil:
    """Return whether a record is in the answer section and has this owner."""
    return record.owner == owner and record.section == IN_ANSWER and record.rclass == CLASS_IN


cdef bint add_name(Reading* reading, int number, uint8_t* noted, Ordinary* out) noexcept nogil:
    """Append a name to `out`, unless it is `noted`. Return False if there is no room."""
    cdef uint32_t size = reading.name_size[number]
    if noted[number]:
        return True
    if out.names_size + size > sizeof(out.names):
        return False
    memcpy(out.names + out.names_size, reading.names + reading.name_at[number], size)
    out.names_size += size
    noted[number] = True
    return True


cdef bint keep_record(Reading* reading, Seen* record, uint8_t* noted, Ordinary* out) noexcept nogil:
    """Keep a record of the chain, and its target. Return False if there is no room."""
    cdef int number
    record.kept = True
    if not has_target(record.rtype):
        return True
    number = target_number(reading, record)
    if number < 0:
        return False
    # The question is not its own target, and a root target means the owner (RFC 9460 section 2.5).
    if number == 0 or reading.name_size[number] == 1 or noted[number]:
        return True
    out.target_count += 1
    return out.target_count <= MOST_TARGETS and add_name(reading, number, noted, out)


cdef void keep_signatures(Reading* reading, int owner, uint16_t covered) noexcept nogil:
    cdef int index
    cdef Seen* record
    for index in range(reading.record_count):
        record = &reading.records[index]
        if record.rtype == RR_RRSIG and is_at(record, owner) and big16(reading.message + record.rdata) == covered:
            record.kept = True


cdef bint walk_chain(Reading* reading, uint16_t qtype, Ordinary* out, bint* found) noexcept nogil:
    """Keep the chain from the question on, as wire/chain.py. Return False unless it is complete, finite and in order.

    `found` says whether it leads to data of the asked type. Return False for DNAMEs, which the slow path handles.
    """
    cdef uint8_t noted[128]  # MOST_OWNERS
    cdef int owner = 0, following, index = 0, step, alias = -1, first
    cdef Seen* record
    memset(noted, 0, sizeof(noted))
    memset(reading.on_chain, 0, sizeof(reading.on_chain))
    if has_dname(reading):
        return False
    for step in range(MAX_STEPS + 1):
        reading.on_chain[owner] = True
        found[0] = False
        first = -1
        for index in range(reading.record_count):
            record = &reading.records[index]
            if not is_at(record, owner):
                continue
            if record.rtype == qtype:
                # Some stub resolvers read the answer once: an alias must come before its target.
                if index < alias and qtype != RR_RRSIG:
                    return False
                found[0] = True
                if not keep_record(reading, record, noted, out):
                    return False
            elif record.rtype == TYPE_CNAME and first < 0:
                first = index
        if found[0]:
            if qtype != RR_RRSIG:
                keep_signatures(reading, owner, qtype)
            return True
        if first < 0:
            return step == 0 or is_denied(reading, owner)
        record = &reading.records[first]
        if first < alias or not keep_record(reading, record, noted, out):
            return False
        keep_signatures(reading, owner, TYPE_CNAME)
        following = target_number(reading, record)
        if following < 0 or reading.on_chain[following]:
            return False
        alias = first
        owner = following
    return False


cdef bint has_dname(Reading* reading) noexcept nogil:
    cdef int index
    cdef const Seen* record
    for index in range(reading.record_count):
        record = &reading.records[index]
        if record.rtype == RR_DNAME and is_at(record, record.owner):
            return True
    return False


cdef bint is_denied(Reading* reading, int owner) noexcept nogil:
    """Return whether the message denies data for the name at the end of its aliases."""
    cdef int index
    cdef const Seen* record
    if reading.rcode != RCODE_NOERROR:
        return True
    for index in range(reading.record_count):
        record = &reading.records[index]
        if record.section == IN_AUTHORITY and record.rtype == TYPE_SOA and is_below(reading, owner, record.owner):
            return True
    return False


cdef bint is_below(Reading* reading, int number, int zone) noexcept nogil:
    """Return whether a name is the zone's name or below it."""
    cdef const uint8_t* name = reading.names + reading.name_at[number]
    cdef uint32_t size = reading.name_size[number], zone_size = reading.name_size[zone], position = 0
    if zone_size > size or memcmp(name + size - zone_size, reading.names + reading.name_at[zone], zone_size):
        return False
    while position < size - zone_size:
        position += name[position] + 1
    return position == size - zone_size
