"""Sockets to one upstream: connected, on unpredictable ports, soon retired (RFC 5452 section 9.2).

Socket and id are drawn for each send, so that a forger must guess both. A pool costs less than half the processor time
of a new socket for each question.
"""

import errno
import secrets
import select
import socket
from collections import deque
from dataclasses import dataclass, field
from ipaddress import IPv6Address

from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.interoperable_cookie import sip_hash
from dnsfilter.engine.slow_path.pending_table import LATE
from dnsfilter.engine.udp_listener import ignore_path_mtu

POOL_SIZE = 256
LIFETIME_MS = 30_000
LIFETIME_SENDS = 1_000
MOST_PAST = 256
"""Ids that a socket remembers after it has stopped waiting for them."""
SECRET_MS = 86_400_000
"""Client cookies change after a day (RFC 7873 section 7.1: at most 36)."""
LOWEST_PORT = 1024
HIGHEST_PORT = 65535
_BIND_ATTEMPTS = 16


@dataclass(slots=True, eq=False)
class PoolSocket:
    """A connected socket. `waiting` maps ids of outstanding sends to exchange numbers; `past` has earlier ids.

    `letters` maps those ids to the letters of the name that was asked, if their case varied. `with_cookie` has those of
    queries with a cookie; `cookie` is the client cookie.
    """

    sock: socket.socket
    server: int
    opened_ms: int
    cookie: bytes = b""
    sends: int = 0
    waiting: dict[int, int] = field(default_factory=dict)
    letters: dict[int, int] = field(default_factory=dict)
    with_cookie: set[int] = field(default_factory=set)
    past: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_PAST))

    def is_worn(self, now_ms: int) -> bool:
        """Return whether the socket has been used enough to retire its port."""
        return self.sends >= LIFETIME_SENDS or now_ms - self.opened_ms >= LIFETIME_MS

    def send(self, message: bytes) -> None:
        """Send a message. Send again if the socket first reports the ICMP error of an earlier datagram (udp(7))."""
        self.sends += 1
        try:
            self.sock.send(message)
        except ConnectionRefusedError:
            self.sock.send(message)

    def forget(self, number: int) -> None:
        """Stop waiting for an answer under the id `number`."""
        self.letters.pop(number, None)
        self.with_cookie.discard(number)
        if self.waiting.pop(number, None) is not None:
            self.past.append(number)

    def exchange_of(self, message: bytes) -> int:
        """Return the exchange that was sent under the id of a message, or PROBE, LATE, or 0 if nothing was."""
        if len(message) < 2:
            return 0
        number = int.from_bytes(message[:2], "big")
        return self.waiting.get(number, LATE if number in self.past else 0)

    def letters_of(self, message: bytes) -> int | None:
        """Return the letters of the query that was sent under the id of a message. None: their case did not vary."""
        return self.letters.get(int.from_bytes(message[:2], "big")) if len(message) >= 2 else None

    def cookie_of(self, message: bytes) -> bytes | None:
        """Return the client cookie of the query that was sent under the id of a message. None: it had none."""
        return self.cookie if int.from_bytes(message[:2], "big") in self.with_cookie else None


class UpstreamPool:
    """Up to `POOL_SIZE` sockets to one server, opened when drawn. Each is registered with `poller`."""

    def __init__(self, server: int, endpoint: Endpoint, poller: select.epoll) -> None:
        self._server = server
        self._family = socket.AF_INET6 if isinstance(endpoint.address, IPv6Address) else socket.AF_INET
        self._address = (str(endpoint.address), endpoint.port)
        self._poller = poller
        self._slots: list[PoolSocket | None] = [None] * POOL_SIZE
        self._retired: set[PoolSocket] = set()
        self._secret, self._secret_until_ms = b"", 0
        self.by_fd: dict[int, PoolSocket] = {}

    def draw(self, now_ms: int) -> tuple[PoolSocket, int]:
        """Return a socket and an id that is free on it. Raise OSError if no socket can be opened."""
        slot = secrets.randbelow(POOL_SIZE)
        chosen = self._slots[slot]
        if chosen is not None and chosen.is_worn(now_ms):
            self._retire(slot, chosen)
            chosen = None
        if chosen is None:
            try:
                chosen = self._open(now_ms)
            except OSError as error:
                opened = [held for held in self._slots if held is not None]
                if error.errno not in (errno.EMFILE, errno.ENFILE) or not opened:
                    raise
                chosen = secrets.choice(opened)  # without free descriptors, use an open socket
            else:
                self._slots[slot] = chosen
        number = secrets.randbelow(65536)
        while number in chosen.waiting:
            number = secrets.randbelow(65536)
        return chosen, number

    def sweep(self, now_ms: int) -> None:
        """Retire worn sockets, and close retired ones without outstanding sends."""
        for slot, held in enumerate(self._slots):
            if held is not None and held.is_worn(now_ms):
                self._retire(slot, held)
        for held in [held for held in self._retired if not held.waiting]:
            self._close(held)

    def close(self) -> None:
        for held in list(self.by_fd.values()):
            self._close(held)
        self._slots = [None] * POOL_SIZE

    def _open(self, now_ms: int) -> PoolSocket:
        sock = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            ignore_path_mtu(sock)
            _bind_to_random_port(sock)
            sock.connect(self._address)
        except OSError:
            sock.close()
            raise
        opened = PoolSocket(sock, self._server, now_ms, self._client_cookie(sock, now_ms))
        self.by_fd[sock.fileno()] = opened
        self._poller.register(sock.fileno(), select.EPOLLIN)
        return opened

    def _client_cookie(self, sock: socket.socket, now_ms: int) -> bytes:
        """Return the client cookie for the server from this address: another address cannot be linked to it."""
        if now_ms >= self._secret_until_ms:
            self._secret, self._secret_until_ms = secrets.token_bytes(16), now_ms + SECRET_MS
        return sip_hash(self._secret, sock.getsockname()[0].encode())

    def _retire(self, slot: int, held: PoolSocket) -> None:
        self._slots[slot] = None
        if held.waiting:
            self._retired.add(held)
        else:
            self._close(held)

    def _close(self, held: PoolSocket) -> None:
        self._retired.discard(held)
        del self.by_fd[held.sock.fileno()]
        self._poller.unregister(held.sock.fileno())
        held.sock.close()


def _bind_to_random_port(sock: socket.socket) -> None:
    wildcard = "::" if sock.family == socket.AF_INET6 else "0.0.0.0"  # connect() then picks the source address
    for attempts_left in reversed(range(_BIND_ATTEMPTS)):
        port = LOWEST_PORT + secrets.randbelow(HIGHEST_PORT - LOWEST_PORT + 1)
        try:
            sock.bind((wildcard, port))
        except OSError:
            if attempts_left == 0:
                raise
        else:
            return
