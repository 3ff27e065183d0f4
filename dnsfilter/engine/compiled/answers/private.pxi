# Private addresses in a checked message: wire/private_addresses.py in C.

cdef enum:
    HINT_V4 = 4             # keys of service parameters
    HINT_V6 = 6


cdef bint is_private_v4(uint32_t address) noexcept nogil:
    """Return whether the address is in one of _NETWORKS_V4."""
    cdef uint32_t first = address >> 24, two = address >> 16
    return (
        first == 0 or first == 10 or first == 127 or address >> 22 == 0x6440 >> 6 or two == 0xA9FE
        or address >> 20 == 0xAC1 or two == 0xC0A8
    )


cdef bint is_private_v6(const uint8_t* address) noexcept nogil:
    """Return whether the address is in one of _NETWORKS_V6, or ends in a private IPv4 address."""
    cdef uint32_t first = big32(address), second = big32(address + 4), third = big32(address + 8)
    if second == 0 and ((first == 0 and (third == 0 or third == 0xFFFF)) or (first == 0x0064FF9B and third == 0)):
        return is_private_v4(big32(address + 12))
    return first >> 25 == 0xFC >> 1 or first >> 23 == 0xFE80 >> 7


cdef bint is_private_data(const uint8_t* address, int size) noexcept nogil:
    return is_private_v4(big32(address)) if size == 4 else is_private_v6(address)


cdef bint has_private_address(Reading* reading, const Seen* record) noexcept nogil:
    """Return whether a record of class IN is or hints at a private address. Its data passed the check."""
    cdef const uint8_t* message = reading.message
    cdef uint32_t position, at, length
    cdef int key, size, hops = MAX_HOPS_PER_NAME
    if record.rclass != CLASS_IN:
        return False
    if record.rtype == RR_A or record.rtype == RR_AAAA:
        return is_private_data(message + record.rdata, 4 if record.rtype == RR_A else 16)
    if record.rtype != RR_SVCB and record.rtype != RR_HTTPS:
        return False
    position = read_name(message, reading.size, record.rdata + 2, &hops, NULL, &length)
    while position and position + 4 <= record.end:
        key, at = big16(message + position), position + 4
        position = at + big16(message + position + 2)
        size = 4 if key == HINT_V4 else 16 if key == HINT_V6 else 0
        while size and at + size <= position <= record.end:
            if is_private_data(message + at, size):
                return True
            at += size
    return False
