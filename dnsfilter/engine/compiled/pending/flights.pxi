# The pending questions, found by key, by socket and id of a send, and by deadline.

cdef enum:
    FLIGHT_BUCKETS = 4096
    KEPT_SHORT = 128            # longest query in bytes whose memory is reused

cdef extern from *:
    """
    #ifdef __SANITIZE_ADDRESS__
    #define REUSES_MEMORY 0
    #else
    #define REUSES_MEMORY 1
    #endif
    """
    const int REUSES_MEMORY     # off under AddressSanitizer, which cannot check reused memory

# A waiting query. Its message follows the struct in memory.
cdef struct Waiting:
    Waiting* next
    Client* client
    int64_t handed              # number of the Waiter from Python, which makes all fields below void; 0: none
    int64_t asked_ns
    uint64_t stream             # as in Origin; a connection has no listener, peer and control
    int listener
    uint8_t transport           # index in TRANSPORTS
    uint16_t message_size
    uint8_t address_size
    uint8_t peer_size
    uint8_t control_size
    uint8_t address[16]         # packed
    uint8_t peer[28]            # a sockaddr
    uint8_t control[40]

# One group that has old questions. Its keyed hash is its identity: nobody can choose two names with the same hash.
cdef struct Group:
    Group* next
    uint64_t hash
    uint32_t count

# One query that was sent, for a flight or as a probe.
cdef struct Sending:
    Sending* next_of_bucket
    Sending* next_of_flight
    Flight* flight              # NULL: a probe
    Pooled* held                # its socket; NULL: not waiting for an answer
    uint64_t letters            # of the name that was asked, if `varied`
    uint16_t id
    bint varied
    bint has_cookie

cdef struct Flight:
    Flight* next_of_key
    Flight* before              # in one of the lists of `Shares`
    Flight* behind
    Group* groups[5]            # GROUPS, of `Shares`, once the question is old
    uint64_t client_hash        # of the client that asked first
    uint8_t address[16]         # of that client
    uint8_t address_size
    uint64_t hash
    Sending own                 # the first send; later ones are allocated
    Sending* sends              # sends that may still be answered
    Waiting* first
    Waiting* last
    int64_t sent_ns
    int64_t deadline_ms
    int64_t number              # of the Exchange on the slow path; 0: none, handled in C
    int heap_index              # in the heap of deadlines; -1: not in it
    uint32_t waiters
    uint16_t view
    uint16_t qtype
    uint16_t qclass
    uint16_t name_size
    uint16_t servers[16]        # MOST_SERVERS, in the order to ask them
    int server_count
    int first_wait_ms
    bint do_bit
    bint cd
    bint plain                  # sent without EDNS
    bint raced                  # sent to the second server at once
    bint late                   # the slow path answers each query that joins
    uint8_t name[256]           # last: only the fields before it are cleared


