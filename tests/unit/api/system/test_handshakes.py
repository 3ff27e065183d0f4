"""Handshakes that are never finished: bounded in number, and in nobody's way."""

import asyncio
import gc
import os
import socket
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from api.system.handshakes import Handshakes
from api.tls import make_context
from tests.support.certificates import Authority

MOST = 8


class Echo(asyncio.Protocol):
    """Says what it is told."""

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class Client:
    """Connects to a running `Handshakes`."""

    def __init__(self, port: int, trusting: ssl.SSLContext) -> None:
        self._port, self._trusting = port, trusting

    async def silent(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def echoed(self, text: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._trusting, server_hostname="127.0.0.1"
        )
        writer.write(text)
        found = await reader.readexactly(len(text))
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return found


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def context(tmp_path: Path, authority: Authority) -> ssl.SSLContext:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue(*files)
    return make_context(*files)


def run(context: ssl.SSLContext, authority: Authority, spoken: Any) -> None:
    """Run `spoken(client)` beside a server, in the loop that the control plane uses."""

    async def whole() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            served = asyncio.create_task(Handshakes([listener], context, Echo, MOST).run())
            trusting = ssl.create_default_context(cafile=authority.ca)
            made: Coroutine[Any, Any, None] = spoken(Client(listener.getsockname()[1], trusting))
            await made
            served.cancel()
            with suppress(asyncio.CancelledError):
                await served

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())


def test_those_that_say_nothing_make_room_oldest_first(context: ssl.SSLContext, authority: Authority) -> None:
    async def spoken(client: Client) -> None:
        silent = [await client.silent() for _ in range(3 * MOST)]
        for reader, _ in silent[: 2 * MOST]:
            assert await reader.read(1) == b""
        assert await client.echoed(b"hello") == b"hello"
        assert not silent[-1][0].at_eof()
        for _, writer in silent:
            writer.close()

    run(context, authority, spoken)


def test_what_is_no_tls_is_closed_and_leaves_nothing_open(context: ssl.SSLContext, authority: Authority) -> None:
    async def spoken(client: Client) -> None:
        assert await client.echoed(b"hello") == b"hello"
        opened = len(os.listdir("/proc/self/fd"))
        for _ in range(3 * MOST):
            reader, writer = await client.silent()
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with suppress(OSError):
                while await reader.read(1000):
                    pass
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        gc.collect()
        for _ in range(100):
            if len(os.listdir("/proc/self/fd")) <= opened:
                break
            await asyncio.sleep(0.02)
        assert len(os.listdir("/proc/self/fd")) <= opened

    run(context, authority, spoken)


def test_many_at_once_are_all_answered(context: ssl.SSLContext, authority: Authority) -> None:
    async def spoken(client: Client) -> None:
        texts = [str(number).encode() for number in range(MOST)]
        assert await asyncio.gather(*map(client.echoed, texts)) == texts

    run(context, authority, spoken)
