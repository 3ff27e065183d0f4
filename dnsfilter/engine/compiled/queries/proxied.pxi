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
    PROXY_AUTHORITY = 0x02

cdef struct ProxyHeader:
    const uint8_t* client
    int client_size             # 0: the proxy asks for itself
    const uint8_t* name         # by which the client has come to the proxy
    uint32_t name_size          # 0: none is given


cdef uint32_t proxy_header_bytes(const uint8_t* data, uint32_t size) noexcept nogil:
    """Return the size of the header with which `data` begins, or how much is needed to know it; 0 if it is not valid."""
    cdef uint32_t header
    if memcmp(data, PROXY_SIGNATURE, min(size, <uint32_t>12)) != 0:
        return 0
    if size < PROXY_START:
        return PROXY_START
    header = PROXY_START + (<uint32_t>data[14] << 8 | data[15])
    return header if data[12] & 0xF0 == PROXY_V2_LOCAL and header <= PROXY_MOST_BYTES else 0


cdef uint32_t read_proxy_header(const uint8_t* data, uint32_t size, ProxyHeader* found) noexcept nogil:
    """Return the size of the header, or 0 if it is not valid. Set what it says."""
    cdef uint32_t header
    cdef int address
    memset(found, 0, sizeof(ProxyHeader))
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
    found.client, found.client_size = data + PROXY_START, address
    if address == V6_BYTES and memcmp(found.client, PROXY_MAPPED, 12) == 0:
        found.client, found.client_size = found.client + 12, V4_BYTES
    find_authority(data + PROXY_START + 2 * address + 4, data + header, found)
    return header


cdef void find_authority(const uint8_t* value, const uint8_t* end, ProxyHeader* found) noexcept nogil:
    """Set the first server name in the additional values that is not empty. Ignore an incomplete value."""
    cdef uint32_t length
    while end - value >= 3:
        length = <uint32_t>value[1] << 8 | value[2]
        if <uint32_t>(end - value - 3) < length:
            return
        if value[0] == PROXY_AUTHORITY and length:
            found.name, found.name_size = value + 3, length
            return
        value += 3 + length


cdef bytes named_client(object client_of, const uint8_t* name, uint32_t size, bytes peer):
    """Return the client of a server name, as `ClientNames.client_of` does."""
    client = client_of((<bytes>(<const char*>name)[:size]).lower().decode("latin-1"), peer)
    return client if client is None or len(client) <= V6_BYTES else None
