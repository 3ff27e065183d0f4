"""What supervisor and worker say to each other: one message a packet on a private socket pair, with descriptors.

Messages are pickled: both ends are the same program, and the socket pair has no other end.
"""

import os
import pickle
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dnsfilter.engine.strangers import Noted

MOST_OCTETS = 128 * 1024
MOST_DESCRIPTORS = 253
"""The kernel's limit (unix(7), SCM_MAX_FD)."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """One set of listening sockets, by the numbers that the worker's process inherits them under."""

    udp: tuple[int, ...]
    tcp: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Setup:
    """First to the worker.

    Descriptors: sealed memory, for this may be larger than a packet, with the pickled `Config` and a tuple of
    `Inherited`: all sets of the node, of which it reads those that `Listen` names. Then those of a `Policy`, whose
    `since_ms` this one's is.
    """

    counters: Path
    since_ms: int


@dataclass(frozen=True, slots=True)
class Listen:
    """To the worker: read exactly these sets of sockets from now on, by number."""

    sets: frozenset[int]


@dataclass(frozen=True, slots=True)
class Policy:
    """To the worker: decide by this snapshot from now on. Descriptors: manifest, names, ranges, rules.

    `since_ms`: the boot time from which on its making time counts.
    """

    revision: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Stop:
    """To the worker: read no more, answer what is in hand, then end."""


@dataclass(frozen=True, slots=True)
class InForce:
    """From the worker: this revision decides; the first one also means that it is ready to listen."""

    revision: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """From the worker: this snapshot could not be used; the one before stays in force."""

    revision: int
    reason: str


@dataclass(frozen=True, slots=True)
class Alive:
    """From the worker, regularly. `clock_doubted`: the wall clock is earlier than the snapshot's making."""

    clock_doubted: bool


@dataclass(frozen=True, slots=True)
class Strangers:
    """From the worker, at most every few seconds: the networks in no range that have asked since it last said so.

    At most as many as the engine's table has places, some 40 octets each.
    """

    noted: Sequence[Noted]


Message: TypeAlias = Setup | Listen | Policy | Stop | InForce | Rejected | Alive | Strangers


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a channel; packets keep their borders."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message with duplicates of `descriptors`. OSError when the other end is gone or does not read."""
    socket.send_fds(sock, [pickle.dumps(message)], list(descriptors))


def receive(sock: socket.socket) -> tuple[Message, list[int]] | None:
    """The next message and its descriptors, now the receiver's; None when the other end is gone."""
    packet, descriptors, _flags, _address = socket.recv_fds(sock, MOST_OCTETS, MOST_DESCRIPTORS)
    if not packet:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    message: Message = pickle.loads(packet)
    return message, descriptors
