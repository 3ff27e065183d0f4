"""Send requests directly to an application: no client, no connection pool, no socket."""

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp, Message


async def answer_of(app: ASGIApp, request: httpx.Request, address: str) -> httpx.Response:
    """Return the complete answer of `app` to a request from `address`."""
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
    start, *answered = sent
    content = b"".join(message.get("body", b"") for message in answered)
    return httpx.Response(
        start["status"],
        headers=start.get("headers", []),
        content=content if request.method != "HEAD" else b"",
        request=request,
    )


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
