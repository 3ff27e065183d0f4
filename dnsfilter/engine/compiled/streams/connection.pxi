# One connection of a client over TCP, and the order in which connections were used last.

from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject

cdef enum:
    FRAME_HEAD = 2          # bytes of the length before each message
    LARGEST_FRAME = 65537
    READ_ROOM = 4096        # bytes of one read from a connection that has nothing left from before
    OUTBOX_ROOM = 2 * 65536 # with FRAME_HEAD and STREAM_ROOM free, it takes any reply
    SPARE_PLACES = 64
    LISTENS = 0xFFFFFFFF    # in `by_fd`: a listening socket
    LISTENS_TLS = 0xFFFFFFFE    # one for DNS over TLS
    MOST_UNSENT_BYTES = 262144  # as MOST_UNSENT of server/stream.py

# The index of a transport in TRANSPORTS.
cdef enum:
    OVER_UDP = 0
    OVER_TCP = 1
    OVER_DOT = 2
    OVER_DOH = 3

# Connections in the order of use. Those whose TLS handshake is not complete have an order of their own.
cdef enum:
    IN_CLEAR = 0
    ENCRYPTED = 1
    UNFINISHED = 2
    ORDERS = 3

cdef struct Connection:
    Connection* before          # used longer ago
    Connection* behind
    Connection* next_due        # or the next free place
    Client* client              # NULL: a proxy has not yet named it
    ByteQueue unread            # less than one frame, unless the frame has to wait
    ByteQueue unsent            # as the network gets it
    ByteQueue unsealed          # replies that TLS has to encrypt
    PyObject* sealing           # a Sealing, owned; NULL: in clear text
    PyObject* named             # a Named, owned, if a proxy has given a server name for a connection in clear text
    int64_t due_ms              # when it has been idle for too long
    uint64_t sent               # bytes that the kernel has taken
    uint64_t seen               # `sent` at the last look
    int fd                      # -1: ended
    uint32_t generation
    uint32_t waiting            # queries without a reply yet
    uint32_t taken_in           # the turn in which messages were taken last
    uint32_t events             # that epoll reports
    uint8_t transport           # index in TRANSPORTS
    uint8_t order               # the order of use that it is in
    uint8_t address[16]         # of the client, or of the proxy while the client is not known
    uint8_t address_size
    bint header_due             # a trusted proxy has not yet named the client
    bint ended                  # the client has closed its sending side
    bint blocked                # the client has to read before more is answered
    bint doomed
    bint is_due                 # in the list of those to serve at the end of the turn

cdef struct UseOrder:
    Connection* first           # the longest unused one
    Connection* last
    uint32_t count


cdef void append_used(UseOrder* order, Connection* connection) noexcept nogil:
    """Add a connection as the one that was used last."""
    connection.before, connection.behind = order.last, NULL
    if order.last != NULL:
        order.last.behind = connection
    else:
        order.first = connection
    order.last = connection
    order.count += 1


cdef void unlink_used(UseOrder* order, Connection* connection) noexcept nogil:
    if connection.before != NULL:
        connection.before.behind = connection.behind
    else:
        order.first = connection.behind
    if connection.behind != NULL:
        connection.behind.before = connection.before
    else:
        order.last = connection.before
    order.count -= 1


cdef inline bint is_idle(const Connection* connection) noexcept nogil:
    """Return whether no query is being answered, and all replies are sent."""
    if connection.waiting or held_bytes(&connection.unsent) or held_bytes(&connection.unsealed):
        return False
    return not has_frame(connection)


cdef inline bint has_frame(const Connection* connection) noexcept nogil:
    """Return whether a complete message has been read and not taken. It is then the first of what was read."""
    cdef uint32_t held = held_bytes(&connection.unread)
    if held < FRAME_HEAD or connection.header_due:
        return False
    return held - FRAME_HEAD >= big16(connection.unread.data + connection.unread.start)


cdef inline Connection* first_idle(const UseOrder* order) noexcept nogil:
    """Return the longest unused connection that is idle; NULL if there is none."""
    cdef Connection* found = order.first
    while found != NULL and not is_idle(found):
        found = found.behind
    return found
