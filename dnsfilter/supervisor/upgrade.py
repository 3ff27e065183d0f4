"""Another program in this very process: tried first, then given sockets and workers across exec(2).

The process id stays, so the service manager notices nothing. The old program's workers go on answering; they end when
the new program, whose workers serve by then, closes their channels.
"""

import asyncio
import json
import logging
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE
from typing import NoReturn

from dnsfilter.config.endpoint import endpoint_text, parse_endpoint
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.supervisor.sockets import Listening, Place
from dnsfilter.supervisor.worker_process import child_environment
from dnsfilter.telemetry import logs
from dnsfilter.worker.privileges import CAP_NET_BIND_SERVICE, end_with, keep_only, keep_over_exec
from dnsfilter.worker.sealed import map_sealed, seal

VARIABLE = "DNSFILTER_HANDOVER"
"""The environment's variable with the number of a descriptor: sealed memory that says what the others are."""
ANSWERED = "trial: answered"
"""What a trial prints once it has proved that it answers."""
TRIAL_S = 60.0
"""How long a trial may take."""
_LAST_LINES = 40
_LOG = logging.getLogger("dnsfilter.node")


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
    """What the old program left: listening sockets, the one for metrics, workers.

    In a trial the old program still runs, and reads these sockets; `trial_of` is the revision that it decides by.
    """

    sockets: tuple[tuple[Place, socket.socket], ...]
    status: tuple[Endpoint, socket.socket] | None
    workers: tuple[Predecessor, ...]
    trial_of: int | None = None

    @property
    def is_trial(self) -> bool:
        return self.trial_of is not None

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where the sockets listen: each address once per socket."""
        return tuple(endpoint for (_, endpoint), _ in self.sockets)


NOTHING = Handover((), None, ())


def take_handover() -> Handover:
    """What was handed over to this process; `NOTHING` unless it was. Raises UnavailableError when it makes no sense."""
    number = os.environ.pop(VARIABLE, "")
    if not number:
        return NOTHING
    try:
        with map_sealed(int(number)) as octets:
            said = json.loads(bytes(octets))
        trial_of = said.get("trial_of")
        if trial_of is not None and not end_with(said["pid"]):
            raise UnavailableError(f"try the upgrade: process {said['pid']}, which asked for it, has ended")
        if trial_of is None and said["pid"] != os.getpid():
            return NOTHING
        return Handover(
            tuple(((socket.SocketKind(kind), parse_endpoint(text)), _own(fd)) for kind, text, fd in said["sockets"]),
            (parse_endpoint(said["status"][0]), _own(said["status"][1])),
            tuple(Predecessor(pid, _own(fd)) for pid, fd in said["workers"]),
            trial_of,
        )
    except (SnapshotError, ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise UnavailableError(f"take over from the program before: {error}") from error


async def try_out(
    program: Sequence[str], listening: Listening, status: tuple[Endpoint, socket.socket], revision: int
) -> str | None:
    """Run the new program next to this one. Return why it does not answer, None if it does.

    A trial that would decide by an older revision than `revision`, which is in force here, fails.
    """
    note, passed = _note(listening, status, (), trial_of=revision)
    try:
        keep_over_exec({CAP_NET_BIND_SERVICE})
        process = await asyncio.create_subprocess_exec(
            *program,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            pass_fds=passed,
            env={**child_environment(), VARIABLE: str(note)},
        )
    except OSError as error:
        return str(error)
    finally:
        keep_only({CAP_NET_BIND_SERVICE})
        os.close(note)
    try:
        output, errors = await asyncio.wait_for(process.communicate(), TRIAL_S)
    except TimeoutError:
        return f"it has not proved within {TRIAL_S:g} s that it answers"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0 and ANSWERED in output.decode(errors="replace").splitlines():
        return None
    for line in errors.decode(errors="replace").splitlines()[-_LAST_LINES:]:
        logs.emit(_LOG, logging.ERROR, "trial of the upgrade", line=line)
    return f"its trial ended with status {process.returncode}"


def hand_over(
    program: Sequence[str],
    listening: Listening,
    status: tuple[Endpoint, socket.socket],
    workers: Sequence[tuple[int, int]],
) -> NoReturn:
    """Become the new program, which `take_handover` tells of these; `workers` are process ids and channels.

    Raises OSError when that fails, with everything as it was.
    """
    note, passed = _note(listening, status, workers)
    # Default actions would end the new program before it has handlers of its own.
    signals = (signal.SIGHUP, signal.SIGUSR2)
    before = [signal.signal(number, signal.SIG_IGN) for number in signals]
    try:
        for fd in passed:
            os.set_inheritable(fd, True)
        keep_over_exec({CAP_NET_BIND_SERVICE})
        os.execve(program[0], list(program), {**os.environ, VARIABLE: str(note)})
    except OSError:
        for fd in passed:
            os.set_inheritable(fd, False)
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
        os.close(note)
        raise


def _note(
    listening: Listening,
    status: tuple[Endpoint, socket.socket],
    workers: Sequence[tuple[int, int]],
    *,
    trial_of: int | None = None,
) -> tuple[int, list[int]]:
    """Return the descriptor of what `take_handover` reads, and all descriptors to pass on, that one first."""
    sockets = [(int(kind), endpoint_text(endpoint), sock.fileno()) for (kind, endpoint), sock in listening.placed()]
    metrics = (endpoint_text(status[0]), status[1].fileno())
    said = {"pid": os.getpid(), "sockets": sockets, "status": metrics, "workers": workers, "trial_of": trial_of}
    note = seal("dnsfilter-handover", json.dumps(said).encode())
    return note, [note, metrics[1], *(fd for _, _, fd in sockets), *(fd for _, fd in workers)]


def _own(fd: int) -> socket.socket:
    """The socket of an inherited descriptor, which no program started from here inherits."""
    os.set_inheritable(fd, False)
    return socket.socket(fileno=fd)
