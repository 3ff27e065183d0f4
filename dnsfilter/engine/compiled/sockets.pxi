# Listening sockets, and batches of datagrams: recvmmsg(2), sendmmsg(2), and the address that a datagram came to.

from libc.stdlib cimport free, malloc, realloc

from dnsfilter.engine.interface import nobody

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    struct sockaddr_storage:
        unsigned short ss_family
    struct msghdr:
        void* msg_name
        socklen_t msg_namelen
        iovec* msg_iov
        size_t msg_iovlen
        void* msg_control
        size_t msg_controllen
        int msg_flags
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    struct timespec:
        pass
    cmsghdr* CMSG_FIRSTHDR(msghdr* message)
    cmsghdr* CMSG_NXTHDR(msghdr* message, cmsghdr* header)
    unsigned char* CMSG_DATA(cmsghdr* header)
    int recvmmsg(int fd, mmsghdr* messages, unsigned int count, int flags, timespec* timeout)
    int sendmmsg(int fd, mmsghdr* messages, unsigned int count, int flags)
    int AF_INET, AF_INET6, MSG_DONTWAIT

cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        uint32_t s_addr
    struct in6_addr:
        uint8_t s6_addr[16]
    struct sockaddr_in:
        unsigned short sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id
    struct in_pktinfo:
        int ipi_ifindex
        in_addr ipi_spec_dst
        in_addr ipi_addr
    int IPPROTO_IP, IPPROTO_IPV6, IP_PKTINFO, IPV6_PKTINFO

cdef enum:
    BATCH_DATAGRAMS = 64
    LARGEST_QUERY = 65535
    QUERY_ROOM = 65536 + 192    # no power of two, or all starts would share one set of the processor's cache
    STREAM_ROOM = 65535
    REPLY_ROOM = 1280       # a reply over UDP has at most 1232 bytes
    CONTROL_ROOM = 64       # one IP_PKTINFO or IPV6_PKTINFO needs 32 and 40


cdef struct Listening:
    int fd
    int reply_fd            # sends later replies; 0: `fd` does not listen
    bint wildcard


@cython.final
cdef class ListeningSockets:
    """The listening sockets, by descriptor."""

    cdef dict listeners
    cdef Listening* by_fd
    cdef int room

    def __cinit__(self):
        self.listeners = {}

    def __dealloc__(self):
        free(self.by_fd)

    def add(self, listener, int reply_fd):
        """Know a socket from now on. `reply_fd` is above 0."""
        cdef int fd = listener.fileno(), wanted = 2 * fd + 64
        cdef Listening* grown
        if fd >= self.room:
            grown = <Listening*>realloc(self.by_fd, wanted * sizeof(Listening))
            if grown == NULL:
                raise MemoryError
            memset(grown + self.room, 0, (wanted - self.room) * sizeof(Listening))
            self.by_fd, self.room = grown, wanted
        self.listeners[fd] = listener
        self.by_fd[fd].fd, self.by_fd[fd].reply_fd, self.by_fd[fd].wildcard = fd, reply_fd, listener.wildcard

    def remove(self, listener):
        cdef int fd = listener.fileno()
        del self.listeners[fd]
        self.by_fd[fd].reply_fd = 0

    cdef const Listening* at(self, int fd) noexcept nogil:
        """Return the listening socket with this descriptor, valid until the next `add`; NULL if there is none."""
        return &self.by_fd[fd] if fd < self.room and self.by_fd[fd].reply_fd else NULL

    cdef object listener_of(self, const Listening* source):
        return self.listeners[source.fd]


