# Limits on waiting queries, per client and in all, as in engine/reference/room.py. `client_block` defines a client.
#
#   enter(address, size)   count one more waiting query of that client; NULL if there is no room
#   find, add              the same in two steps, without limits
#   leave(client)          count one less; the last call frees `client`

from os import urandom

cdef enum:
    CLIENT_BUCKETS = 16384
    CLIENT_BYTES = 8           # an IPv4 address has fewer; an IPv6 address counts as its /64

cdef struct Client:
    Client* next
    uint64_t hash
    uint32_t count
    uint32_t size
    uint8_t address[8]


cdef int draw_secret(uint64_t* secret) except -1:
    """Draw a key of two words for `sip_hash`."""
    cdef bytes drawn = urandom(16)
    memcpy(secret, <const uint8_t*>drawn, 16)
    return 0


@cython.final
cdef class Room:
    """The number of waiting queries of each client and in all."""

    cdef Client** buckets
    cdef uint64_t secret[2]
    cdef uint32_t most
    cdef uint32_t most_per_client
    cdef uint32_t waiting

    def __cinit__(self, uint32_t most, uint32_t most_per_client):
        self.most, self.most_per_client = most, most_per_client
        draw_secret(self.secret)
        self.buckets = <Client**>calloc(CLIENT_BUCKETS, sizeof(Client*))
        if self.buckets == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef Client* next
        cdef int i
        if self.buckets == NULL:
            return
        for i in range(CLIENT_BUCKETS):
            while self.buckets[i] != NULL:
                next = self.buckets[i].next
                free(self.buckets[i])
                self.buckets[i] = next
        free(self.buckets)

    cdef Client* find(self, const uint8_t* address, uint32_t size, uint64_t* hash) noexcept nogil:
        cdef Client* client
        address, size = half_of_client(address, <int>size), min(size, <uint32_t>CLIENT_BYTES)
        hash[0] = sip_hash(self.secret, size, address, size)
        client = self.buckets[hash[0] % CLIENT_BUCKETS]
        while client != NULL:
            if client.hash == hash[0] and client.size == size and memcmp(client.address, address, size) == 0:
                return client
            client = client.next
        return NULL

    cdef bint has_room(self, const Client* client) noexcept nogil:
        """Return whether one more query of a client may wait. NULL is a client without waiting queries."""
        cdef uint32_t most = self.most_per_client
        if self.waiting >= self.most * 7 // 8:
            most = max(most // 8, <uint32_t>1)
        return self.waiting < self.most and (client.count if client != NULL else 0) < most

    cdef Client* enter(self, const uint8_t* address, uint32_t size) noexcept nogil:
        cdef uint64_t hash
        cdef Client* client
        client = self.find(address, size, &hash)
        return self.add(client, hash, address, size) if self.has_room(client) else NULL

    cdef Client* add(self, Client* client, uint64_t hash, const uint8_t* address, uint32_t size) noexcept nogil:
        """Count one more of what `find` returned, without limits. Return NULL if there is no memory."""
        if client == NULL:
            client = <Client*>calloc(1, sizeof(Client))
            if client == NULL:
                return NULL
            address = half_of_client(address, <int>size)
            client.hash, client.size = hash, min(size, <uint32_t>CLIENT_BYTES)
            memcpy(client.address, address, client.size)
            client.next = self.buckets[hash % CLIENT_BUCKETS]
            self.buckets[hash % CLIENT_BUCKETS] = client
        client.count += 1
        self.waiting += 1
        return client

    cdef void leave(self, Client* client) noexcept nogil:
        cdef Client** at
        self.waiting -= 1
        client.count -= 1
        if client.count:
            return
        at = &self.buckets[client.hash % CLIENT_BUCKETS]
        while at[0] != client:
            at = &at[0].next
        at[0] = client.next
        free(client)
