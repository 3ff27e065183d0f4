"""Run inside a network namespace to keep it alive and to hand out sockets of it, until its standard input closes.

A socket belongs for good to the namespace in which it was made, and may be passed to processes outside (SCM_RIGHTS).
A request is family and kind, two bytes each; the answer is one byte and the socket. A lone byte comes first.
"""

import socket
import struct

REQUEST = struct.Struct("!HH")
READY = b"r"
SOCKET = b"s"


def hold() -> None:
    """Hand out sockets until whoever started this is gone."""
    door = socket.socket(fileno=0)
    door.sendall(READY)
    while len(request := door.recv(REQUEST.size)) == REQUEST.size:
        family, kind = REQUEST.unpack(request)
        with socket.socket(family, kind) as made:
            socket.send_fds(door, [SOCKET], [made.fileno()])


if __name__ == "__main__":
    hold()
