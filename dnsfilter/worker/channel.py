"""Messages between supervisor and worker: one message a packet on a private socket pair, with descriptors.

Messages are msgpack of known types, and packets are bounded in size. No packet of a worker ends the supervisor, and the
supervisor closes every descriptor that a worker sends.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from dnsfilter.engine.unregistered import PLACES, Noted
from dnsfilter.errors import DnsfilterError

MOST_BYTES = 128 * 1024
MOST_DESCRIPTORS = 253
"""The kernel's limit (unix(7), SCM_MAX_FD)."""
MOST_REASON = 1_000
"""Characters of a reason."""
_PREFIX_BYTES = (3, 6)

Decoded = TypeVar("Decoded")
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class UnknownMessage(DnsfilterError):
    """A packet that is none of the messages that the receiver knows."""


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A message names its type, so that the receiver takes only those that it knows."""


class Setup(_Message, frozen=True):
    """First to the worker. `counters` is the path of its counters.

    Descriptors: sealed memory with the `WorkerConfig`, which may be larger than a packet. Then those of a `Policy`,
    whose `since_ms` this one's is.
    """

    counters: str
    since_ms: int


class Listen(_Message, frozen=True):
    """To the worker: read exactly these sets of sockets from now on, by number."""

    sets: frozenset[int]


class Policy(_Message, frozen=True):
    """To the worker: decide by this snapshot from now on. Descriptors: manifest, names, ranges, rules.

    `since_ms`: the boot time from which on its making time counts.
    """

    revision: int
    since_ms: int


class Stop(_Message, frozen=True):
    """To the worker: read no more, answer what is in hand, then end."""


class InForce(_Message, frozen=True):
    """From the worker: this revision decides; the first one also means that it is ready to listen."""

    revision: Count


class Rejected(_Message, frozen=True):
    """From the worker: this snapshot could not be used; the one before stays in force."""

    revision: Count
    reason: Annotated[str, msgspec.Meta(max_length=MOST_REASON)]


class Alive(_Message, frozen=True):
    """From the worker, regularly. `clock_doubted`: the wall clock is earlier than the snapshot's making."""

    clock_doubted: bool


class UnregisteredNetworks(_Message, frozen=True):
    """From the worker, at most every few seconds: the networks in no range that have asked since it last said so.

    At most as many as the engine's table has places, some 60 bytes each.
    """

    noted: Annotated[Sequence[Noted], msgspec.Meta(max_length=PLACES)]

    def __post_init__(self) -> None:
        if any(len(one.prefix) not in _PREFIX_BYTES for one in self.noted):
            raise ValueError("a prefix has another length than that of an IPv4 or an IPv6 network")


Order: TypeAlias = Setup | Listen | Policy | Stop
Report: TypeAlias = InForce | Rejected | Alive | UnregisteredNetworks

_ENCODER = msgspec.msgpack.Encoder()
_ORDERS: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
_REPORTS: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a channel; packets keep their borders."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock: socket.socket, message: Order | Report, descriptors: Sequence[int] = ()) -> None:
    """Send one message with duplicates of `descriptors`. OSError when the other end is gone or does not read."""
    socket.send_fds(sock, [_ENCODER.encode(message)], list(descriptors))


def receive_order(sock: socket.socket) -> tuple[Order, list[int]] | None:
    """Return the next order and its descriptors, now the worker's; None when the supervisor is gone.

    Raise UnknownMessage if the packet is none.
    """
    packet, descriptors, flags, _address = socket.recv_fds(sock, MOST_BYTES, MOST_DESCRIPTORS)
    with ExitStack() as unused:
        for descriptor in descriptors:
            unused.callback(os.close, descriptor)
        if not packet:
            return None
        order = _decode(_ORDERS, packet, flags)
        unused.pop_all()
    return order, descriptors


def receive_report(sock: socket.socket) -> Report | None:
    """Return the worker's next report; None when it is gone. Raise UnknownMessage if the packet is none."""
    # Without room for descriptors the kernel closes those that come along (unix(7)).
    packet, _ancillary, flags, _address = sock.recvmsg(MOST_BYTES)
    return _decode(_REPORTS, packet, flags) if packet else None


def _decode(decoder: msgspec.msgpack.Decoder[Decoded], packet: bytes, flags: int) -> Decoded:
    if flags & socket.MSG_TRUNC:
        raise UnknownMessage(f"a packet has more than {MOST_BYTES} bytes")
    try:
        return decoder.decode(packet)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnknownMessage(f"a packet is no message: {error}"[:MOST_REASON]) from error
