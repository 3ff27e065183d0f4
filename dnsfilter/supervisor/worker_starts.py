"""Start workers as forks of a zygote, and replace a zygote that has ended or does not answer."""

import errno
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from dnsfilter.engine.choice import EngineKind
from dnsfilter.worker import channel
from dnsfilter.worker.channel import DropPrivileges, StartWorker
from dnsfilter.worker.privileges import adopting_orphans
from dnsfilter.worker.zygote import NOT_FOR_CHILDREN, Zygote

ANSWER_S = 10.0
"""Seconds that a zygote may take to start a worker. One that replaces another must start itself first."""


class ChildProcess:
    """A child of this process, as `subprocess.Popen` has it. A zygote forked it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, or its signal as a negative number; None while it runs."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        """Wait until it has ended. Return what `poll` returns."""
        while (code := self._reap(0)) is None:
            continue
        return code

    def kill(self) -> None:
        """Send SIGKILL if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _reap(self, options: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:  # SIGCHLD is ignored here, so the kernel keeps no status
                self.returncode = os.EX_OK
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


class WorkerStarts:
    """Start workers. `zygote` is the one that was forked before secrets were read; None: make one when it is needed."""

    def __init__(self, zygote: Zygote | None = None) -> None:
        self._process: ChildProcess | subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        if zygote is not None:
            self._process, self._channel = ChildProcess(zygote.pid), zygote.channel

    @property
    def pid(self) -> int | None:
        """Return the process id of the zygote, if there is one."""
        return None if self._process is None else self._process.pid

    def drop_privileges(self, user: str | None) -> None:
        """Have the zygote become that user, if any, and give up all capabilities. Call it before any start."""
        if self._channel is not None:
            with suppress(OSError):  # it has ended, and the next start replaces it
                channel.send(self._channel, DropPrivileges(user))

    def start(self, engine: EngineKind) -> tuple[ChildProcess, socket.socket]:
        """Start a worker that waits for its orders. Return it with this process's end of its channel.

        Raise OSError if it cannot be started.
        """
        if self._channel is not None:
            with suppress(ConnectionError, TimeoutError):
                return self._ask(engine, self._channel)
        return self._ask(engine, self._replace())

    def close(self) -> None:
        """End the zygote. Workers run on."""
        if self._process is None or self._channel is None:
            return
        self._channel.close()
        with suppress(PermissionError):  # it is still root and this process is not: it ends by itself
            self._process.kill()
            self._process.wait()
        self._process = self._channel = None

    def _ask(self, engine: EngineKind, zygote: socket.socket) -> tuple[ChildProcess, socket.socket]:
        ours, theirs = channel.pair()
        try:
            with theirs, adopting_orphans():
                zygote.settimeout(ANSWER_S)
                channel.send(zygote, StartWorker(engine.value), [theirs.fileno()])
                answer = channel.receive_answer(zygote)
            if answer is None:
                raise ConnectionResetError(errno.ECONNRESET, "the process that forks workers has ended")
            if answer.error:
                raise OSError(answer.error, os.strerror(answer.error))
        except OSError:
            ours.close()
            raise
        return ChildProcess(answer.pid), ours

    def _replace(self) -> socket.socket:
        """Run a new zygote as a program of its own: this process may have threads by now, and must not fork."""
        self.close()
        ours, theirs = channel.pair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dnsfilter.worker.zygote", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env=child_environment(),
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel = ours
        self.drop_privileges(None)
        return ours


def child_environment() -> dict[str, str]:
    """Return this process's environment without the variables that the service manager set for it alone."""
    return {name: value for name, value in os.environ.items() if name not in NOT_FOR_CHILDREN}
