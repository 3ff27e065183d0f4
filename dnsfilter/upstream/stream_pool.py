"""DNS over TCP and TLS to the upstreams: a few persistent, pipelined connections, shared fairly by clients (RFC 7766).

The answer gets the caller's id back. A server that cannot be reached over TLS rests for a while: meanwhile its
questions fail at once.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from dnsfilter.config.endpoint import endpoint_text, url_host
from dnsfilter.config.node_config import HTTPS_PORT, Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.upstream.encryption_state import EncryptionState
from dnsfilter.upstream.framing import Framing, LengthFraming
from dnsfilter.upstream.http2_client import HttpFraming
from dnsfilter.upstream.stream_connection import BusyError, Connection, Question
from dnsfilter.upstream.tls_channel import TlsChannel, TlsContexts
from dnsfilter.wire.names import HEADER_SIZE

CONNECTIONS_PER_SERVER: Final = 8
IDLE_S: Final = 10.0
"""Seconds after which an unused connection is closed (RFC 7766 section 6.2.3 asks for a few seconds)."""
IN_FLIGHT_PER_CONNECTION: Final = 64
ENCRYPTED_CONNECTIONS: Final = 2
"""Maximum number of connections to a server over TLS: a handshake costs more than a place in a queue."""
ENCRYPTED_IN_FLIGHT: Final = 256
ENCRYPTED_IDLE_S: Final = 30.0
MOST_OPEN: Final = 4096
"""Maximum number of questions to all servers, sent or waiting: as many as an engine has in flight."""
MOST_BREAKS: Final = 5
"""Maximum number of connections that may break under one question before it fails."""
SILENCE_S: Final = 2.0
"""Seconds without a byte after which a timeout counts against the server and closes the connection."""
_LONGEST: Final = 65_535


class StreamPool:
    """Ask servers over TCP, those with `tls` over TLS, on one event loop. Call `close` when done.

    `ca` has the certificate authorities for TLS in PEM form; None means the machine's.
    """

    def __init__(
        self,
        connections_per_server: int = CONNECTIONS_PER_SERVER,
        idle_s: float = IDLE_S,
        *,
        ca: str | None = None,
    ) -> None:
        self._limit = connections_per_server
        self._idle_s = idle_s
        self._contexts = TlsContexts(ca)
        self._servers: dict[Endpoint, _Server] = {}
        self._open = 0
        self._closed = False

    async def ask(self, server: Endpoint, message: bytes, timeout_s: float, client: bytes = b"") -> bytes:
        """Send a query with one question and return the complete answer, with the query's id.

        The question waits for its client's turn and a slot. It is sent again if its connection breaks and the server
        has been answering.

        Raise BusyError if there was no slot, no file descriptor, or no answer from a server that answers others. Raise
        TlsError if there is no TLS connection to the right server. Raise UnavailableError if the server cannot be
        reached or is silent. Raise ValueError if `message` is no such query.
        """
        question = Question(client, message, _section(message), asyncio.get_running_loop().create_future())
        if self._closed:
            raise UnavailableError(f"ask {_text(server)}: pool closed")
        if self._open >= MOST_OPEN:
            raise BusyError(f"ask {_text(server)}: {MOST_OPEN} questions open")
        asked = self._server(server)
        self._open += 1
        try:
            asked.add(question)
            async with asyncio.timeout(timeout_s):
                answer = await question.answer
        except TimeoutError:
            kind = UnavailableError if asked.time_out(question) else BusyError
            raise kind(f"ask {_text(server)}: no answer within {timeout_s:g} s") from None
        finally:
            self._open -= 1
            asked.leave(question)
        return message[:2] + answer[2:]

    def fails(self, server: Endpoint) -> bool:
        """Return whether a server over TLS gave no answer since its connection failed."""
        return server in self._servers and self._servers[server].state.fails

    def rests(self, server: Endpoint) -> bool:
        """Return whether questions to a server over TLS fail at once, because it could not be reached just now."""
        return server in self._servers and self._servers[server].rests()

    def connections(self, server: Endpoint) -> int:
        """Return the number of connections to a server that are open or being opened."""
        return len(self._servers[server].connections) if server in self._servers else 0

    def close(self) -> None:
        """Close every connection. Open and later questions fail with UnavailableError."""
        self._closed = True
        for server in self._servers.values():
            server.close()

    def _server(self, endpoint: Endpoint) -> "_Server":
        if endpoint not in self._servers:
            limit, in_flight, idle_s = self._limit, IN_FLIGHT_PER_CONNECTION, self._idle_s
            if endpoint.tls is not None:
                limit, in_flight, idle_s = ENCRYPTED_CONNECTIONS, ENCRYPTED_IN_FLIGHT, ENCRYPTED_IDLE_S
            self._servers[endpoint] = _Server(endpoint, limit, in_flight, idle_s, self._contexts)
        return self._servers[endpoint]


class _Server:
    """The connections to one server, and the questions that wait for a slot on one, by client."""

    def __init__(self, endpoint: Endpoint, limit: int, in_flight: int, idle_s: float, contexts: TlsContexts) -> None:
        self.endpoint = endpoint
        self.idle_s = idle_s
        self.state = EncryptionState(endpoint_text(endpoint))
        self._contexts = contexts
        self.connections: list[Connection] = []
        self._most = self._limit = limit
        self._window = self._in_flight = in_flight
        """Maximum number of questions on one connection: fewer after one broke with more than it had answered."""
        self._waiting: OrderedDict[bytes, OrderedDict[Question, None]] = OrderedDict()
        """Clients in the order of their turns."""

    def add(self, question: Question) -> None:
        """Send a question when it is its client's turn and there is a slot."""
        self._waiting.setdefault(question.client, OrderedDict())[question] = None
        self.serve()

    def leave(self, question: Question) -> None:
        """Record that nothing waits for this question any more, answered or not."""
        if question.connection is not None:
            question.connection.rest()
        elif question in self._waiting.get(question.client, ()):
            self._remove(question)

    def time_out(self, question: Question) -> bool:
        """Return whether the server is to blame. Close the connection if it was silent."""
        connection = question.connection
        if connection is None or connection.received > question.received_before:
            return False
        silent_s = asyncio.get_running_loop().time() - question.sent_s
        if silent_s >= SILENCE_S or not connection.open_questions():
            connection.abort("silent")
        return silent_s >= SILENCE_S

    def open_channel(self) -> TlsChannel | None:
        """Return the TLS of a new connection. None: it is in clear text."""
        return None if self.endpoint.tls is None else self._contexts.open(self.endpoint.tls, self.state.session)

    def new_framing(self) -> Framing:
        """Return the format of a new connection."""
        tls = self.endpoint.tls
        if tls is None or tls.path is None:
            return LengthFraming()
        host = tls.name or url_host(self.endpoint.address)
        port = "" if self.endpoint.port == HTTPS_PORT else f":{self.endpoint.port}"
        return HttpFraming(host + port, tls.path)

    def rests(self) -> bool:
        """Return whether no connection is tried now, because the last one failed."""
        return not self.connections and self.state.rests(asyncio.get_running_loop().time())

    def serve(self) -> None:
        """Send waiting questions while there are slots, one of each client in turn. Fail them if the server rests."""
        if self._waiting and self.rests():
            waiting = [question for questions in self._waiting.values() for question in questions]
            self._waiting.clear()
            for question in waiting:
                self._fail(question, self.state.reason, self.state.failure)
        while self._waiting and self._has_free_slot():
            for client in self._waiting:
                connection = self._choose_connection(client)
                if connection is not None:
                    break
            else:
                return
            question = next(iter(self._waiting[client]))
            self._waiting.move_to_end(client)
            self._remove(question)
            connection.send(question)

    def answered(self, connection: "Connection") -> None:
        """Record how many questions a connection can answer."""
        self._window = max(self._window, min(connection.answered, self._in_flight))
        if connection.channel is not None and connection.answered == 1:
            self.state.answers(connection.channel.session)

    def ended(self, connection: "Connection", reason: str) -> None:
        """Resend the unanswered questions of a closed connection if the server has been answering; else fail them."""
        self.connections.remove(connection)
        open_questions = connection.open_questions()
        works = connection.answered > 0 or any(each.answered for each in self.connections)
        if connection.failed_encrypted and not works:
            self.state.failed(reason, connection.failure, asyncio.get_running_loop().time())
        if not open_questions:
            self._limit = self._most
        else:
            self._window = max(1, min(self._window, connection.answered))
            if works and not connection.answered:  # The server may allow no more connections than the others.
                self._limit = max(1, len(self.connections))
        for question in reversed(open_questions):
            question.connection = None
            question.breaks += 1
            if works and question.breaks <= MOST_BREAKS:
                waiting = self._waiting.setdefault(question.client, OrderedDict())
                waiting[question] = None
                waiting.move_to_end(question, last=False)
            else:
                self._fail(question, reason, connection.failure)
        self.serve()

    def close(self) -> None:
        """Fail every open question and close every connection."""
        questions = [question for waiting in self._waiting.values() for question in waiting]
        questions += [question for each in self.connections for question in each.open_questions()]
        self._waiting.clear()
        for question in questions:
            self._fail(question, "pool closed", BusyError)
        for connection in list(self.connections):
            connection.abort("pool closed")

    def _remove(self, question: Question) -> None:
        waiting = self._waiting[question.client]
        del waiting[question]
        if not waiting:
            del self._waiting[question.client]

    def _fail(self, question: Question, reason: str, failure: type[UnavailableError]) -> None:
        if not question.answer.done():
            question.answer.set_exception(failure(f"ask {_text(self.endpoint)}: {reason}"))

    def _has_free_slot(self) -> bool:
        return len(self.connections) < self._limit or any(each.has_room(self._window) for each in self.connections)

    def _choose_connection(self, client: bytes) -> "Connection | None":
        """Return a connection for a question of `client`, a new one if needed, or None if the question must wait.

        A client takes an unused connection only while more are unused than it has. So a busy client leaves some to
        others. Otherwise their questions would wait behind its own at a server that answers one by one.
        """
        usable = [each for each in self.connections if each.is_usable]
        own = [each for each in usable if each.clients[client]]
        unused = [each for each in usable if not each.slots and each.has_room(self._window)]
        if len(own) < len(unused) + self._limit - len(self.connections):
            return unused[0] if unused else self._open()
        free = [each for each in own or usable if each.has_room(self._window)]
        return min(free, key=lambda each: len(each.slots), default=None)

    def _open(self) -> "Connection":
        connection = Connection(self)
        self.connections.append(connection)
        connection.open()
        return connection


def _section(message: bytes) -> bytes:
    """Return the bytes of the only question: name, type, class. Raise ValueError unless there is exactly one."""
    if len(message) > _LONGEST or message[4:6] != b"\x00\x01":
        raise ValueError(f"ask over tcp: {len(message)} bytes are not a query with one question")
    at = HEADER_SIZE
    while at < len(message) and message[at]:
        at += message[at] + 1
    end = at + 5
    if end > len(message):
        raise ValueError(f"ask over tcp: the question ends after the {len(message)} bytes of the message")
    return message[HEADER_SIZE:end]


def _text(server: Endpoint) -> str:
    if server.tls is None:
        return f"{endpoint_text(server)} over tcp"
    return f"{endpoint_text(server)} over {'tls' if server.tls.path is None else 'https'}"
