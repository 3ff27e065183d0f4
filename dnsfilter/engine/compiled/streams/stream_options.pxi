# Options that concern the connection (RFC 7828, 7830): server/reply_options.py in C.

from libc.string cimport memchr

cdef enum:
    ASKS_KEEPALIVE = 1
    ASKS_PADDING = 2
    OPTION_HEAD = 4         # code and length


cdef int asked_options(const uint8_t* message, uint32_t size, bint encrypted) noexcept nogil:
    """Return what a message over a stream asks for, if it is a query that can be answered. 0: nothing."""
    cdef Asked asked
    cdef Fault fault
    cdef uint32_t position, length
    cdef int hops = QUERY_HOPS, found
    cdef bint may_pad = encrypted and has_code(message, size, OPTION_PADDING, False)
    if not may_pad and not has_code(message, size, OPTION_KEEPALIVE, True):
        return 0
    if not read_plain(message, size, &asked) and read_odd(message, size, True, &asked, &fault) != ODD_QUERY:
        return 0
    if not asked.edns:
        return 0
    # Records are well formed, and all are in the additional section. One of them is the OPT.
    position = HEADER_BYTES + asked.name_size + 4
    while position < size:
        position = read_name(message, size, position, &hops, NULL, &length)
        if big16(message + position) == TYPE_OPT:
            found = options_of(message + position + RECORD_FIXED, big16(message + position + 8))
            return found if may_pad else found & ASKS_KEEPALIVE
        position += RECORD_FIXED + big16(message + position + 8)
    return 0


cdef bint has_code(const uint8_t* message, uint32_t size, int code, bint is_empty) noexcept nogil:
    """Return whether the bytes of an option's code, and of its length if that is 0, are anywhere in the message."""
    cdef const uint8_t* at = message + HEADER_BYTES
    cdef const uint8_t* end = message + size
    while size >= HEADER_BYTES and end - at >= OPTION_HEAD - 1:
        at = <const uint8_t*>memchr(at, code, end - at)
        if at == NULL or end - at < OPTION_HEAD - 1:
            return False
        if (at - 1)[0] == 0 and (not is_empty or (at[1] == 0 and at[2] == 0)):
            return True
        at += 1
    return False


cdef int options_of(const uint8_t* options, uint32_t size) noexcept nogil:
    """Return which options are among the first MAX_OPTIONS. The options fill `size` bytes exactly."""
    cdef uint32_t position = 0, count = 0
    cdef int code, found = 0
    while position < size and count < MAX_OPTIONS:
        code = big16(options + position)
        if code == OPTION_KEEPALIVE:
            found |= ASKS_KEEPALIVE
        elif code == OPTION_PADDING:
            found |= ASKS_PADDING
        position += OPTION_HEAD + big16(options + position + 2)
        count += 1
    return found


cdef uint32_t add_options(uint8_t* reply, uint32_t size, uint32_t most, int asked, uint16_t timeout) noexcept nogil:
    """Add the options to a reply of ours, and return its size.

    Leave out those that make it larger than `most` bytes, and all if it has no OPT, which is its last record.
    """
    cdef uint32_t opt = own_opt(reply, size), padded
    cdef uint8_t data[2]
    if not opt:
        return size
    if asked & ASKS_KEEPALIVE and size + OPTION_HEAD + 2 <= most:
        write_16(data, timeout)
        size = add_option(reply, size, opt, OPTION_KEEPALIVE, data, 2)
    if asked & ASKS_PADDING and size + OPTION_HEAD <= most:
        padded = size + OPTION_HEAD
        padded = min((padded + PADDING_BLOCK - 1) // PADDING_BLOCK * PADDING_BLOCK, most) - padded
        size = add_option(reply, size, opt, OPTION_PADDING, NULL, padded)
    return size


cdef uint32_t add_option(
    uint8_t* reply, uint32_t size, uint32_t opt, int code, const uint8_t* data, uint32_t length
) noexcept nogil:
    """Add an option behind a reply whose last record is the OPT at `opt`. Without `data` it holds zeros."""
    write_16(reply + opt + 9, big16(reply + opt + 9) + OPTION_HEAD + length)
    write_16(reply + size, code)
    write_16(reply + size + 2, length)
    if data == NULL:
        memset(reply + size + OPTION_HEAD, 0, length)
    else:
        memcpy(reply + size + OPTION_HEAD, data, length)
    return size + OPTION_HEAD + length


cdef uint32_t own_opt(const uint8_t* reply, uint32_t size) noexcept nogil:
    """Return the offset of a reply's OPT, which is its last record; 0 if it has none."""
    cdef uint32_t position = HEADER_BYTES, left
    cdef uint32_t records = <uint32_t>big16(reply + 6) + big16(reply + 8) + big16(reply + 10)
    for left in range(big16(reply + 4)):
        position = after_name(reply, size, position) + 4
    for left in range(1, records):
        position = after_name(reply, size, position) + RECORD_FIXED
        if position > size:
            return 0
        position += big16(reply + position - 2)
    if position + OPT_BYTES > size or reply[position] != 0 or big16(reply + position + 1) != TYPE_OPT:
        return 0
    return position


cdef uint32_t after_name(const uint8_t* message, uint32_t size, uint32_t position) noexcept nogil:
    """Return the offset after a name, which may end in a pointer; `size` if it has no end."""
    while position < size and message[position] != 0:
        if message[position] >= 0xC0:
            return position + 2
        position += message[position] + 1
    return position + 1 if position < size else size
