# The keepalive option (RFC 7828): server/reply_options.py in C.

from libc.string cimport memchr

cdef enum:
    KEEPALIVE_BYTES = 6     # code, length and a timeout


cdef bint asks_keepalive(const uint8_t* message, uint32_t size) noexcept nogil:
    """Return whether a message over TCP is a query that can be answered and has the option."""
    cdef Asked asked
    cdef Fault fault
    cdef uint32_t position, length
    cdef int hops = QUERY_HOPS
    if not has_keepalive_bytes(message, size):
        return False
    if not read_plain(message, size, &asked) and read_odd(message, size, True, &asked, &fault) != ODD_QUERY:
        return False
    if not asked.edns:
        return False
    # Records are well formed, and all are in the additional section. One of them is the OPT.
    position = HEADER_BYTES + asked.name_size + 4
    while position < size:
        position = read_name(message, size, position, &hops, NULL, &length)
        if big16(message + position) == TYPE_OPT:
            return has_keepalive(message + position + RECORD_FIXED, big16(message + position + 8))
        position += RECORD_FIXED + big16(message + position + 8)
    return False


cdef bint has_keepalive_bytes(const uint8_t* message, uint32_t size) noexcept nogil:
    """Return whether the option's bytes, as a query has them, are anywhere in the message."""
    cdef const uint8_t* at = message + HEADER_BYTES
    cdef const uint8_t* end = message + size
    while size >= HEADER_BYTES and end - at >= 4:
        at = <const uint8_t*>memchr(at, OPTION_KEEPALIVE, end - at)
        if at == NULL or end - at < 3:
            return False
        if (at - 1)[0] == 0 and at[1] == 0 and at[2] == 0:
            return True
        at += 1
    return False


cdef bint has_keepalive(const uint8_t* options, uint32_t size) noexcept nogil:
    """Return whether the option is one of the first MAX_OPTIONS. The options fill `size` bytes exactly."""
    cdef uint32_t position = 0, count = 0
    while position < size and count < MAX_OPTIONS:
        if big16(options + position) == OPTION_KEEPALIVE:
            return True
        position += 4 + big16(options + position + 2)
        count += 1
    return False


cdef uint32_t add_keepalive(uint8_t* reply, uint32_t size, uint32_t most, uint16_t timeout) noexcept nogil:
    """Add the option to a reply of ours, and return its size.

    Leave the reply as it is if it has no OPT, which is its last record, or would have more than `most` bytes.
    """
    cdef uint32_t position = HEADER_BYTES, left
    cdef uint32_t records = <uint32_t>big16(reply + 6) + big16(reply + 8) + big16(reply + 10)
    for left in range(big16(reply + 4)):
        position = after_name(reply, size, position) + 4
    for left in range(1, records):
        position = after_name(reply, size, position) + RECORD_FIXED
        if position > size:
            return size
        position += big16(reply + position - 2)
    if position + OPT_BYTES > size or reply[position] != 0 or big16(reply + position + 1) != TYPE_OPT:
        return size
    if size + KEEPALIVE_BYTES > most:
        return size
    write_16(reply + position + 9, big16(reply + position + 9) + KEEPALIVE_BYTES)
    write_16(reply + size, OPTION_KEEPALIVE)
    write_16(reply + size + 2, 2)
    write_16(reply + size + 4, timeout)
    return size + KEEPALIVE_BYTES


cdef uint32_t after_name(const uint8_t* message, uint32_t size, uint32_t position) noexcept nogil:
    """Return the offset after a name, which may end in a pointer; `size` if it has no end."""
    while position < size and message[position] != 0:
        if message[position] >= 0xC0:
            return position + 2
        position += message[position] + 1
    return position + 1 if position < size else size
