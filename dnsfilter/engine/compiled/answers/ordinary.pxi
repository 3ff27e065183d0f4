# Ordinary answers: messages that can be cached as received, without their last records. The result equals that of
# wire/answer.py and cache/answer_cache.py, which handle all other answers.


cdef bint is_kept(const Seen* record, uint16_t qtype, bint do_bit) noexcept nogil:
    """Return whether `prune_answer` of wire/answer.py keeps a record."""
    if not do_bit and record.rtype in (RR_RRSIG, RR_NSEC, RR_NSEC3) and record.rtype != qtype:
        return False
    return record.kept and (record.section != IN_ADDITIONAL or qtype not in (RR_SVCB, RR_HTTPS))


cdef inline uint32_t least_of(uint32_t one, uint32_t other) noexcept nogil:
    return one if one < other else other


cdef uint32_t denial_s(Reading* reading, const Seen* soa, uint32_t ttl) noexcept nogil:
    """Return how long a denial with this SOA is valid, in seconds: _denial_ttl of wire/answer.py."""
    cdef uint32_t minimum = big32(reading.message + soa.end - 4)
    return least_of(least_of(ttl, LONGEST_DENIAL_S), 0 if minimum >> 31 else minimum)


cdef inline bint is_of_set(const Seen* record, const Seen* other, uint16_t rtype) noexcept nogil:
    """Return whether a record has this type, and owner, class and section of the other one."""
    return (
        record.owner == other.owner
        and record.rtype == rtype
        and record.section == other.section
        and record.rclass == other.rclass
    )


cdef uint32_t least_ttl(Reading* reading, const Seen* record, bint denial) noexcept nogil:
    """Return the TTL to give to a record: _with_equal_ttls of wire/answer.py."""
    cdef uint16_t rtype = big16(reading.message + record.rdata) if record.rtype == RR_RRSIG else record.rtype
    cdef bint is_bound = denial and rtype == TYPE_SOA and record.section == IN_AUTHORITY
    cdef uint32_t ttl = record.ttl
    cdef const Seen* other
    cdef int index
    if rtype == RR_RRSIG:
        return ttl
    for index in range(reading.record_count):
        other = &reading.records[index]
        if is_of_set(other, record, rtype):
            ttl = least_of(ttl, denial_s(reading, other, other.ttl) if is_bound else other.ttl)
    return ttl


cdef bint fill_ordinary(Reading* reading, uint16_t qtype, bint do_bit, bint denial, Ordinary* out) noexcept nogil:
    """Write the kept records and the lifetime of a walked answer to `out`. Return False unless they come first."""
    cdef uint8_t noted[128]  # MOST_OWNERS
    cdef int index
    cdef const Seen* record
    cdef Held* held
    memset(noted, 0, sizeof(noted))
    out.size = reading.question_end
    for index in range(reading.record_count):
        record = &reading.records[index]
        if not is_kept(record, qtype, do_bit):
            continue
        if out.record_count != index:
            return False
        held = &out.records[index]
        held.end = out.size = record.end
        held.ttl_at = record.ttl_at
        if index and record.rtype != RR_RRSIG and is_of_set(record - 1, record, record.rtype):
            held.ttl = out.records[index - 1].ttl
        else:
            held.ttl = least_ttl(reading, record, denial)
        held.section = record.section
        out.counts[record.section] += 1
        out.record_count += 1
        if not out.has_private:
            out.has_private = has_private_address(reading, record)
        if record.section == IN_ADDITIONAL and not add_additional_name(reading, record, noted, out):
            return False
    # An OPT between the additional records would have to be cut out.
    if out.counts[IN_ADDITIONAL]:
        if out.record_count < reading.record_count or (reading.has_opt and out.size == reading.size):
            return False
    out.lifetime_s = life_s(reading, out, denial or reading.rcode != RCODE_NOERROR)
    return True


