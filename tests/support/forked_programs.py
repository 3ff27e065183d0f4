"""Run this project's programs as forks of a process that has imported them: imports take most of a short run.

A fork differs from the installed program in two ways. Modules are loaded before the program imports them. The kernel
shows another command line, but with the program's name as process name.
"""

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import api.main
from dnsfilter.worker.privileges import end_with
from tests.support.fake_clock import REREAD_S

_FORKS = get_context("forkserver")
_IMPORTED = f"{__package__}.imported_programs"
_FORKS.set_forkserver_preload([_IMPORTED])
LONGEST_S = 180
_running: "set[Forked]" = set()
_servers: dict[str, forkserver.ForkServer] = {}
"""The fork servers with a library that the loader loads first, by the library's path."""
LIBRARY = "LD_PRELOAD"


class Forked:
    """A process with the interface of `subprocess.Popen`."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        process.start()
        assert process.pid is not None
        self.pid = process.pid
        _running.add(self)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        if (code := self._process.exitcode) is not None:
            _running.discard(self)
        return code

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@atexit.register
def _kill_all() -> None:
    # Otherwise the process that started them would wait for them.
    for process in tuple(_running):
        process.kill()


def start(command: Sequence[str], log: Path, directory: Path, environment: Mapping[str, str] | None = None) -> Forked:
    """Start `dnsfilter-api`, `dnsfilter serve`, or `dnsfilter up` whose parts are forks too.

    Append the output to `log`. Without `environment`, the fork has this process's environment.
    """
    environ = dict(os.environ if environment is None else environment)
    return _forked(command, environ, directory, log, log)


def _forked(command: Sequence[str], environ: Mapping[str, str], directory: Path, out: Path, err: Path) -> Forked:
    with _server_for(environ):
        return Forked(_FORKS.Process(target=_run, args=(command, environ, directory, out, err)))


@contextmanager
def _server_for(environ: Mapping[str, str]) -> Iterator[None]:
    """Fork from a process that has loaded the same library as `environ` demands: a fork cannot load it afterwards."""
    library = environ.get(LIBRARY)
    if library == os.environ.get(LIBRARY) or library is None:
        yield
        return
    if library not in _servers:
        server = forkserver.ForkServer()
        server.set_forkserver_preload([_IMPORTED])
        with patch.dict(os.environ, environ, clear=True):
            server.ensure_running()
        _servers[library] = server
    with patch.object(forkserver, "connect_to_new_process", _servers[library].connect_to_new_process):
        yield


def run(
    command: Sequence[str], directory: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `dnsfilter`, `dnsfilter-api` or `dnsfilterctl` to its end, as `subprocess.run` does with text.

    Without `environment`, the fork has this process's environment. Its standard input is empty.
    """
    environ = dict(os.environ if environment is None else environment)
    with TemporaryDirectory() as kept:
        out, err = (Path(kept) / name for name in ("out", "err"))
        process = _forked(command, environ, directory or Path.cwd(), out, err)
        try:
            code = process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{command} goes on:\n{err.read_text()}") from None
        return subprocess.CompletedProcess(command, code, out.read_text(), err.read_text())


def run_api(arguments: Sequence[str], **environ: str) -> tuple[int, str, str]:
    """Run `dnsfilter-api` with additional environment variables. Return its exit code, output and errors."""
    done = run(["dnsfilter-api", *arguments], environment={**os.environ, **environ})
    return done.returncode, done.stdout, done.stderr


def _run(command: Sequence[str], environ: Mapping[str, str], directory: Path, out: Path, err: Path) -> None:
    # The fork server ignores a preload that it cannot import, without a message. Then each fork would import
    # everything.
    assert _IMPORTED in sys.modules
    for stream, file in ((sys.stdout, out), (sys.stderr, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), stream.fileno())
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    if LIBRARY in environ:
        time.sleep(REREAD_S)  # the library knows the clock of an earlier fork
    os.chdir(directory)
    sys.exit(_main(command))


def _main(command: Sequence[str]) -> int | None:
    path, *arguments = command
    name = Path(path).name
    sys.argv = [*command]
    sys.orig_argv = [sys.executable, *command]  # an upgrade runs this again
    Path("/proc/self/comm").write_text(f"{name} serve" if arguments[:1] == ["serve"] else name)
    if name == "dnsfilter-api":
        return api.main.main(arguments)
    if name == "dnsfilterctl":
        from api import cli

        return cli.main(arguments)
    from dnsfilter.cli import program, single_machine

    vars(single_machine)["_start"] = _start_part
    program.main(arguments)
    return None


def _start_part(command: list[str]) -> Forked:
    """Start a part of `dnsfilter up` as a fork of this process."""
    return Forked(get_context("fork").Process(target=_run_part, args=(command, os.getpid())))


def _run_part(command: Sequence[str], parent: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor in Path("/proc/self/fd").iterdir():
        if descriptor.is_symlink() and os.readlink(descriptor).endswith("/up.lock"):
            os.close(int(descriptor.name))
    if not end_with(parent):
        os._exit(1)
    sys.exit(_main(command))
