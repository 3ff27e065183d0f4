"""Ports of loopback addresses for servers that tests start."""

import os
import socket
from itertools import count

# Below 32768, where Linux's ephemeral ports begin. So no outgoing connection of another process takes one meanwhile.
LOWEST, HIGHEST = 10_000, 32_767
ATTEMPTS = 1_000

_drawn = count(int.from_bytes(os.urandom(4), "big"))


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that is free for both UDP and TCP at that address, IPv4 or IPv6.

    Each test process uses every sixteenth port, from a random start, and returns none twice in a round. This matters
    because a server binds its port some time after this call. Raise OSError if no port is free.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(ATTEMPTS):
        port = _next_port()
        if all(_binds(family, kind, address, port) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
            return port
    raise OSError(f"find a free port at {address}: none in {ATTEMPTS} attempts")


def _next_port() -> int:
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
    return LOWEST + (next(_drawn) * 16 + process) % (HIGHEST + 1 - LOWEST)


def _binds(family: socket.AddressFamily, kind: socket.SocketKind, address: str, port: int) -> bool:
    with socket.socket(family, kind) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
