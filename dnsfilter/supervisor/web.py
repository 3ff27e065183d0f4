"""The status server of a node: `/metrics`, `/readyz` and `/healthz` on one listening socket.

`/readyz` says whether the node may get clients. `/readyz?upstreams` also asks for an upstream that answers: a reason to
prefer another node, but never one to withdraw the last.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any, TypeAlias

import uvicorn

from dnsfilter.telemetry.exposition import Page

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PLAIN = "text/plain; charset=utf-8"
_METHODS = ("GET", "HEAD")
_MOST_CONNECTIONS = 64


class StatusServer:
    """Serve until `close`.

    `metrics` reads the metrics, and returns a function that writes their page in a thread. Its arguments are what the
    request accepts: formats and codings. `unready` returns the reason why the node is not ready, or None. Its argument
    says whether lost upstreams are such a reason. `remark` returns what a ready node lacks.
    """

    def __init__(
        self,
        sock: socket.socket,
        metrics: Callable[[], Callable[[str, str], Page]],
        unready: Callable[[bool], str | None],
        remark: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._metrics = metrics
        self._unready = unready
        self._remark = remark
        self._turn = asyncio.Lock()
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            http="h11",
            proxy_headers=False,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[sock]))

    async def close(self) -> None:
        """End the server. If this is cancelled, the server ends all the same, and another call waits for it."""
        self._server.should_exit = True
        await asyncio.shield(self._task)

    async def _app(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/metrics" and scope["method"] in _METHODS:
            status, page = 200, await self._page(scope["headers"])
        else:
            status, text = self._answer(scope["method"], scope["path"], scope["query_string"])
            page = Page((("Content-Type", _PLAIN),), text.encode())
        headers = [(name.lower().encode(), value.encode()) for name, value in page.headers]
        headers.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page.body})

    async def _page(self, headers: Iterable[tuple[bytes, bytes]]) -> Page:
        """Return the metrics. Write one page at a time, and not in this thread: a page may have very many series."""
        accepted = {name: value.decode("latin-1") for name, value in headers}
        async with self._turn:
            write = self._metrics()
            return await asyncio.to_thread(write, accepted.get(b"accept", ""), accepted.get(b"accept-encoding", ""))

    def _answer(self, method: str, path: str, query: bytes) -> tuple[int, str]:
        if method not in _METHODS:
            return 405, "only GET and HEAD\n"
        match path:
            case "/healthz":
                return 200, "alive\n"
            case "/readyz":
                reason = self._unready(query == b"upstreams")
                if reason is not None:
                    return 503, f"not ready: {reason}\n"
                remark = self._remark()
                return 200, "ready\n" if remark is None else f"ready; {remark}\n"
            case _:
                return 404, "there is /metrics, /readyz and /healthz\n"


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, because the supervisor has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
