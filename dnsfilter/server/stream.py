"""DNS over TCP for clients (RFC 7766): pipelined queries, and answers in any order.

It serves engines that do not serve streams in their own loop, and specifies what those do that do.
"""

import asyncio
import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable
from typing import cast

from dnsfilter.config.node_config import Clients, Limits
from dnsfilter.engine.interface import ClientOf, nobody
from dnsfilter.engine.limits import client_block
from dnsfilter.policy.fleets import plain_client
from dnsfilter.resolver import Resolver
from dnsfilter.server.reply_options import asked_options, with_options
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.proxy_header import parse_proxy_header, proxy_header_size

MOST_ACCEPTED = 1024
"""Connections accepted from one listening socket in a turn."""
REST_S = 1.0
"""Seconds without new connections after the system had no room for one."""
MOST_UNSENT = 256 * 1024
"""Bytes of answers that may wait for a client to read. Above that its queries wait until it has read more."""
_LENGTH = 2
_LARGEST_FRAME = _LENGTH + 65535
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_LOG = logging.getLogger("dnsfilter.node")


class StreamServer:
    """Accept connections on listening sockets, and limit their number and their use."""

    def __init__(
        self,
        resolver: Resolver,
        clients: Clients,
        limits: Limits,
        opened: Callable[[int], None],
        turned_away: Callable[[], None],
        client_of: ClientOf = nobody,
    ) -> None:
        """Initialize. `opened` is called with the number of open connections when it changes.

        `turned_away` is called for each connection that is refused or closed because a limit is reached. `client_of`
        is `ClientNames.client_of`, for the server names in headers of proxies.
        """
        self.clients = clients
        self.limits = limits
        self.client_of = client_of
        self._resolver = resolver
        self._opened = opened
        self._turned_away = turned_away
        self._connections: dict[StreamConnection, None] = {}
        self._per_client: Counter[bytes] = Counter()
        self.most_unsent = MOST_UNSENT
        self._listening: set[socket.socket] = set()
        self._accepted: set[asyncio.Task[object]] = set()

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections on this listening socket. The caller owns it and keeps it open until `unlisten`.

        An asyncio.Server does not fit. It needs a duplicate of the socket. `dup` lets the socket block for a moment, in
        which another worker that reads it hangs in `accept`. When it closes, it also loses a connection that it has
        just accepted, and that client waits until the garbage collector comes.
        """
        sock.setblocking(False)
        self._listening.add(sock)
        self._watch(sock)

    def _watch(self, sock: socket.socket) -> None:
        if sock in self._listening:
            asyncio.get_running_loop().add_reader(sock.fileno(), self._accept, sock)

    def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(MOST_ACCEPTED):
            try:
                accepted, _peer = sock.accept()
            except (BlockingIOError, ConnectionError):  # another worker was first, or the client has gone
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                logs.emit(_LOG, logging.ERROR, "connection not accepted", reason=error, again_in_s=REST_S)
                loop.remove_reader(sock.fileno())
                loop.call_later(REST_S, self._watch, sock)
                return
            accepted.setblocking(False)
            task = loop.create_task(loop.connect_accepted_socket(lambda: self._connection(self._resolver), accepted))
            self._accepted.add(task)  # the loop keeps no reference
            task.add_done_callback(self._accepted.discard)

    def _connection(self, resolver: Resolver) -> "StreamConnection":
        """Return the protocol of a new connection."""
        return StreamConnection(self, resolver)

    def unlisten(self, sock: socket.socket) -> None:
        """Stop accepting on this socket. Open connections stay open."""
        self._listening.remove(sock)
        asyncio.get_running_loop().remove_reader(sock.fileno())

    @property
    def is_busy(self) -> bool:
        """Return whether any connection waits for an answer or has one to read."""
        return not all(connection.is_idle for connection in self._connections)

    def close(self) -> None:
        """Stop accepting and end every connection."""
        for sock in list(self._listening):
            self.unlisten(sock)
        for connection in list(self._connections):
            connection.end()

    def admit(self, connection: "StreamConnection") -> bool:
        """Return whether the limits admit the connection. At the total limit, end the longest idle one for it.

        A connection of a proxy has no client yet.
        """
        if connection.client and self._per_client[connection.client] >= self.limits.connections_per_client:
            self._turned_away()
            return False
        if len(self._connections) >= self.limits.connections:
            self._turned_away()
            idle = next((held for held in self._connections if held.is_idle), None)
            if idle is None:
                return False
            idle.end()
        self._connections[connection] = None
        self._per_client[connection.client] += 1
        self._opened(len(self._connections))
        return True

    def touch(self, connection: "StreamConnection") -> None:
        """Mark a connection as used just now. The least recently used one is first."""
        if connection in self._connections:
            del self._connections[connection]
            self._connections[connection] = None

    def leave(self, connection: "StreamConnection") -> None:
        """Remove a connection that has ended. A second call has no effect."""
        if connection in self._connections:
            del self._connections[connection]
            self._per_client[connection.client] -= 1
            if not self._per_client[connection.client]:
                del self._per_client[connection.client]
            self._opened(len(self._connections))


class StreamConnection(asyncio.Protocol):
    """One client's connection. It buffers at most one frame more than the queries being answered.

    Methods whose docstrings begin with "Hook" are for connections that encrypt.
    """

    kind = Transport.TCP

    def __init__(self, server: StreamServer, resolver: Resolver) -> None:
        self._server = server
        self._limits = server.limits
        self._resolver = resolver
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._tickets: set[int] = set()
        self._paused = False
        self._blocked = False  # the client has to read before more is written
        self._written = 0
        self._read = 0  # bytes of that which the client had read at the last look
        self._taking = False
        self._next_turn: asyncio.Handle | None = None
        self._ended = False  # the client has closed its sending side
        self._idle_timer: asyncio.TimerHandle | None = None
        self._address = b""
        self._asker = b""  # the client for policy and limits of queries: here its address
        self._header_due = False  # a trusted proxy has not yet named the client
        self._name: str | None = None  # in the proxy's header
        self.client = b""

    @property
    def is_idle(self) -> bool:
        """Return whether no query is being answered, and all answers are sent."""
        busy = self._tickets or self._taking or self._next_turn is not None
        return not busy and (self._transport is None or not self._transport.get_write_buffer_size())

    def end(self) -> None:
        """Abort the connection and its pending queries."""
        if self._transport is not None:
            self._server.leave(self)
            self._send(self._farewell())
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=self._server.most_unsent)
        peer = transport.get_extra_info("peername")
        if not peer:
            transport.abort()
            return
        family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
        self._address = plain_client(socket.inet_pton(family, peer[0].partition("%")[0]))
        self._header_due = self._server.clients.trusts(self._address)
        if not self._header_due:
            self.client = client_block(self._address)
        self._asker = self._address
        if not self._server.admit(self) or not self._begin():
            transport.abort()
            return
        self._restart_idle_timer(self._first_s())

    def data_received(self, data: bytes) -> None:
        if self._header_due:
            self._buffer += data
            if not self._take_header():
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        self._buffer += self._decode(data)
        self._take()
        self._control_reading()  # also if it is not this connection's turn

    def eof_received(self) -> bool:
        """Keep the connection open, because the client may still wait for answers."""
        self._ended = True
        self._finish_if_done()
        return True

    def pause_writing(self) -> None:
        """Stop taking queries while the client does not read its answers."""
        self._blocked = True
        self._control_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        if self._transport is not None and not self._transport.is_closing():
            self._take()
            self._control_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.leave(self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._next_turn is not None:
            self._next_turn.cancel()
        for ticket in self._tickets:
            self._resolver.forget(ticket)
        self._tickets.clear()

    def _begin(self) -> bool:
        """Hook for an admitted connection. Return whether it may go on."""
        return True

    def _first_s(self) -> float:
        """Hook: return how many seconds it may take to begin."""
        return self._limits.connection_idle_s

    def _decode(self, data: bytes) -> bytes:
        """Hook: return what the client has sent. A name in the proxy's header may end at any time."""
        if self._name is None:
            return data
        asker = self._server.client_of(self._name, self._address)
        if asker is None:
            self._ask(b"")  # counted as dropped
            return b""
        self._asker = asker
        return data

    def _encode(self, frame: bytes) -> bytes:
        """Hook: return the bytes that bring a frame to the client."""
        return frame

    def _farewell(self) -> bytes:
        """Hook: return the last bytes of this side."""
        return b""

    def _take_header(self) -> bool:
        """Take the client from the proxy's header. Return whether it is complete and the connection stays open."""
        size = proxy_header_size(self._buffer)
        if size is not None and len(self._buffer) < size:
            return False
        header = parse_proxy_header(self._buffer)
        if header is None:
            return self._ask(b"")  # counted as dropped
        del self._buffer[: header.size]
        self._header_due = False
        self._asker = self._address = plain_client(header.client or self._address)
        self._name = header.server_name
        self._server.leave(self)
        self.client = client_block(self._address)
        if not self._server.admit(self):
            self.end()
            return False
        return True

    def _take(self) -> None:
        """Ask the complete frames in the buffer, within the limits per turn and of pending queries."""
        if self._taking or self._next_turn is not None:
            return
        self._taking = True
        start = taken = 0
        most = self._limits.connection_queries
        try:
            while len(self._tickets) < most and taken < most and not self._blocked:
                frame = start + _LENGTH
                end = frame + int.from_bytes(self._buffer[start:frame], "big")
                if len(self._buffer) < frame or len(self._buffer) < end:
                    break
                start = end
                taken += 1
                if not self._ask(bytes(self._buffer[frame:end])):
                    return
        finally:
            self._taking = False
        if start:
            del self._buffer[:start]
            self._server.touch(self)
            self._restart_idle_timer()
        if taken == most:
            self._next_turn = asyncio.get_running_loop().call_soon(self._take_next_turn)
        self._control_reading()
        self._finish_if_done()

    def _take_next_turn(self) -> None:
        """Take the frames that were left by the previous turn."""
        self._next_turn = None
        if self._transport is not None and not self._transport.is_closing():
            self._take()

    def _ask(self, message: bytes) -> bool:
        """Ask one query. A message without an answer ends the connection. Return whether it stays open."""
        ticket = 0
        options = asked_options(message, encrypted=self.kind is not Transport.TCP)

        def reply(answer: bytes) -> None:
            self._tickets.discard(ticket)
            self._write(with_options(answer, options, self._limits.connection_idle_s) if options else answer)
            if ticket:
                self._take()

        asked = self._resolver.ask(message, self._asker, reply, self.kind)
        if asked is None:
            self.end()
            return False
        if asked:
            ticket = asked
            self._tickets.add(asked)
        return True

    def _write(self, answer: bytes) -> None:
        """Write length and message at once (RFC 7766 section 8)."""
        if self._transport is not None and not self._transport.is_closing():
            self._send(self._encode(len(answer).to_bytes(_LENGTH, "big") + answer))
        self._finish_if_done()

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._written += len(data)
            self._transport.write(data)

    def _close(self) -> None:
        """Close the connection after the client has read what was written."""
        self._send(self._farewell())
        if self._transport is not None:
            self._transport.close()

    def _control_reading(self) -> None:
        """Pause reading while there is no room for more, else resume it."""
        if self._transport is None or self._transport.is_closing():
            return
        waiting = len(self._tickets) >= self._limits.connection_queries
        full = self._blocked or waiting or len(self._buffer) >= _LARGEST_FRAME
        if full and not self._paused:
            self._transport.pause_reading()
        elif self._paused and not full:
            self._transport.resume_reading()
        self._paused = full

    def _finish_if_done(self) -> None:
        done = not self._tickets and not self._taking and self._next_turn is None and not self._blocked
        if self._ended and done:
            self._close()

    def _restart_idle_timer(self, seconds: float | None = None) -> None:
        """Restart the timer after which an idle connection ends: the configured one, unless `seconds` are given."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        seconds = self._limits.connection_idle_s if seconds is None else seconds
        self._idle_timer = asyncio.get_running_loop().call_later(seconds, self._idle)

    def _idle(self) -> None:
        unsent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        stalled = unsent and self._written - unsent == self._read
        if self.is_idle or stalled:
            self.end()
            return
        self._read = self._written - unsent
        self._restart_idle_timer()
