"""A server of DNS over TLS with an engine of any kind, in the event loop of a test, and its clients."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from dnsfilter.config.node_config import Clients, Limits
from dnsfilter.engine.interface import StreamListening
from dnsfilter.policy.model import Policy
from dnsfilter.resolver import Resolver
from dnsfilter.server.client_names import ClientNames
from dnsfilter.server.tls import Contexts
from dnsfilter.server.tls_stream import TlsStreamServer
from dnsfilter.telemetry.metrics import Limit, Transport
from dnsfilter.telemetry.slots import ENCRYPTED_CONNECTIONS, LIMITED
from dnsfilter.worker.sealed import seal
from tests.support.certificates import Authority
from tests.support.engines import GHENT, NO_RATES, FakeClock, Rig
from tests.support.scripted import Scripted
from tests.support.served_streams import REGISTERED, Client, Served, serving_streams

NAME = "dns.example.org"
UNNAMED = ""


class Certified:
    """A certificate of an authority for NAME, as files."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory / "authority")
        self.certificate, self.key = directory / "certificate.pem", directory / "key.pem"
        self.authority.issue(self.certificate, self.key, name=NAME)

    def memory(self) -> int:
        """Return sealed memory with both, as a worker gets it."""
        return seal("certificate", self.certificate.read_bytes() + self.key.read_bytes())

    def trusting(self, name: str = NAME, protocols: tuple[str, ...] = ("dot",)) -> ssl.SSLContext:
        """Return a client's context. Without a name, it sends none and accepts any certificate of the authority."""
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        context.check_hostname = name == NAME
        if not name:
            context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(list(protocols))
        return context


class KnownFleets(ClientNames):
    """The clients of fleets with the addresses of `fleets`, by token. It may be changed."""

    def __init__(self, fleets: dict[str, str]) -> None:
        super().__init__(NAME, lambda: (_ for _ in ()).throw(AssertionError))
        self.fleets = fleets

    def client_of_token(self, token: str, peer: bytes, is_certified: bool = False, /) -> bytes | None:
        return ip_address(self.fleets[token]).packed if token in self.fleets else None


@dataclass
class ServedTls:
    """A listening server for TLS, and the rig behind it."""

    streams: Served
    certified: Certified
    contexts: Contexts
    server: Any
    """Its `most_handshakes` may be set."""
    fleets: dict[str, str] = field(default_factory=dict)

    @property
    def rig(self) -> Rig:
        return self.streams.rig

    @property
    def open(self) -> int:
        """Return the number of connections, as the node counts it."""
        return self.rig.counters.slots[ENCRYPTED_CONNECTIONS[Transport.DOT]]

    async def until(self, condition: Callable[[], bool]) -> None:
        await self.streams.until(condition)

    async def connect(
        self, source: str = GHENT, name: str = NAME, context: ssl.SSLContext | None = None, first: bytes = b""
    ) -> Client:
        """Connect with a handshake for a name, UNNAMED for none. Send `first`, a proxy's header, before it."""
        host, port = self.streams.address
        reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
        if first:
            writer.write(first)
        client = Client(reader, writer)
        self.streams.clients.append(client)
        await writer.start_tls(context or self.certified.trusting(name), server_hostname=name or host)
        return client

    async def connect_plainly(self, source: str = GHENT) -> Client:
        """Connect without a handshake."""
        return await self.streams.connect(source)

    def renew(self, name: str = NAME) -> int:
        """Serve with another certificate. Return its serial number."""
        serial = self.certified.authority.issue(self.certified.certificate, self.certified.key, name=name)
        use(self.contexts, self.certified)
        return serial


def use(contexts: Contexts, certified: Certified) -> None:
    descriptor = certified.memory()
    contexts.use(descriptor)
    os.close(descriptor)


@asynccontextmanager
async def serving_tls(
    kind: str,
    directory: Path,
    upstream: Scripted | None = None,
    limits: Limits = NO_RATES,
    clients: Clients = REGISTERED,
    *,
    fleets: Mapping[str, str] | None = None,
    clock: FakeClock | None = None,
    with_certificate: bool = True,
    policy: Policy | None = None,
) -> AsyncIterator[ServedTls]:
    certified = Certified(directory)
    names = KnownFleets(dict(fleets or {}))
    contexts = Contexts(names.serves)
    if with_certificate:
        use(contexts, certified)
    made: list[Any] = []

    def make_server(rig: Rig, resolver: Resolver) -> StreamListening:
        rig.engine.name_clients(names.client_of)
        made.append(
            rig.engine.serve_tls(lambda: contexts.session("dot"))
            or TlsStreamServer(
                resolver,
                clients,
                limits,
                lambda count: rig.counters.set(ENCRYPTED_CONNECTIONS[Transport.DOT], count),
                lambda: rig.counters.add(LIMITED[Limit.CONNECTIONS]),
                contexts,
                names,
            )
        )
        server: StreamListening = made[0]
        return server

    async with serving_streams(
        kind, upstream, limits, clients, clock=clock, make_server=make_server, policy=policy
    ) as streams:
        yield ServedTls(streams, certified, contexts, made[0], names.fleets)
