"""Ports of loopback addresses for servers that tests start."""

import secrets
import socket

# Below 32768, where Linux's ephemeral ports begin: no outgoing connection of another process takes one meanwhile.
LOWEST, HIGHEST = 10_000, 32_767
ATTEMPTS = 1_000


def free_port(address: str = "127.0.0.1") -> int:
    """A port that is free for both UDP and TCP at that address, IPv4 or IPv6.

    Drawn from the system's randomness, because `random` is seeded alike in every test and parallel workers would meet.
    Raises OSError when none is found.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(ATTEMPTS):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1)
        if all(_binds(family, kind, address, port) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
            return port
    raise OSError(f"find a free port at {address}: none in {ATTEMPTS} draws")


def _binds(family: socket.AddressFamily, kind: socket.SocketKind, address: str, port: int) -> bool:
    with socket.socket(family, kind) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