cdef uint32_t life_s(Reading* reading, const Ordinary* found, bint denial) noexcept nogil:
    """Return how long an answer may be cached, in seconds: lifetime_s of cache/answer_cache.py."""
    cdef uint32_t life = LONGEST_S
    cdef bint has_soa = False
    cdef int index
    cdef const Seen* record
    for index in range(found.record_count):
        record = &reading.records[index]
        if record.section == IN_ADDITIONAL:
            break
        life = least_of(life, found.records[index].ttl)
        if denial and record.section == IN_AUTHORITY and record.rtype == TYPE_SOA:
            has_soa = True
            life = least_of(life, denial_s(reading, record, life))
    return 0 if denial and not has_soa else life


cdef bint add_additional_name(Reading* reading, const Seen* record, uint8_t* noted, Ordinary* out) noexcept nogil:
    """Append the owner of an additional record to `out`, once. Return False if there is no room."""
    if noted[record.owner]:
        return True
    out.additional_count += 1
    return out.additional_count <= MOST_ADDITIONAL_NAMES and add_name(reading, record.owner, noted, out)


cdef int read_ordinary(
    const uint8_t* message,
    uint32_t size,
    uint16_t id,
    const uint8_t* name,
    uint16_t name_size,
    uint16_t qtype,
    bint do_bit,
    Ordinary* out,
) noexcept nogil:
    """Read a datagram as the answer to the question of this id, folded name and type, in class IN.

    Return 1 if `out` is what the reference would cache, -1 if the reference would count a mismatch, which the caller
    must count, and 0 if neither is certain; `out` is then undefined.
    """
    cdef Reading reading
    cdef uint32_t end
    cdef uint16_t flags
    cdef bint found
    if size < 2 or big16(message) != id:
        return -1
    if size < HEADER_BYTES:
        return 0
    flags = big16(message + 2)
    if (flags & (BIT_QR | BITS_OPCODE)) != BIT_QR or big16(message + 4) != 1:
        return 0
    end = labels_end(message, size, HEADER_BYTES)
    if end == 0 or message[end] != 0 or end + 5 > size:
        return 0
    reading.names_size = end + 1 - HEADER_BYTES
    fold(reading.names, message + HEADER_BYTES, reading.names_size)
    end += 5
    if (
        reading.names_size != name_size
        or memcmp(reading.names, name, name_size)
        or big16(message + end - 4) != qtype
        or big16(message + end - 2) != CLASS_IN
    ):
        # A message with TC is a mismatch in any case; any other only if its remaining records are valid.
        return -1 if flags & BIT_TC or is_message(message, size, end, NULL) else 0
    if flags & BIT_TC or size > OUR_PAYLOAD or not is_plain_type(qtype):
        return 0
    reading.message = message
    reading.size = size
    reading.question_end = end
    reading.rcode = flags & 15
    reading.has_opt = False
    reading.options = 0
    reading.record_count = 0
    reading.name_count = 1
    reading.name_at[0] = 0
    reading.name_size[0] = <uint8_t>name_size
    if not is_message(message, size, end, &reading):
        return 0
    if reading.rcode != RCODE_NOERROR and reading.rcode != RCODE_NXDOMAIN:
        return 0
    # The server does not recurse: is_unresolved of upstream/recursion.py. A referral has no SOA, and is not cached.
    if reading.rcode == RCODE_NOERROR and not flags & (BIT_AA | BIT_RA):
        return 0
    out.rcode = reading.rcode
    out.ad = (flags & BIT_AD) != 0
    out.has_opt = reading.has_opt
    out.options, out.options_end = reading.options, reading.options_end
    out.has_private = False
    out.record_count = out.target_count = out.additional_count = 0
    out.names_size = 0
    out.counts[0] = out.counts[1] = out.counts[2] = 0
    if not walk_chain(&reading, qtype, out, &found) or not keep_belonging(&reading):
        return 0
    return fill_ordinary(&reading, qtype, do_bit, not found, out)
