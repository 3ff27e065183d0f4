# TLS between a connection's socket and its messages: `TlsSide` of engine/interface.py, by Python's ssl. Each function
# takes the GIL once, for all that was read or is to be sent. What fails in it ends its connection, and no other.


@cython.final
cdef class Sealing:
    """The TLS of one connection. `peer` is the client's packed address, also if it asks by a fleet's name."""

    cdef object side
    cdef bytes peer
    cdef bint is_open


cdef bint begin_sealing(Connection* connection, object make_side) noexcept:
    """Give a new connection its TLS. Return False if there is none to be had."""
    cdef Sealing made
    try:
        side = make_side()
    except Exception:
        return False
    if side is None:
        return False
    made = Sealing.__new__(Sealing)
    made.side, made.is_open = side, False
    Py_INCREF(made)
    connection.sealing = <PyObject*>made
    return True


cdef void end_sealing(Connection* connection) noexcept with gil:
    """Say to the client that this side ends, if it can be said at once, and forget the TLS."""
    cdef Sealing sealing = <Sealing>connection.sealing
    cdef bytes last
    connection.sealing = NULL
    Py_DECREF(sealing)
    try:
        last = sealing.side.end()
    except Exception:
        return
    if last and not held_bytes(&connection.unsent):
        send_stream(connection.fd, <const char*>last, len(last))


cdef bytes opened(Connection* connection, bytes data, object client_of):
    """Return what the client says with `data`. None: nothing, or the connection is doomed."""
    cdef Sealing sealing = <Sealing>connection.sealing
    cdef bytes plain, asker, answer
    if sealing.peer is None:
        sealing.peer = <bytes>(<const char*>connection.address)[: connection.address_size]
    plain = sealing.side.receive(data)
    answer = sealing.side.take()
    if answer and not add_bytes(&connection.unsent, <const uint8_t*><const char*>answer, <uint32_t>len(answer)):
        connection.doomed = True
    if sealing.side.has_ended:
        connection.ended = True
    if not sealing.is_open:
        sealing.is_open = sealing.side.is_open
        if not sealing.is_open:
            return None
    # A fleet's name may end at any time.
    asker = client_of(sealing.side.server_name, sealing.peer, sealing.side.is_certified)
    if asker is None or len(asker) > 16:
        connection.doomed = True
        return None
    connection.address_size = <uint8_t>len(asker)
    memcpy(connection.address, <const char*>asker, len(asker))
    return plain


cdef bint seal_replies(Connection* connection, const uint8_t* more, uint32_t size) noexcept with gil:
    """Encrypt the replies that wait for it and `size` bytes more, together. Return False if that fails."""
    cdef ByteQueue* waiting = &connection.unsealed
    cdef Sealing sealing = <Sealing>connection.sealing
    cdef bytes sealed
    try:
        if held_bytes(waiting):
            sealing.side.send((<const char*>waiting.data)[waiting.start : waiting.end] + (<const char*>more)[:size])
        else:
            sealing.side.send((<const char*>more)[:size])
        sealed = sealing.side.take()
        return add_bytes(&connection.unsent, <const uint8_t*><const char*>sealed, <uint32_t>len(sealed))
    except Exception:  # TLS has ended
        return False
    finally:
        drop_bytes(waiting, held_bytes(waiting))
