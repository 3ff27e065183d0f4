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
            self.record(client, size, Transport.UDP, <const char*>batch.out_parts[i].iov_base, batch.out_parts[i].iov_len)
        return 0

    cdef int delivered(self, Delivery delivery, const Waiting* waiting) except -1:
        """Record the reply that was just delivered."""
        transport = TRANSPORTS[waiting.transport]
        reply = <const char*>delivery.last_reply
        return self.record(waiting.address, waiting.address_size, transport, reply, delivery.last_size)

    cdef int dropped(self, Batch batch, int i) except -1:
        """Record that datagram `i` of a batch gets no answer."""
        cdef const uint8_t* client = NULL
        cdef int size = batch.client(i, &client)
        message = <bytes>(<const char*>batch.message(i))[: batch.received[i].msg_len]
        self.recorder.decided(message, <bytes>(<const char*>client)[:size], Transport.UDP, Drop())
        return 0

    cdef int record(
        self, const uint8_t* client, int client_size, object transport, const char* reply, size_t size
    ) except -1:
        self.recorder.replied(<bytes>(<const char*>client)[:client_size], transport, <bytes>reply[:size])
        return 0
