# The connections of clients over TCP, also below TLS, without what they say: a socket, the bytes read and not yet
# taken, the bytes not yet sent, limits, and who goes first at a limit. streams.pxi takes the messages.
#
#   open_one(fd, peer, transport) add an accepted connection; NULL if a limit refuses it
#   at(fd), find(handle)          return a connection; NULL if it has ended
#   next_reply(), add_reply(...)  write the next reply, and add it to those of the connection being served
#   answer(handle, size, ...)     give the bytes in `next_reply` to the connection whose query waited for them
#   add_due(connection)           settle the connection at the end of the turn
#   settle(connection)            send, and decide what the connection waits for, or end it
#
# A connection keeps its place, and its memory is used again: a handle has the generation too. While messages of a
# connection are taken (`current`), it is never ended but marked as `doomed`.

from dnsfilter.engine.limits import HANDSHAKE_S
from dnsfilter.telemetry.metrics import Limit
from dnsfilter.telemetry.slots import ENCRYPTED_CONNECTIONS, LIMITED, TCP_CONNECTIONS

cdef extern from *:
    """
    static int watch_stream(int epoll_fd, int fd, uint32_t events, int is_new) {
        struct epoll_event wanted = {.events = events, .data = {.u64 = (uint32_t)fd}};
        return epoll_ctl(epoll_fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &wanted);
    }
    static void unwatch_stream(int epoll_fd, int fd) { epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL); }
    static ssize_t receive_stream(int fd, void *into, size_t size) { return recv(fd, into, size, MSG_DONTWAIT); }
    static ssize_t send_stream(int fd, const void *data, size_t size) {
        return send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    """
    int watch_stream(int epoll_fd, int fd, uint32_t events, int is_new) nogil
    void unwatch_stream(int epoll_fd, int fd) nogil
    int close_stream "close"(int fd) nogil
    ssize_t receive_stream(int fd, void* into, size_t size) nogil
    ssize_t send_stream(int fd, const void* data, size_t size) nogil
    uint32_t EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP


