# SipHash (Aumasson and Bernstein 2012): 1-3, with the rounds that hash tables use, and 2-4 for cookies. Without the
# key, nobody can choose names that share a bucket.

cdef struct Sip:
    uint64_t a
    uint64_t b
    uint64_t c
    uint64_t d


cdef inline uint64_t rotated(uint64_t word, int bits) noexcept nogil:
    return (word << bits) | (word >> (64 - bits))


cdef inline void sip_round(Sip* sip) noexcept nogil:
    sip.a += sip.b
    sip.c += sip.d
    sip.b = rotated(sip.b, 13) ^ sip.a
    sip.d = rotated(sip.d, 16) ^ sip.c
    sip.a = rotated(sip.a, 32) + sip.d
    sip.c += sip.b
    sip.b = rotated(sip.b, 17) ^ sip.c
    sip.d = rotated(sip.d, 21) ^ sip.a
    sip.c = rotated(sip.c, 32)


cdef inline void sip_begin(Sip* sip, const uint64_t* secret) noexcept nogil:
    sip.a = secret[0] ^ 0x736F6D6570736575U
    sip.b = secret[1] ^ 0x646F72616E646F6DU
    sip.c = secret[0] ^ 0x6C7967656E657261U
    sip.d = secret[1] ^ 0x7465646279746573U


cdef inline void sip_absorb(Sip* sip, uint64_t word) noexcept nogil:
    sip.d ^= word
    sip_round(sip)
    sip.a ^= word


cdef uint64_t sip_hash(const uint64_t* secret, uint64_t first, const uint8_t* data, uint32_t size) noexcept nogil:
    """Return the keyed hash of `first`, as eight bytes in native order, followed by `size` bytes of `data`."""
    cdef Sip sip
    cdef uint64_t word
    cdef uint32_t at = 0
    sip_begin(&sip, secret)
    sip_absorb(&sip, first)
    while size - at >= 8:
        memcpy(&word, data + at, 8)
        sip_absorb(&sip, word)
        at += 8
    word = 0
    memcpy(&word, data + at, size - at)
    sip_absorb(&sip, word ^ (<uint64_t>(size + 8) << 56))
    sip.c ^= 0xFF
    sip_round(&sip)
    sip_round(&sip)
    sip_round(&sip)
    return sip.a ^ sip.b ^ sip.c ^ sip.d


cdef uint64_t sip_hash_24(const uint64_t* secret, const uint8_t* data, uint32_t size) noexcept nogil:
    """Return SipHash-2-4 of `data`, on a little-endian machine: `sip_hash` of engine/interoperable_cookie.py."""
    cdef Sip sip
    cdef uint64_t word
    cdef uint32_t at = 0
    sip_begin(&sip, secret)
    while size - at >= 8:
        memcpy(&word, data + at, 8)
        sip_absorb_twice(&sip, word)
        at += 8
    word = 0
    memcpy(&word, data + at, size - at)
    sip_absorb_twice(&sip, word ^ (<uint64_t>size << 56))
    sip.c ^= 0xFF
    sip_round(&sip)
    sip_round(&sip)
    sip_round(&sip)
    sip_round(&sip)
    return sip.a ^ sip.b ^ sip.c ^ sip.d


cdef inline void sip_absorb_twice(Sip* sip, uint64_t word) noexcept nogil:
    sip.d ^= word
    sip_round(sip)
    sip_round(sip)
    sip.a ^= word
