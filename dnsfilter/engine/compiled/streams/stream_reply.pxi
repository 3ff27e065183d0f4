# The reply to a query of a connection that the slow path answers later.


@cython.final
cdef class StreamReply:
    """Answers one waiting query of a connection, when called with the message. A second call does nothing."""

    cdef Connections connections
    cdef uint64_t handle
    cdef int options

    def __call__(self, bytes message not None):
        cdef uint64_t handle = self.handle
        self.handle = 0
        self.connections.reply(handle, message, self.options)

    def __dealloc__(self):
        if self.handle and self.connections is not None:
            self.connections.give_up(self.handle)


cdef object stream_reply(Connections connections, uint64_t handle, int options):
    """Return the StreamReply of a query that waits: the connection counts it already."""
    cdef StreamReply made = StreamReply.__new__(StreamReply)
    made.connections, made.handle, made.options = connections, handle, options
    return made
