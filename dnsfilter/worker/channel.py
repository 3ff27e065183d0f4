"""Messages of supervisor, workers and zygote: one message per packet on a private socket pair, with descriptors.

Messages are msgpack of known types, and packets have a maximum size. No packet of a worker ends the supervisor. The
supervisor closes every descriptor that a worker sends.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from dnsfilter.engine.clock import Reference
from dnsfilter.engine.interface import Capture, Captured
from dnsfilter.engine.pending_names import MOST_TAKEN as MOST_PENDING
from dnsfilter.engine.pending_names import PendingCount
from dnsfilter.engine.range_counts import MOST_TAKEN, PREFIX_CHARS
from dnsfilter.engine.refused_clients import MOST_REFUSED, RefusedClient
from dnsfilter.engine.unregistered_counts import SLOTS, Noted
from dnsfilter.errors import DnsfilterError

MOST_BYTES = 128 * 1024
MOST_DESCRIPTORS = 253
"""The kernel's limit (unix(7), SCM_MAX_FD)."""
MOST_REASON = 1_000
"""Maximum length of a reason in characters."""
_PREFIX_BYTES = (3, 6)
_ADDRESS_BYTES = (4, 16)

Decoded = TypeVar("Decoded")
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
PrefixText: TypeAlias = Annotated[str, msgspec.Meta(max_length=PREFIX_CHARS)]


class UnknownMessage(DnsfilterError):
    """A packet that is not a message that the receiver knows."""


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of all messages. A message contains its type, so that the receiver accepts only known ones."""


class DropPrivileges(_Message, frozen=True):
    """The first message to the zygote: become this user, unless it is None, and give up all capabilities."""

    user: str | None


class StartWorker(_Message, frozen=True):
    """To the zygote: start a worker with this engine. Descriptor: the worker's end of its channel."""

    engine: str


class WorkerStarted(_Message, frozen=True):
    """From the zygote: the worker's process id, or 0 and the number of the error."""

    pid: Count
    error: Count


class Sockets(_Message, frozen=True):
    """To the worker, before `Setup`: the next listening sockets of the node, as descriptors."""


class Setup(_Message, frozen=True):
    """Start to serve. The rest is as in `Policy`.

    `counters` is the path of its counters, and `cookie_secret` the secret of the node's server cookies.

    Descriptors: sealed memory with the `WorkerConfig`, which may be larger than a packet. Then those of a `Policy`.
    """

    counters: str
    since_ms: int
    cookie_secret: bytes
    node: str = ""
    reference: Reference | None = None

    def __repr__(self) -> str:
        return "Setup(...)"  # the secret is for no log


class Listen(_Message, frozen=True):
    """To the worker: read exactly these sets of sockets from now on, by number."""

    sets: frozenset[int]


class Certificate(_Message, frozen=True):
    """To the worker: use this pair for new TLS handshakes. Descriptor: sealed memory with certificates and key as PEM.

    A second one, if any, has the authorities of devices' certificates. It comes before any `Listen`, and
    again when the pair changes.
    """


class Policy(_Message, frozen=True):
    """To the worker: decide by this snapshot from now on. Descriptors: manifest, names, ranges, rules.

    `since_ms` is the boot time that its making time counts from. `node` is the name with which this node has enrolled.
    A wall clock ahead of `reference` is not believed.
    """

    revision: int
    since_ms: int
    node: str = ""
    reference: Reference | None = None


class Flush(_Message, frozen=True):
    """To the worker: forget cached answers about a wire name, or with `below` also about all names below it."""

    name: bytes
    below: bool


class CopyCache(_Message, frozen=True):
    """To the worker: copy the last used answers of the cache, within `most_bytes`. Descriptor: empty memory."""

    most_bytes: int


class TakeCache(_Message, frozen=True):
    """To the worker: put the answers of a copy into the cache. Descriptor: the sealed memory of the copy."""


class Stop(_Message, frozen=True):
    """To the worker: stop reading, answer pending queries, then end."""


class InForce(_Message, frozen=True):
    """From the worker: this revision is in force. The first one also means that the worker is ready to listen."""

    revision: Count


class Rejected(_Message, frozen=True):
    """From the worker: this snapshot could not be used, and the previous one stays in force."""

    revision: Count
    reason: Annotated[str, msgspec.Meta(max_length=MOST_REASON)]


class Alive(_Message, frozen=True):
    """From the worker, regularly. `clock_doubted`: it does not decide by the wall clock."""

    clock_doubted: bool


class Flushed(_Message, frozen=True):
    """From the worker: it has forgotten this many answers."""

    answers: Count


class CacheCopied(_Message, frozen=True):
    """From the worker: the copy of the cache is complete, and sealed."""


class UnregisteredNetworks(_Message, frozen=True):
    """From the worker, at most every few seconds: networks in no range that sent queries since the last report.

    At most as many as the engine's table has slots, about 60 bytes each.
    """

    noted: Annotated[Sequence[Noted], msgspec.Meta(max_length=SLOTS)]

    def __post_init__(self) -> None:
        if any(len(one.prefix) not in _PREFIX_BYTES for one in self.noted):
            raise ValueError(f"a prefix must have {_PREFIX_BYTES[0]} bytes (IPv4) or {_PREFIX_BYTES[1]} (IPv6)")


