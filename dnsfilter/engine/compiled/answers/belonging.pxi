# Which records of authority and additional belong to a question: wire/belonging.py in C.


cdef bint keep_belonging(Reading* reading) noexcept nogil:
    """Mark the records of authority and additional that belong to the chain. Return False if there is no room."""
    cdef int index
    cdef Seen* record
    for index in range(reading.record_count):
        record = &reading.records[index]
        if record.section != IN_AUTHORITY or record.rclass != CLASS_IN:
            continue
        if record.rtype in (TYPE_SOA, RR_NS, RR_DS):
            record.kept = encloses(reading, record.owner)
        elif record.rtype == RR_RRSIG and not keep_denials(reading, record):
            return False
    if reading.record_count and reading.records[reading.record_count - 1].section == IN_ADDITIONAL:
        if not keep_addresses(reading):
            return False
    for index in range(reading.record_count):
        record = &reading.records[index]
        if record.rtype == RR_RRSIG and record.section != IN_ANSWER and record.rclass == CLASS_IN:
            record.kept = signs_kept(reading, record)
    return True


cdef bint encloses(Reading* reading, int zone) noexcept nogil:
    """Return whether a name of the chain is in the zone."""
    cdef int number
    for number in range(reading.name_count):
        if reading.on_chain[number] and is_below(reading, number, zone):
            return True
    return False


cdef bint keep_denials(Reading* reading, const Seen* signature) noexcept nogil:
    """Mark the denials of this signature if its zone encloses a name of the chain. Return False if there is no room."""
    cdef uint16_t covered = big16(reading.message + signature.rdata)
    cdef Seen* record
    cdef int index, signer
    if covered != RR_NSEC and covered != RR_NSEC3:
        return True
    signer = numbered(reading.message, reading.size, signature.rdata + SIGNER_AT, reading)
    if signer < 0:
        return False
    if not encloses(reading, signer) or not is_below(reading, signature.owner, signer):
        return True
    for index in range(reading.record_count):
        record = &reading.records[index]
        if (
            record.rtype == covered
            and record.section == IN_AUTHORITY
            and record.owner == signature.owner
            and record.rclass == CLASS_IN
        ):
            record.kept = True
    return True


cdef bint keep_addresses(Reading* reading) noexcept nogil:
    """Mark the additional addresses of names in the data of kept records. Return False if there is no room."""
    cdef uint8_t named[128]  # MOST_OWNERS
    cdef int index
    cdef Seen* record
    memset(named, 0, sizeof(named))
    for index in range(reading.record_count):
        record = &reading.records[index]
        if record.section == IN_ADDITIONAL:
            break
        if record.kept and not note_names(reading, record, named):
            return False
    for index in range(index, reading.record_count):
        record = &reading.records[index]
        record.kept = named[record.owner] and record.rclass == CLASS_IN and record.rtype in (RR_A, RR_AAAA)
    return True


cdef bint note_names(Reading* reading, const Seen* record, uint8_t* named) noexcept nogil:
    """Note the names in a record's data: names_in of wire/rdata.py. Return False if there is no room."""
    cdef uint32_t before, strings, names, length, position
    cdef int after, number, hops = MAX_HOPS_PER_NAME
    if not has_layout(record.rtype, &before, &strings, &names, &after):
        return True
    position = record.rdata + before
    while strings:
        position += 1 + reading.message[position]
        strings -= 1
    while names:
        number = numbered(reading.message, reading.size, position, reading)
        if number < 0:
            return False
        named[number] = True
        names -= 1
        if names:
            hops = MAX_HOPS_PER_NAME
            position = read_name(reading.message, reading.size, position, &hops, NULL, &length)
    return True


cdef bint signs_kept(Reading* reading, const Seen* signature) noexcept nogil:
    """Return whether a kept record has this signature."""
    cdef uint16_t covered = big16(reading.message + signature.rdata)
    cdef int index
    cdef const Seen* record
    for index in range(reading.record_count):
        record = &reading.records[index]
        if (
            record.kept
            and record.rtype == covered
            and record.owner == signature.owner
            and record.section == signature.section
        ):
            return True
    return False
