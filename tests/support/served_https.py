"""A server of DNS over HTTPS with an engine of any kind, in the event loop of a test, and its clients."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dnsfilter.config.node_config import Clients, Limits
from dnsfilter.engine.interface import StreamListening
from dnsfilter.policy.model import Policy
from dnsfilter.resolver import Resolver
from dnsfilter.server.https import HttpsServer
from dnsfilter.server.tls import Contexts
from dnsfilter.telemetry.metrics import Limit, Transport
from dnsfilter.telemetry.slots import ENCRYPTED_CONNECTIONS, LIMITED
from tests.support.engines import GHENT, NO_RATES, PATIENCE_S, FakeClock, Rig
from tests.support.http2_client import Http2Client, Received
from tests.support.scripted import Scripted
from tests.support.served_streams import REGISTERED, Client, Served, serving_streams
from tests.support.served_tls import NAME, Certified, KnownFleets, use


@dataclass
class HttpsClient:
    """A client at an address of its own, over HTTP/2."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    http: Http2Client = field(default_factory=Http2Client)

    def request(self, path: str = "/dns-query", body: bytes | None = None, **options: str) -> int:
        """Send a request. Return its stream."""
        stream = self.http.request(path, body, **options)  # type: ignore[arg-type]
        self.flush()
        return stream

    def flush(self) -> None:
        self.writer.write(self.http.take())

    async def response(self, stream: int) -> Received:
        """Wait until a response is complete or cancelled, or the connection ends. Return it."""
        async with asyncio.timeout(PATIENCE_S):
            found = self.http.responses[stream]
            while not found.is_complete and found.reset is None and await self.read():
                pass
            return found

    async def ask(self, message: bytes, path: str = "/dns-query") -> Received:
        return await self.response(self.request(path, message))

    async def read(self) -> bool:
        """Read once. Return whether the connection is still open."""
        try:
            data = await self.reader.read(65_536)
        except (ConnectionError, ssl.SSLError):
            return False
        self.http.receive(data)
        self.flush()
        return bool(data)

    async def until_closed(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.read():
                pass

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass
class ServedHttps:
    """A listening server for HTTPS, and the rig behind it."""

    streams: Served
    certified: Certified
    server: HttpsServer

    @property
    def rig(self) -> Rig:
        return self.streams.rig

    @property
    def open(self) -> int:
        """Return the number of connections, as the node counts it."""
        return self.rig.counters.slots[ENCRYPTED_CONNECTIONS[Transport.DOH]]

    async def until(self, condition: Callable[[], bool]) -> None:
        await self.streams.until(condition)

    async def connect_plainly(
        self, source: str = GHENT, name: str = NAME, protocol: str = "h2", first: bytes = b""
    ) -> Client:
        """Connect with a handshake for a name, and send nothing in it. Send `first`, a proxy's header, before it."""
        client = await self.streams.connect(source)
        client.writer.write(first)
        await client.writer.start_tls(self.certified.trusting(name, (protocol,)), server_hostname=name)
        return client

    async def connect(self, source: str = GHENT, name: str = NAME, first: bytes = b"") -> HttpsClient:
        plain = await self.connect_plainly(source, name, first=first)
        client = HttpsClient(plain.reader, plain.writer)
        client.flush()
        return client


@asynccontextmanager
async def serving_https(
    kind: str,
    directory: Path,
    upstream: Scripted | None = None,
    limits: Limits = NO_RATES,
    clients: Clients = REGISTERED,
    *,
    fleets: Mapping[str, str] | None = None,
    clock: FakeClock | None = None,
    policy: Policy | None = None,
) -> AsyncIterator[ServedHttps]:
    certified = Certified(directory)
    names = KnownFleets(dict(fleets or {}))
    contexts = Contexts(names.serves)
    use(contexts, certified)
    made: list[HttpsServer] = []

    def make_server(rig: Rig, resolver: Resolver) -> StreamListening:
        made.append(
            HttpsServer(
                resolver,
                clients,
                limits,
                lambda count: rig.counters.set(ENCRYPTED_CONNECTIONS[Transport.DOH], count),
                lambda: rig.counters.add(LIMITED[Limit.CONNECTIONS]),
                contexts,
                names,
            )
        )
        return made[0]

    async with serving_streams(
        kind, upstream, limits, clients, clock=clock, make_server=make_server, policy=policy
    ) as streams:
        yield ServedHttps(streams, certified, made[0])
