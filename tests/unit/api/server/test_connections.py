"""Connections without a complete request are closed. Invalid HTTP gets a problem."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from resource import RLIM_INFINITY
from typing import Any, TypeAlias

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from api.server import connections
from api.server.connections import DESCRIPTORS, Connection

Peer: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = b"GET / HTTP/1.1\r\nHost: testserver\r\n"


class Hasty(Connection):
    """A connection with a short timeout."""

    head_timeout_s = 0.05


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        (1024, RLIM_INFINITY, DESCRIPTORS),
        (1024, 524_288, DESCRIPTORS),
        (1024, 2048, 2048),
        (65_536, 524_288, None),
        (RLIM_INFINITY, RLIM_INFINITY, None),
        (2048, 2048, None),
    ],
)
def test_the_descriptor_limit_is_raised_as_far_as_allowed(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, expected: int | None
) -> None:
    limits_set: list[tuple[int, int]] = []
    monkeypatch.setattr(connections, "getrlimit", lambda _what: (soft, hard))
    monkeypatch.setattr(connections, "setrlimit", lambda _what, limits: limits_set.append(limits))
    connections.raise_limit()
    assert limits_set == ([] if expected is None else [(expected, hard)])


def _with(
    protocol: type[Connection],
    act: Callable[[Callable[[], Awaitable[Peer]]], Awaitable[None]],
    keep_alive_s: float = 5.0,
) -> None:
    """Run `act` with a function that connects to a server of this protocol. The server's loop must not fail."""
    failed: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(context))
        config = uvicorn.Config(
            PlainTextResponse("here"),
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            port=0,
            timeout_keep_alive=keep_alive_s,  # type: ignore[arg-type]
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        opened: list[asyncio.StreamWriter] = []

        async def connect() -> Peer:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            opened.append(writer)
            return reader, writer

        try:
            await asyncio.wait_for(act(connect), 30)
        finally:
            for writer in opened:
                writer.close()
            await server.shutdown()

    asyncio.run(run())
    assert failed == []


async def _asked(peer: Peer) -> bytes:
    reader, writer = peer
    writer.write(HEAD + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(4)


@pytest.mark.parametrize("sent", [b"", b"GET", HEAD], ids=["nothing", "a word", "half a head"])
@pytest.mark.parametrize("before", [0, 2], ids=["first request", "third request"])
def test_a_connection_without_a_complete_head_in_time_is_closed(sent: bytes, before: int) -> None:
    async def act(connect: Callable[[], Awaitable[Peer]]) -> None:
        peer = await connect()
        for _ in range(before):
            assert await _asked(peer) == b"here"
        peer[1].write(sent)
        assert await peer[0].read() == b""

    _with(Hasty, act)


def test_a_reset_connection_leaves_no_timer() -> None:
    async def act(connect: Callable[[], Awaitable[Peer]]) -> None:
        for _ in range(3):
            peer = await connect()
            assert await _asked(peer) == b"here"
            peer[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer[1].transport.abort()
        await asyncio.sleep(0.1)

    _with(Connection, act, keep_alive_s=0.02)


@pytest.mark.parametrize(
    "sent",
    [
        b"this is not http\r\n\r\n",
        HEAD + b"Content-Length: minus one\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        HEAD + b"X: " + b"a" * 20_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["words", "bad length", "no host", "endless head", "TLS"],
)
@pytest.mark.parametrize("before", [0, 1], ids=["first request", "second request"])
def test_invalid_http_is_answered_with_a_problem(sent: bytes, before: int) -> None:
    async def act(connect: Callable[[], Awaitable[Peer]]) -> None:
        peer = await connect()
        for _ in range(before):
            assert await _asked(peer) == b"here"
        peer[1].write(sent)
        head, _, body = (await peer[0].read()).partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        problem = json.loads(body)
        assert lines[0] == "http/1.1 400 bad request"
        assert {"content-type: application/problem+json", "connection: close", "cache-control: no-store"} <= set(lines)
        assert f"x-request-id: {problem['request']}" in lines
        assert (problem["type"], problem["status"]) == ("/problems/bad-request", 400)

    _with(Connection, act)


def test_a_body_that_ends_early_during_the_answer_gets_no_second_answer() -> None:
    async def act(connect: Callable[[], Awaitable[Peer]]) -> None:
        reader, writer = await connect()
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        await reader.readuntil(b"here")
        writer.write(b"no chunk\r\n")
        assert await reader.read() == b""

    _with(Connection, act)
