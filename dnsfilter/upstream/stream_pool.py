"""DNS over TCP to the upstreams: a few persistent, pipelined connections, shared fairly by clients (RFC 7766).

Each question gets an unpredictable id on the connection; the answer gets the caller's id back. An answer is matched by
id and question. Other answers are ignored, and the wait continues.
"""

import asyncio
import secrets
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Final, cast

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.upstream.health import OWN_SHORTAGES
from dnsfilter.wire.names import HEADER_SIZE

CONNECTIONS_PER_SERVER: Final = 8
IDLE_S: Final = 10.0
"""Seconds after which an unused connection is closed (RFC 7766 section 6.2.3 asks for a few seconds)."""
IN_FLIGHT_PER_CONNECTION: Final = 64
MOST_OPEN: Final = 4096
"""Maximum number of questions to all servers, sent or waiting: as many as an engine has in flight."""
MOST_BREAKS: Final = 5
"""Maximum number of connections that may break under one question before it fails."""
SILENCE_S: Final = 2.0
"""Seconds without a byte after which a timeout counts against the server and closes the connection."""
STRAYS_PER_CONNECTION: Final = 64
"""Maximum number of unmatched answers before a connection is closed."""

_LONGEST: Final = 65_535
_QR: Final = 0x80


class BusyError(UnavailableError):
    """No answer, but no sign of a failing server: not sent, sent too late, or the server answered other questions."""


@dataclass(eq=False, slots=True)
class _Question:
    """One client's question. After its timeout it keeps its slot on a connection until the server answers."""

    client: bytes
    message: bytes
    section: bytes
    answer: asyncio.Future[bytes]
    connection: "_Connection | None" = None
    received_before: int = 0
    """Bytes that the connection had received when the question was sent."""
    sent_s: float = 0.0
    breaks: int = 0


class StreamPool:
    """Ask servers over TCP on one event loop. Call `close` when done."""

    def __init__(self, connections_per_server: int = CONNECTIONS_PER_SERVER, idle_s: float = IDLE_S) -> None:
        self._limit = connections_per_server
        self._idle_s = idle_s
        self._servers: dict[Endpoint, _Server] = {}
        self._open = 0
        self._closed = False

    async def ask(self, server: Endpoint, message: bytes, timeout_s: float, client: bytes = b"") -> bytes:
        """Send a query with one question and return the complete answer, with the query's id.

        The question waits for its client's turn and a slot. It is sent again if its connection breaks and the server
        has been answering.

        Raise BusyError if there was no slot, no file descriptor, or no answer from a server that answers others. Raise
        UnavailableError if the server cannot be reached or is silent. Raise ValueError if `message` is no such query.
        """
        question = _Question(client, message, _section(message), asyncio.get_running_loop().create_future())
        if self._closed:
            raise UnavailableError(f"ask {endpoint_text(server)} over tcp: pool closed")
        if self._open >= MOST_OPEN:
            raise BusyError(f"ask {endpoint_text(server)} over tcp: {MOST_OPEN} questions open")
        asked = self._servers.setdefault(server, _Server(server, self._limit, self._idle_s))
        self._open += 1
        try:
            asked.add(question)
            async with asyncio.timeout(timeout_s):
                answer = await question.answer
        except TimeoutError:
            kind = UnavailableError if asked.time_out(question) else BusyError
            raise kind(f"ask {endpoint_text(server)} over tcp: no answer within {timeout_s:g} s") from None
        finally:
            self._open -= 1
            asked.leave(question)
        return message[:2] + answer[2:]

    def connections(self, server: Endpoint) -> int:
        """Return the number of connections to a server that are open or being opened."""
        return len(self._servers[server].connections) if server in self._servers else 0

    def close(self) -> None:
        """Close every connection. Open and later questions fail with UnavailableError."""
        self._closed = True
        for server in self._servers.values():
            server.close()


class _Server:
    """The connections to one server, and the questions that wait for a slot on one, by client."""

    def __init__(self, endpoint: Endpoint, limit: int, idle_s: float) -> None:
        self.endpoint = endpoint
        self.idle_s = idle_s
        self.connections: list[_Connection] = []
        self._most = self._limit = limit
        self._window = IN_FLIGHT_PER_CONNECTION
        """Maximum number of questions on one connection: fewer after one broke with more than it had answered."""
        self._waiting: OrderedDict[bytes, OrderedDict[_Question, None]] = OrderedDict()
        """Clients in the order of their turns."""

    def add(self, question: _Question) -> None:
        """Send a question when it is its client's turn and there is a slot."""
        self._waiting.setdefault(question.client, OrderedDict())[question] = None
        self.serve()

    def leave(self, question: _Question) -> None:
        """Record that nothing waits for this question any more, answered or not."""
        if question.connection is not None:
            question.connection.rest()
        elif question in self._waiting.get(question.client, ()):
            self._remove(question)

    def time_out(self, question: _Question) -> bool:
        """Return whether the server is to blame. Close the connection if it was silent."""
        connection = question.connection
        if connection is None or connection.received > question.received_before:
            return False
        silent_s = asyncio.get_running_loop().time() - question.sent_s
        if silent_s >= SILENCE_S or not connection.open_questions():
            connection.abort("silent")
        return silent_s >= SILENCE_S

    def serve(self) -> None:
        """Send waiting questions while there are slots, one of each client in turn."""
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

    def answered(self, connection: "_Connection") -> None:
        """Record how many questions a connection can answer."""
        self._window = max(self._window, min(connection.answered, IN_FLIGHT_PER_CONNECTION))

    def ended(self, connection: "_Connection", reason: str) -> None:
        """Resend the unanswered questions of a closed connection if the server has been answering; else fail them."""
        self.connections.remove(connection)
        open_questions = connection.open_questions()
        works = connection.answered > 0 or any(each.answered for each in self.connections)
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

    def _remove(self, question: _Question) -> None:
        waiting = self._waiting[question.client]
        del waiting[question]
        if not waiting:
            del self._waiting[question.client]

    def _fail(self, question: _Question, reason: str, failure: type[UnavailableError]) -> None:
        if not question.answer.done():
            question.answer.set_exception(failure(f"ask {endpoint_text(self.endpoint)} over tcp: {reason}"))

    def _has_free_slot(self) -> bool:
        return len(self.connections) < self._limit or any(len(each.slots) < self._window for each in self.connections)

    def _choose_connection(self, client: bytes) -> "_Connection | None":
        """Return a connection for a question of `client`, a new one if needed, or None if the question must wait.

        A client takes an unused connection only while more are unused than it has. So a busy client leaves some to
        others. Otherwise their questions would wait behind its own at a server that answers one by one.
        """
        own = [each for each in self.connections if each.clients[client]]
        unused = [each for each in self.connections if not each.slots]
        if len(own) < len(unused) + self._limit - len(self.connections):
            return unused[0] if unused else self._open()
        usable = [each for each in own or self.connections if len(each.slots) < self._window]
        return min(usable, key=lambda each: len(each.slots), default=None)

    def _open(self) -> "_Connection":
        connection = _Connection(self)
        self.connections.append(connection)
        connection.open()
        return connection


