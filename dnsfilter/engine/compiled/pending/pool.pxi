# Sockets to the upstreams, as in engine/reference/pool.py: connected, on unpredictable ports, soon retired (RFC 5452
# section 9.2). One class holds the pools of all servers.
#
#   draw(server, now_ms)    return a socket to send from; NULL if there is none
#   at(fd)                  return the socket of a descriptor; NULL if it is not in a pool
#   sweep(now_ms)           retire worn sockets, close retired ones without outstanding sends
#   random16(), below(n)    return unpredictable numbers
#
# The caller increments `sends` and `waiting` of a socket when it sends, and decrements `waiting` afterwards. A pointer
# to a socket is valid until the next draw, sweep or close, or for as long as `waiting` is not 0.

from libc.errno cimport EAGAIN, ECONNREFUSED, EINTR, EIO, EMFILE, ENFILE, errno
from libc.stdlib cimport abort, calloc, free, malloc, realloc

cdef extern from *:
    """
    #include <netinet/in.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/random.h>
    #include <sys/socket.h>
    #include <unistd.h>
    static int watch_upstream(int epoll_fd, int fd) {
        struct epoll_event wanted = {.events = EPOLLIN, .data = {.fd = fd}};
        return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &wanted);
    }
    static void drop_upstream(int epoll_fd, int fd) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        close(fd);
    }
    static int bind_upstream(int fd, int family, uint16_t port) {
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        if (family == AF_INET6) return bind(fd, (struct sockaddr *)&six, sizeof six);
        return bind(fd, (struct sockaddr *)&four, sizeof four);
    }
    static int open_upstream(int family) {
        /* Ignore the path MTU of ICMP messages, which anybody can forge: no fragments (ip(7), IP_PMTUDISC_OMIT). */
        int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), omit = 5;
        if (fd < 0) return fd;
        if (family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, 23, &omit, sizeof omit)
                               : setsockopt(fd, IPPROTO_IP, 10, &omit, sizeof omit)) {
            close(fd);
            return -1;
        }
        return fd;
    }
    static void read_own_address(int fd, uint8_t *out) {
        /* Write the local address without its port to 16 bytes, which are zero. */
        struct sockaddr_storage own;
        socklen_t size = sizeof own;
        if (getsockname(fd, (struct sockaddr *)&own, &size)) return;
        if (own.ss_family == AF_INET6) memcpy(out, &((struct sockaddr_in6 *)&own)->sin6_addr, 16);
        else memcpy(out, &((struct sockaddr_in *)&own)->sin_addr, 4);
    }
    static int connect_upstream(int fd, const void *address, unsigned size) {
        return connect(fd, (const struct sockaddr *)address, size);
    }
    """
    int watch_upstream(int epoll_fd, int fd) nogil
    void drop_upstream(int epoll_fd, int fd) nogil
    int bind_upstream(int fd, int family, uint16_t port) nogil
    int open_upstream(int family) nogil
    void read_own_address(int fd, uint8_t* out) nogil
    int connect_upstream(int fd, const void* address, unsigned int size) nogil
    int close_upstream "close"(int fd) nogil
    ssize_t draw_random_bytes "getrandom"(void* into, size_t size, unsigned int flags) nogil
    ssize_t send_upstream "send"(int fd, const void* message, size_t size, int flags) nogil
    ssize_t recv_upstream "recv"(int fd, void* into, size_t size, int flags) nogil

cdef enum:
    BIND_ATTEMPTS = 16
    MOST_PAST = 256         # as in engine/reference/pool.py
    DRAWN_BYTES = 256      # getrandom(2) never returns fewer for requests up to this size

cdef struct Pooled:
    int fd
    int server
    int64_t opened_ms
    uint32_t sends
    uint32_t waiting        # outstanding sends
    uint32_t past_count     # ids that no longer wait, of which `past` has the last
    uint16_t past[256]      # MOST_PAST
    uint8_t cookie[8]       # the client cookie
    bint retired

cdef struct ServerAddress:
    int family
    unsigned int size
    uint8_t address[28]     # a sockaddr_in or sockaddr_in6


