# Replies for `dnsfilter.engine.slow_path.recorder.Recorder`, while a capture is in force. Otherwise nothing is called.


@cython.final
cdef class Recording:
    """Gives the recorder what was answered, while `active`: check that first."""

    cdef readonly object recorder
    cdef bint active

    def use(self, recorder):
        """Record by this recorder from now on; None ends that."""
        self.recorder, self.active = recorder, recorder is not None

    cdef int replied(self, Batch batch) except -1:
        """Record the replies of a batch."""
        cdef const uint8_t* client = NULL
        cdef int i, size
        for i in range(batch.reply_count):
            size = batch.client_of_reply(i, &client)
            self._record(client, size, &batch.out_parts[i])
        return 0

    cdef int delivered(self, Outbox outbox, const Waiting* waiting) except -1:
        """Record the reply that was just put into the outbox."""
        return self._record(waiting.address, waiting.address_size, &outbox.parts[outbox.count - 1])

    cdef int dropped(self, Batch batch, int i) except -1:
        """Record that datagram `i` of a batch gets no answer."""
        cdef const uint8_t* client = NULL
        cdef int size = batch.client(i, &client)
        message = <bytes>(<const char*>batch.message(i))[: batch.received[i].msg_len]
        self.recorder.decided(message, <bytes>(<const char*>client)[:size], Transport.UDP, Drop())
        return 0

    cdef int _record(self, const uint8_t* client, int client_size, const iovec* part) except -1:
        reply = <bytes>(<const char*>part.iov_base)[: part.iov_len]
        self.recorder.replied(<bytes>(<const char*>client)[:client_size], Transport.UDP, reply)
        return 0
