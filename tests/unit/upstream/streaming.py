"""A TCP server on loopback whose connections follow scripts, and queries to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

from dnsfilter.config.node_config import Endpoint, Tls
from dnsfilter.wire.names import parse_name

LONG_S = 30.0


def query(name: str, number: int = 0x1234) -> bytes:
    header = number.to_bytes(2, "big") + b"\x01\0\0\1\0\0\0\0\0\0"
    return header + parse_name(name) + b"\0\x41\0\x01"


def reply(asked: bytes) -> bytes:
    return asked[:2] + b"\x81\x80" + asked[4:]


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


class Peer:
    """One accepted connection, read as messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> bytes | None:
        try:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
            return await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def send(self, *messages: bytes) -> None:
        self.writer.write(b"".join(framed(message) for message in messages))

    async def echo(self) -> None:
        while (asked := await self.read()) is not None:
            self.send(reply(asked))

    async def swallow(self) -> None:
        while await self.read() is not None:
            pass


class Server:
    """A listening socket. The n-th connection runs the n-th script, further ones run the last."""

    def __init__(self, *scripts: Callable[[Peer], Awaitable[object]]) -> None:
        self.accepted = 0
        self.closed = 0
        self.changed = asyncio.Condition()
        self._scripts = scripts

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
        self.accepted += 1
        try:
            await script(Peer(reader, writer))
        finally:
            writer.close()
            self.closed += 1
            async with self.changed:
                self.changed.notify_all()


@asynccontextmanager
async def serving(
    *scripts: Callable[[Peer], Awaitable[object]], context: ssl.SSLContext | None = None, tls: Tls | None = None
) -> AsyncIterator[tuple[Server, Endpoint]]:
    """Serve by scripts, with a context over TLS. `tls` is the proof in the endpoint."""
    server = Server(*scripts)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server, Endpoint(ip_address("127.0.0.1"), listening.sockets[0].getsockname()[1], tls)
    finally:
        listening.close()
        async with server.changed:
            await server.changed.wait_for(lambda: server.closed == server.accepted)


async def answer_once(peer: Peer) -> None:
    asked = await peer.read()
    assert asked is not None
    peer.send(reply(asked))