class Record(_Message, frozen=True):
    """To the worker: record the queries of these ranges, and of no others."""

    captures: tuple[Capture, ...]


class Recorded(_Message, frozen=True):
    """From the worker: what it has recorded since the last report. See `Recorder` for its size."""

    captured: Captured


class RangeQueries(_Message, frozen=True):
    """From the worker, a few times a second: queries of some ranges since their last report, by prefix."""

    queries: Annotated[dict[PrefixText, Count], msgspec.Meta(max_length=MOST_TAKEN)]


class RefusedQueries(_Message, frozen=True):
    """From the worker, a few times a second: clients of authorities at the level `client` whose queries were refused.

    At most some 230 bytes each: an address, three slugs, a ground and a number.
    """

    noted: Annotated[Sequence[RefusedClient], msgspec.Meta(max_length=MOST_REFUSED)]

    def __post_init__(self) -> None:
        if any(len(one.client) not in _ADDRESS_BYTES for one in self.noted):
            raise ValueError(f"an address must have {_ADDRESS_BYTES[0]} bytes (IPv4) or {_ADDRESS_BYTES[1]} (IPv6)")


class PendingQueries(_Message, frozen=True):
    """From the worker, a few times a second: queries for pending names since the last report, and those without room.

    At most some 450 bytes each: two slugs, a name and a number.
    """

    noted: Annotated[Sequence[PendingCount], msgspec.Meta(max_length=MOST_PENDING)]
    lost: Count


ZygoteOrder: TypeAlias = DropPrivileges | StartWorker
Order: TypeAlias = Sockets | Setup | Certificate | Listen | Policy | Record | Flush | CopyCache | TakeCache | Stop
Report: TypeAlias = (
    InForce
    | Rejected
    | Alive
    | Flushed
    | CacheCopied
    | UnregisteredNetworks
    | Recorded
    | RangeQueries
    | RefusedQueries
    | PendingQueries
)

_ENCODER = msgspec.msgpack.Encoder()
_ZYGOTE_ORDERS: msgspec.msgpack.Decoder[ZygoteOrder] = msgspec.msgpack.Decoder(ZygoteOrder)
_ANSWERS: msgspec.msgpack.Decoder[WorkerStarted] = msgspec.msgpack.Decoder(WorkerStarted)
_ORDERS: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
_REPORTS: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a channel that keeps packet boundaries."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(
    sock: socket.socket, message: ZygoteOrder | WorkerStarted | Order | Report, descriptors: Sequence[int] = ()
) -> None:
    """Send one message with duplicates of `descriptors`. Raise OSError if the peer has closed or does not read."""
    socket.send_fds(sock, [_ENCODER.encode(message)], list(descriptors))


def receive_order(sock: socket.socket) -> tuple[Order, list[int]] | None:
    """Return the next order and its descriptors, which the caller then owns. None if the supervisor has closed.

    Raise UnknownMessage if the packet is not an order.
    """
    return _receive(sock, _ORDERS)


def receive_zygote_order(sock: socket.socket) -> tuple[ZygoteOrder, list[int]] | None:
    """Return the next message to the zygote as `receive_order` does."""
    return _receive(sock, _ZYGOTE_ORDERS)


def receive_answer(sock: socket.socket) -> WorkerStarted | None:
    """Return the zygote's answer. None if it has ended. Raise UnknownMessage if the packet is no answer."""
    packet, _ancillary, flags, _address = sock.recvmsg(MOST_BYTES)
    return _decode(_ANSWERS, packet, flags) if packet else None


def _receive(sock: socket.socket, decoder: msgspec.msgpack.Decoder[Decoded]) -> tuple[Decoded, list[int]] | None:
    packet, descriptors, flags, _address = socket.recv_fds(sock, MOST_BYTES, MOST_DESCRIPTORS)
    with ExitStack() as unused:
        for descriptor in descriptors:
            unused.callback(os.close, descriptor)
        if not packet:
            return None
        message = _decode(decoder, packet, flags)
        unused.pop_all()
    return message, descriptors


def receive_report(sock: socket.socket) -> Report | None:
    """Return the worker's next report. None if it has closed. Raise UnknownMessage if the packet is not a report."""
    # Without room for descriptors the kernel closes those in the packet (unix(7)).
    packet, _ancillary, flags, _address = sock.recvmsg(MOST_BYTES)
    return _decode(_REPORTS, packet, flags) if packet else None


def _decode(decoder: msgspec.msgpack.Decoder[Decoded], packet: bytes, flags: int) -> Decoded:
    if flags & socket.MSG_TRUNC:
        raise UnknownMessage(f"a packet has more than {MOST_BYTES} bytes")
    try:
        return decoder.decode(packet)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnknownMessage(f"a packet is not a message: {error}"[:MOST_REASON]) from error
