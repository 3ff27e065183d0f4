"""Listen for the API: on TCP ports, or on Unix sockets for a proxy."""

import os
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

from api.settings import Endpoint, ListenAddress, Settings, UnixSocket
from dnsfilter.errors import UnavailableError

SOCKET_MODE = 0o660
"""The mode of a Unix socket. The proxy is in the file's group."""
PROBE_S = 1.0
UNTAKEN_S = 30.0
"""Seconds after which the system drops a TCP connection if its client reads nothing of an answer."""


class Listener:
    """A listening socket. It is closed when its block ends, and its file is removed. Raise UnavailableError."""

    def __init__(self, where: ListenAddress, tls: bool) -> None:
        self.tls = tls
        self._where = where
        self._file: tuple[int, int] | None = None
        try:
            match where:
                case Endpoint():
                    self.socket = _bind_port(where)
                case UnixSocket():
                    self.socket = _bind_file(where.path)
                    self._file = _identity(where.path)
                case _:
                    assert_never(where)
        except OSError as error:
            raise UnavailableError(taken(where.text, "--listen", error)) from error

    @property
    def url(self) -> str:
        """Return the URL for clients."""
        if isinstance(self._where, UnixSocket):
            return self._where.text
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{Endpoint(self._where.host, self.socket.getsockname()[1]).text}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()
        if isinstance(self._where, UnixSocket):
            with suppress(OSError):
                # Another process may have replaced the file by its own.
                if _identity(self._where.path) == self._file:
                    self._where.path.unlink()


def listen_on_all(settings: Settings, stack: ExitStack) -> tuple[Listener, ...]:
    """Listen on every address until `stack` ends. Raise UnavailableError that names each address that failed."""
    listeners: list[Listener] = []
    faults: list[str] = []
    for where in settings.listen:
        try:
            listeners.append(stack.enter_context(Listener(where, settings.uses_tls(where))))
        except UnavailableError as error:
            faults.append(str(error))
    if faults:
        raise UnavailableError("\n".join(faults))
    return tuple(listeners)


def taken(text: str, option: str, error: OSError) -> str:
    """Return the message about an address on which listening failed."""
    return f"cannot listen on {text}: {error.strerror}; stop what uses it, or choose another with {option}"


def _bind_port(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit this option.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * UNTAKEN_S))
        listener.bind((endpoint.host, endpoint.port))
        # With bind alone, two processes could both seem to have the port.
        listener.listen(socket.SOMAXCONN)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_file(path: Path) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777)
    try:
        # The umask keeps others out until the file has its mode.
        listener.bind(str(path))
        path.chmod(SOCKET_MODE)
        listener.listen(socket.SOMAXCONN)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket on which nobody listens. Keep anything else: binding then fails and reports it."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
