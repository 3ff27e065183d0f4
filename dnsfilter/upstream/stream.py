"""DNS over TCP to the upstreams: few connections, kept and pipelined (RFC 7766).

Each question gets an unpredictable id of its own on the connection, and the caller's back in the answer. An answer is
matched by id and question; others are ignored and the wait goes on.
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Final, cast

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.model import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.wire.names import HEADER_SIZE

CONNECTIONS_PER_SERVER: Final = 2
IDLE_S: Final = 10.0
"""An unused connection is closed after this long (RFC 7766 section 6.2.3 asks for a few seconds)."""
IN_FLIGHT_PER_CONNECTION: Final = 64
STRAYS_PER_CONNECTION: Final = 64
"""Answers that nobody waits for until a connection is given up; a few follow questions whose time had run out."""

_LONGEST: Final = 65_535
_QR: Final = 0x80


class StreamPool:
    """Asks servers over TCP on one event loop; `close` when done."""

    def __init__(self, connections_per_server: int = CONNECTIONS_PER_SERVER, idle_s: float = IDLE_S) -> None:
        self._limit = connections_per_server
        self._idle_s = idle_s
        self._servers: dict[Endpoint, list[_Connection]] = {}
        self._closed = False

    async def ask(self, server: Endpoint, message: bytes, timeout_s: float) -> bytes:
        """Send a query with one question and give the whole answer, with the query's id.

        Raises UnavailableError when the server cannot be reached, does not answer in time or has too many questions
        open; ValueError when `message` is no such query. A connection that was kept and turns out to be closed by the
        server costs one retry on a fresh one.
        """
        question = _question(message)
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    answer = await self._exchange(server, message, question, fresh=False)
                except _BrokenError as broken:
                    if not broken.reused:
                        raise
                    answer = await self._exchange(server, message, question, fresh=True)
        except TimeoutError:
            raise UnavailableError(f"ask {endpoint_text(server)} over tcp: no answer within {timeout_s:g} s") from None
        return message[:2] + answer[2:]

    def connections(self, server: Endpoint) -> int:
        """How many connections to a server are open or being opened."""
        return len(self._servers.get(server, ()))

    def close(self) -> None:
        """Close every connection; questions still open fail with UnavailableError, later ones too."""
        self._closed = True
        for connection in [each for connections in self._servers.values() for each in connections]:
            connection.abort("pool closed")

    async def _exchange(self, server: Endpoint, message: bytes, question: bytes, fresh: bool) -> bytes:
        connection = self._connection(server, fresh)
        number, waiter = connection.send(message, question)
        try:
            return await waiter.answer
        except asyncio.CancelledError:
            connection.give_up(number)
            raise

    def _connection(self, server: Endpoint, fresh: bool) -> "_Connection":
        """Choose an idle connection, else a new one while there may be more, else the least loaded.

        With `fresh` a new one comes first: the one that broke has left its place. A doubtful one is the last choice.
        """
        if self._closed:
            raise UnavailableError(f"ask {endpoint_text(server)} over tcp: pool closed")
        connections = self._servers.setdefault(server, [])
        usable = [each for each in connections if not each.waiters and not fresh]
        if not usable:
            if len(connections) < self._limit:
                return self._open(server, connections)
            usable = connections
        chosen = min(usable, key=lambda each: (each.doubtful, len(each.waiters)))
        if len(chosen.waiters) >= IN_FLIGHT_PER_CONNECTION:
            raise UnavailableError(f"ask {endpoint_text(server)} over tcp: too many questions open")
        return chosen

    def _open(self, server: Endpoint, connections: "list[_Connection]") -> "_Connection":
        connection = _Connection(server, self._idle_s, connections)
        connections.append(connection)
        connection.open()
        return connection


class _BrokenError(UnavailableError):
    """The connection ended before the answer; `reused`: it had brought others before the question was sent."""

    def __init__(self, message: str, reused: bool) -> None:
        super().__init__(message)
        self.reused = reused


@dataclass(frozen=True, slots=True)
class _Waiter:
    """One question in flight on a connection."""

    question: bytes
    received_before: int
    """Octets that the connection had received when the question was sent."""
    answer: asyncio.Future[bytes] = field(compare=False)


class _Connection(asyncio.Protocol):
    """One connection: questions wait in it while it opens, then by id for their answers."""

    def __init__(self, server: Endpoint, idle_s: float, siblings: "list[_Connection]") -> None:
        self.waiters: dict[int, _Waiter] = {}
        self.doubtful = False
        """True from a question that timed out in silence until the next octet comes."""
        self._server = server
        self._idle_s = idle_s
        self._siblings = siblings
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._unsent: list[bytes] = []
        self._buffer = bytearray()
        self._received = 0
        self._strays = 0
        self._idle: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to connect; whoever waits learns of a failure."""
        self._opening = self._loop.create_task(self._open())

    def send(self, message: bytes, question: bytes) -> tuple[int, _Waiter]:
        """Send a query under a random free id; give that id and who waits."""
        number = secrets.randbelow(0x10000)
        while number in self.waiters:
            number = secrets.randbelow(0x10000)
        waiter = _Waiter(question, self._received, self._loop.create_future())
        self.waiters[number] = waiter
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        # Length and message in one write (RFC 7766 section 8): two segments cost a round trip with some servers.
        frame = len(message).to_bytes(2, "big") + number.to_bytes(2, "big") + message[2:]
        if self._transport is None:
            self._unsent.append(frame)
        else:
            self._transport.write(frame)
        return number, waiter

    def give_up(self, number: int) -> None:
        """Forget a question; a connection that has been silent since it was sent is closed when nobody else waits."""
        waiter = self.waiters.pop(number, None)
        if waiter is None:
            return
        self.doubtful |= waiter.received_before == self._received
        if self.waiters:
            return
        if self.doubtful:
            self.abort("silent")
        else:
            self._await_use()

    def abort(self, reason: str) -> None:
        """Close at once and fail all who wait."""
        if self in self._siblings:
            self._siblings.remove(self)
        if self._opening is not None:
            self._opening.cancel()
        if self._idle is not None:
            self._idle.cancel()
        if self._transport is not None:
            self._transport.abort()
        waiters = list(self.waiters.values())
        self.waiters.clear()
        for waiter in waiters:
            if not waiter.answer.done():
                waiter.answer.set_exception(
                    _BrokenError(f"ask {endpoint_text(self._server)} over tcp: {reason}", waiter.received_before > 0)
                )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has gathered."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        """Take the whole messages out of the stream; the rest waits for its remainder."""
        self.doubtful = False
        self._received += len(data)
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
            self.abort("too many answers that nobody asked for")
        elif not self.waiters and self._idle is None:
            self._await_use()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed, or the network did."""
        self.abort("connection closed" if exc is None else f"connection lost: {exc}")

    async def _open(self) -> None:
        try:
            await self._loop.create_connection(lambda: self, str(self._server.address), self._server.port)
        except OSError as error:
            self.abort(f"{error.strerror or error}")

    def _on_message(self, message: bytes) -> None:
        number = int.from_bytes(message[:2], "big")
        waiter = self.waiters.get(number)
        if waiter is None or not _answers(message, waiter.question):
            self._strays += 1
            return
        del self.waiters[number]
        if not waiter.answer.done():
            waiter.answer.set_result(message)

    def _await_use(self) -> None:
        self._idle = self._loop.call_later(self._idle_s, self.abort, "idle")


def _answers(message: bytes, question: bytes) -> bool:
    """True when a message is a response that repeats the question; the name's case may differ over TCP."""
    if len(message) < HEADER_SIZE + len(question) or not message[2] & _QR or message[4:6] != b"\x00\x01":
        return False
    echoed = message[HEADER_SIZE : HEADER_SIZE + len(question)]
    # Length octets are below 0x41 and so never change; type and class are compared as they are.
    return echoed[:-4].lower() == question[:-4].lower() and echoed[-4:] == question[-4:]


def _question(message: bytes) -> bytes:
    """The octets of the only question: name, type, class; raises ValueError when there is not exactly one."""
    if len(message) > _LONGEST or message[4:6] != b"\x00\x01":
        raise ValueError(f"ask over tcp: {len(message)} octets are no query with one question")
    at = HEADER_SIZE
    while at < len(message) and message[at]:
        at += message[at] + 1
    end = at + 5
    if end > len(message):
        raise ValueError(f"ask over tcp: the question passes the end of {len(message)} octets")
    return message[HEADER_SIZE:end]
