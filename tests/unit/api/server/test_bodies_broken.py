"""On a real port, an incomplete body of a broken connection has no effect."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from api.server.connections import Connection
from tests.unit.api.conftest import Plane, authority

TABLE = b"prefix,authority,funding,audience\n" + b"".join(
    b"203.0.113.%d/32,town,public,staff\n" % last for last in range(20)
)
MORE = b'\n[[range]]\nprefix = "203.0.113.0/24"\nauthority = "town"\nfunding = "public"\naudience = "staff"\n'
RESET = struct.pack("ii", 1, 0)
ENDINGS = [
    ("announced", "closed"),
    ("announced", "reset"),
    ("chunked", "closed"),
    ("chunked", "reset"),
    ("chunked", "no chunk"),
]


class Sent(NamedTuple):
    """A request. The first `cut` bytes of its body would be a valid body too."""

    method: str
    path: str
    kind: str
    body: bytes
    cut: int


class Watched:
    """An application, with the statuses of ended requests and the number of started ones."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.begun = 0
        self.ended: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        statuses: list[int] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        await self._app(scope, receive, noting)
        self.ended += statuses


def _imported(_town: Plane) -> Sent:
    return Sent("POST", "/v1/ranges/import", "text/csv", TABLE, TABLE.index(b"203.0.113.10/"))


def _synchronised(town: Plane) -> Sent:
    town.done("POST", "/v1/ranges/import", content=TABLE, headers=_headers(town, "text/csv"))
    body = TABLE + b"192.0.2.0/24,town,public,staff\n203.0.113.20/32,town,public,staff\n"
    path = "/v1/ranges/import?sync=true&authority=town"
    return Sent("POST", path, "text/csv", body, body.index(b"192.0.2.0/24"))


def _applied(town: Plane) -> Sent:
    body = town.call("GET", "/v1/policy").content + MORE
    return Sent("POST", "/v1/policy/apply", "application/toml", body, body.index(b"\n[[ban]]"))


def _put(_town: Plane) -> Sent:
    body = json.dumps(authority()).encode() + b"\n"
    return Sent("PUT", "/v1/authorities/third", "application/json", body, len(body) - 1)


def _headers(town: Plane, kind: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {town.token}", "Content-Type": kind}


@asynccontextmanager
async def _serving(app: Any) -> AsyncIterator[tuple[str, int]]:
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", log_config=None, port=0)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()
    finally:
        await server.shutdown()


def _wire(town: Plane, sent: Sent, framing: str, count: int) -> bytes:
    """Return the request with the first `count` bytes of its body, and without a final chunk."""
    body, chunked = sent.body[:count], framing == "chunked"
    lines = [
        f"{sent.method} {sent.path} HTTP/1.1",
        "Host: here",
        *(f"{name}: {value}" for name, value in _headers(town, sent.kind).items()),
        "Idempotency-Key: once",
        "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(sent.body)}",
    ]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return head + (b"%x\r\n%s\r\n" % (len(body), body) if chunked else body)


async def _break(data: bytes, ending: str, address: tuple[str, int], watched: Watched) -> None:
    """Send data, break the connection when the server has begun the request, and wait until it has ended."""
    begun, ended = watched.begun, len(watched.ended)
    _, writer = await asyncio.open_connection(*address)
    writer.write(data)
    while watched.begun == begun:
        await asyncio.sleep(0.001)
    if ending == "no chunk":
        writer.write(b"no chunk\r\n")
    else:
        if ending == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.close()
    while len(watched.ended) == ended:
        await asyncio.sleep(0.001)
    writer.close()


@pytest.mark.parametrize("wanted", [_imported, _synchronised, _applied, _put])
def test_an_incomplete_body_has_no_effect_and_leaves_its_key_unused(
    town: Plane, wanted: Callable[[Plane], Sent]
) -> None:
    sent, before = wanted(town), town.revision()

    async def run() -> bytes:
        watched = Watched(town.app)
        async with _serving(watched) as address:
            for framing, ending in ENDINGS:
                await _break(_wire(town, sent, framing, sent.cut), ending, address, watched)
            assert watched.ended == [400] * len(ENDINGS)
            assert town.revision() == before
            reader, writer = await asyncio.open_connection(*address)
            writer.write(_wire(town, sent, "announced", len(sent.body)))
            head = await reader.readuntil(b"\r\n\r\n")
            writer.close()
            return head

    head = asyncio.run(asyncio.wait_for(run(), 30)).lower()
    assert head.startswith(b"http/1.1 20")
    assert b"idempotency-replayed" not in head
    assert town.revision() == before + 1
