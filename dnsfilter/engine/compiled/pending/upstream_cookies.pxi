# Cookies in questions to upstreams, exactly as engine/slow_path/upstream_cookies.py.

cdef enum:
    MOST_COOKIE = 44            # bytes of a COOKIE option

cdef struct Arrived:
    Flight* flight
    int server
    const uint8_t* message
    uint32_t size
    bint varied                 # JUDGE: the slow path must check that the answer repeats `letters`
    uint64_t letters
    const uint8_t* cookie       # the client cookie that was sent; NULL: none


cdef uint32_t add_cookie(Health health, const Pooled* held, uint8_t* end) noexcept nogil:
    """Write a cookie behind a query whose OPT is last, and the size of its options. Return that size."""
    cdef uint32_t size = health.write_cookie(held.server, held.cookie, end + 4)
    end[-2], end[-1] = 0, <uint8_t>(size + 4)
    end[0], end[1], end[2], end[3] = 0, OPTION_COOKIE, 0, <uint8_t>size
    return size + 4


cdef bint takes_cookie(Health health, const Arrived* arrived, const Ordinary* read, int64_t now_ms) noexcept nogil:
    """Return whether an ordinary answer may be used by its cookie, which is then remembered."""
    cdef uint32_t size = 0
    cdef const uint8_t* found
    if arrived.cookie == NULL:
        return True
    found = find_cookie(arrived.message, read.options, read.options_end, &size)
    if found == NULL:
        return not health.expects_cookie_at(arrived.server, now_ms)
    if not is_cookie(size) or memcmp(found, arrived.cookie, CLIENT_COOKIE):
        return False
    if size > CLIENT_COOKIE:
        health.has_cookie_at(arrived.server, found, size, now_ms)
    return True


cdef const uint8_t* find_cookie(const uint8_t* message, uint32_t position, uint32_t end, uint32_t* size) noexcept nogil:
    """Return the data of the first COOKIE option among MAX_OPTIONS, which fill the interval exactly; NULL: none."""
    cdef uint32_t count = 0
    while position and position < end and count < MAX_OPTIONS:
        size[0] = big16(message + position + 2)
        if big16(message + position) == OPTION_COOKIE:
            return message + position + 4
        position += 4 + size[0]
        count += 1
    return NULL
