"""The listening sockets: one set per worker, with one UDP and one TCP socket per listening address.

An address for encrypted DNS has a TCP socket only.

The sets share their addresses by SO_REUSEPORT: the kernel sends each client's datagrams to one of them (socket(7)).
"""

import errno
import logging
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TypeAlias

from dnsfilter.config.endpoint import endpoint_text, family_of
from dnsfilter.config.node_config import Encrypted, Endpoint
from dnsfilter.config.own_addresses import LOOPBACK, has_address, has_family
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry import logs

BACKLOG = 1024
RECEIVE_BUFFER = 4 * 1024 * 1024
"""Requested size in bytes. The kernel grants at most net.core.rmem_max, and doubles the value (socket(7))."""
BYTES_PER_DATAGRAM = 1664
"""Bytes that the kernel counts for a waiting query: 832 on loopback, up to twice that with a network card."""
BURST_QPS = 50_000
BURST_MS = 100
"""A buffer should hold this many milliseconds of queries at BURST_QPS: a worker may be busy, or a new one starting."""
_ATTEMPTS = 10
TCP = (socket.SOCK_STREAM,)
BOTH = (socket.SOCK_DGRAM, *TCP)
NO_ENCRYPTED = Encrypted()
_LOG = logging.getLogger("dnsfilter.node")

SocketAddress: TypeAlias = tuple[socket.SocketKind, Endpoint]


@dataclass(frozen=True, slots=True)
class SocketSet:
    """One worker's sockets, in the order of the listening addresses."""

    udp: tuple[socket.socket, ...]
    tcp: tuple[socket.socket, ...]
    dot: tuple[socket.socket, ...] = ()
    doh: tuple[socket.socket, ...] = ()


@dataclass(frozen=True, slots=True)
class Listening:
    """The bound sockets of a node, open until `close`. Of `encrypted`, it has the listeners."""

    endpoints: tuple[Endpoint, ...]
    sets: tuple[SocketSet, ...]
    encrypted: Encrypted = NO_ENCRYPTED

    def bound(self) -> Iterator[tuple[SocketAddress, socket.socket]]:
        """Yield every socket with its kind and address, set by set, in the order of the fields of a set."""
        for each in self.sets:
            for kind, endpoints, sockets in (
                (socket.SOCK_DGRAM, self.endpoints, each.udp),
                (socket.SOCK_STREAM, self.endpoints, each.tcp),
                (socket.SOCK_STREAM, self.encrypted.dot_listen, each.dot),
                (socket.SOCK_STREAM, self.encrypted.doh_listen, each.doh),
            ):
                for endpoint, sock in zip(endpoints, sockets, strict=True):
                    yield (kind, endpoint), sock

    def close(self, but: "Listening | None" = None) -> None:
        """Close every socket, except those that are also in `but`."""
        kept = set() if but is None else {sock.fileno() for _, sock in but.bound()}
        for _, sock in self.bound():
            if sock.fileno() not in kept:
                sock.close()


def open_listening(
    endpoints: Sequence[Endpoint],
    sets: int = 1,
    held: Sequence[tuple[SocketAddress, socket.socket]] = (),
    encrypted: Encrypted = NO_ENCRYPTED,
) -> Listening:
    """Bind every endpoint over UDP and TCP, and those of `encrypted` over TCP, once per set.

    Raise UnavailableError with the endpoint that fails.

    Sockets in `held` are used again. Closing one would lose the queries that wait in it, so there are at least as many
    sets as any endpoint has sockets in `held`, and a wildcard does not replace the sockets of addresses that it covers.
    On an error, only sockets that were opened here are closed.
    """
    by_address: dict[SocketAddress, list[socket.socket]] = {}
    for address, sock in held:
        by_address.setdefault(address, []).append(sock)
    endpoints, dot, doh = (
        tuple(dict.fromkeys((*group, *(endpoint for _, endpoint in by_address if _is_covered(endpoint, group)))))
        for group in (endpoints, encrypted.dot_listen, encrypted.doh_listen)
    )
    encrypted = replace(encrypted, dot_listen=dot, doh_listen=doh)
    wanted = [(kind, endpoint) for endpoint in endpoints for kind in BOTH]
    wanted += [(socket.SOCK_STREAM, endpoint) for endpoint in encrypted.endpoints]
    count = max(sets, *(len(by_address.get(address, ())) for address in wanted))
    opened: list[socket.socket] = []
    try:
        for address in wanted:
            ready = by_address.setdefault(address, [])
            if not ready and not _overlaps(address, by_address):
                _bound(address, shared=False).close()  # SO_REUSEPORT would share with another program of this user
            while len(ready) < count:
                opened.append(_bound(address, shared=True))
                ready.append(opened[-1])
    except UnavailableError:
        for sock in opened:
            sock.close()
        raise

    def of(number: int, kind: socket.SocketKind, group: Sequence[Endpoint]) -> tuple[socket.socket, ...]:
        return tuple(by_address[kind, endpoint][number] for endpoint in group)

    groups = [(kind, endpoints) for kind in BOTH] + [(socket.SOCK_STREAM, group) for group in (dot, doh)]
    numbered = (SocketSet(*(of(number, *group) for group in groups)) for number in range(count))
    return Listening(endpoints, tuple(numbered), encrypted)


