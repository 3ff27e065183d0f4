"""The sockets that a worker reads, and the servers that answer on them."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dnsfilter.config.node_config import Config
from dnsfilter.engine.interface import Engine, StreamListening
from dnsfilter.engine.udp_listener import UdpListener
from dnsfilter.resolver import Resolver
from dnsfilter.server.client_names import ClientNames
from dnsfilter.server.encrypted_servers import encrypted_servers
from dnsfilter.server.stream import StreamServer
from dnsfilter.server.tls import Contexts
from dnsfilter.server.tls_stream import TlsStreamServer
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Limit, Transport
from dnsfilter.telemetry.slots import LIMITED, TCP_CONNECTIONS
from dnsfilter.worker.start_config import SetOfSockets


@dataclass(frozen=True, slots=True)
class _Reading:
    """The listeners of one set while it is read, and its other sockets with their servers."""

    udp: Sequence[UdpListener]
    streams: Sequence[tuple[StreamListening, socket.socket]]


class Listening:
    """Reads sets of sockets by their numbers. `contexts` has the certificate of new handshakes."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        resolver: Resolver,
        counters: CounterBlock,
        names: ClientNames,
        sets: Sequence[SetOfSockets],
        sockets: Sequence[socket.socket],
    ) -> None:
        def count_turned_away() -> None:
            counters.add(LIMITED[Limit.CONNECTIONS])

        self._engine = engine
        self._streams: StreamListening = engine.streams or StreamServer(
            resolver,
            config.clients,
            config.limits,
            lambda count: counters.set(TCP_CONNECTIONS, count),
            count_turned_away,
            names.client_of,
        )
        self.contexts = Contexts(names.serves)
        self._encrypted = encrypted_servers(config, engine, resolver, counters, count_turned_away, self.contexts, names)
        self._sets, self._sockets = sets, sockets
        self._reading: dict[int, _Reading] = {}

    @property
    def is_busy(self) -> bool:
        """Whether sockets are read, or connections have queries without an answer."""
        return bool(self._reading) or any(server.is_busy for server in self._servers())

    async def read(self, wanted: frozenset[int]) -> None:
        """Read these sets, and stop reading the others."""
        for number in self._reading.keys() - wanted:
            reading = self._reading.pop(number)
            for listener in reading.udp:
                self._engine.unlisten(listener)
            for server, sock in reading.streams:
                server.unlisten(sock)
        for number in wanted - self._reading.keys():
            listeners = [UdpListener(self._sockets[each]) for each in self._sets[number].udp]
            for listener in listeners:
                self._engine.listen(listener)
            streams = list(self._streams_of(self._sets[number]))
            for server, sock in streams:
                await server.listen(sock)
            self._reading[number] = _Reading(listeners, streams)

    def drain(self) -> None:
        """End the connections over TLS that wait for nothing."""
        for server in self._encrypted.values():
            if isinstance(server, TlsStreamServer):
                server.drain()

    def close(self) -> None:
        for server in self._servers():
            server.close()

    def _servers(self) -> Iterator[StreamListening]:
        yield self._streams
        yield from self._encrypted.values()

    def _streams_of(self, numbers: SetOfSockets) -> Iterator[tuple[StreamListening, socket.socket]]:
        """Yield the sockets of a set for streams, each with its server."""
        yield from ((self._streams, self._sockets[number]) for number in numbers.tcp)
        for transport, of_transport in ((Transport.DOT, numbers.dot), (Transport.DOH, numbers.doh)):
            if (server := self._encrypted.get(transport)) is not None:
                yield from ((server, self._sockets[number]) for number in of_transport)