@cython.final
cdef class Pools:
    """Up to POOL_SIZE sockets to each of `addresses`, pairs of an address family and a packed sockaddr."""

    cdef ServerAddress* addresses
    cdef Pooled** slots     # POOL_SIZE for each server
    cdef Pooled** by_fd
    cdef int fd_room
    cdef int servers
    cdef int epoll_fd
    cdef int open_count
    cdef int left
    cdef uint8_t drawn[256]
    cdef uint64_t[2] secret     # of client cookies
    cdef int64_t secret_until_ms

    def __cinit__(self, addresses, int epoll_fd):
        self.servers, self.epoll_fd = len(addresses), epoll_fd
        self.addresses = <ServerAddress*>calloc(self.servers + 1, sizeof(ServerAddress))
        self.slots = <Pooled**>calloc(self.servers * POOL_SIZE + 1, sizeof(Pooled*))
        if self.addresses == NULL or self.slots == NULL:
            raise MemoryError
        for i, (family, packed) in enumerate(addresses):
            if len(packed) > 28:
                raise ValueError(f"server address {packed!r} has {len(packed)} bytes: the limit is 28")
            self.addresses[i].family, self.addresses[i].size = family, len(packed)
            memcpy(self.addresses[i].address, <const uint8_t*>(<bytes>packed), len(packed))

    def __dealloc__(self):
        self.close_all()
        free(self.addresses)
        free(self.slots)
        free(self.by_fd)

    cdef Pooled* at(self, int fd) noexcept nogil:
        return self.by_fd[fd] if 0 <= fd < self.fd_room else NULL

    cdef Pooled* draw(self, int server, int64_t now_ms) noexcept nogil:
        cdef int slot = server * POOL_SIZE + <int>self.below(POOL_SIZE)
        cdef Pooled* chosen = self.slots[slot]
        if chosen != NULL and is_worn(chosen, now_ms):
            self.retire(slot)
            chosen = NULL
        if chosen != NULL:
            return chosen
        chosen = self.open(server, now_ms)
        if chosen == NULL:  # without free descriptors, use an open socket
            return self.any_of(server) if errno == EMFILE or errno == ENFILE else NULL
        self.slots[slot] = chosen
        return chosen

    cdef Pooled* any_of(self, int server) noexcept nogil:
        cdef Pooled** own = self.slots + server * POOL_SIZE
        cdef int i, opened = 0
        for i in range(POOL_SIZE):
            opened += own[i] != NULL
        if not opened:
            return NULL
        opened = <int>self.below(opened)
        for i in range(POOL_SIZE):
            if own[i] != NULL:
                if not opened:
                    return own[i]
                opened -= 1
        return NULL

    cdef Pooled* open(self, int server, int64_t now_ms) noexcept nogil:
        """Open a socket; on failure return NULL and set `errno`."""
        cdef ServerAddress* to = &self.addresses[server]
        cdef Pooled* made
        cdef int cause, fd = open_upstream(to.family)
        if fd < 0:
            return NULL
        made = <Pooled*>calloc(1, sizeof(Pooled)) if self.make_room(fd) else NULL
        if (
            made == NULL
            or not self.bind_anywhere(fd, to.family)
            or connect_upstream(fd, to.address, to.size) < 0
            or watch_upstream(self.epoll_fd, fd) < 0
        ):
            cause = errno
            close_upstream(fd)
            free(made)
            (&errno)[0] = cause
            return NULL
        made.fd, made.server, made.opened_ms = fd, server, now_ms
        self.make_cookie(made, now_ms)
        self.by_fd[fd] = made
        self.open_count += 1
        return made

    cdef void make_cookie(self, Pooled* held, int64_t now_ms) noexcept nogil:
        """Make the client cookie for the server from this address: another address cannot be linked to it."""
        cdef uint8_t[48] both
        cdef uint64_t hash
        cdef int i
        if now_ms >= self.secret_until_ms:
            for i in range(8):
                (<uint16_t*>self.secret)[i] = self.random16()
            self.secret_until_ms = now_ms + SECRET_MS
        memset(both, 0, sizeof(both))
        memcpy(both, self.addresses[held.server].address, self.addresses[held.server].size)
        read_own_address(held.fd, both + 32)
        hash = sip_hash_24(self.secret, both, sizeof(both))
        memcpy(held.cookie, &hash, sizeof(hash))

    cdef bint bind_anywhere(self, int fd, int family) noexcept nogil:
        cdef uint16_t port
        cdef int i
        for i in range(BIND_ATTEMPTS):
            port = self.random16()
            while port < LOWEST_PORT:
                port = self.random16()
            if bind_upstream(fd, family, port) == 0:
                return True
        return False

    cdef bint make_room(self, int fd) noexcept nogil:
        cdef int i, wanted = 2 * fd + 64
        cdef Pooled** grown
        if fd < self.fd_room:
            return True
        grown = <Pooled**>realloc(self.by_fd, wanted * sizeof(Pooled*))
        if grown == NULL:
            return False
        for i in range(self.fd_room, wanted):
            grown[i] = NULL
        self.by_fd, self.fd_room = grown, wanted
        return True

    cdef void retire(self, int slot) noexcept nogil:
        self.slots[slot].retired = True
        if not self.slots[slot].waiting:
            self.drop(self.slots[slot])
        self.slots[slot] = NULL

    cdef void drop(self, Pooled* held) noexcept nogil:
        drop_upstream(self.epoll_fd, held.fd)
        self.by_fd[held.fd] = NULL
        self.open_count -= 1
        free(held)

    cdef void sweep(self, int64_t now_ms) noexcept nogil:
        cdef int i
        for i in range(self.servers * POOL_SIZE):
            if self.slots[i] != NULL and is_worn(self.slots[i], now_ms):
                self.retire(i)
        for i in range(self.fd_room):
            if self.by_fd[i] != NULL and self.by_fd[i].retired and not self.by_fd[i].waiting:
                self.drop(self.by_fd[i])

    cdef void close_all(self) noexcept nogil:
        cdef int i
        for i in range(self.fd_room):
            if self.by_fd[i] != NULL:
                self.drop(self.by_fd[i])
        if self.slots != NULL:
            memset(self.slots, 0, self.servers * POOL_SIZE * sizeof(Pooled*))

    cdef uint16_t random16(self) noexcept nogil:
        cdef uint16_t number
        if self.left < 2:
            if draw_random_bytes(self.drawn, DRAWN_BYTES, 0) != DRAWN_BYTES:
                abort()  # it cannot fail on a booted system; guessable ids are worse than no worker
            self.left = DRAWN_BYTES
        self.left -= 2
        memcpy(&number, self.drawn + self.left, 2)
        return number

    cdef uint64_t draw_letters(self, uint32_t name_size) noexcept nogil:
        """Return unpredictable bits for the bytes of a name whose case varies."""
        cdef uint64_t letters = 0
        cdef uint32_t i
        for i in range(0, min(name_size, VARIED_BYTES), 16):
            letters |= <uint64_t>self.random16() << i
        return letters

    cdef uint32_t below(self, uint32_t bound) noexcept nogil:
        """Return a uniformly random number from 0 to `bound` - 1; `bound` is at most 65,536."""
        cdef uint32_t number = self.random16()
        while number >= 65536 - 65536 % bound:
            number = self.random16()
        return number % bound


cdef inline void add_past(Pooled* held, uint16_t id) noexcept nogil:
    """Remember an id for which the socket has stopped waiting."""
    held.past[held.past_count % MOST_PAST] = id
    held.past_count += 1


cdef bint is_past(const Pooled* held, uint16_t id) noexcept nogil:
    """Return whether the socket remembers an id for which it has stopped waiting."""
    cdef uint32_t i
    for i in range(min(held.past_count, <uint32_t>MOST_PAST)):
        if held.past[i] == id:
            return True
    return False


cdef inline bint is_worn(const Pooled* held, int64_t now_ms) noexcept nogil:
    return held.sends >= LIFETIME_SENDS or now_ms - held.opened_ms >= LIFETIME_MS
