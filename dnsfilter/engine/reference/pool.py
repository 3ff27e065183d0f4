"""Sockets towards one upstream: connected, on unpredictable ports, soon retired (RFC 5452 section 9.2).

A question is sent from a socket and under an id that are both drawn for that one send, so that a forger has to guess
both; a pool costs less than half the processor time of a fresh socket for each question.
"""

import errno
import secrets
import select
import socket
from dataclasses import dataclass, field
from ipaddress import IPv6Address

from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.listening import ignore_path_mtu

POOL_SIZE = 256
LIFETIME_MS = 30_000
LIFETIME_SENDS = 1_000
LOWEST_PORT = 1024
HIGHEST_PORT = 65535
_BIND_TRIES = 16


@dataclass(slots=True, eq=False)
class PoolSocket:
    """One connected socket and what is outstanding on it: id to exchange number."""

    sock: socket.socket
    server: int
    opened_ms: int
    sends: int = 0
    waiting: dict[int, int] = field(default_factory=dict)

    def worn(self, now_ms: int) -> bool:
        """Whether it has served long enough for its port to be given up."""
        return self.sends >= LIFETIME_SENDS or now_ms - self.opened_ms >= LIFETIME_MS

    def send(self, message: bytes) -> None:
        """Send again if the socket first reports the ICMP error of an earlier datagram (udp(7))."""
        self.sends += 1
        try:
            self.sock.send(message)
        except ConnectionRefusedError:
            self.sock.send(message)

    def forget(self, number: int) -> None:
        """Nothing is outstanding under the id `number` any more."""
        self.waiting.pop(number, None)


class UpstreamPool:
    """Up to `POOL_SIZE` sockets to one server, opened as they are drawn; each is registered with `poller`."""

    def __init__(self, server: int, endpoint: Endpoint, poller: select.epoll) -> None:
        self._server = server
        self._family = socket.AF_INET6 if isinstance(endpoint.address, IPv6Address) else socket.AF_INET
        self._address = (str(endpoint.address), endpoint.port)
        self._poller = poller
        self._slots: list[PoolSocket | None] = [None] * POOL_SIZE
        self._retired: set[PoolSocket] = set()
        self.by_fd: dict[int, PoolSocket] = {}

    def draw(self, now_ms: int) -> tuple[PoolSocket, int]:
        """A socket and an id that nothing outstanding on it uses. Raises OSError where no socket can be had."""
        slot = secrets.randbelow(POOL_SIZE)
        chosen = self._slots[slot]
        if chosen is not None and chosen.worn(now_ms):
            self._retire(slot, chosen)
            chosen = None
        if chosen is None:
            try:
                chosen = self._open(now_ms)
            except OSError as error:
                opened = [held for held in self._slots if held is not None]
                if error.errno not in (errno.EMFILE, errno.ENFILE) or not opened:
                    raise
                chosen = secrets.choice(opened)  # no descriptor is left: those that are there go on
            else:
                self._slots[slot] = chosen
        number = secrets.randbelow(65536)
        while number in chosen.waiting:
            number = secrets.randbelow(65536)
        return chosen, number

    def sweep(self, now_ms: int) -> None:
        """Retire worn sockets and close retired ones that nothing waits on any more."""
        for slot, held in enumerate(self._slots):
            if held is not None and held.worn(now_ms):
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
        opened = PoolSocket(sock, self._server, now_ms)
        self.by_fd[sock.fileno()] = opened
        self._poller.register(sock.fileno(), select.EPOLLIN)
        return opened

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
    for tries_left in reversed(range(_BIND_TRIES)):
        port = LOWEST_PORT + secrets.randbelow(HIGHEST_PORT - LOWEST_PORT + 1)
        try:
            sock.bind((wildcard, port))
        except OSError:
            if tries_left == 0:
                raise
        else:
            return
