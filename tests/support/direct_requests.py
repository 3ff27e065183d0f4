"""Send requests directly to an application: no client, no connection pool, no socket, and on demand no thread."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

import httpx
from anyio import CapacityLimiter
from anyio._backends._asyncio import AsyncIOBackend
from starlette.types import ASGIApp, Message

_is_alone: ContextVar[bool] = ContextVar("is_alone", default=False)
_in_a_thread = AsyncIOBackend.run_sync_in_worker_thread


@contextmanager
def alone() -> Iterator[None]:
    """Run requests of this context without other threads, which take a fifth of a request's time.

    Only for requests that are sent one after the other: each one stops the event loop until it is answered.
    """
    before = _is_alone.set(True)
    try:
        yield
    finally:
        _is_alone.reset(before)


def answered(app: ASGIApp, request: httpx.Request, address: str) -> httpx.Response:
    """Return the complete answer of `app` to one request from `address`."""
    with alone():
        return asyncio.run(answer_of(app, request, address))


async def answer_of(app: ASGIApp, request: httpx.Request, address: str) -> httpx.Response:
    """Return the complete answer of `app` to a request from `address`. Others may be sent at the same time."""
    assert isinstance(request.stream, httpx.AsyncByteStream)
    parts, sent, read, done = aiter(request.stream), list[Message](), asyncio.Event(), asyncio.Event()

    async def receive() -> Message:
        if read.is_set():
            await done.wait()
            return {"type": "http.disconnect"}
        async for part in parts:
            return {"type": "http.request", "body": part, "more_body": True}
        read.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            done.set()

    try:
        await app(_scope(request, address), receive, send)
    except Exception:
        # After an exception, an application first answers 500. Then it raises, for its server's log.
        if not sent:
            raise
    start, *rest = sent
    content = b"".join(message.get("body", b"") for message in rest)
    return httpx.Response(
        start["status"],
        headers=start.get("headers", []),
        content=content if request.method != "HEAD" else b"",
        request=request,
    )


async def _run_sync(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    abandon_on_cancel: bool = False,
    limiter: CapacityLimiter | None = None,
) -> Any:
    """Call `func` in a thread of its own, as anyio does, or here if the context is `alone`."""
    if not _is_alone.get():
        return await _in_a_thread(func, args, abandon_on_cancel=abandon_on_cancel, limiter=limiter)
    # As in a thread: a copy of the context, and no running loop, so that `func` may start one.
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return copy_context().run(func, *args)
    finally:
        asyncio._set_running_loop(loop)


AsyncIOBackend.run_sync_in_worker_thread = _run_sync  # type: ignore[method-assign]


def _scope(request: httpx.Request, address: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": (address, 1),
        "root_path": "",
    }