@cython.final
cdef class Connections:
    """The connections of one engine."""

    cdef Connection* places
    cdef uint32_t room
    cdef uint32_t most, most_per_client, most_queries, most_handshakes, used
    cdef Connection* free
    cdef UseOrder[3] orders     # ORDERS
    cdef Connection* due
    cdef Connection* last_due
    cdef Connection* current
    cdef uint32_t* by_fd        # place of a descriptor plus one; 0 for none
    cdef uint32_t fds
    cdef Room clients, clients_of_tls
    cdef Prefixes proxies
    cdef Alarm alarm
    cdef uint64_t[::1] slots
    cdef int open_slot, open_tls_slot, limited_slot
    cdef uint32_t most_unsent
    cdef int64_t idle_ms, handshake_ms
    cdef int64_t now_ms         # of this turn
    cdef int64_t look_at_ms     # when to look for idle ones; -1: there is none
    cdef uint16_t timeout       # of the keepalive option
    cdef int epoll_fd
    cdef uint8_t* outbox        # replies to the connection that is served
    cdef uint32_t outbox_size

    def __init__(self, limits, Prefixes proxies not None, Alarm alarm not None, slots, int epoll_fd):
        self.most, self.most_per_client = limits.connections, limits.connections_per_client
        self.most_queries, self.most_unsent = limits.connection_queries, MOST_UNSENT_BYTES
        self.idle_ms, self.timeout = max(round(limits.connection_idle_s * 1000), 1), round(limits.connection_idle_s * 10)
        self.handshake_ms, self.most_handshakes = min(self.idle_ms, round(HANDSHAKE_S * 1000)), MOST_HANDSHAKES
        self.clients, self.clients_of_tls = Room(0xFFFFFFFF, 0xFFFFFFFF), Room(0xFFFFFFFF, 0xFFFFFFFF)
        self.proxies, self.alarm, self.slots = proxies, alarm, slots
        self.open_slot, self.open_tls_slot = TCP_CONNECTIONS, ENCRYPTED_CONNECTIONS[Transport.DOT]
        self.limited_slot = LIMITED[Limit.CONNECTIONS]
        self.epoll_fd, self.look_at_ms = epoll_fd, -1
        # Connections that end during a turn may leave their places only at its end. Each transport has its own limit.
        self.room = 2 * self.most + SPARE_PLACES
        self.places = <Connection*>calloc(self.room, sizeof(Connection))
        self.outbox = <uint8_t*>malloc(OUTBOX_ROOM)
        if self.places == NULL or self.outbox == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.places)
        free(self.outbox)
        free(self.by_fd)

    # Finding.

    cdef inline uint32_t place_at(self, int fd) noexcept nogil:
        """Return what a descriptor is: a place plus one, LISTENS, or 0."""
        return self.by_fd[fd] if <uint32_t>fd < self.fds else 0

    cdef bint remember(self, int fd, uint32_t place) noexcept nogil:
        """Note what a descriptor is. Return False if there is no memory."""
        cdef uint32_t wanted = max(<uint32_t>fd + 1, 2 * self.fds)
        cdef uint32_t* moved
        if <uint32_t>fd >= self.fds:
            moved = <uint32_t*>realloc(self.by_fd, wanted * sizeof(uint32_t))
            if moved == NULL:
                return False
            memset(moved + self.fds, 0, (wanted - self.fds) * sizeof(uint32_t))
            self.by_fd, self.fds = moved, wanted
        self.by_fd[fd] = place
        return True

    cdef inline uint64_t handle_of(self, const Connection* connection) noexcept nogil:
        return <uint64_t>connection.generation << 32 | <uint64_t>(connection - self.places)

    cdef Connection* find(self, uint64_t handle) noexcept nogil:
        """Return the connection of a handle; NULL if it has ended."""
        cdef uint32_t place = <uint32_t>handle
        if not handle or place >= self.used or self.places[place].generation != handle >> 32:
            return NULL
        return &self.places[place]

    # Beginning and ending.

    cdef Connection* open_one(self, int fd, sockaddr_storage* peer, int transport) noexcept nogil:
        """Add a connection whose peer may be a trusted proxy. Return NULL if it is refused; the caller closes `fd`."""
        cdef Connection* made
        cdef const uint8_t* address = NULL
        cdef int size = address_of(peer, &address)
        cdef bint header_due = self.proxies.hold(address, size) if size else False
        cdef Client* client = NULL
        if not size:
            return NULL
        leave_fleets(<uint8_t*>address, size)
        if not header_due:
            client = self.admit(address, size, transport)
            if client == NULL:
                return NULL
        made = self.place(transport)
        if made == NULL or not self.remember(fd, <uint32_t>(made - self.places) + 1):
            self.give_back(made, client, transport)
            return NULL
        if watch_stream(self.epoll_fd, fd, EPOLLIN, True) < 0:
            self.by_fd[fd] = 0
            self.give_back(made, client, transport)
            return NULL
        made.fd, made.client, made.header_due, made.events = fd, client, header_due, EPOLLIN
        made.transport, made.order = <uint8_t>transport, UNFINISHED if transport == OVER_DOT else IN_CLEAR
        memcpy(made.address, address, size)
        made.address_size = <uint8_t>size
        made.due_ms = self.now_ms + (self.handshake_ms if transport == OVER_DOT else self.idle_ms)
        append_used(&self.orders[made.order], made)
        if self.look_at_ms < 0 or made.due_ms < self.look_at_ms:
            self.look_at_ms = made.due_ms
        self.count_open()
        return made

    cdef Client* admit(self, const uint8_t* address, int size, int transport) noexcept nogil:
        """Count one more connection of a client. Return NULL, and count it as limited, if it has as many as it may."""
        if transport == OVER_DOT:
            return self.admit_to(self.clients_of_tls, address, size)
        return self.admit_to(self.clients, address, size)

    cdef Client* admit_to(self, Room clients, const uint8_t* address, int size) noexcept nogil:
        cdef uint64_t hash
        cdef Client* found = clients.find(address, size, &hash)
        if found == NULL or found.count < self.most_per_client:
            return clients.add(found, hash, address, size)
        self.slots[self.limited_slot] += 1
        return NULL

    cdef void dismiss(self, Client* client, int transport) noexcept nogil:
        """Count one connection less of a client."""
        if transport == OVER_DOT:
            self.clients_of_tls.leave(client)
        else:
            self.clients.leave(client)

    cdef Connection* place(self, int transport) noexcept nogil:
        """Return an empty place. At a limit, end the oldest handshake or the longest idle connection for it.

        Return NULL if there is none.
        """
        cdef Connection* found = NULL
        if self.is_full(transport):
            self.slots[self.limited_slot] += 1
            if transport == OVER_DOT:
                found = first_idle(&self.orders[UNFINISHED])
            if found == NULL:
                found = first_idle(&self.orders[ENCRYPTED if transport == OVER_DOT else IN_CLEAR])
            if found == NULL:
                return NULL
            self.end(found)
        found = self.free
        if found != NULL:
            self.free = found.next_due
        elif self.used < self.room:
            found = &self.places[self.used]
            self.used += 1
        else:
            return NULL
        found.generation = found.generation or 1
        found.next_due = NULL
        return found

    cdef bint is_full(self, int transport) noexcept nogil:
        """Return whether a limit leaves no room for one more connection, or for one more unfinished handshake."""
        cdef uint32_t unfinished = self.orders[UNFINISHED].count
        if transport != OVER_DOT:
            return self.orders[IN_CLEAR].count >= self.most
        return unfinished >= self.most_handshakes or self.orders[ENCRYPTED].count + unfinished >= self.most

    cdef void give_back(self, Connection* place, Client* client, int transport) noexcept nogil:
        """Undo `place` and `admit`."""
        if client != NULL:
            self.dismiss(client, transport)
        if place != NULL:
            place.next_due = self.free
            self.free = place

    cdef void end(self, Connection* connection) noexcept nogil:
        """End a connection at once. What is not sent is lost. The handle is void from now on."""
        cdef uint32_t generation = connection.generation
        cdef bint is_due
        cdef Connection* next_due
        if connection.sealing != NULL:
            end_sealing(connection)
        if connection.named != NULL:
            forget_name(connection)
        is_due, next_due = connection.is_due, connection.next_due  # the end of TLS runs Python, which may add to `due`
        self.by_fd[connection.fd] = 0
        close_stream(connection.fd)
        unlink_used(&self.orders[connection.order], connection)
        if connection.client != NULL:
            self.dismiss(connection.client, connection.transport)
        drop_bytes(&connection.unread, held_bytes(&connection.unread))
        drop_bytes(&connection.unsent, held_bytes(&connection.unsent))
        drop_bytes(&connection.unsealed, held_bytes(&connection.unsealed))
        memset(connection, 0, sizeof(Connection))
        connection.fd, connection.generation = -1, generation + 1
        connection.is_due, connection.next_due = is_due, next_due
        if not is_due:
            self.give_back(connection, NULL, OVER_TCP)
        self.count_open()

    cdef void count_open(self) noexcept nogil:
        self.slots[self.open_slot] = self.orders[IN_CLEAR].count
        self.slots[self.open_tls_slot] = self.orders[ENCRYPTED].count + self.orders[UNFINISHED].count

    # The order of use.

    cdef void touch(self, Connection* connection) noexcept nogil:
        """Mark a connection as used just now."""
        cdef UseOrder* order = &self.orders[connection.order]
        connection.due_ms = self.now_ms + self.idle_ms
        if connection != order.last:
            unlink_used(order, connection)
            append_used(order, connection)

    cdef void finish_handshake(self, Connection* connection) noexcept nogil:
        """Move a connection to those whose handshakes are complete."""
        unlink_used(&self.orders[UNFINISHED], connection)
        connection.order, connection.due_ms = ENCRYPTED, self.now_ms + self.idle_ms
        append_used(&self.orders[ENCRYPTED], connection)

    cdef void expire(self) noexcept nogil:
        """End the connections that are idle for too long, and those whose client does not read."""
        cdef Connection* connection
        cdef int order
        if self.look_at_ms < 0 or self.now_ms < self.look_at_ms:
            return
        self.look_at_ms = -1
        for order in range(ORDERS):
            connection = self.orders[order].first
            while connection != NULL and connection.due_ms <= self.now_ms:
                if is_idle(connection) or (held_bytes(&connection.unsent) and connection.sent == connection.seen):
                    self.end(connection)
                else:
                    connection.seen = connection.sent
                    self.touch(connection)
                connection = self.orders[order].first
            if connection != NULL:
                self.look_at_ms = sooner(self.look_at_ms, connection.due_ms)

    cdef int64_t next_alarm(self) noexcept nogil:
        """Return when there is work next, in milliseconds of CLOCK_BOOTTIME: at once is 1, never is -1."""
        return 1 if self.due != NULL else self.look_at_ms

    # What is due at the end of the turn.

    cdef void add_due(self, Connection* connection) noexcept nogil:
        if connection.is_due:
            return
        connection.is_due, connection.next_due = True, NULL
        if self.due == NULL:
            self.due = connection
        else:
            self.last_due.next_due = connection
        self.last_due = connection

    cdef Connection* next_of_due(self) noexcept nogil:
        """Remove and return the first that is due, if it has not ended; else NULL."""
        cdef Connection* connection = self.due
        self.due = connection.next_due
        connection.is_due = False
        if connection.fd >= 0:
            return connection
        self.give_back(connection, NULL, OVER_TCP)
        return NULL

    # Replies.

    cdef inline uint8_t* next_reply(self) noexcept nogil:
        """Return where to write a reply of at most STREAM_ROOM bytes."""
        return self.outbox + self.outbox_size + FRAME_HEAD

    cdef void add_reply(self, uint32_t size, int options) noexcept nogil:
        """Add the `size` bytes in `next_reply`, with options, to the replies to the connection that is served."""
        if options:
            size = add_options(self.next_reply(), size, STREAM_ROOM, options, self.timeout)
        write_16(self.outbox + self.outbox_size, size)
        self.outbox_size += FRAME_HEAD + size

    cdef Connection* answer(self, uint64_t handle, uint32_t size, int options) noexcept nogil:
        """Give the `size` bytes in `next_reply` to the connection whose query waited for them.

        Return the connection, which must be settled; NULL if it has ended.
        """
        cdef Connection* connection = self.find(handle)
        cdef ByteQueue* queue
        cdef uint8_t* reply = self.next_reply()
        if connection == NULL:
            return NULL
        if options:
            size = add_options(reply, size, STREAM_ROOM, options, self.timeout)
        write_16(reply - FRAME_HEAD, size)
        connection.waiting -= 1
        queue = &connection.unsent if connection.sealing == NULL else &connection.unsealed
        if not add_bytes(queue, reply - FRAME_HEAD, FRAME_HEAD + size):
            connection.doomed = True
        return connection

    cdef void give_up(self, uint64_t handle) noexcept nogil:
        """Note that a waiting query gets no reply."""
        cdef Connection* connection = self.find(handle)
        if connection != NULL:
            connection.waiting -= 1
            self.add_due(connection)

    cdef void push(self, Connection* connection) noexcept nogil:
        """Send what is in the outbox and what was not sent before, as far as the client reads."""
        cdef ssize_t sent = 0
        cdef uint32_t size
        cdef bint is_first
        if connection.sealing != NULL and (self.outbox_size or held_bytes(&connection.unsealed)):
            if not seal_replies(connection, self.outbox, self.outbox_size):
                connection.doomed = True
            self.outbox_size = 0
        size, is_first = self.outbox_size, not held_bytes(&connection.unsent)
        self.outbox_size = 0
        if size and is_first:
            sent = self.send(connection, self.outbox, size)
            size -= <uint32_t>sent
        if size and not add_bytes(&connection.unsent, self.outbox + sent, size):
            connection.doomed = True
        if not is_first:
            sent = self.send(connection, connection.unsent.data + connection.unsent.start, held_bytes(&connection.unsent))
            drop_bytes(&connection.unsent, <uint32_t>sent)
        size = held_bytes(&connection.unsent)
        connection.blocked = size > (self.most_unsent // 4 if connection.blocked else self.most_unsent)

    cdef ssize_t send(self, Connection* connection, const uint8_t* data, uint32_t size) noexcept nogil:
        """Return the number of bytes that the kernel takes."""
        cdef ssize_t sent = 0 if connection.doomed else send_stream(connection.fd, data, size)
        if sent < 0:
            if errno != EAGAIN and errno != EINTR:
                connection.doomed = True
            return 0
        connection.sent += sent
        return sent

    # What a connection waits for.

    cdef bint may_take(self, const Connection* connection) noexcept nogil:
        """Return whether queries of the connection may be answered now."""
        return connection.waiting < self.most_queries and not connection.blocked and not connection.doomed

    cdef void settle(self, Connection* connection) noexcept nogil:
        """Send, and decide what the connection waits for next. It may have ended afterwards."""
        cdef uint32_t events = 0
        cdef bint frame
        self.push(connection)
        frame = has_frame(connection)
        if connection.doomed or (connection.ended and is_idle(connection)):
            self.end(connection)
            return
        if self.may_take(connection):
            if frame:
                self.add_due(connection)
            elif not connection.ended:
                events = EPOLLIN
        if held_bytes(&connection.unsent):
            events |= EPOLLOUT
        if events != connection.events:
            connection.events = events
            if watch_stream(self.epoll_fd, connection.fd, events, False) < 0:
                self.end(connection)

    cdef bint is_busy(self) noexcept nogil:
        """Return whether any connection waits for a reply or has one to read."""
        cdef Connection* connection
        cdef int order
        for order in range(ORDERS):
            connection = self.orders[order].first
            while connection != NULL:
                if not is_idle(connection):
                    return True
                connection = connection.behind
        return False

    cdef void end_all(self, int order) noexcept nogil:
        while self.orders[order].first != NULL:
            self.end(self.orders[order].first)

    cdef void close(self) noexcept nogil:
        """End every connection."""
        cdef int order
        for order in range(ORDERS):
            self.end_all(order)
        while self.due != NULL:
            self.next_of_due()
        self.look_at_ms = -1

    cdef int copy_reply(self, bytes message) except -1:
        """Write the next reply."""
        if len(message) > STREAM_ROOM:
            raise ValueError(f"answer a stream's query: {len(message)} bytes are more than {STREAM_ROOM}")
        memcpy(self.next_reply(), <const uint8_t*>message, len(message))
        return 0

    cdef int reply(self, uint64_t handle, bytes message, int options) except -1:
        """Answer a waiting query from Python. Send at once, unless messages of a connection are being taken."""
        cdef Connection* connection
        self.copy_reply(message)
        connection = self.answer(handle, <uint32_t>len(message), options)
        if connection == NULL:
            return 0
        if self.current != NULL:
            self.add_due(connection)
            return 0
        self.settle(connection)
        if self.due != NULL:
            self.alarm.set(1)
        return 0
