"""A listening UDP socket: read datagrams with the address that they were sent to, and answer from that address."""

import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

Ancillary: TypeAlias = list[tuple[int, int, bytes]]
PeerAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

IP_PKTINFO = 8
"""Linux's number. The socket module has it only from Python 3.14 on."""
_IP_MTU_DISCOVER, _IP_PMTUDISC_OMIT = 10, 5
_IPV6_MTU_DISCOVER, _IPV6_PMTUDISC_OMIT = 23, 5
_IN_PKTINFO = struct.Struct("=I4s4s")
_IN6_PKTINFO = struct.Struct("=16sI")
_LARGEST_QUERY = 65535


class Datagram(NamedTuple):
    """A message, its sender, and the control data that makes the answer leave from the address that was asked."""

    message: bytes
    peer: PeerAddress
    source: Ancillary


class UdpListener:
    """A bound, non-blocking UDP socket. If bound to a wildcard address, it remembers which address was asked."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.wildcard: bool = ip_address(sock.getsockname()[0]).is_unspecified
        sock.setblocking(False)
        ignore_path_mtu(sock)
        if self.wildcard and sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        elif self.wildcard:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self, most: int) -> Iterator[Datagram]:
        """Yield the waiting datagrams, at most `most`."""
        for _ in range(most):
            try:
                if self.wildcard:
                    message, ancillary, _flags, peer = self._socket.recvmsg(_LARGEST_QUERY, 128)
                    yield Datagram(message, peer, _source(ancillary))
                else:
                    message, peer = self._socket.recvfrom(_LARGEST_QUERY)
                    yield Datagram(message, peer, [])
            except (BlockingIOError, ConnectionError):
                return

    def send(self, message: bytes, peer: PeerAddress, source: Ancillary) -> bool:
        """Send an answer. Return False if it is lost, as UDP may: the buffer is full, or the peer unreachable."""
        try:
            if source:
                self._socket.sendmsg([message], source, 0, peer)
            else:
                self._socket.sendto(message, peer)
        except OSError:
            return False
        return True


def ignore_path_mtu(sock: socket.socket) -> None:
    """Make the kernel ignore ICMP messages about the path MTU, which anybody can forge, so that it never fragments.

    The datagrams that we send fit the minimum MTU of IPv6 (RFC 9715 section 3.1; ip(7), IP_PMTUDISC_OMIT).
    """
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _IPV6_PMTUDISC_OMIT)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_OMIT)


def packed_peer(peer: PeerAddress) -> bytes:
    """Return the sender's address, 4 or 16 bytes."""
    host = peer[0]
    if ":" in host:
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return socket.inet_pton(socket.AF_INET, host)


def _source(received: Ancillary) -> Ancillary:
    """Return the control data that sends an answer from the address that was asked (RFC 1122 section 4.1.3.5)."""
    for level, kind, data in received:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO and len(data) >= _IN_PKTINFO.size:
            _index, local, _destination = _IN_PKTINFO.unpack_from(data)
            return [(level, kind, _IN_PKTINFO.pack(0, local, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO and len(data) >= _IN6_PKTINFO.size:
            return [(level, kind, data[: _IN6_PKTINFO.size])]
    return []
