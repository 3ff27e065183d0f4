"""Send the addresses that clients of egress networks get to `dnsfilter firewall --egress` on this machine.

One message of a SOCK_SEQPACKET socket per reply: the client, then per address its TTL, each address in 16 bytes (IPv4
as mapped address). Nothing waits for the other end: without it, or if it does not keep up, addresses are lost.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from dnsfilter.config.node_config import Egress
from dnsfilter.errors import MalformedMessage
from dnsfilter.policy.model import Prefix
from dnsfilter.telemetry import logs
from dnsfilter.worker.abstract_sockets import abstract_address, peer_uid
from dnsfilter.worker.answered_addresses import answered_addresses

AGAIN_S = 1.0
"""Seconds until a lost or missing receiver is tried again."""
QUIET_S = 60.0
SEND_BUFFER = 1 << 20
MOST_ADDRESSES = 200
"""Addresses of one message; more than a reply of a real service has."""
MESSAGE_BYTES = 16 + 20 * MOST_ADDRESSES
_MAPPED = bytes(10) + b"\xff\xff"
_ENTRY = Struct("!I16s")
_LOG = logging.getLogger("dnsfilter.worker")


@dataclass(frozen=True, slots=True)
class AnsweredTo:
    """Addresses that a client got, each packed, with its TTL in seconds."""

    client: bytes
    addresses: Mapping[bytes, int]


def socket_name(node_dir: Path) -> str:
    """Return the abstract address of the receiver for the node with this directory."""
    return abstract_address("dnsfilter-egress", node_dir)


def pack_answered(answered: AnsweredTo) -> bytes:
    """Return the message that `read_answered` reads, with at most MOST_ADDRESSES addresses."""
    first = list(answered.addresses.items())[:MOST_ADDRESSES]
    return _mapped(answered.client) + b"".join(_ENTRY.pack(ttl_s, _mapped(address)) for address, ttl_s in first)


def read_answered(message: bytes) -> AnsweredTo:
    """Return the content of a message. Raise ValueError if it is not one."""
    if len(message) < 16 or (len(message) - 16) % _ENTRY.size:
        raise ValueError(f"read answered addresses: {len(message)} bytes")
    entries = _ENTRY.iter_unpack(message[16:])
    return AnsweredTo(_unmapped(message[:16]), {_unmapped(address): ttl_s for ttl_s, address in entries})


class AnswerReports:
    """Takes each client with its reply (`Engine.report_answers`), and sends what concerns an egress network."""

    def __init__(self, egress: Egress, node_dir: Path, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._networks = tuple(_masks(prefix for network in egress.networks for prefix in network.prefixes))
        self._name = socket_name(node_dir)
        self._clock_s = clock_s
        self._socket: socket.socket | None = None
        self._again_at = 0.0
        self._lost, self._quiet_until = False, 0.0

    def __call__(self, client: bytes, reply: bytes) -> None:
        number, size = int.from_bytes(client), len(client)
        if not any(size == length and number & mask == network for length, mask, network in self._networks):
            return
        with suppress(MalformedMessage):
            addresses = answered_addresses(reply)
            if addresses:
                self._send(pack_answered(AnsweredTo(client, addresses)))

    def close(self) -> None:
        """Close the connection to the receiver."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _send(self, message: bytes) -> None:
        now_s = self._clock_s()
        if self._socket is None and now_s < self._again_at:
            return
        try:
            if self._socket is None:
                self._socket = self._connected()
            self._socket.send(message)
        except OSError as error:
            if self._socket is not None and isinstance(error, BlockingIOError):
                self._note("firewall does not keep up with answered addresses", "its queue is full", now_s)
                return
            self.close()
            self._again_at = now_s + AGAIN_S
            reason = str(error.strerror or error).lower()
            self._note("nobody takes answered addresses: start dnsfilter-egress", reason, now_s)
        else:
            if self._lost and now_s >= self._quiet_until:
                logs.emit(_LOG, logging.INFO, "answered addresses are taken again")
                self._lost = False

    def _connected(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            made.connect(self._name)
            if peer_uid(made) not in (0, os.geteuid()):
                raise PermissionError("another user has its socket")
        except OSError:
            made.close()
            raise
        return made

    def _note(self, message: str, reason: str, now_s: float) -> None:
        """Log a loss, at most one a minute: a queue that is full at times must not flood the log."""
        if now_s >= self._quiet_until:
            logs.emit(_LOG, logging.ERROR, message, reason=reason)
            self._quiet_until = now_s + QUIET_S
        self._lost = True


def _masks(prefixes: Iterable[Prefix]) -> Iterator[tuple[int, int, int]]:
    for prefix in prefixes:
        yield prefix.max_prefixlen // 8, int(prefix.netmask), int(prefix.network_address)


def _mapped(address: bytes) -> bytes:
    return address if len(address) == 16 else _MAPPED + address


def _unmapped(address: bytes) -> bytes:
    return address[12:] if address.startswith(_MAPPED) else address