@cython.final
cdef class FlightTable:
    """All flights by key, and all sends that may still be answered by socket and id."""

    cdef Flight* by_key[FLIGHT_BUCKETS]
    cdef Sending* by_send[FLIGHT_BUCKETS]
    cdef Store store            # its hash of a question is used here too, so that each is hashed once
    cdef Flight* spare          # structs to reuse, at most MOST_EXCHANGES
    cdef Waiting* spare_waiting
    cdef uint32_t spare_waiting_count
    cdef int count

    def __cinit__(self, Store store not None):
        self.store = store

    def __dealloc__(self):
        cdef Flight* flight
        cdef Waiting* waiting
        self.clear()
        while self.spare != NULL:
            flight = self.spare
            self.spare = flight.next_of_key
            free(flight)
        while self.spare_waiting != NULL:
            waiting = self.spare_waiting
            self.spare_waiting = waiting.next
            free(waiting)

    cdef Flight* new_flight(self) noexcept nogil:
        """Return a flight of zeros; the name is uninitialised. NULL: no memory."""
        cdef Flight* made = self.spare
        if made != NULL:
            self.spare = made.next_of_key
        else:
            made = <Flight*>malloc(sizeof(Flight))
        if made != NULL:
            memset(made, 0, sizeof(Flight) - sizeof(made.name))
        return made

    cdef void release_flight(self, Flight* flight) noexcept nogil:
        if not REUSES_MEMORY:
            free(flight)
            return
        flight.next_of_key = self.spare
        self.spare = flight

    cdef Waiting* new_waiting(self, uint32_t size) noexcept nogil:
        """Return a Waiting with room for a query of `size` bytes. Its addresses and query are uninitialised."""
        cdef Waiting* made = self.spare_waiting if size <= KEPT_SHORT else NULL
        if made != NULL:
            self.spare_waiting = made.next
            self.spare_waiting_count -= 1
        else:
            made = <Waiting*>malloc(sizeof(Waiting) + max(size, <uint32_t>KEPT_SHORT))
        if made != NULL:
            made.next, made.message_size = NULL, <uint16_t>size
        return made

    cdef void release_waiting(self, Waiting* waiting) noexcept nogil:
        if not REUSES_MEMORY or waiting.message_size > KEPT_SHORT or self.spare_waiting_count >= MOST_WAITERS:
            free(waiting)
            return
        waiting.next = self.spare_waiting
        self.spare_waiting = waiting
        self.spare_waiting_count += 1

    cdef void free_waiting(self, Flight* flight) noexcept nogil:
        cdef Waiting* next
        while flight.first != NULL:
            next = flight.first.next
            self.release_waiting(flight.first)
            flight.first = next
        flight.last = NULL

    cdef uint64_t hash_of(
        self, uint16_t view, const uint8_t* name, uint32_t size, uint16_t qtype, uint16_t qclass, bint do_bit, bint cd
    ) noexcept nogil:
        """Return the store's hash plus the offset of the class from IN: the store's hash ignores the class."""
        return self.store.hash_of(view, name, <uint16_t>size, qtype, do_bit, cd) + qclass - CLASS_IN

    cdef Flight* find(
        self, uint64_t hash, uint16_t view, const uint8_t* name, uint32_t size, uint16_t qtype, uint16_t qclass,
        bint do_bit, bint cd
    ) noexcept nogil:
        cdef Flight* flight = self.by_key[hash % FLIGHT_BUCKETS]
        while flight != NULL:
            if (
                flight.hash == hash
                and flight.view == view
                and flight.qtype == qtype
                and flight.qclass == qclass
                and (not flight.do_bit) == (not do_bit)
                and (not flight.cd) == (not cd)
                and flight.name_size == size
                and memcmp(flight.name, name, size) == 0
            ):
                return flight
            flight = flight.next_of_key
        return NULL

    cdef void add(self, Flight* flight) noexcept nogil:
        flight.next_of_key = self.by_key[flight.hash % FLIGHT_BUCKETS]
        self.by_key[flight.hash % FLIGHT_BUCKETS] = flight
        self.count += 1

    cdef void remove(self, Flight* flight) noexcept nogil:
        """Remove the flight from all indexes, and release its memory."""
        cdef Flight** at = &self.by_key[flight.hash % FLIGHT_BUCKETS]
        while at[0] != flight:
            at = &at[0].next_of_key
        at[0] = flight.next_of_key
        self.remove_sends(flight)
        self.count -= 1
        self.release_flight(flight)

    cdef Sending* find_send(self, const Pooled* held, uint16_t id) noexcept nogil:
        cdef Sending* sending = self.by_send[send_bucket(held, id)]
        while sending != NULL and (sending.held != held or sending.id != id):
            sending = sending.next_of_bucket
        return sending

    cdef void add_send(self, Sending* sending, Flight* flight, Pooled* held, uint16_t id) noexcept nogil:
        cdef Sending** bucket = &self.by_send[send_bucket(held, id)]
        sending.flight, sending.held, sending.id = flight, held, id
        sending.next_of_bucket = bucket[0]
        bucket[0] = sending
        held.waiting += 1
        if flight != NULL:
            sending.next_of_flight = flight.sends
            flight.sends = sending

    cdef void drop_send(self, Sending* sending) noexcept nogil:
        """Wait for no answer to a send. The caller handles its flight and its memory."""
        cdef Sending** at = &self.by_send[send_bucket(sending.held, sending.id)]
        while at[0] != sending:
            at = &at[0].next_of_bucket
        at[0] = sending.next_of_bucket
        sending.held.waiting -= 1
        add_past(sending.held, sending.id)
        sending.held = NULL

    cdef void move_send(self, Sending* sending, Sending* to) noexcept nogil:
        """Let `to` wait for the answer to a send in place of `sending`, without a flight. The caller handles the flight."""
        cdef Sending** at = &self.by_send[send_bucket(sending.held, sending.id)]
        while at[0] != sending:
            at = &at[0].next_of_bucket
        to[0] = sending[0]
        to.flight, to.next_of_flight = NULL, NULL
        at[0] = to
        sending.held = NULL

    cdef void remove_sends(self, Flight* flight) noexcept nogil:
        """Wait for no answer to any send of the flight. A second call does nothing."""
        cdef Sending* sending
        while flight.sends != NULL:
            sending = flight.sends
            flight.sends = sending.next_of_flight
            self.drop_send(sending)
            if sending != &flight.own:
                free(sending)

    cdef void remove_sends_to(self, Flight* flight, int server) noexcept nogil:
        """Wait for no answer of a server to the flight."""
        cdef Sending** at = &flight.sends
        cdef Sending* sending = at[0]
        while sending != NULL:
            if sending.held.server == server:
                at[0] = sending.next_of_flight
                self.drop_send(sending)
                if sending != &flight.own:
                    free(sending)
            else:
                at = &sending.next_of_flight
            sending = at[0]

    cdef void clear(self) noexcept nogil:
        """Release all flights and waiting queries. The caller handles their counts in `Room` and their sockets."""
        cdef Flight* next
        cdef int i
        for i in range(FLIGHT_BUCKETS):
            while self.by_key[i] != NULL:
                next = self.by_key[i].next_of_key
                free_sends(self.by_key[i])
                self.free_waiting(self.by_key[i])
                self.release_flight(self.by_key[i])
                self.by_key[i] = next
        memset(self.by_send, 0, sizeof(self.by_send))
        self.count = 0


