"""The process that workers are forks of: it has imported what a worker needs, and nothing else.

A start costs milliseconds, and workers share the memory of what is imported. `fork_zygote` makes it before the
supervisor reads secrets or starts threads. `python -m dnsfilter.worker.zygote FD` makes one that replaces it, where FD
is its end of the channel. It ends when its channel closes.
"""

import errno
import gc
import importlib
import os
import pwd
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from dnsfilter.engine.choice import VARIABLE
from dnsfilter.worker.channel import DropPrivileges, StartWorker, WorkerStarted, pair, receive_zygote_order, send
from dnsfilter.worker.privileges import allow_reading_by_own_user, become, keep_only
from dnsfilter.worker.process_title import WORKER, ZYGOTE, set_title

NOT_FOR_CHILDREN = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID")
"""Environment variables that the service manager sets for the supervisor alone."""
_OF_WORKERS = ("dnsfilter.worker.process", "dnsfilter.engine.reference.engine")
"""They import what both engines use. A worker loads the compiled engine: if that crashes, it is a worker's death."""
_FIRST_FD = 3


@dataclass(frozen=True, slots=True)
class Zygote:
    """A running zygote, a child of this process, and this process's end of its channel."""

    pid: int
    channel: socket.socket


def fork_zygote() -> Zygote:
    """Fork one from this process, which must not have other threads. Raise OSError if that fails."""
    _import()
    ours, theirs = pair()
    pid = os.fork()
    if pid == 0:
        _run_to_the_end(lambda: _serve(theirs))
    theirs.close()
    return Zygote(pid, ours)


def _import() -> None:
    for name in _OF_WORKERS:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # collections would write to the memory that processes share


def _serve(channel: socket.socket) -> None:
    """Start workers until the channel closes."""
    _leave_the_supervisor(channel)
    while (received := receive_zygote_order(channel)) is not None:
        match received:
            case (DropPrivileges(user), _):
                if user is not None:
                    become(pwd.getpwnam(user), ())
                    allow_reading_by_own_user()
                keep_only()
            case (StartWorker(engine), [descriptor]):
                try:
                    pid, error = _start(channel, engine, descriptor), 0
                except OSError as failure:
                    pid, error = 0, failure.errno or errno.EAGAIN
                os.close(descriptor)
                send(channel, WorkerStarted(pid, error))
            case (message, _):
                raise ValueError(f"unexpected message from supervisor: {type(message).__name__}")


def _leave_the_supervisor(channel: socket.socket) -> None:
    """Keep none of the descriptors, variables and limits that are the supervisor's own."""
    set_title(ZYGOTE)
    # Ctrl-C in a terminal reaches the complete process group, but the supervisor decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.closerange(_FIRST_FD, channel.fileno())
    os.closerange(channel.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for name in NOT_FOR_CHILDREN:
        os.environ.pop(name, None)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # 256 sockets per upstream, and those of clients


def _start(channel: socket.socket, engine: str, descriptor: int) -> int:
    """Fork a worker and return its process id. Raise OSError if that fails.

    A process between this one and the worker ends at once. So the worker becomes a child of the supervisor, which must
    be the reaper of orphans meanwhile (PR_SET_CHILD_SUBREAPER, prctl(2)).
    """
    reading, writing = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            _fork_again(writing, lambda: _work(channel, engine, descriptor, reading, writing))
        _, status = os.waitpid(between, 0)
        if status != 0:
            raise OSError(os.waitstatus_to_exitcode(status), "fork")
        return int.from_bytes(os.read(reading, 8))
    finally:
        os.close(reading)
        os.close(writing)


def _fork_again(writing: int, work: Callable[[], None]) -> NoReturn:
    try:
        pid = os.fork()
    except OSError as error:
        os._exit(error.errno or errno.EAGAIN)
    if pid == 0:
        _run_to_the_end(work)
    os.write(writing, pid.to_bytes(8))
    os._exit(os.EX_OK)


def _work(channel: socket.socket, engine: str, descriptor: int, *pipe: int) -> None:
    set_title(WORKER)
    channel.close()
    for end in pipe:
        os.close(end)
    os.environ[VARIABLE] = engine
    from dnsfilter.worker import process  # a supervisor, which imports this module too, does without it

    process.main(socket.socket(fileno=descriptor))


def _run_to_the_end(work: Callable[[], None]) -> NoReturn:
    """Run it, and end this process with its exit code. Nothing that the parent registered for its own end runs."""
    code = 1
    try:
        work()
        code = os.EX_OK
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except Exception:  # noqa: BLE001 - as the interpreter does at its end
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Run the zygote that replaces one."""
    _import()
    _serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
