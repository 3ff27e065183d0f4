"""Replace the program of this process: try the new one first, then hand sockets and workers over across exec(2).

The process id stays the same, so the service manager sees no restart. The workers of the old program keep answering.
They end when the new program closes their channels, after its own workers serve.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE
from typing import NoReturn

from dnsfilter.config.endpoint import endpoint_text, parse_endpoint
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.supervisor.crew import STOP_S
from dnsfilter.supervisor.sockets import Listening, SocketAddress
from dnsfilter.supervisor.worker_starts import child_environment
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.kept_totals import MOST_BYTES, read_totals
from dnsfilter.telemetry.totals import Totals
from dnsfilter.worker.privileges import CAP_NET_BIND_SERVICE, end_with, keep_only, keep_over_exec
from dnsfilter.worker.sealed import map_sealed, seal

VARIABLE = "DNSFILTER_HANDOVER"
"""Environment variable with the number of a descriptor: sealed memory that describes the other descriptors."""
ANSWERED = "trial: answered"
"""The line that a trial prints when it has proved that it answers."""
TRIAL_S = 80.0
"""Time limit of a trial in seconds. systemd waits for 90 until a reload is over."""
_LAST_LINES = 80
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A worker of the old program, still a child of this process. It ends when its channel closes."""

    pid: int
    channel: socket.socket

    def dismiss(self) -> None:
        self.channel.close()

    def has_ended(self) -> bool:
        """Return whether it has ended. Reap it."""
        with suppress(ChildProcessError):
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return True

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Predecessors:
    """The workers of the old program that have not ended. `ended` is called for each that has, with its process id."""

    def __init__(self, workers: Sequence[Predecessor], ended: Callable[[int], None]) -> None:
        self._left = list(workers)
        self._ended = ended
        self._dismissed_at: float | None = None

    def __len__(self) -> int:
        return len(self._left)

    def dismiss(self) -> None:
        """Ask all to end, once."""
        if self._dismissed_at is None:
            self._dismissed_at = time.monotonic()
            for worker in self._left:
                worker.dismiss()

    def serving(self) -> bool:
        """Return whether any still answers: it runs, and was not asked to end."""
        self._reap()
        return self._dismissed_at is None and bool(self._left)

    def end(self, now: float) -> None:
        """Dismiss all, reap those that have ended, and kill those that take too long. `now` is of a monotonic clock."""
        self.dismiss()
        self._reap()
        if self._dismissed_at is not None and now - self._dismissed_at > STOP_S:
            for worker in self._left:
                worker.kill()

    def _reap(self) -> None:
        for worker in list(self._left):
            if worker.has_ended():
                self._left.remove(worker)
                self._ended(worker.pid)


