# Queries of trusted forwarders, which name their clients: engine/slow_path/named_clients.py in C.
# The slow path answers them, because their replies have an option of their own.

cdef enum:
    FAMILY_V4 = 1
    MAPPED_BYTES = 12


cdef void name_client(Asked* asked, Table table, const uint8_t** client, int* client_size) noexcept nogil:
    """Set the client that the well-formed subnet of a forwarder's query names, as `named_client`."""
    cdef const uint8_t* data = asked.message + asked.subnet
    cdef int bits = data[2], size = V4_BYTES if big16(data) == FAMILY_V4 else V6_BYTES, start = 0, bit
    cdef uint8_t[16] last
    asked.is_named = True
    if not bits:
        return
    memset(asked.named, 0, sizeof(asked.named))
    memcpy(asked.named, data + ECS_FIXED, (bits + 7) // 8)
    memcpy(last, asked.named, sizeof(asked.named))
    for bit in range(bits, 8 * size):
        last[bit >> 3] |= <uint8_t>(0x80 >> (bit & 7))
    if size == V6_BYTES and bits >= 8 * MAPPED_BYTES and memcmp(asked.named, PROXY_MAPPED, MAPPED_BYTES) == 0:
        start = MAPPED_BYTES
    if size - start == V6_BYTES and memcmp(asked.named, OF_FLEETS, sizeof(OF_FLEETS)) == 0:
        return
    if bits == 8 * size or table.is_one_range(asked.named + start, last + start, size - start):
        client[0], client_size[0] = asked.named + start, size - start