@cython.final
cdef class Deadlines:
    """A heap of flights, the earliest deadline on top."""

    cdef Flight** heap          # room for MOST_EXCHANGES
    cdef int count

    def __cinit__(self):
        self.heap = <Flight**>calloc(MOST_EXCHANGES, sizeof(Flight*))
        if self.heap == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.heap)

    cdef void add(self, Flight* flight) noexcept nogil:
        self.put(self.count, flight)
        self.count += 1
        self.rise(flight.heap_index)

    cdef void remove(self, Flight* flight) noexcept nogil:
        """Remove the flight. Do nothing if it is not in the heap."""
        cdef int index = flight.heap_index
        cdef Flight* moved
        if index < 0:
            return
        flight.heap_index = -1
        self.count -= 1
        if index == self.count:
            return
        moved = self.heap[self.count]
        self.put(index, moved)
        self.rise(index)
        self.sink(moved.heap_index)

    cdef void put(self, int index, Flight* flight) noexcept nogil:
        self.heap[index] = flight
        flight.heap_index = index

    cdef void rise(self, int index) noexcept nogil:
        cdef Flight* flight = self.heap[index]
        cdef int parent
        while index > 0:
            parent = (index - 1) // 2
            if self.heap[parent].deadline_ms <= flight.deadline_ms:
                break
            self.put(index, self.heap[parent])
            index = parent
        self.put(index, flight)

    cdef void sink(self, int index) noexcept nogil:
        cdef Flight* flight = self.heap[index]
        cdef int child = 2 * index + 1
        while child < self.count:
            if child + 1 < self.count and self.heap[child + 1].deadline_ms < self.heap[child].deadline_ms:
                child += 1
            if flight.deadline_ms <= self.heap[child].deadline_ms:
                break
            self.put(index, self.heap[child])
            index, child = child, 2 * child + 1
        self.put(index, flight)


cdef void free_sends(Flight* flight) noexcept nogil:
    """Release the memory of the flight's sends. No index may still point to them."""
    cdef Sending* sending
    while flight.sends != NULL:
        sending = flight.sends
        flight.sends = sending.next_of_flight
        if sending != &flight.own:
            free(sending)


cdef inline uint32_t send_bucket(const Pooled* held, uint16_t id) noexcept nogil:
    return (<uint32_t>held.fd * 40503 + id) % FLIGHT_BUCKETS


cdef uint32_t write_question(const Flight* flight, bint want_ad, uint8_t* out) noexcept nogil:
    """Write the upstream query without its id, as build_upstream_query of wire/query.py does; at most 282 bytes."""
    cdef uint8_t head[12]
    cdef uint8_t tail[15]
    memset(head, 0, sizeof(head))
    memset(tail, 0, sizeof(tail))
    head[2] = 1  # RD
    head[3] = (0x20 if want_ad and not flight.plain else 0) | (0x10 if flight.cd else 0)
    head[5] = 1  # question
    head[11] = 0 if flight.plain else 1  # OPT
    tail[0], tail[1], tail[3] = flight.qtype >> 8, flight.qtype & 255, CLASS_IN
    tail[6], tail[7], tail[8] = TYPE_OPT, OUR_PAYLOAD >> 8, OUR_PAYLOAD & 255
    tail[11] = 0x80 if flight.do_bit else 0
    memcpy(out, head, 12)
    memcpy(out + 12, flight.name, flight.name_size)
    memcpy(out + 12 + flight.name_size, tail, 15)
    return (16 if flight.plain else 27) + flight.name_size
