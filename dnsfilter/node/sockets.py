"""The sockets that clients reach us by: one UDP and one TCP socket for each listening address."""

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.model import Endpoint
from dnsfilter.errors import UnavailableError

BACKLOG = 1024
RECEIVE_BUFFER = 4 * 1024 * 1024
"""Octets asked for; the kernel grants at most net.core.rmem_max."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The bound sockets of a node, open until `close`."""

    udp: tuple[socket.socket, ...]
    tcp: tuple[socket.socket, ...]

    def close(self) -> None:
        for sock in (*self.udp, *self.tcp):
            sock.close()


def open_listening(endpoints: Sequence[Endpoint]) -> Listening:
    """Bind every endpoint over UDP and TCP; UnavailableError says which one is not to be had and what to do."""
    udp: list[socket.socket] = []
    tcp: list[socket.socket] = []
    try:
        for endpoint in endpoints:
            udp.append(_bound(endpoint, socket.SOCK_DGRAM))
            tcp.append(_bound(endpoint, socket.SOCK_STREAM))
            tcp[-1].listen(BACKLOG)
    except UnavailableError:
        Listening(tuple(udp), tuple(tcp)).close()
        raise
    return Listening(tuple(udp), tuple(tcp))


def open_tcp(endpoint: Endpoint) -> socket.socket:
    """A listening TCP socket; UnavailableError as `open_listening`."""
    sock = _bound(endpoint, socket.SOCK_STREAM)
    sock.listen(BACKLOG)
    return sock


def _bound(endpoint: Endpoint, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if isinstance(endpoint.address, IPv6Address) else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((str(endpoint.address), endpoint.port))
    except OSError as error:
        sock.close()
        protocol = "udp" if kind == socket.SOCK_DGRAM else "tcp"
        raise UnavailableError(f"listen on {endpoint_text(endpoint)} {protocol}: {_advice(error)}") from error
    return sock


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program has this port; stop it or choose another address or port"
        case errno.EACCES:
            return "not permitted; ports below 1024 need CAP_NET_BIND_SERVICE or root"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return (error.strerror or str(error)).lower()
