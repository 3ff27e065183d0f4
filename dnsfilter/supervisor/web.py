"""The status server of a node: `/metrics`, `/readyz` and `/healthz` on one listening socket.

`/readyz` says whether the node may get clients. `/readyz?upstreams` also asks for an upstream that answers: a reason to
prefer another node, but never one to withdraw the last.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, TypeAlias

import uvicorn

from dnsfilter.telemetry.collector import CONTENT_TYPE

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PLAIN = "text/plain; charset=utf-8"
_MOST_CONNECTIONS = 64


class StatusServer:
    """Serve until `close`. `metrics` returns the exposition, `unready` the reason why the node is not ready or None.

    The argument of `unready` says whether lost upstreams are such a reason. `remark` returns what a ready node lacks.
    """

    def __init__(
        self,
        sock: socket.socket,
        metrics: Callable[[], bytes],
        unready: Callable[[bool], str | None],
        remark: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._metrics = metrics
        self._unready = unready
        self._remark = remark
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
        self._server.should_exit = True
        await self._task

    async def _app(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, content_type, body = self._answer(scope["method"], scope["path"], scope["query_string"])
        headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, method: str, path: str, query: bytes) -> tuple[int, str, bytes]:
        if method not in ("GET", "HEAD"):
            return 405, _PLAIN, b"only GET and HEAD\n"
        match path:
            case "/metrics":
                return 200, CONTENT_TYPE, self._metrics()
            case "/healthz":
                return 200, _PLAIN, b"alive\n"
            case "/readyz":
                reason = self._unready(query == b"upstreams")
                if reason is not None:
                    return 503, _PLAIN, f"not ready: {reason}\n".encode()
                remark = self._remark()
                return 200, _PLAIN, b"ready\n" if remark is None else f"ready; {remark}\n".encode()
            case _:
                return 404, _PLAIN, b"there is /metrics, /readyz and /healthz\n"


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, because the supervisor has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
