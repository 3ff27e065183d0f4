# DNS over TCP and TLS for clients (RFC 7766, 7858), as server/stream.py: pipelined queries, and replies in any order.
#
#   a listening socket     accept a few connections                   `Streams.accept`
#   a connection           read once, take the complete messages      `Streams.read`, `Streams.take`
#   one over TLS           the same, of what it says in clear text    `Streams.read_sealed`
#                          steps 2 to 8 of loop.pxi for each message  `Streams.ask`
#                          send the replies together                  `Connections.settle`
#   an upstream's answer   `Delivery.deliver` gives replies to the connections
#   the end of a turn      send those, and take messages that waited  `Streams.finish_turn`

import socket

cdef extern from *:
    """
    static int accept_stream(int fd, struct sockaddr_storage *peer) {
        socklen_t size = sizeof *peer;
        return accept4(fd, (struct sockaddr *)peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    """
    int accept_stream(int fd, sockaddr_storage* peer) nogil

from libc.errno cimport ENOBUFS, ENOMEM

cdef enum:
    ACCEPTS = 64            # of one listening socket in a turn
    SEALED_ROOM = 16384     # bytes of one read from a connection over TLS
    REST_MS = 1000          # without new connections, after the system had no room for one


@cython.final
cdef class Streams:
    """Implements `StreamListening` of engine/interface.py in the engine's loop."""

    cdef Connections connections
    cdef Loop loop              # None after `release`
    cdef dict listening         # descriptors by socket
    cdef object make_side       # the TLS of a new connection, as `Engine.serve_tls` gets it
    cdef object client_of       # as `Engine.name_clients` gets it
    cdef uint8_t[4096] inbox    # READ_ROOM
    cdef uint8_t[16384] sealed_inbox    # SEALED_ROOM
    cdef uint32_t turn
    cdef int64_t accept_at_ms   # when to accept again; -1: now

    def __init__(self, Connections connections not None, Loop loop not None):
        self.connections, self.loop, self.listening, self.client_of = connections, loop, {}, nobody
        self.turn, self.accept_at_ms = 1, -1

    # The interface.

    async def listen(self, sock):
        self.accept_from(sock, LISTENS)

    cdef int accept_from(self, sock, uint32_t mark) except -1:
        """Accept connections from a socket, over TLS if `mark` is LISTENS_TLS."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        cdef int fd = sock.fileno()
        if watch_stream(self.connections.epoll_fd, fd, EPOLLIN, True) < 0:
            raise OSError(errno, os.strerror(errno))
        if not self.connections.remember(fd, mark):
            unwatch_stream(self.connections.epoll_fd, fd)
            raise MemoryError
        self.listening[sock] = fd
        return 0

    def unlisten(self, sock):
        cdef int fd = self.listening.pop(sock)
        self.connections.by_fd[fd] = 0
        unwatch_stream(self.connections.epoll_fd, fd)

    @property
    def is_busy(self):
        return self.connections.is_busy()

    def close(self):
        for sock in list(self.listening):
            self.unlisten(sock)
        self.connections.close()

    @property
    def most_unsent(self):
        return self.connections.most_unsent

    @most_unsent.setter
    def most_unsent(self, uint32_t most):
        self.connections.most_unsent = most

    def release(self):
        """Release the memory of the counters. Serve nothing afterwards."""
        self.loop = self.connections.slots = None

    # The loop.

    cdef inline bint owns(self, int fd) noexcept nogil:
        return self.connections.place_at(fd) != 0

    cdef inline bint has_work(self) noexcept nogil:
        """Return whether `finish_turn` has work that no descriptor announces."""
        return self.connections.due != NULL

    cdef int64_t next_alarm(self) noexcept nogil:
        return sooner(self.connections.next_alarm(), self.accept_at_ms)

    cdef void expire(self) noexcept nogil:
        """Handle what is due by the clock."""
        self.connections.expire()
        if 0 <= self.accept_at_ms <= self.loop.now_ms:
            self.accept_at_ms = -1
            self.watch(EPOLLIN)

    cdef void serve(self, int fd, uint32_t events) noexcept nogil:
        """Serve a readable or writable descriptor that `owns` knows."""
        cdef uint32_t place = self.connections.place_at(fd)
        cdef Connection* connection
        self.connections.now_ms = self.loop.now_ms
        if place == LISTENS or place == LISTENS_TLS:
            self.accept(fd, OVER_TCP if place == LISTENS else OVER_DOT)
            return
        connection = &self.connections.places[place - 1]
        if connection.taken_in == self.turn:
            return  # opened in this turn: the event is of an earlier connection with that descriptor
        if events & (EPOLLERR | EPOLLHUP):
            self.connections.end(connection)
            return
        if events & connection.events & EPOLLIN and not has_frame(connection):
            if connection.sealing == NULL:
                self.read(connection)
            else:
                self.read_sealed(connection)
        self.connections.settle(connection)

    cdef void finish_turn(self) noexcept nogil:
        """Send what was answered in this turn, take messages that have waited, and end connections that are idle."""
        cdef Connection* last = self.connections.last_due
        cdef Connection* connection
        cdef bint is_last = False
        self.connections.now_ms = self.loop.now_ms
        while self.connections.due != NULL and not is_last:
            is_last = self.connections.due == last
            connection = self.connections.next_of_due()
            if connection == NULL:
                continue
            if connection.taken_in != self.turn and has_frame(connection) and self.connections.may_take(connection):
                self.take_unread(connection)
            self.connections.settle(connection)
        self.expire()
        self.turn += 1

    # Connections.

    cdef void accept(self, int fd, int transport) noexcept nogil:
        cdef sockaddr_storage peer
        cdef Connection* made
        cdef int accepted
        for _ in range(ACCEPTS):
            accepted = accept_stream(fd, &peer)
            if accepted >= 0:
                made = self.connections.open_one(accepted, &peer, transport)
                if made == NULL:
                    close_stream(accepted)
                    continue
                made.taken_in = self.turn
                if transport == OVER_DOT:
                    self.begin_tls(made)
            elif errno == EAGAIN:
                return
            elif errno == EMFILE or errno == ENFILE or errno == ENOBUFS or errno == ENOMEM:
                # The event would come again at once.
                self.accept_at_ms = self.loop.now_ms + REST_MS
                self.watch(0)
                return

    cdef void begin_tls(self, Connection* connection) noexcept with gil:
        """Give a new connection its TLS, or end it."""
        if not begin_sealing(connection, self.make_side):
            self.connections.end(connection)

    cdef void watch(self, uint32_t events) noexcept with gil:
        """Wait for these events of all listening sockets."""
        for fd in self.listening.values():
            watch_stream(self.connections.epoll_fd, fd, events, False)

    cdef void read(self, Connection* connection) noexcept nogil:
        """Read once, and take the complete messages."""
        cdef ByteQueue* unread = &connection.unread
        cdef uint32_t room, used, held = held_bytes(unread)
        cdef ssize_t size
        if held:
            room = min(max(held, <uint32_t>LEAST_ROOM), LARGEST_FRAME - held)
            if not make_room(unread, room):
                connection.doomed = True
                return
            size = receive_stream(connection.fd, unread.data + unread.end, room)
        else:
            size = receive_stream(connection.fd, self.inbox, READ_ROOM)
        if size == 0:
            connection.ended = True
        elif size < 0:
            connection.doomed = errno != EAGAIN and errno != EINTR
        elif held:
            unread.end += <uint32_t>size
            self.take_unread(connection)
        else:
            used = self.take(connection, self.inbox, <uint32_t>size)
            if used < size and not add_bytes(unread, self.inbox + used, <uint32_t>size - used):
                connection.doomed = True

    cdef void read_sealed(self, Connection* connection) noexcept with gil:
        """Read once from a connection over TLS, and take the complete messages."""
        cdef ssize_t size = receive_stream(connection.fd, self.sealed_inbox, SEALED_ROOM)
        if size == 0:
            connection.ended = True
        elif size < 0:
            connection.doomed = errno != EAGAIN and errno != EINTR
        else:
            try:
                self.take_sealed(connection, <uint32_t>size)
            except Exception:  # what the client sent is not acceptable
                connection.doomed = True

    cdef int take_sealed(self, Connection* connection, uint32_t size) except -1:
        """Take the messages in what was read, after a proxy's header if one is due."""
        cdef ByteQueue* unread = &connection.unread
        cdef bytes data = <bytes>(<const char*>self.sealed_inbox)[:size]
        cdef uint32_t used
        cdef bint was_open = (<Sealing>connection.sealing).is_open
        if connection.header_due:
            data = self.after_header(connection, data)
        if data:
            data = opened(connection, data, self.client_of)
        if not was_open and (<Sealing>connection.sealing).is_open:
            self.connections.finish_handshake(connection)
        if not data:
            return 0
        if held_bytes(unread):
            if add_bytes(unread, <const uint8_t*><const char*>data, <uint32_t>len(data)):
                self.take_unread(connection)
            else:
                connection.doomed = True
            return 0
        size = <uint32_t>len(data)
        used = self.take(connection, <const uint8_t*><const char*>data, size)
        if used < size and not add_bytes(unread, <const uint8_t*><const char*>data + used, size - used):
            connection.doomed = True
        return 0

    cdef bytes after_header(self, Connection* connection, bytes data):
        """Take the proxy's header. Return what follows it, or None while it is not complete or if it is not valid."""
        cdef ByteQueue* unread = &connection.unread
        if held_bytes(unread) > LARGEST_FRAME or not add_bytes(
            unread, <const uint8_t*><const char*>data, <uint32_t>len(data)
        ):
            connection.doomed = True
            return None
        drop_bytes(unread, self.take_header(connection, unread.data + unread.start, held_bytes(unread)))
        if connection.header_due or connection.doomed:
            return None
        data = <bytes>(<const char*>unread.data)[unread.start : unread.end] if held_bytes(unread) else b""
        drop_bytes(unread, held_bytes(unread))
        return data

    cdef void take_unread(self, Connection* connection) noexcept nogil:
        cdef ByteQueue* unread = &connection.unread
        drop_bytes(unread, self.take(connection, unread.data + unread.start, held_bytes(unread)))

    cdef uint32_t take(self, Connection* connection, const uint8_t* data, uint32_t size) noexcept nogil:
        """Answer the complete messages at the start of `data`, within the limits. Return how many bytes these are."""
        cdef uint32_t used = 0, length, taken = 0
        self.connections.current, connection.taken_in = connection, self.turn
        if connection.header_due:
            used = self.take_header(connection, data, size)
        if connection.named != NULL and not rename(connection, self.client_of):
            self.refuse(connection)
        while self.connections.may_take(connection) and taken < self.connections.most_queries and not connection.header_due:
            length = big16(data + used) if size - used >= FRAME_HEAD else STREAM_ROOM
            if size - used < FRAME_HEAD + length:
                break
            if self.connections.outbox_size > OUTBOX_ROOM - LARGEST_FRAME or (
                self.connections.outbox_size + held_bytes(&connection.unsent) > self.connections.most_unsent
            ):
                self.connections.push(connection)
                continue
            used += FRAME_HEAD + length
            taken += 1
            self.ask(connection, data + used - length, length)
        self.connections.current = NULL
        if taken:
            self.connections.touch(connection)
        return used

    cdef uint32_t take_header(self, Connection* connection, const uint8_t* data, uint32_t size) noexcept nogil:
        """Take the client from a trusted proxy's header. Return the header's size; 0 if it is not complete or valid."""
        cdef ProxyHeader found
        cdef uint32_t header = proxy_header_bytes(data, size)
        if header > size:
            return 0
        header = read_proxy_header(data, size, &found) if header else 0
        if not header:
            self.refuse(connection)
            return 0
        if found.client_size:
            memcpy(connection.address, found.client, found.client_size)
            connection.address_size = <uint8_t>found.client_size
            leave_fleets(connection.address, connection.address_size)
        connection.header_due = False
        connection.client = self.connections.admit(connection.address, connection.address_size, connection.transport)
        connection.doomed = connection.client == NULL
        # The name in a handshake decides, if TLS begins behind the header.
        if found.name_size and connection.sealing == NULL and not connection.doomed:
            connection.doomed = not keep_name(connection, &found)
        return header

    cdef void refuse(self, Connection* connection) noexcept nogil:
        """End a connection whose header names no client, and count that as a message without an answer."""
        self.loop.fast.slots[self.loop.fast.outcomes[connection.transport][AS_DROPPED]] += 1
        connection.doomed = True

    # Messages.

    cdef void ask(self, Connection* connection, const uint8_t* message, uint32_t size) noexcept nogil:
        """Answer one message. One without an answer ends the connection."""
        cdef Asked asked
        cdef LookAhead ahead
        cdef uint8_t* out = self.connections.next_reply()
        cdef const uint8_t* client = connection.address
        cdef int result, client_size = connection.address_size, over = connection.transport
        cdef bint is_named = False
        if read_plain(message, size, &asked):
            self.loop.fast.look_ahead(&asked, client, client_size, self.loop.at, &ahead)
            result = answer_plain(
                self.loop.fast, &asked, &ahead, client, client_size, over, self.loop.at, self.loop.now_ms, out
            )
        else:
            result = answer_odd(
                self.loop.fast, message, size, &asked, &ahead, &client, &client_size, over, self.loop.at,
                self.loop.now_ms, out,
            )
            is_named = asked.is_named
        if result == MISS:
            result = self.ask_upstream(connection, &asked, &ahead, out)
        elif self.loop.fast.due:
            self.loop.ask_again(&asked, &ahead, client, client_size)
        if result == HAND_OVER:
            self.loop.slow.decide_stream(
                connection, client, client_size, message, size, ahead.range_class, is_named
            )
        elif result > 0:
            if self.loop.recording.active:
                self.loop.slow.record_stream(client, client_size, over, out, <uint32_t>result)
            self.connections.add_reply(<uint32_t>result, asked_options(message, size, over == OVER_DOT))
        elif result == DROPPED:
            if self.loop.recording.active:
                self.loop.slow.record_stream_drop(client, client_size, over, message, size)
            self.connections.push(connection)
            connection.doomed = True

    cdef int ask_upstream(
        self, Connection* connection, Asked* asked, LookAhead* ahead, uint8_t* out
    ) noexcept nogil:
        """Ask upstream. If there is no room, answer from stale data or SERVFAIL."""
        cdef Origin origin
        cdef Entry* entry
        cdef int result
        origin.client, origin.client_size = connection.address, connection.address_size
        origin.stream, origin.transport = self.connections.handle_of(connection), connection.transport
        origin.listener, origin.peer, origin.peer_size = -1, connection.address, 0
        origin.control, origin.control_size = NULL, 0
        result = self.loop.pending.begin(asked, ahead.view, ahead.hash, &origin, self.loop.boot_ns)
        if result == ELSEWHERE:
            return HAND_OVER
        if result != FULL:
            connection.waiting += 1
            return WAITS
        entry = self.loop.fast.store.find(
            ahead.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd, ahead.hash, self.loop.now_ms
        )
        if entry != NULL:
            return self.loop.fast.serve(
                asked, entry, ahead.range_class, connection.transport, AS_STALE, self.loop.at, self.loop.now_ms,
                reply_limit(asked, connection.transport), out,
            )
        if self.loop.fast.store.has_other(asked, ahead.view, self.loop.now_ms):
            return HAND_OVER
        self.loop.fast.drop_waiting(connection.transport)
        if self.loop.recording.active:
            self.loop.slow.record_stream_drop(
                connection.address, connection.address_size, connection.transport, asked.message, asked.size
            )
        self.loop.fast.count_reply(RCODE_SERVFAIL)
        return <int>write_empty(asked, RCODE_SERVFAIL, -1, NULL, 0, reply_limit(asked, connection.transport), out)


@cython.final
cdef class TlsStreams:
    """Implements `StreamListening` for DNS over TLS, as part of the engine's other streams."""

    cdef Streams streams
    cdef set listening

    def __init__(self, Streams streams not None, make_side):
        self.streams, self.listening = streams, set()
        streams.make_side = make_side

    async def listen(self, sock):
        self.streams.accept_from(sock, LISTENS_TLS)
        self.listening.add(sock)

    def unlisten(self, sock):
        self.listening.remove(sock)
        if sock in self.streams.listening:  # else all streams have been closed
            self.streams.unlisten(sock)

    @property
    def is_busy(self):
        return self.streams.is_busy

    def close(self):
        for sock in list(self.listening):
            self.unlisten(sock)
        self.streams.connections.end_all(ENCRYPTED)
        self.streams.connections.end_all(UNFINISHED)

    @property
    def most_handshakes(self):
        return self.streams.connections.most_handshakes

    @most_handshakes.setter
    def most_handshakes(self, uint32_t most):
        self.streams.connections.most_handshakes = most