@cython.final
cdef class Batch:
    """The datagrams of one read from a listening socket, and their replies. Buffers are allocated once."""

    cdef uint8_t* inbox
    cdef uint8_t* outbox
    cdef sockaddr_storage* peers
    cdef sockaddr_storage* clients  # `peers`, or `others` if any client is not the sender
    cdef sockaddr_storage* others
    cdef bint names_clients         # proxies or forwarders may name clients
    cdef Prefixes proxies
    cdef object client_of           # as `Engine.name_clients` gets it
    cdef uint8_t* controls
    cdef iovec[64] in_parts
    cdef iovec[64] out_parts
    cdef mmsghdr[64] received
    cdef mmsghdr[64] replies
    cdef int reply_count
    cdef int used               # headers that a read may have changed

    def __cinit__(self, Prefixes proxies not None, Prefixes forwarders not None):
        self.proxies, self.client_of = proxies, nobody
        self.inbox = <uint8_t*>malloc(BATCH_DATAGRAMS * QUERY_ROOM)
        self.outbox = <uint8_t*>malloc(BATCH_DATAGRAMS * REPLY_ROOM)
        self.peers = <sockaddr_storage*>malloc(BATCH_DATAGRAMS * sizeof(sockaddr_storage))
        self.others = <sockaddr_storage*>malloc(BATCH_DATAGRAMS * sizeof(sockaddr_storage))
        self.clients, self.names_clients = self.peers, proxies.count or forwarders.count
        self.controls = <uint8_t*>malloc(BATCH_DATAGRAMS * CONTROL_ROOM)
        if self.inbox == NULL or self.outbox == NULL or self.peers == NULL or self.controls == NULL:
            raise MemoryError
        if self.others == NULL:
            raise MemoryError
        self.init_headers()

    def __dealloc__(self):
        free(self.inbox)
        free(self.outbox)
        free(self.others)
        free(self.peers)
        free(self.controls)

    cdef void init_headers(self) noexcept nogil:
        """Point the headers to their buffers."""
        cdef int i
        memset(self.received, 0, sizeof(self.received))
        memset(self.replies, 0, sizeof(self.replies))
        for i in range(BATCH_DATAGRAMS):
            self.in_parts[i].iov_base = self.inbox + i * QUERY_ROOM
            self.in_parts[i].iov_len = LARGEST_QUERY
            self.received[i].msg_hdr.msg_iov = &self.in_parts[i]
            self.received[i].msg_hdr.msg_iovlen = 1
            self.received[i].msg_hdr.msg_name = &self.peers[i]
            self.out_parts[i].iov_base = self.outbox + i * REPLY_ROOM
            self.replies[i].msg_hdr.msg_iov = &self.out_parts[i]
            self.replies[i].msg_hdr.msg_iovlen = 1
        self.used = BATCH_DATAGRAMS
        self.reply_count = 0

    cdef int receive(self, int fd, bint wildcard) noexcept nogil:
        """Read at most BATCH_DATAGRAMS datagrams, and return their number."""
        cdef int i, count
        for i in range(BATCH_DATAGRAMS if wildcard else self.used):  # reset the fields that the kernel wrote
            self.received[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage)
            self.received[i].msg_hdr.msg_control = self.controls + i * CONTROL_ROOM if wildcard else NULL
            self.received[i].msg_hdr.msg_controllen = CONTROL_ROOM if wildcard else 0
        count = recvmmsg(fd, self.received, BATCH_DATAGRAMS, MSG_DONTWAIT, NULL)
        self.used = BATCH_DATAGRAMS if wildcard else count if count > 0 else 0
        self.reply_count = 0
        if count <= 0:
            return 0
        self.take_addresses(count)
        if self.proxies.count:
            self.unwrap(count)
        return count

    cdef void take_addresses(self, int count) noexcept nogil:
        """Set the clients to those of the senders' addresses. None of them is a fleet's."""
        cdef int i
        self.clients = self.peers
        if self.names_clients:
            self.part_clients(count)
        if self.peers[0].ss_family != AF_INET6:  # nor is any other
            return
        for i in range(count):
            if is_in_block((<sockaddr_in6*>&self.peers[i]).sin6_addr.s6_addr, V6_BYTES):
                if self.clients == self.peers:
                    self.part_clients(count)
                leave_fleets((<sockaddr_in6*>&self.clients[i]).sin6_addr.s6_addr, V6_BYTES)

    cdef inline void part_clients(self, int count) noexcept nogil:
        """Copy the senders' addresses, so that a change of a client keeps the address to answer to."""
        memcpy(self.others, self.peers, count * sizeof(sockaddr_storage))
        self.clients = self.others

    cdef void unwrap(self, int count) noexcept nogil:
        """Remove the headers of trusted proxies, and take the clients from them. Empty a datagram without one."""
        cdef const uint8_t* address = NULL
        cdef int i, size
        cdef uint32_t header
        cdef uint8_t[16] named
        cdef ProxyHeader found
        for i in range(count):
            size = self.client(i, &address)
            if not self.proxies.hold(address, size):
                continue
            header = read_proxy_header(self.message(i), self.received[i].msg_len, &found)
            if found.client_size:
                memcpy(named, found.client, found.client_size)
                leave_fleets(named, found.client_size)
                found.client = named
            if found.name_size:
                header = header if self.rename_client(i, &found) else 0
            else:
                self.name_client(i, found.client, found.client_size)
            self.received[i].msg_len = self.received[i].msg_len - header if header else 0
            memmove(self.inbox + i * QUERY_ROOM, self.message(i) + header, self.received[i].msg_len)

    cdef bint rename_client(self, int i, const ProxyHeader* found) noexcept with gil:
        """Set the client of datagram `i` by the server name. Return False for an unknown name."""
        cdef bytes client
        try:
            client = (<const char*>found.client)[: found.client_size]
            client = named_client(self.client_of, found.name, found.name_size, client)
        except Exception:
            return False
        if client is None:
            return False
        self.name_client(i, <const uint8_t*><const char*>client, <int>len(client))
        return True

    cdef void name_client(self, int i, const uint8_t* address, int size) noexcept nogil:
        """Set the packed address of the client of datagram `i`, unless `size` is 0."""
        if size == V4_BYTES:
            self.clients[i].ss_family = AF_INET
            memcpy(&(<sockaddr_in*>&self.clients[i]).sin_addr, address, V4_BYTES)
        elif size == V6_BYTES:
            self.clients[i].ss_family = AF_INET6
            memcpy(&(<sockaddr_in6*>&self.clients[i]).sin6_addr, address, V6_BYTES)

    cdef uint8_t* next_reply(self) noexcept nogil:
        """Return where to write the next reply."""
        return self.outbox + self.reply_count * REPLY_ROOM

    cdef void reply(self, int i, uint32_t size) noexcept nogil:
        """Queue the `size` bytes in `next_reply` as the reply to datagram `i`, from the address that it came to."""
        cdef msghdr* out = &self.replies[self.reply_count].msg_hdr
        cdef msghdr* asked = &self.received[i].msg_hdr
        self.out_parts[self.reply_count].iov_len = size
        out.msg_name = asked.msg_name
        out.msg_namelen = asked.msg_namelen
        out.msg_control = NULL
        out.msg_controllen = 0
        if asked.msg_control != NULL and keep_local_address(asked):
            out.msg_control = asked.msg_control
            out.msg_controllen = asked.msg_controllen
        self.reply_count += 1

    cdef void flush(self, int fd) noexcept nogil:
        """Send the replies. A reply that the kernel does not accept is lost, as UDP may."""
        cdef int sent, done = 0
        while done < self.reply_count:
            sent = sendmmsg(fd, self.replies + done, self.reply_count - done, MSG_DONTWAIT)
            done += sent if sent > 0 else 1
        self.reply_count = 0

    cdef const uint8_t* message(self, int i) noexcept nogil:
        """Return the content of datagram `i`; its size is `received[i].msg_len`."""
        return self.inbox + i * QUERY_ROOM

    cdef void reply_with(self, int i, bytes message):
        """Answer datagram `i` with `message`, which has at most REPLY_ROOM bytes."""
        if len(message) <= REPLY_ROOM:
            memcpy(self.next_reply(), <const uint8_t*>message, len(message))
            self.reply(i, len(message))

    cdef tuple peer(self, int i):
        """Return the sender of datagram `i` as the socket module represents it."""
        cdef msghdr* asked = &self.received[i].msg_hdr
        return peer_of(<bytes>(<const char*>asked.msg_name)[: asked.msg_namelen])

    cdef list ancillary(self, int i):
        """Return the control data that a later answer to datagram `i` needs, as `UdpListener.receive` does."""
        cdef msghdr* asked = &self.received[i].msg_hdr
        if asked.msg_control == NULL or not keep_local_address(asked):
            return []
        return ancillary_of(<bytes>(<const char*>asked.msg_control)[: asked.msg_controllen])

    cdef int client(self, int i, const uint8_t** address) noexcept nogil:
        """Set `address` to the client's packed address and return its size; 0 if it is neither IPv4 nor IPv6."""
        return address_of(&self.clients[i], address)

    cdef int client_of_reply(self, int i, const uint8_t** address) noexcept nogil:
        """Set `address` to the packed address of the client of reply `i` and return its size."""
        cdef sockaddr_storage* peer = <sockaddr_storage*>self.replies[i].msg_hdr.msg_name
        return address_of(&self.clients[peer - self.peers], address)


