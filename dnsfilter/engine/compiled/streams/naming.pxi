# The server name that a trusted proxy gives for a connection in clear text. Each function takes the GIL once.


@cython.final
cdef class Named:
    """A server name, and the packed address of the client that came by it."""

    cdef bytes name
    cdef bytes peer


cdef bint keep_name(Connection* connection, const ProxyHeader* found) noexcept with gil:
    """Keep the name in a proxy's header with the connection. Return False if there is no room for it."""
    cdef Named made
    try:
        made = Named.__new__(Named)
        made.name = (<const char*>found.name)[: found.name_size]
        made.peer = (<const char*>connection.address)[: connection.address_size]
    except MemoryError:
        return False
    Py_INCREF(made)
    connection.named = <PyObject*>made
    return True


cdef void forget_name(Connection* connection) noexcept with gil:
    cdef Named named = <Named>connection.named
    connection.named = NULL
    Py_DECREF(named)


cdef bint rename(Connection* connection, object client_of) noexcept with gil:
    """Set the client by the connection's name. Return False for an unknown name: a fleet's may end at any time."""
    cdef Named named = <Named>connection.named
    cdef bytes client
    try:
        client = named_client(client_of, <const uint8_t*><const char*>named.name, <uint32_t>len(named.name), named.peer)
    except Exception:
        return False
    if client is None:
        return False
    connection.address_size = <uint8_t>len(client)
    memcpy(connection.address, <const char*>client, len(client))
    return True
