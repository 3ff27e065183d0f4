# The header of a trusted proxy: wire/proxy_header.py in C.

cdef extern from *:
    """
    static const uint8_t PROXY_SIGNATURE[12] = {13, 10, 13, 10, 0, 13, 10, 'Q', 'U', 'I', 'T', 10};
    static const uint8_t PROXY_MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    """
    const uint8_t PROXY_SIGNATURE[12]
    const uint8_t PROXY_MAPPED[12]

cdef enum:
    PROXY_START = 16
    PROXY_MOST_BYTES = 512
    PROXY_V2_LOCAL = 0x20
    PROXY_V2_PROXY = 0x21


cdef uint32_t proxy_header_bytes(const uint8_t* data, uint32_t size) noexcept nogil:
    """Return the size of the header with which `data` begins, or how much is needed to know it; 0 if it is not valid."""
    cdef uint32_t header
    if memcmp(data, PROXY_SIGNATURE, min(size, <uint32_t>12)) != 0:
        return 0
    if size < PROXY_START:
        return PROXY_START
    header = PROXY_START + (<uint32_t>data[14] << 8 | data[15])
    return header if data[12] & 0xF0 == PROXY_V2_LOCAL and header <= PROXY_MOST_BYTES else 0


cdef uint32_t read_proxy_header(
    const uint8_t* data, uint32_t size, const uint8_t** client, int* client_size
) noexcept nogil:
    """Return the size of the header, or 0 if it is not valid. Set the client; its size is 0 if the proxy asks."""
    cdef uint32_t header
    cdef int address
    client_size[0] = 0
    if size < PROXY_START or memcmp(data, PROXY_SIGNATURE, 12) != 0:
        return 0
    header = PROXY_START + (<uint32_t>data[14] << 8 | data[15])
    if header > size or header > PROXY_MOST_BYTES:
        return 0
    if data[12] == PROXY_V2_LOCAL:
        return header
    if data[12] != PROXY_V2_PROXY:
        return 0
    if data[13] == 0x11 or data[13] == 0x12:
        address = V4_BYTES
    elif data[13] == 0x21 or data[13] == 0x22:
        address = V6_BYTES
    else:
        return 0
    if header < <uint32_t>(PROXY_START + 2 * address + 4):
        return 0
    client[0], client_size[0] = data + PROXY_START, address
    if address == V6_BYTES and memcmp(client[0], PROXY_MAPPED, 12) == 0:
        client[0], client_size[0] = client[0] + 12, V4_BYTES
    return header
