# A queue of bytes in one piece of memory, which is allocated only while it holds bytes. All zeros is an empty queue.

cdef enum:
    LEAST_ROOM = 512

cdef struct ByteQueue:
    uint8_t* data
    uint32_t start
    uint32_t end
    uint32_t room


cdef inline uint32_t held_bytes(const ByteQueue* queue) noexcept nogil:
    return queue.end - queue.start


cdef void drop_bytes(ByteQueue* queue, uint32_t size) noexcept nogil:
    """Remove the first `size` bytes."""
    queue.start += size
    if queue.start == queue.end:
        free(queue.data)
        memset(queue, 0, sizeof(ByteQueue))


cdef bint make_room(ByteQueue* queue, uint32_t size) noexcept nogil:
    """Make room for at least `size` bytes behind the last one. Return False if there is no memory."""
    cdef uint32_t held = held_bytes(queue), room
    cdef uint8_t* moved
    if queue.room - queue.end >= size:
        return True
    if queue.start:
        memmove(queue.data, queue.data + queue.start, held)
        queue.start, queue.end = 0, held
    if queue.room - held >= size:
        return True
    room = max(max(2 * queue.room, held + size), <uint32_t>LEAST_ROOM)
    moved = <uint8_t*>realloc(queue.data, room)
    if moved == NULL:
        return False
    queue.data, queue.room = moved, room
    return True


cdef bint add_bytes(ByteQueue* queue, const uint8_t* data, uint32_t size) noexcept nogil:
    """Add bytes behind the last one. Return False if there is no memory."""
    if not make_room(queue, size):
        return False
    memcpy(queue.data + queue.end, data, size)
    queue.end += size
    return True