def _is_covered(endpoint: Endpoint, wanted: Sequence[Endpoint]) -> bool:
    """Return whether a wildcard in `wanted` receives what is sent to the endpoint."""
    return any(
        each.address.is_unspecified and each.address.version == endpoint.address.version and each.port == endpoint.port
        for each in wanted
    )


def _overlaps(address: SocketAddress, own: Mapping[SocketAddress, Sequence[socket.socket]]) -> bool:
    """Return whether one of our sockets shares the port, one of the two with a wildcard.

    Then the kernel lets nobody bind it without SO_REUSEPORT. Other users cannot have it.
    """
    kind, endpoint = address
    return any(
        sockets and kind == other[0] and (_is_covered(endpoint, [other[1]]) or _is_covered(other[1], [endpoint]))
        for other, sockets in own.items()
    )


def open_private(sets: int) -> Listening:
    """Bind a free port on loopback as `open_listening` does."""
    address = LOOPBACK[4] if has_address(LOOPBACK[4]) else LOOPBACK[6]
    left = _ATTEMPTS
    while True:
        with _bound((socket.SOCK_DGRAM, Endpoint(address, 0)), shared=False) as free:
            port = free.getsockname()[1]
        try:
            return open_listening([Endpoint(address, port)], sets)
        except UnavailableError:  # another program took the port, or has it over TCP
            left -= 1
            if not left:
                raise


def check_free(
    endpoints: Iterable[Endpoint], held: Collection[SocketAddress] = (), kinds: Sequence[socket.SocketKind] = BOTH
) -> None:
    """Raise UnavailableError for the first endpoint that is not `held` and cannot be bound."""
    for endpoint in endpoints:
        for kind in kinds:
            if (kind, endpoint) not in held:
                _bound((kind, endpoint), shared=False).close()


def is_shared(endpoint: Endpoint) -> bool:
    """Return whether a program of this user holds the TCP port and shares it, as a running node does.

    The probe socket does not listen, so it accepts no connection.
    """
    address = socket.SOCK_STREAM, endpoint
    try:
        _bound(address, shared=False).close()
    except UnavailableError:
        try:
            _bound(address, shared=True, listening=False).close()
        except UnavailableError:
            return False
        return True
    return False


def open_tcp(endpoint: Endpoint) -> socket.socket:
    """Return a listening TCP socket with a port of its own. Raise UnavailableError if it cannot be bound."""
    sock = _bound((socket.SOCK_STREAM, endpoint), shared=False)
    sock.listen(BACKLOG)
    return sock


def address_faults(endpoints: Iterable[Endpoint]) -> list[str]:
    """Return a problem for each endpoint whose address this machine does not have."""
    return [
        f"listen on {endpoint_text(endpoint)}: this machine has no "
        f"{'such address' if has_family(endpoint.address) else f'IPv{endpoint.address.version}'}: leave it out"
        for endpoint in endpoints
        if not has_address(endpoint.address)
    ]


def receive_buffer(sock: socket.socket | None = None) -> int:
    """Return the receive buffer in bytes that the kernel grants `sock`, or a new listening socket if it is None."""
    if sock is not None:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        return receive_buffer(probe)


def buffer_ms(size: int) -> float:
    """Return how many milliseconds of queries at BURST_QPS a receive buffer of `size` bytes holds."""
    return size / BYTES_PER_DATAGRAM / BURST_QPS * 1000


def buffer_advice(size: int) -> str | None:
    """Return the command that makes the receive buffer hold BURST_MS. Return None if it is large enough."""
    if buffer_ms(size) >= BURST_MS:
        return None
    return f"sysctl net.core.rmem_max={RECEIVE_BUFFER}"


def log_buffer(listening: Listening) -> None:
    """Log the receive buffer of the sockets, as a warning if it is too small."""
    size = receive_buffer(listening.sets[0].udp[0])
    advice = buffer_advice(size)
    level = logging.INFO if advice is None else logging.WARNING
    holds = f"{buffer_ms(size):.0f} ms at 50000 queries per second"
    logs.emit(_LOG, level, "receive buffer", bytes=size, holds=holds, advice=advice or "none")


def _bound(address: SocketAddress, *, shared: bool, listening: bool = True) -> socket.socket:
    kind, endpoint = address
    family = family_of(endpoint.address)
    try:
        with ExitStack() as unbound:
            sock = unbound.enter_context(socket.socket(family, kind))
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if shared:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if kind == socket.SOCK_DGRAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((str(endpoint.address), endpoint.port))
            if shared and listening and kind == socket.SOCK_STREAM:
                sock.listen(BACKLOG)
            unbound.pop_all()
            return sock
    except OSError as error:
        protocol = "udp" if kind == socket.SOCK_DGRAM else "tcp"
        raise UnavailableError(f"listen on {endpoint_text(endpoint)} {protocol}: {_advice(error)}") from error


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program uses this port; stop it or choose another address or port"
        case errno.EACCES:
            return "not permitted; ports below 1024 need CAP_NET_BIND_SERVICE or root"
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return "this machine has no such address"
        case _:
            return (error.strerror or str(error)).lower()
