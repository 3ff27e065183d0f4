"""A client that reads nothing is disconnected and delays nobody. A slow client gets its answer."""

import asyncio
import gc
import os
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import uvloop
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from api.http import downloads
from api.http.downloads import Download
from api.server import http_server as serving
from api.server import listeners
from api.server.http_server import Server
from api.server.listeners import Listener
from api.server.request_limits import LoadMiddleware, RequestKind
from api.server.request_slots import Slots
from api.settings import Endpoint, UnixSocket
from api.tls.certificates import Certificate
from tests.support.certificates import Authority

pytestmark = pytest.mark.heavy

LARGE, SMALL = 6_000_000, 40_000
"""Sizes of answers above and below what the system buffers."""
PIECE = 1000
UNTAKEN_S = 1.0
Way: TypeAlias = "tuple[Path, Path, Path] | Path | None"
"""The files of a CA, of a certificate and of its key; the path of a Unix socket; or plain TCP."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time that the system waits for a client that reads nothing."""
    monkeypatch.setattr(listeners, "UNTAKEN_S", UNTAKEN_S)


class Site:
    """Answer `/large`, `/small` and `/now` at once, and `/download` in pieces."""

    def __init__(self) -> None:
        self.begun = self.downloaded = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        if scope["path"] == "/download":
            with ExitStack() as held:
                held.callback(self._end)
                pieces = (b"x" * PIECE for _ in range(LARGE // PIECE))
                download = Download(pieces, held.pop_all(), "text/plain")
            await download({**scope, "rest": nullcontext}, receive, send)
            return
        size = {"/large": LARGE, "/small": SMALL}.get(scope["path"], 4)
        await PlainTextResponse("here" * (size // 4))(scope, receive, send)

    def _end(self) -> None:
        self.downloaded += 1


class Clients:
    """Open connections of blocking sockets with small buffers to a server in another thread."""

    def __init__(self, port: int, way: Way, server: Server, opened: ExitStack) -> None:
        self._server, self._opened = server, opened
        self._address: Path | tuple[str, int] = way if isinstance(way, Path) else ("127.0.0.1", port)
        self._trusting = ssl.create_default_context(cafile=str(way[0])) if isinstance(way, tuple) else None

    @property
    def connected(self) -> int:
        return len(self._server.server_state.connections)

    def ask(self, *paths: str, extra: str = "", buffer: int = 4096) -> socket.socket:
        """Open a connection and send requests."""
        made = self.connect(buffer)
        if self._trusting is not None:
            made = self._opened.enter_context(self._trusting.wrap_socket(made, server_hostname="127.0.0.1"))
        made.sendall("".join(f"GET {path} HTTP/1.1\r\nHost: here\r\n{extra}\r\n" for path in paths).encode())
        return made

    def connect(self, buffer: int = 4096) -> socket.socket:
        """Open a connection without sending anything, not even a handshake."""
        family = socket.AF_UNIX if isinstance(self._address, Path) else socket.AF_INET
        made = self._opened.enter_context(socket.socket(family))
        if family == socket.AF_INET:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            # With loopback's large segments, the system's probes would report small reads too rarely.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        made.settimeout(20)
        made.connect(self._address if isinstance(self._address, tuple) else str(self._address))
        return made


def _run(way: Way, act: Callable[[Clients, Site], None], app: Callable[[Site], Any] = lambda site: site) -> None:
    async def serve() -> None:
        site = Site()
        endpoint = UnixSocket(way) if isinstance(way, Path) else Endpoint("127.0.0.1", 0)
        certificate = Certificate(way[1], way[2]) if isinstance(way, tuple) else None
        with Listener(endpoint, certificate is not None) as listener:
            server = Server(app(site), "", [listener], certificate, lambda: None)
            server.config.load()
            server.config.timeout_keep_alive = 0.05  # type: ignore[assignment]
            server.lifespan = server.config.lifespan_class(server.config)
            await server.startup()
            port = 0 if isinstance(way, Path) else listener.socket.getsockname()[1]
            try:
                with ExitStack() as opened:
                    clients = Clients(port, way, server, opened)
                    await asyncio.wait_for(asyncio.to_thread(act, clients, site), 30)
            finally:
                await server.shutdown()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


@pytest.fixture(params=["plain", "tls", "unix"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    return _way(request.param, tmp_path)


def _way(kind: str, directory: Path) -> Way:
    if kind == "plain":
        return None
    if kind == "unix":
        return directory / "socket"
    authority, files = Authority(directory), (directory / "cert.pem", directory / "key.pem")
    authority.issue(*files)
    return (authority.ca, *files)


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("paths", "extra"),
    [
        (["/large"] * 3, ""),
        (["/large"], ""),
        (["/large"], "Connection: close\r\n"),
        (["/small"], ""),
    ],
    ids=["one after the other", "large", "large, the last", "small"],
)
@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_a_client_that_reads_nothing_is_disconnected(tmp_path: Path, kind: str, paths: list[str], extra: str) -> None:
    def act(clients: Clients, site: Site) -> None:
        silent = clients.ask(*paths, extra=extra)
        _until(lambda: site.begun > 0)
        _until(lambda: clients.connected == 0)
        got = 0
        with suppress(OSError):
            while taken := silent.recv(65_536):
                got += len(taken)
        # The system has buffered small answers, and sends them without the server.
        assert got < LARGE or "/large" not in paths

    _run(_way(kind, tmp_path), act)


@pytest.mark.parametrize("extra", ["", "Connection: close\r\n"], ids=["", "the last"])
def test_a_slow_client_gets_the_complete_answer(way: Way, extra: str) -> None:
    def act(clients: Clients, _site: Site) -> None:
        slow = clients.ask("/large", extra=extra, buffer=60_000)
        got, began = 0, time.monotonic()
        while got < LARGE and (taken := slow.recv(65_536)):
            got += len(taken)
            if time.monotonic() - began < 1.2 * UNTAKEN_S:
                time.sleep(0.01)
        assert got >= LARGE

    _run(way, act)


def test_a_download_below_the_minimum_rate_is_aborted(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "TAKEN_S", 0.3)

    def act(clients: Clients, site: Site) -> None:
        slow = clients.ask("/download")
        _until(lambda: site.begun > 0)
        got, until = 0, time.monotonic() + 20
        while not site.downloaded:
            assert time.monotonic() < until, "not in time"
            got += len(slow.recv(40))
            time.sleep(0.05)
        with suppress(OSError):
            while taken := slow.recv(65_536):
                got += len(taken)
        assert 0 < got < LARGE

    _run(way, act)


def test_an_unread_answer_holds_no_slot(way: Way) -> None:
    def act(clients: Clients, _site: Site) -> None:
        silent = [clients.ask("/large", "/large") for _ in range(4)]
        for _ in range(2):
            with clients.ask("/now") as answered:
                assert answered.recv(12) == b"HTTP/1.1 200"
        _until(lambda: clients.connected == len(silent))

    _run(way, act, lambda site: LoadMiddleware(site, {RequestKind.READ: Slots(1, 1)}))


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["nothing", "no TLS"])
def test_unfinished_handshakes_do_not_block_others_and_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(serving, "HANDSHAKE_S", 3.0)

    def act(clients: Clients, _site: Site) -> None:
        with clients.ask("/now") as answered:
            assert answered.recv(12) == b"HTTP/1.1 200"
        _until(lambda: clients.connected == 0)
        opened = len(os.listdir("/proc/self/fd"))
        silent = [clients.connect() for _ in range(24)]
        for made in silent:
            made.sendall(sent)
        with clients.ask("/now") as answered:
            assert answered.recv(12) == b"HTTP/1.1 200"
        for made in silent:
            with made, suppress(OSError):
                while made.recv(1000):
                    pass
        _until(lambda: gc.collect() >= 0 and len(os.listdir("/proc/self/fd")) <= opened)

    _run(_way("tls", tmp_path), act)


def test_requests_beyond_the_connection_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 3)

    def act(clients: Clients, _site: Site) -> None:
        idle = [clients.connect() for _ in range(2)]
        _until(lambda: clients.connected == len(idle))
        assert clients.ask("/now").recv(12) == b"HTTP/1.1 503"
        for made in idle:
            made.close()
        _until(lambda: clients.connected == 0)
        assert clients.ask("/now").recv(12) == b"HTTP/1.1 200"

    _run(None, act)


def test_connections_beyond_the_limit_are_closed_to_leave_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 3)

    def act(clients: Clients, _site: Site) -> None:
        idle = [clients.connect() for _ in range(3)]
        _until(lambda: clients.connected == len(idle))
        assert [clients.connect().recv(1) for _ in range(4)] == [b""] * 4
        assert clients.connected == len(idle)
        for made in idle:
            made.close()
        _until(lambda: clients.connected == 0)
        assert clients.ask("/now").recv(12) == b"HTTP/1.1 200"

    _run(None, act)
