"""DNS over TLS for clients (RFC 7858): the connections of `stream.py`, with TLS beneath their frames.

It serves the reference engine, and specifies what the compiled one does in its own loop.
"""

from collections.abc import Callable
from typing import cast

from dnsfilter.config.node_config import Clients, Limits
from dnsfilter.engine.limits import HANDSHAKE_S, MOST_HANDSHAKES
from dnsfilter.resolver import Resolver
from dnsfilter.server.client_names import ClientNames
from dnsfilter.server.stream import StreamConnection, StreamServer
from dnsfilter.server.tls import Contexts, Refused, TlsSession
from dnsfilter.telemetry.metrics import Transport


class TlsStreamServer(StreamServer):
    """A StreamServer for TLS. A connection that comes before there is a certificate is closed."""

    def __init__(
        self,
        resolver: Resolver,
        clients: Clients,
        limits: Limits,
        opened: Callable[[int], None],
        turned_away: Callable[[], None],
        contexts: Contexts,
        names: ClientNames,
    ) -> None:
        """Initialize as a StreamServer. `names` has the clients of the names in handshakes."""
        super().__init__(resolver, clients, limits, opened, turned_away, names.client_of)
        self.contexts = contexts
        self.names = names
        self.most_handshakes = MOST_HANDSHAKES
        self.handshake_s = min(HANDSHAKE_S, limits.connection_idle_s)
        self._handshakes: dict[StreamConnection, None] = {}

    def admit(self, connection: StreamConnection) -> bool:
        """Do what StreamServer does. At the limit of unfinished handshakes, end the oldest one."""
        if not super().admit(connection):
            return False
        if len(self._handshakes) >= self.most_handshakes:
            self._turned_away()
            next(iter(self._handshakes)).end()
        self._handshakes[connection] = None
        return True

    def complete(self, connection: StreamConnection) -> None:
        """Note that the handshake of a connection is complete."""
        self._handshakes.pop(connection, None)

    def leave(self, connection: StreamConnection) -> None:
        """Remove a connection that has ended. A second call has no effect."""
        self.complete(connection)
        super().leave(connection)

    def drain(self) -> None:
        """Prepare for the end: a client of DNS over TLS needs no notice."""

    def _connection(self, resolver: Resolver) -> StreamConnection:
        return TlsStreamConnection(self, resolver)


class TlsStreamConnection(StreamConnection):
    """One client's connection. The proxy's header, if one is due, comes before the handshake."""

    kind = Transport.DOT

    def __init__(self, server: TlsStreamServer, resolver: Resolver) -> None:
        super().__init__(server, resolver)
        self._tls: TlsSession | None = None

    @property
    def _tls_server(self) -> TlsStreamServer:
        return cast(TlsStreamServer, self._server)

    def _begin(self) -> bool:
        self._tls = self._tls_server.contexts.session(self.kind)
        if self._tls is None:
            self._server.leave(self)
        return self._tls is not None

    def _first_s(self) -> float:
        return self._tls_server.handshake_s

    def _decode(self, data: bytes) -> bytes:
        """Return what the client has sent. End a connection that breaks the protocol, or whose name has ended."""
        tls = self._tls
        if tls is None or not data:
            return b""
        was_open = tls.is_open
        try:
            data = tls.receive(data)
        except Refused:
            self._close()
            return b""
        self._send(tls.take())
        if not tls.is_open:
            return b""
        if not was_open:
            self._tls_server.complete(self)
            self._restart_idle_timer()
        asker = self._server.client_of(tls.server_name, self._address, tls.is_certified)
        if asker is None:
            self._close()
            return b""
        self._asker, self._ended = asker, self._ended or tls.has_ended
        return data

    def _encode(self, frame: bytes) -> bytes:
        if self._tls is None:
            return b""
        self._tls.send(frame)
        return self._tls.take()

    def _farewell(self) -> bytes:
        return b"" if self._tls is None else self._tls.end()
