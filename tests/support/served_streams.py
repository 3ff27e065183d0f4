"""A server of DNS over TCP with an engine of any kind, in the event loop of a test, and its clients."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import dns.message

from dnsfilter.config.node_config import Clients, Limits, Unregistered
from dnsfilter.engine.interface import ClientOf, StreamListening, nobody
from dnsfilter.policy.model import Policy
from dnsfilter.resolver import Resolver
from dnsfilter.server.stream import MOST_UNSENT, StreamServer
from dnsfilter.telemetry.metrics import Limit
from dnsfilter.telemetry.slots import LIMITED, TCP_CONNECTIONS
from dnsfilter.upstream.stream_pool import StreamPool
from tests.contract.cases import RECORDS, office
from tests.support.engines import GHENT, NO_RATES, PATIENCE_S, FakeClock, Rig, running
from tests.support.scripted import Asked, Scripted, reply, says

REGISTERED = Clients(Unregistered.REFUSE)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


@dataclass
class Client:
    """A TCP client at an address of its own."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *messages: bytes) -> None:
        self.writer.write(b"".join(map(framed, messages)))

    async def receive(self) -> dns.message.Message:
        async with asyncio.timeout(PATIENCE_S):
            size = int.from_bytes(await self.reader.readexactly(2), "big")
            return dns.message.from_wire(await self.reader.readexactly(size))

    async def until_closed(self) -> bytes:
        """Return the bytes that arrive before the server closes. A reset counts as a close."""
        try:
            return await asyncio.wait_for(self.reader.read(), PATIENCE_S)
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()


@dataclass
class Served:
    """A listening server, and the rig behind it."""

    rig: Rig
    address: tuple[str, int]
    server: StreamListening
    listening: socket.socket
    clients: list[Client] = field(default_factory=list)

    async def connect(self, source: str = GHENT) -> Client:
        client = Client(*await asyncio.open_connection(*self.address, local_addr=(source, 0)))
        self.clients.append(client)
        return client

    @property
    def open(self) -> int:
        """Return the number of connections, as the node counts it."""
        return self.rig.counters.slots[TCP_CONNECTIONS]

    @property
    def turned_away(self) -> int:
        """Return how many connections were refused or closed because a limit was reached."""
        return self.rig.counters.slots[LIMITED[Limit.CONNECTIONS]]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)

    def answer(self, asked: Asked) -> None:
        """Have the upstream answer a question that it has held back."""
        self.rig.upstream.say(asked, reply(asked, (f"{asked.name}. 300 A 198.51.100.1",)))


class RunningClock(FakeClock):
    """A clock whose boot time runs as the machine's does."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead_ns = self.now_ns - time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def boot_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + self._ahead_ns

    def alarm_ms(self, at_ms: int) -> int:
        return at_ms - self._ahead_ns // 1_000_000


@asynccontextmanager
async def serving_streams(
    kind: str,
    upstream: Scripted | None = None,
    limits: Limits = NO_RATES,
    clients: Clients = REGISTERED,
    *,
    most_unsent: int = MOST_UNSENT,
    clock: FakeClock | None = None,
    make_server: Callable[[Rig, Resolver], StreamListening] | None = None,
    client_of: ClientOf = nobody,
    policy: Policy | None = None,
) -> AsyncIterator[Served]:
    known = upstream or Scripted(says(RECORDS))
    with running(kind, policy or office(), known, clients=clients, limits=limits, clock=clock) as rig:
        async with known.on_loop():
            resolver = Resolver(rig.engine, [known.endpoint], StreamPool(), rig.clock)
            rig.engine.name_clients(client_of)
            server: StreamListening
            if make_server is None:
                server = rig.engine.streams or StreamServer(
                    resolver,
                    clients,
                    limits,
                    lambda count: rig.counters.set(TCP_CONNECTIONS, count),
                    lambda: rig.counters.add(LIMITED[Limit.CONNECTIONS]),
                    client_of,
                )
                server.most_unsent = most_unsent  # type: ignore[attr-defined]
            else:
                server = make_server(rig, resolver)
            with socket.create_server(("127.0.0.1", 0)) as sock:
                # Connections inherit the small buffer: the server notices at once when a client reads.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
                await server.listen(sock)
                served = Served(rig, sock.getsockname(), server, sock)
                try:
                    yield served
                finally:
                    for client in served.clients:
                        client.close()
                    server.close()
                    await resolver.close()
                    await asyncio.sleep(0)


Serving: TypeAlias = Callable[..., AbstractAsyncContextManager[Served]]