class _Connection(asyncio.Protocol):
    """One connection. Questions wait in it while it opens, then wait by id for their answers."""

    def __init__(self, server: _Server) -> None:
        self.slots: dict[int, _Question] = {}
        self.clients: Counter[bytes] = Counter()
        self.answered = 0
        self.received = 0
        self.failure = UnavailableError
        """The exception for open questions if the connection breaks."""
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._unsent: list[bytes] = []
        self._buffer = bytearray()
        self._strays = 0
        self._idle: asyncio.TimerHandle | None = None
        self._ended = False

    def open(self) -> None:
        """Begin to connect. A failure is reported to the waiting questions."""
        self._opening = self._loop.create_task(self._open())

    def send(self, question: _Question) -> None:
        """Send a query under a random free id."""
        number = secrets.randbelow(0x10000)
        while number in self.slots:
            number = secrets.randbelow(0x10000)
        question.connection = self
        question.received_before, question.sent_s = self.received, self._loop.time()
        self.slots[number] = question
        self.clients[question.client] += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        # Send length and message in one write (RFC 7766 section 8). Two segments cost a round trip with some servers.
        message = question.message
        frame = len(message).to_bytes(2, "big") + number.to_bytes(2, "big") + message[2:]
        if self._transport is None:
            self._unsent.append(frame)
        else:
            self._transport.write(frame)

    def open_questions(self) -> list[_Question]:
        """Return the questions that are still waited for, oldest first."""
        return [each for each in self.slots.values() if not each.answer.done()]

    def rest(self) -> None:
        """Start the timer that closes an unused connection."""
        if self._idle is None and not self._ended and not self.open_questions():
            self._idle = self._loop.call_later(self._server.idle_s, self.abort, "idle")

    def abort(self, reason: str) -> None:
        """Close the connection now. The server object resends or fails its open questions."""
        if self._ended:
            return
        self._ended = True
        if self._opening is not None:
            self._opening.cancel()
        if self._idle is not None:
            self._idle.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._server.ended(self, reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the questions that have gathered."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        """Take the complete messages from the stream. An incomplete message waits for its remainder."""
        self.received += len(data)
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= 2:
            end = start + 2 + int.from_bytes(self._buffer[start : start + 2], "big")
            if len(self._buffer) < end:
                break
            self._on_message(bytes(self._buffer[start + 2 : end]))
            start = end
        del self._buffer[:start]
        if self._strays > STRAYS_PER_CONNECTION:
            self.abort("too many answers that match no question")
        else:
            self._server.serve()

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle a connection that the server or the network closed."""
        self.abort("connection closed" if exc is None else f"connection lost: {exc}")

    async def _open(self) -> None:
        try:
            await self._loop.create_connection(
                lambda: self, str(self._server.endpoint.address), self._server.endpoint.port
            )
        except OSError as error:
            if error.errno in OWN_SHORTAGES:
                self.failure = BusyError
            self.abort(f"{error.strerror or error}")

    def _on_message(self, message: bytes) -> None:
        number = int.from_bytes(message[:2], "big")
        question = self.slots.get(number)
        if question is None or not _answers(message, question.section):
            self._strays += 1
            return
        del self.slots[number]
        self.clients -= Counter((question.client,))
        self.answered += 1
        self._server.answered(self)
        if not question.answer.done():
            question.answer.set_result(message)


def _answers(message: bytes, question: bytes) -> bool:
    """Return True if a message is a response that repeats the question. Its name may differ in case over TCP."""
    if len(message) < HEADER_SIZE + len(question) or not message[2] & _QR or message[4:6] != b"\x00\x01":
        return False
    echoed = message[HEADER_SIZE : HEADER_SIZE + len(question)]
    # Length bytes are below 0x41, so they never change. Type and class are compared exactly.
    return echoed[:-4].lower() == question[:-4].lower() and echoed[-4:] == question[-4:]


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