@dataclass(frozen=True, slots=True)
class Handover:
    """The listening sockets, the metrics socket and the workers of the old program.

    In a trial the old program still runs and reads these sockets. `trial_of` is the revision that it decides by.
    `dropped` counts the datagrams that the kernel dropped at sockets that are closed now.
    `totals` are the old program's counters, as `telemetry.kept_totals` writes them, or None.
    `caches` are descriptors of copies of its workers' caches.
    """

    sockets: tuple[tuple[SocketAddress, socket.socket], ...]
    status: tuple[Endpoint, socket.socket] | None
    workers: tuple[Predecessor, ...]
    trial_of: int | None = None
    dropped: int = 0
    totals: bytes | None = None
    caches: tuple[int, ...] = ()

    @property
    def is_trial(self) -> bool:
        return self.trial_of is not None

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the addresses of the sockets, each once per socket."""
        return tuple(endpoint for (_, endpoint), _ in self.sockets)


NOTHING = Handover((), None, ())


def take_handover() -> Handover:
    """Return the handover to this process, or `NOTHING`. Raise UnavailableError if the handover cannot be read."""
    number = os.environ.pop(VARIABLE, "")
    if not number:
        return NOTHING
    try:
        with map_sealed(int(number)) as data:
            content = json.loads(bytes(data))
        trial_of = content.get("trial_of")
        if trial_of is not None and not end_with(content["pid"]):
            raise UnavailableError(f"try the upgrade: process {content['pid']}, which asked for it, has ended")
        if trial_of is None and content["pid"] != os.getpid():
            return NOTHING
        return Handover(
            tuple(((socket.SocketKind(kind), parse_endpoint(text)), _own(fd)) for kind, text, fd in content["sockets"]),
            (parse_endpoint(content["status"][0]), _own(content["status"][1])),
            tuple(Predecessor(pid, _own(fd)) for pid, fd in content["workers"]),
            trial_of,
            int(content.get("dropped", 0)),
            _totals(content.get("totals")),  # an older program hands over none
            tuple(map(_not_inheritable, content.get("caches", ()))),
        )
    except (SnapshotError, ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise UnavailableError(f"take over from the previous program: {error}") from error


async def try_out(
    program: Sequence[str], listening: Listening, status: tuple[Endpoint, socket.socket], revision: int
) -> str | None:
    """Run the new program next to this one. Return the reason why it does not answer, None if it does.

    A trial fails if it would decide by an older revision than `revision`, which is in force here.
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
        return f"it did not prove within {TRIAL_S:g} s that it answers"
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
    totals: bytes,
    dropped: int,
    caches: Sequence[int] = (),
) -> NoReturn:
    """Become the new program, which gets these from `take_handover`. `workers` are process ids and channels.

    `caches` are descriptors of copies of caches, which the caller closes if this fails.

    Raise OSError if that fails. Then everything is as before.
    """
    counters = seal("dnsfilter-totals", totals)
    note, passed = _note(listening, status, workers, counters, dropped=dropped, caches=caches)
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
        os.close(counters)
        raise


def _note(
    listening: Listening,
    status: tuple[Endpoint, socket.socket],
    workers: Sequence[tuple[int, int]],
    totals: int | None = None,
    *,
    trial_of: int | None = None,
    dropped: int = 0,
    caches: Sequence[int] = (),
) -> tuple[int, list[int]]:
    """Return the descriptor that `take_handover` reads, and all descriptors to pass on, with that one first."""
    sockets = [(int(kind), endpoint_text(endpoint), sock.fileno()) for (kind, endpoint), sock in listening.bound()]
    metrics = (endpoint_text(status[0]), status[1].fileno())
    content = {
        "pid": os.getpid(),
        "sockets": sockets,
        "status": metrics,
        "workers": workers,
        "trial_of": trial_of,
        "dropped": dropped,
        "totals": totals,
        "caches": list(caches),
    }
    note = seal("dnsfilter-handover", json.dumps(content).encode())
    given = () if totals is None else (totals,)
    return note, [note, metrics[1], *(fd for _, _, fd in sockets), *(fd for _, fd in workers), *given, *caches]


def restore_totals(totals: Totals, data: bytes | None) -> Mapping[str, int]:
    """Go on from the old program's totals. Return its other counters by name; none if there are no readable totals."""
    if data is None:
        return {}
    try:
        kept = read_totals(data)
    except UnavailableError as error:
        logs.emit(_LOG, logging.ERROR, "counters start at 0", reason=error)
        return {}
    for pid in totals.restore(kept):
        logs.emit(_LOG, logging.WARNING, "last counts of a worker of the old program are lost", pid=pid)
    return kept.numbers


def _totals(fd: int | None) -> bytes | None:
    """Return the content of the descriptor with the old program's counters. A damaged one only costs the counters."""
    if fd is None:
        return None
    try:
        with map_sealed(fd) as data:
            return bytes(data[: MOST_BYTES + 1])
    except SnapshotError as error:
        logs.emit(_LOG, logging.ERROR, "counters start at 0", reason=error)
        return None


def _own(fd: int) -> socket.socket:
    """Return the socket of an inherited descriptor. Child processes do not inherit it."""
    return socket.socket(fileno=_not_inheritable(fd))


def _not_inheritable(fd: int) -> int:
    os.set_inheritable(fd, False)
    return fd
