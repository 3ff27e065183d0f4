"""Datagrams that the kernel dropped at the listening sockets, and the fullest receive queue (SO_MEMINFO)."""

import socket
from collections.abc import Iterable
from struct import Struct

SO_MEMINFO = 55
SO_COOKIE = 57
"""A number that no other socket has had since the machine started. Python has no names for these two options."""
_MEMINFO = Struct("=9I")
_RMEM_ALLOC, _DROPS = 0, 8
_COOKIE = Struct("=Q")
_DROPS_MODULUS = 2**32


class DroppedDatagrams:
    """The drops of all sockets that the node has had. Call `read` also before sockets are closed."""

    def __init__(self, of_closed: int = 0) -> None:
        """Begin with the drops of closed sockets, as the previous program handed them over."""
        self._total = of_closed
        self._last: dict[int, int] = {}
        self.fullest_bytes: int | None = None
        """The receive buffer in use in the fullest socket at the last reading. None if the kernel did not give it."""

    def read(self, sockets: Iterable[socket.socket]) -> int | None:
        """Return the drops so far, of these and all earlier sockets. None if the kernel does not give them."""
        last, fullest = dict[int, int](), list[int]()
        for sock in sockets:
            try:
                (cookie,) = _COOKIE.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, _COOKIE.size))
                memory = _MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size))
            except (OSError, ValueError):
                continue
            if cookie not in last:
                self._total += (memory[_DROPS] - self._last.get(cookie, 0)) % _DROPS_MODULUS
                last[cookie] = memory[_DROPS]
                fullest.append(memory[_RMEM_ALLOC])
        self._last = last
        self.fullest_bytes = max(fullest, default=None)
        return self._total if last else None

    def of_closed(self, sockets: Iterable[socket.socket]) -> int:
        """Return what a program that takes over these sockets adds to their own counts."""
        self.read(sockets)
        return self._total - sum(self._last.values())
