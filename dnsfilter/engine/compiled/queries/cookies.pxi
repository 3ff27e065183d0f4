# Server cookies: engine/server_cookies.py and engine/interoperable_cookie.py in C.

from dnsfilter.engine.server_cookies import SECRET_BYTES

cdef enum:
    COOKIE_BYTES = 28       # the option in a reply: code, length, client cookie, server cookie
    COOKIE_VERSION = 1
    SIGNED_BYTES = 32       # client cookie, start of the server cookie, and an address of 16 bytes
    SIGNED_ADDRESS = 16     # offset of the address


cdef inline uint32_t cookie_bytes(const Asked* asked) noexcept nogil:
    """Return the size of the COOKIE option in replies to a query."""
    return COOKIE_BYTES if asked.cookie else 0


cdef inline void write_cookie(const Asked* asked, uint8_t* out) noexcept nogil:
    """Write the COOKIE option of a reply."""
    write_16(out, OPTION_COOKIE)
    write_16(out + 2, CLIENT_COOKIE + SERVER_COOKIE)
    memcpy(out + 4, asked.message + asked.cookie, CLIENT_COOKIE)
    memcpy(out + 4 + CLIENT_COOKIE, asked.server_cookie, SERVER_COOKIE)


@cython.final
cdef class CookieMaker:
    """`ServerCookies` in C."""

    cdef uint64_t[4] secret
    cdef int64_t period         # of `key`; -1: none yet
    cdef uint64_t[2] key

    def __init__(self, bytes secret not None):
        if len(secret) != SECRET_BYTES or SECRET_BYTES != sizeof(self.secret):
            raise ValueError(f"secret of server cookies: {len(secret)} bytes, not {sizeof(self.secret)}")
        memcpy(self.secret, <const char*>secret, sizeof(self.secret))
        self.period = -1

    cdef inline void answer(
        self, Asked* asked, const uint8_t* client, int client_size, int transport, int64_t at
    ) noexcept nogil:
        """Set what replies to a query need, if it has a cookie."""
        asked.is_proven = False
        if not asked.cookie:
            return
        if transport == OVER_DOH:
            asked.cookie = 0
            return
        self.make(asked, client, client_size, at)

    cdef void make(self, Asked* asked, const uint8_t* client, int client_size, int64_t at) noexcept nogil:
        """Check the server cookie, and set the one for the reply."""
        cdef uint8_t[32] signed
        cdef const uint8_t* sent = asked.message + asked.cookie + CLIENT_COOKIE
        cdef uint64_t found
        cdef int64_t age
        memcpy(signed, asked.message + asked.cookie, CLIENT_COOKIE)
        memcpy(signed + SIGNED_ADDRESS, client, client_size)
        if asked.cookie_size == CLIENT_COOKIE + SERVER_COOKIE and sent[0] == COOKIE_VERSION:
            age = <int32_t>(<uint32_t>at - big32(sent + 4))
            if -MAX_AHEAD_S <= age <= MAX_AGE_S:
                memcpy(signed + CLIENT_COOKIE, sent, 8)
                found = self.hash(at - age, signed, SIGNED_ADDRESS + client_size)
                asked.is_proven = memcmp(&found, sent + 8, 8) == 0
                if asked.is_proven and age < RENEW_AFTER_S:
                    memcpy(asked.server_cookie, sent, SERVER_COOKIE)
                    return
        write_32(asked.server_cookie, COOKIE_VERSION << 24)
        write_32(asked.server_cookie + 4, <uint32_t>at)
        memcpy(signed + CLIENT_COOKIE, asked.server_cookie, 8)
        found = self.hash(at, signed, SIGNED_ADDRESS + client_size)
        memcpy(asked.server_cookie + 8, &found, 8)

    cdef uint64_t hash(self, int64_t at, const uint8_t* data, uint32_t size) noexcept nogil:
        """Return the hash of `data` with the key of the period that holds an instant."""
        cdef int64_t period = max(at, <int64_t>0) // PERIOD_S
        if period != self.period:
            self.key[0] = sip_hash_24(self.secret, <const uint8_t*>&period, 8)
            self.key[1] = sip_hash_24(self.secret + 2, <const uint8_t*>&period, 8)
            self.period = period
        return sip_hash_24(self.key, data, size)
