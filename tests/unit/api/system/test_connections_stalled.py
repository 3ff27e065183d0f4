"""Whoever takes nothing of an answer is given up, and holds nobody up; whoever takes it slowly gets it."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import uvicorn
import uvloop
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from api.system.connections import GuardedProtocol
from api.system.load import LoadMiddleware, Work
from api.system.rooms import Room
from tests.support.certificates import Authority

LARGE, SMALL = 6_000_000, 40_000
"""More than the system takes of an answer before anybody reads it, and less."""
Way: TypeAlias = "tuple[Path, Path, Path] | Path | None"
"""The files of an authority, of a certificate and of its key; the path of a socket; or plain TCP."""


class Quick(GuardedProtocol):
    """Waits a moment only, but long for the first head: a busy machine may be late with it."""

    head_timeout_s = 20.0
    stalled_s = 0.3
    least = 1000

    def on_response_complete(self) -> None:
        self.head_timeout_s = 0.05
        super().on_response_complete()


class Patient(Quick):
    """Waits longer than a busy machine keeps a client from reading."""

    stalled_s = 1.0


class Narrow(GuardedProtocol):
    """Takes three connections."""

    max_connections = 3


class Site:
    """Answers `/large`, `/small` and `/now` at once, `/wait` when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        if scope["path"] == "/wait":
            await self.go_on.wait()
        size = {"/large": LARGE, "/small": SMALL}.get(scope["path"], 4)
        await PlainTextResponse("here" * (size // 4))(scope, receive, send)


class Clients:
    """Connections of blocking sockets with small buffers to a server in another thread."""

    def __init__(self, port: int, way: Way, server: uvicorn.Server, opened: ExitStack) -> None:
        self._server, self._opened = server, opened
        self._place: Path | tuple[str, int] = way if isinstance(way, Path) else ("127.0.0.1", port)
        self._trusting = ssl.create_default_context(cafile=str(way[0])) if isinstance(way, tuple) else None

    @property
    def connected(self) -> int:
        return len(self._server.server_state.connections)

    def ask(self, *paths: str, extra: str = "", buffer: int = 4096) -> socket.socket:
        """A connection with requests on their way."""
        family = socket.AF_UNIX if isinstance(self._place, Path) else socket.AF_INET
        made = self._opened.enter_context(socket.socket(family))
        if family == socket.AF_INET:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            # With loopback's large segments little that is taken would be told at the pace of the system's probes.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        made.settimeout(20)
        made.connect(self._place if isinstance(self._place, tuple) else str(self._place))
        if self._trusting is not None:
            made = self._opened.enter_context(self._trusting.wrap_socket(made, server_hostname="127.0.0.1"))
        made.sendall("".join(f"GET {path} HTTP/1.1\r\nHost: here\r\n{extra}\r\n" for path in paths).encode())
        return made

    def asked(self, path: str = "/now") -> bytes:
        """The first octets of an answer."""
        return self.ask(path).recv(12)


def _port(server: uvicorn.Server) -> int:
    name = server.servers[0].sockets[0].getsockname()
    return int(name[1]) if isinstance(name, tuple) else 0


def _run(
    protocol: type[GuardedProtocol], way: Way, act: Callable[[Clients, Site], None], app: Callable[[Site], Any]
) -> None:
    async def whole() -> None:
        site = Site()
        config = uvicorn.Config(
            app(site),
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            port=0,
            uds=str(way) if isinstance(way, Path) else None,
            timeout_keep_alive=0.05,  # type: ignore[arg-type]
            ssl_certfile=way[1] if isinstance(way, tuple) else None,
            ssl_keyfile=way[2] if isinstance(way, tuple) else None,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        try:
            with ExitStack() as opened:
                clients = Clients(_port(server), way, server, opened)
                await asyncio.wait_for(asyncio.to_thread(act, clients, site), 30)
        finally:
            await server.shutdown()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())


@pytest.fixture(params=["plain", "tls", "unix"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    if request.param == "plain":
        return None
    if request.param == "unix":
        return tmp_path / "socket"
    authority, files = Authority(tmp_path), (tmp_path / "cert.pem", tmp_path / "key.pem")
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
def test_who_takes_nothing_is_given_up(way: Way, paths: list[str], extra: str) -> None:
    def act(clients: Clients, site: Site) -> None:
        silent = clients.ask(*paths, extra=extra)
        _until(lambda: site.begun > 0)
        _until(lambda: clients.connected == 0)
        got = 0
        with suppress(OSError):
            while taken := silent.recv(65_536):
                got += len(taken)
        # What is small the system has by then, and sends without the server.
        assert got < LARGE or "/large" not in paths

    _run(Quick, way, act, lambda site: site)


@pytest.mark.parametrize("extra", ["", "Connection: close\r\n"], ids=["", "the last"])
def test_who_takes_slowly_gets_the_whole(way: Way, extra: str) -> None:
    def act(clients: Clients, _site: Site) -> None:
        slow = clients.ask("/large", extra=extra, buffer=60_000)
        got, began = 0, time.monotonic()
        while got < LARGE and (taken := slow.recv(65_536)):
            got += len(taken)
            if time.monotonic() - began < 1.2 * Patient.stalled_s:
                time.sleep(0.01)
        assert got >= LARGE

    _run(Patient, way, act, lambda site: site)


def test_who_takes_less_than_the_least_rate_is_cut_off() -> None:
    def act(clients: Clients, site: Site) -> None:
        slow = clients.ask("/large")
        _until(lambda: site.begun > 0)
        got, until = 0, time.monotonic() + 20
        while clients.connected:
            assert time.monotonic() < until, "not in time"
            got += len(slow.recv(40))
            time.sleep(0.05)
        assert 0 < got < LARGE

    class Exacting(Quick):
        least = 1_000_000

    _run(Exacting, None, act, lambda site: site)


def test_those_that_take_nothing_make_room_and_those_that_wait_for_an_answer_do_not(way: Way) -> None:
    def act(clients: Clients, site: Site) -> None:
        node = clients.ask("/wait")
        _until(lambda: site.begun == 1)
        silent = [clients.ask("/large", "/large", extra=extra) for extra in ("", "Connection: close\r\n") * 4]
        assert [clients.asked() for _ in range(5)] == [b"HTTP/1.1 200"] * 5
        silent += [clients.ask("/large") for _ in range(3)]
        assert clients.connected <= Narrow.max_connections
        site.go_on._loop.call_soon_threadsafe(site.go_on.set)  # type: ignore[attr-defined]
        assert node.recv(12) == b"HTTP/1.1 200"

    _run(Narrow, way, act, lambda site: site)


def test_whose_next_request_is_worked_on_makes_no_room_though_the_last_answer_is_not_taken(way: Way) -> None:
    def act(clients: Clients, site: Site) -> None:
        slow, got = clients.ask("/small", "/wait"), b""
        _until(lambda: site.begun == 2)
        assert [clients.asked() for _ in range(5)] == [b"HTTP/1.1 200"] * 5
        site.go_on._loop.call_soon_threadsafe(site.go_on.set)  # type: ignore[attr-defined]
        while got.count(b"HTTP/1.1 200") < 2 and (taken := slow.recv(65_536)):
            got += taken
        assert got.count(b"HTTP/1.1 200") == 2

    _run(Narrow, way, act, lambda site: site)


def test_an_answer_that_is_not_taken_takes_no_place(way: Way) -> None:
    def act(clients: Clients, _site: Site) -> None:
        silent = [clients.ask("/large", "/large") for _ in range(4)]
        for _ in range(2):
            with clients.ask("/now") as answered:
                assert answered.recv(12) == b"HTTP/1.1 200"
        _until(lambda: clients.connected == len(silent))

    _run(GuardedProtocol, way, act, lambda site: LoadMiddleware(site, {Work.READ: Room(1, 1)}))
