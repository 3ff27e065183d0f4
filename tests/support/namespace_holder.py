"""Keep a network namespace alive and hand out its sockets, until standard input closes.

Run this inside the namespace. A socket belongs permanently to the namespace that made it, and may be passed to
processes outside (SCM_RIGHTS). A request is family and kind, two bytes each. The answer is one byte and the socket. At
the start, a single byte reports readiness.
"""

import socket
import struct

REQUEST = struct.Struct("!HH")
READY = b"r"
SOCKET = b"s"


def hold() -> None:
    """Hand out sockets until the process that started this one has ended."""
    door = socket.socket(fileno=0)
    door.sendall(READY)
    while len(request := door.recv(REQUEST.size)) == REQUEST.size:
        family, kind = REQUEST.unpack(request)
        with socket.socket(family, kind) as made:
            socket.send_fds(door, [SOCKET], [made.fileno()])


if __name__ == "__main__":
    hold()
