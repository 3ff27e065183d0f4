"""Another program in this very process: sockets and workers are handed over across exec(2).

The process id stays, so the service manager notices nothing. The old program's workers go on answering; they end when
the new program, whose workers serve by then, closes their channels.
"""

import json
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from dnsfilter.config.endpoint import endpoint_text, parse_endpoint
from dnsfilter.config.model import Endpoint
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.node.privileges import CAP_NET_BIND_SERVICE, keep_over_exec
from dnsfilter.node.sealed import map_sealed, seal
from dnsfilter.node.sockets import Listening, Place

VARIABLE = "DNSFILTER_HANDOVER"
"""The environment's variable with the number of a descriptor: sealed memory that says what the others are."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A worker of the old program: a child of this process still. It ends when its channel closes."""

    pid: int
    channel: socket.socket

    def dismiss(self) -> None:
        self.channel.close()

    def has_ended(self) -> bool:
        """Whether it is no more; reaps it."""
        with suppress(ChildProcessError):
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return True

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Handover:
    """What the old program left: listening sockets, the one for metrics, workers."""

    sockets: tuple[tuple[Place, socket.socket], ...]
    status: tuple[Endpoint, socket.socket] | None
    workers: tuple[Predecessor, ...]


NOTHING = Handover((), None, ())


@dataclass(frozen=True, slots=True)
class Program:
    """How to run this program again, and how to ask it first whether it would start."""

    serve: tuple[str, ...]
    check: tuple[str, ...]


def take_handover() -> Handover:
    """What was handed over to this process; `NOTHING` unless it was. Raises UnavailableError when it makes no sense."""
    number = os.environ.pop(VARIABLE, "")
    if not number:
        return NOTHING
    try:
        with map_sealed(int(number)) as octets:
            said = json.loads(bytes(octets))
        if said["pid"] != os.getpid():
            return NOTHING
        return Handover(
            tuple(((socket.SocketKind(kind), parse_endpoint(text)), _own(fd)) for kind, text, fd in said["sockets"]),
            (parse_endpoint(said["status"][0]), _own(said["status"][1])),
            tuple(Predecessor(pid, _own(fd)) for pid, fd in said["workers"]),
        )
    except (SnapshotError, ValueError, LookupError, TypeError, OSError) as error:
        raise UnavailableError(f"take over from the program before: {error}") from error


def hand_over(
    program: Program,
    listening: Listening,
    status: tuple[Endpoint, socket.socket],
    workers: Sequence[tuple[int, int]],
) -> NoReturn:
    """Become the new program, which `take_handover` tells of these; `workers` are process ids and channels.

    Raises OSError when that fails, with everything as it was.
    """
    sockets = [(int(kind), endpoint_text(endpoint), sock.fileno()) for (kind, endpoint), sock in listening.placed()]
    metrics = (endpoint_text(status[0]), status[1].fileno())
    said = {"pid": os.getpid(), "sockets": sockets, "status": metrics, "workers": workers}
    note = seal("dnsfilter-handover", json.dumps(said).encode())
    passed = [note, metrics[1], *(fd for _, _, fd in sockets), *(fd for _, fd in workers)]
    # Default actions would end the new program before it has handlers of its own.
    signals = (signal.SIGHUP, signal.SIGUSR2)
    before = [signal.signal(number, signal.SIG_IGN) for number in signals]
    try:
        for fd in passed:
            os.set_inheritable(fd, True)
        keep_over_exec({CAP_NET_BIND_SERVICE})
        os.execve(program.serve[0], program.serve, {**os.environ, VARIABLE: str(note)})
    except OSError:
        for fd in passed:
            os.set_inheritable(fd, False)
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
        os.close(note)
        raise


def _own(fd: int) -> socket.socket:
    """The socket of an inherited descriptor, which no program started from here inherits."""
    os.set_inheritable(fd, False)
    return socket.socket(fileno=fd)
