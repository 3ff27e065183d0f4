"""DNS over HTTPS for clients (RFC 8484): the connections of `tls_stream.py`, with HTTP/2 in place of frames."""

import asyncio
from collections import deque
from typing import cast

from dnsfilter.resolver import Resolver
from dnsfilter.server.reply_options import Asked, asked_options, with_options
from dnsfilter.server.stream import StreamConnection
from dnsfilter.server.tls_stream import TlsStreamConnection, TlsStreamServer
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.http.doh import NO_QUERY, NOT_FOUND, TOO_LARGE, DohQuery, may_be_query, query_of, response_of
from dnsfilter.wire.http.http2_server import Http2Server, Request, Response

ALPN = "h2"
_TEXT = b"This server speaks HTTP/2 only.\n"
ONLY_HTTP2 = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_TEXT), _TEXT)
)


class HttpsServer(TlsStreamServer):
    """A TlsStreamServer for HTTP/2."""

    def drain(self) -> None:
        """Ask all clients for no more requests. A connection ends when those that it has sent are answered."""
        for connection in list(self._connections):
            cast(_HttpsConnection, connection).drain()

    def _connection(self, resolver: Resolver) -> StreamConnection:
        return _HttpsConnection(self, resolver)


class _HttpsConnection(TlsStreamConnection):
    """One client's connection. A query that its client has cancelled still counts until it is answered."""

    kind = Transport.DOH

    def __init__(self, server: HttpsServer, resolver: Resolver) -> None:
        super().__init__(server, resolver)
        self._http = Http2Server(TOO_LARGE)
        self._requests: deque[Request] = deque()

    @property
    def is_idle(self) -> bool:
        return super().is_idle and not self._requests

    @property
    def _speaks_http2(self) -> bool:
        """Return whether the handshake is complete, and the client has chosen HTTP/2."""
        return self._tls is not None and self._tls.is_open and self._tls.protocol == ALPN

    def drain(self) -> None:
        """Ask the client for no more requests, and end when those that it has sent are answered."""
        self._http.announce_end()
        self._flush()
        self._ended = True
        self._finish_if_done()

    def _take(self) -> None:
        """Ask the complete requests, within the limits per turn and of pending queries."""
        if self._taking or self._next_turn is not None:
            return
        self._taking = True
        taken, most = 0, self._limits.connection_queries
        try:
            self._read_http()
            while self._requests and len(self._tickets) < most and taken < most and not self._blocked:
                taken += 1
                self._answer(self._requests.popleft())
        finally:
            self._taking = False
        if taken:
            self._server.touch(self)
            self._restart_idle_timer()
        self._flush()
        if taken == most:
            self._next_turn = asyncio.get_running_loop().call_soon(self._take_next_turn)
        self._control_reading()
        self._finish_if_done()

    def _read_http(self) -> None:
        """Move the requests in the buffer to `_requests`. A client without HTTP/2 gets a text and the end."""
        if not self._buffer:
            return
        data = bytes(self._buffer)
        self._buffer.clear()
        if not self._speaks_http2:
            self._send(self._encode(ONLY_HTTP2))
            self._close()
            return
        self._requests += self._http.receive(data)

    def _answer(self, request: Request) -> None:
        """Answer one request, at once or when its query is answered."""
        query = query_of(request)
        if isinstance(query, Response):
            self._respond(request, query)
            return
        asker = self._asker_of(query)
        if asker is None:
            self._respond(request, NOT_FOUND)
            return
        ticket = 0
        options = asked_options(query.message, encrypted=True) & Asked.PADDING

        def reply(answer: bytes) -> None:
            self._tickets.discard(ticket)
            padded = with_options(answer, options, 0) if options else answer
            self._respond(request, response_of(padded))
            if ticket:
                self._take()  # also sends the response

        asked = self._resolver.ask(query.message, asker, reply, self.kind)
        if asked is None and may_be_query(query.message):
            self._http.end(is_flooded=True)  # the client is over its limits
        elif asked is None:
            self._respond(request, NO_QUERY)
        elif asked:
            ticket = asked
            self._tickets.add(asked)

    def _asker_of(self, query: DohQuery) -> bytes | None:
        """Return the client for policy and limits. None for an unknown token."""
        if query.token is None or self._tls is None:
            return self._asker
        return self._tls_server.names.client_of_token(query.token, self._address, self._tls.is_certified)

    def _flush(self) -> None:
        """Send what HTTP/2 has to send. The connection ends if it has."""
        if not self._speaks_http2 or self._transport is None or self._transport.is_closing():
            return
        self._send(self._encode(self._http.take()))
        if self._http.has_ended:
            self._close()

    def _respond(self, request: Request, response: Response) -> None:
        """Put a response into a record of its own, because some clients read one response of a record (dnsperf)."""
        self._http.respond(request.stream, response)
        if self._tls is not None and (data := self._http.take()):
            self._tls.send(data)

    def _finish_if_done(self) -> None:
        if not self._http.has_unsent:
            super()._finish_if_done()

    def _farewell(self) -> bytes:
        """Return GOAWAY, so that the client knows that it may ask again, and the end of TLS."""
        if not self._speaks_http2 or self._transport is None or self._transport.is_closing():
            return super()._farewell()
        self._http.end()
        return self._encode(self._http.take()) + super()._farewell()