cdef inline int address_of(sockaddr_storage* peer, const uint8_t** address) noexcept nogil:
    """Set `address` to the packed address of `peer` and return its size; 0 if it is neither IPv4 nor IPv6."""
    if peer.ss_family == AF_INET:
        address[0] = <const uint8_t*>&(<sockaddr_in*>peer).sin_addr
        return 4
    if peer.ss_family == AF_INET6:
        address[0] = (<sockaddr_in6*>peer).sin6_addr.s6_addr
        return 16
    return 0


cdef bint keep_local_address(msghdr* message) noexcept nogil:
    """Return whether the control data has the local address of the datagram; make it ready for sending."""
    cdef cmsghdr* header = CMSG_FIRSTHDR(message)
    while header != NULL:
        if header.cmsg_level == IPPROTO_IP and header.cmsg_type == IP_PKTINFO:
            # Set only the source address: the route decides the interface (ip(7)).
            (<in_pktinfo*>CMSG_DATA(header)).ipi_ifindex = 0
            (<in_pktinfo*>CMSG_DATA(header)).ipi_addr.s_addr = 0
            return True
        if header.cmsg_level == IPPROTO_IPV6 and header.cmsg_type == IPV6_PKTINFO:
            return True
        header = CMSG_NXTHDR(message, header)
    return False
