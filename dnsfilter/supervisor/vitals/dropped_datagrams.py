"""Datagrams that the kernel dropped at the listening sockets, and the fullest receive queue (SO_MEMINFO)."""

import socket
from collections.abc import Iterable
from contextlib import suppress
from struct import Struct, error

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
            found, memory = _option(sock, SO_COOKIE, _COOKIE), _option(sock, SO_MEMINFO, _MEMINFO)
            if found is None or memory is None:
                continue
            cookie = found[0]
            if cookie not in last:
                self._total += (memory[_DROPS] - self._last.get(cookie, 0)) % _DROPS_MODULUS
                last[cookie] = memory[_DROPS]
                fullest.append(memory[_RMEM_ALLOC])
        self._last = last
        self.fullest_bytes = max(fullest, default=None)
        return self._total if last else None

    def of_closed(self, sockets: Iterable[socket.socket], handed_over: Iterable[socket.socket]) -> int:
        """Return the drops so far, without those of the sockets that the next program gets and reads itself."""
        self.read(sockets)
        cookies = {found[0] for sock in handed_over if (found := _option(sock, SO_COOKIE, _COOKIE)) is not None}
        return self._total - sum(self._last.get(cookie, 0) for cookie in cookies)


def _option(sock: socket.socket, option: int, shape: Struct) -> tuple[int, ...] | None:
    """Return an option's numbers, or None if the kernel does not give them. An older kernel gives fewer."""
    with suppress(OSError, error):
        return shape.unpack(sock.getsockopt(socket.SOL_SOCKET, option, shape.size))
    return None
