# The slow path's part of a turn: the only methods of the main loop that need Python. They take the interpreter's lock
# and raise nothing. `take_events`, and so `poll`, raises what failed, once the turn's other clients have their replies.

from dataclasses import replace as with_changes

from dnsfilter.engine.interface import Drop, Reply, Update
from dnsfilter.engine.slow_path.case import Turn


@cython.final
cdef class SlowTurn:
    """Calls the slow path with one Turn for each turn that needs it, and keeps the events."""

    cdef object slow_path
    cdef PendingTable table
    cdef ListeningSockets listening
    cdef Batch batch
    cdef Delivery delivery
    cdef Recording recording
    cdef int64_t wall_s, boot_ns    # of the turn
    cdef object turn                # made on first use
    cdef bint has_turn
    cdef list left_over             # Waiters that C cannot answer
    cdef list events                # for `take_events`
    cdef object failed              # the first exception
    cdef bint has_work              # `take_events` has something

    def __init__(
        self, slow_path, PendingTable table, ListeningSockets listening, Batch batch, Delivery delivery,
        Recording recording,
    ):
        self.slow_path, self.table, self.listening = slow_path, table, listening
        self.batch, self.delivery, self.recording = batch, delivery, recording
        self.left_over, self.events = [], []

    cdef inline void begin_turn(self, int64_t wall_s, int64_t boot_ns) noexcept nogil:
        self.wall_s, self.boot_ns = wall_s, boot_ns

    cdef inline void end_turn(self) noexcept nogil:
        if self.has_turn:
            self._keep_events()

    cdef void _keep_events(self) noexcept with gil:
        self.events += self.turn.events
        self.turn, self.has_turn = None, False
        self.has_work = self.has_work or len(self.events) > 0

    cdef list take_events(self):
        """Return the events since the last call. Raise what failed; the events are then there for the next call."""
        events, failed = self.events, self.failed
        self.failed, self.has_work = None, failed is not None and len(events) > 0
        if failed is not None:
            raise failed
        self.events = []
        return events

    cdef object _turn(self):
        if self.turn is None:
            self.turn, self.has_turn = Turn(self.wall_s, self.boot_ns), True
        return self.turn

    cdef int _fail(self, error) except -1:
        """Keep an exception for `take_events`."""
        self.failed = error if self.failed is None else self.failed
        self.has_work = True
        return 0

    cdef void expire(self) noexcept with gil:
        """Let the slow path do what is due."""
        try:
            self.slow_path.expire(self._turn())
        except BaseException as error:
            self._fail(error)

    # Queries.

    cdef void decide(self, const Listening* source, int i, int range_class, bint is_named) noexcept with gil:
        """Let the slow path decide on datagram `i` of the batch."""
        try:
            self._decide(self.listening.listener_of(source), i, range_class, is_named)
        except BaseException as error:
            self._fail(error)

    cdef int _decide(self, listener, int i, int range_class, bint is_named) except -1:
        cdef Batch batch = self.batch
        cdef const uint8_t* address = NULL
        cdef int size = batch.client(i, &address)
        client = <bytes>(<const char*>address)[:size]
        message = <bytes>(<const char*>batch.message(i))[: batch.received[i].msg_len]
        outcome = self.slow_path.decide_message(
            self._turn(), message, client, Transport.UDP, None if range_class < 0 else range_class, is_named
        )
        if isinstance(outcome, Reply):
            batch.reply_with(i, outcome.message)
        elif isinstance(outcome, Update):
            self._turn().events.append(outcome.answered_by(listener, batch.peer(i), batch.ancillary(i)))
        else:
            waiter = Waiter(outcome.query, client, self.boot_ns, listener, batch.peer(i), batch.ancillary(i))
            self.slow_path.ask(self._turn(), outcome, waiter)
        self.slow_path.ask_for_due(self._turn())
        return 0

    cdef void ask_again(self, const Asked* asked, uint16_t view, const uint8_t* client, int size) noexcept with gil:
        """Let the slow path ask for a popular answer that ends soon."""
        name = <bytes>(<const char*>asked.name)[: asked.name_size]
        key = CacheKey(view, name, asked.qtype, CLASS_IN, bool(asked.do_bit), bool(asked.cd))
        try:
            self.slow_path.ask_again(self._turn(), key, <bytes>(<const char*>client)[:size])
        except BaseException as error:
            self._fail(error)

    cdef object decide_message(self, message, client, transport, wall_s, boot_ms, int range_class, bint is_named):
        """Decide on a message without a socket, in a turn of its own."""
        return self.slow_path.decide_message(
            Turn(wall_s, boot_ms * NS_PER_MS), message, client, transport,
            None if range_class < 0 else range_class, is_named,
        )

    # Messages of connections.

    cdef void decide_stream(
        self, Connection* connection, const uint8_t* client, int client_size, const uint8_t* message, uint32_t size,
        int range_class, bint is_named,
    ) noexcept with gil:
        """Let the slow path decide on a message. If that fails, the connection ends."""
        try:
            asker = <bytes>(<const char*>client)[:client_size]
            self._decide_stream(connection, asker, <bytes>(<const char*>message)[:size], range_class, is_named)
        except BaseException as error:
            connection.doomed = True
            self._fail(error)

    cdef int _decide_stream(
        self, Connection* connection, bytes client, bytes message, int range_class, bint is_named
    ) except -1:
        cdef Connections connections = self.table.connections
        cdef int options = asked_options(message, <uint32_t>len(message), connection.transport == OVER_DOT)
        transport = TRANSPORTS[connection.transport]
        outcome = self.slow_path.decide_message(
            self._turn(), message, client, transport, None if range_class < 0 else range_class, is_named
        )
        if isinstance(outcome, Reply):
            connections.copy_reply(outcome.message)
            if self.recording.active:
                self.recording.recorder.replied(client, transport, outcome.message)
            connections.add_reply(<uint32_t>len(outcome.message), options)
            self.slow_path.ask_for_due(self._turn())
            return 0
        connection.waiting += 1
        reply = stream_reply(connections, connections.handle_of(connection), options)
        if isinstance(outcome, Update):
            self._turn().events.append(with_changes(outcome, reply=reply))
        else:
            self.slow_path.forward(self._turn(), outcome, reply=reply)
        return 0

    # Answers of upstreams.

    cdef void take_answer(self, int result, int fd, const Arrived* arrived) noexcept with gil:
        """Let the slow path judge a datagram. REFUSED is an ICMP error, which concerns every question on the socket."""
        try:
            if result == REFUSED:
                for number in self.table.waiting_on(fd):
                    self.slow_path.arrived(self._turn(), arrived.server, number, None)
                return
            number = PROBE if result == PROBED else self.table.exchange_of(arrived.flight).number
            message = <bytes>arrived.message[: arrived.size]
            letters = arrived.letters if arrived.varied else None
            cookie = None if arrived.cookie == NULL else <bytes>arrived.cookie[:CLIENT_COOKIE]
            self.slow_path.arrived(self._turn(), arrived.server, number, message, letters, cookie)
        except BaseException as error:
            self._fail(error)

    cdef void leave_over(self, const Waiting* waiting) noexcept with gil:
        """Keep a query of a flight for `finish`."""
        try:
            self.left_over.append(self.table.waiter_of(waiting))
        except BaseException as error:
            self._fail(error)

    cdef void finish(self, Flight* flight) noexcept with gil:
        """Forget a flight, and let the slow path answer the queries that are left over, from the cache."""
        try:
            waiters, self.left_over = self.left_over, []
            try:
                key = key_of_flight(flight)
            finally:
                self.table.pending.finish(flight)
            self.slow_path.deliver(self._turn(), waiters, key)
        except BaseException as error:
            self._fail(error)

    # While ranges are captured.

    cdef void record_replies(self) noexcept with gil:
        """Record the replies of the batch."""
        try:
            self.recording.replied(self.batch)
        except BaseException as error:
            self._fail(error)

    cdef void record_drop(self, int i) noexcept with gil:
        """Record that datagram `i` of the batch gets no answer."""
        try:
            self.recording.dropped(self.batch, i)
        except BaseException as error:
            self._fail(error)

    cdef void record_delivery(self, const Waiting* waiting) noexcept with gil:
        """Record the reply that was just delivered."""
        try:
            self.recording.delivered(self.delivery, waiting)
        except BaseException as error:
            self._fail(error)

    cdef void record_stream(
        self, const uint8_t* client, int client_size, int over, const uint8_t* reply, uint32_t size
    ) noexcept with gil:
        """Record a reply to a connection."""
        try:
            self.recording.record(client, client_size, TRANSPORTS[over], <const char*>reply, size)
        except BaseException as error:
            self._fail(error)

    cdef void record_stream_drop(
        self, const uint8_t* client, int client_size, int over, const uint8_t* message, uint32_t size
    ) noexcept with gil:
        """Record that a message of a connection gets no answer."""
        asker = <bytes>(<const char*>client)[:client_size]
        try:
            self.recording.recorder.decided(<bytes>(<const char*>message)[:size], asker, TRANSPORTS[over], Drop())
        except BaseException as error:
            self._fail(error)
