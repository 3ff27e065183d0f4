"""One connection to an upstream, in clear text or over TLS, with many questions at a time (RFC 7766, RFC 7858).

Each question gets a number on the connection: an unpredictable id, or its stream of HTTP/2. An answer is matched by
number and question. Other answers are ignored, and the wait continues.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final, Protocol, cast

from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.upstream.framing import Framing, FramingError
from dnsfilter.upstream.health import OWN_SHORTAGES
from dnsfilter.upstream.tls_channel import TlsChannel, TlsError
from dnsfilter.wire.names import HEADER_SIZE

STRAYS_PER_CONNECTION: Final = 64
"""Maximum number of unmatched answers before a connection is closed."""
CONNECT_S: Final = 1.5
"""Seconds for an encrypted connection to open, so that another server can be asked in time."""
_QR: Final = 0x80


class BusyError(UnavailableError):
    """No answer, but no sign of a failing server: not sent, sent too late, or the server answered other questions."""


@dataclass(eq=False, slots=True)
class Question:
    """One client's question. After its timeout it keeps its slot on a connection until the server answers."""

    client: bytes
    message: bytes
    section: bytes
    answer: asyncio.Future[bytes]
    connection: "Connection | None" = None
    received_before: int = 0
    """Bytes that the connection had received when the question was sent."""
    sent_s: float = 0.0
    breaks: int = 0


class Owner(Protocol):
    """What a connection needs of the server that it belongs to."""

    endpoint: Endpoint
    idle_s: float

    def open_channel(self) -> TlsChannel | None:
        """Return the TLS of a new connection. None: it is in clear text."""

    def new_framing(self) -> Framing:
        """Return the format of a new connection."""

    def serve(self) -> None:
        """Send waiting questions, because there may be room on a connection."""

    def answered(self, connection: "Connection") -> None:
        """Note an answer."""

    def ended(self, connection: "Connection", reason: str) -> None:
        """Handle the open questions of a connection that was closed."""


class Connection(asyncio.Protocol):
    """One connection. Questions wait in it while it opens, then wait by id for their answers."""

    def __init__(self, server: Owner) -> None:
        self.slots: dict[int, Question] = {}
        self.clients: Counter[bytes] = Counter()
        self.answered = 0
        self.received = 0
        self.failure: type[UnavailableError] = UnavailableError
        """The exception for open questions if the connection breaks."""
        self.channel = server.open_channel()
        self._framing = server.new_framing()
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._unsent: list[bytes] = []
        self._strays = 0
        self._idle: asyncio.TimerHandle | None = None
        self._opening_limit: asyncio.TimerHandle | None = None
        self._ended = False

    def open(self) -> None:
        """Begin to connect. A failure is reported to the waiting questions."""
        self._opening = self._loop.create_task(self._open())
        if self.channel is not None:
            self._opening_limit = self._loop.call_later(CONNECT_S, self._give_up, f"not open within {CONNECT_S:g} s")

    @property
    def is_usable(self) -> bool:
        """Return whether the server takes further questions here."""
        return self._framing.most_open > 0

    def has_room(self, window: int) -> bool:
        """Return whether one more question may be sent, of at most `window`."""
        return len(self.slots) < min(window, self._framing.most_open)

    def send(self, question: Question) -> None:
        """Send a query under a free number."""
        # Length and message go in one write (RFC 7766 section 8). Two segments cost a round trip with some servers.
        try:
            number, frame = self._framing.ask(question.message, self.slots)
        except FramingError as error:
            question.answer.set_exception(error)
            self._loop.call_soon(self.abort, str(error))
            return
        question.connection = self
        question.received_before, question.sent_s = self.received, self._loop.time()
        self.slots[number] = question
        self.clients[question.client] += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._unsent.append(frame)
        self._flush()

    def open_questions(self) -> list[Question]:
        """Return the questions that are still waited for, oldest first."""
        return [each for each in self.slots.values() if not each.answer.done()]

    @property
    def failed_encrypted(self) -> bool:
        """Return whether this was an encrypted connection that brought no answer, and this node is not to blame."""
        if self.channel is None or self.answered or self.failure is BusyError:
            return False
        return bool(self.slots) or not self.channel.is_open

    def rest(self) -> None:
        """Start the timer that closes an unused connection."""
        if self._idle is None and not self._ended and not self.open_questions():
            allowed_s = self._framing.idle_s
            idle_s = self._server.idle_s if allowed_s is None else min(allowed_s, self._server.idle_s)
            self._idle = self._loop.call_later(idle_s, self.abort, "idle")

    def abort(self, reason: str) -> None:
        """Close the connection now. The server object resends or fails its open questions."""
        if self._ended:
            return
        self._ended = True
        if self._opening is not None:
            self._opening.cancel()
        for timer in (self._idle, self._opening_limit):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._server.ended(self, reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the questions that have gathered, over TLS after the handshake."""
        self._transport = cast(asyncio.Transport, transport)
        if self.channel is not None:
            self.channel.start()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take the bytes of the network."""
        if self.channel is None:
            self._take(data)
            return
        try:
            plain = self.channel.receive(data)
        except TlsError as error:
            self._flush()  # the alert
            self.failure = TlsError
            self.abort(str(error))
            return
        if self.channel.is_open and self._opening_limit is not None:
            self._opening_limit.cancel()
            self._opening_limit = None
        self._flush()
        if plain:
            self._take(plain)
        if self.channel.is_closed:
            self.abort("connection closed")

    def _take(self, data: bytes) -> None:
        """Take the complete messages from the stream. An incomplete message waits for its remainder."""
        self.received += len(data)
        allowed_s = self._framing.idle_s
        try:
            arrived = self._framing.receive(data)
        except FramingError as error:
            self.abort(str(error))
            return
        if self._idle is not None and self._framing.idle_s != allowed_s:  # by an answer that came after its time
            self._idle.cancel()
            self._idle = None
            self.rest()
        for number, message in arrived:
            self._on_message(number, message)
        if unasked := self._framing.outgoing():
            self._unsent.append(unasked)
            self._flush()
        if self._strays > STRAYS_PER_CONNECTION:
            self.abort("too many answers that match no question")
        else:
            self._server.serve()

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle a connection that the server or the network closed."""
        if self.channel is not None and not self.channel.is_open:
            self._give_up("closed during the TLS handshake")
        self.abort("connection closed" if exc is None else f"connection lost: {exc}")

    def _flush(self) -> None:
        """Send what waits, once the connection is open."""
        if self._transport is None:
            return
        if self.channel is None or self.channel.is_open:
            frames = b"".join(self._unsent)
            self._unsent.clear()
            if self.channel is None:
                self._transport.write(frames)
            elif frames:
                self.channel.send(frames)
        if self.channel is not None:
            self._transport.write(self.channel.outgoing())

    def _give_up(self, reason: str) -> None:
        if self._transport is not None:  # else no connection, which says nothing about TLS
            self.failure = TlsError
        self.abort(reason)

    async def _open(self) -> None:
        try:
            await self._loop.create_connection(
                lambda: self, str(self._server.endpoint.address), self._server.endpoint.port
            )
        except OSError as error:
            if error.errno in OWN_SHORTAGES:
                self.failure = BusyError
            self.abort(f"{error.strerror or error}")

    def _on_message(self, number: int, message: bytes | str) -> None:
        question = self.slots.get(number)
        if isinstance(message, str):
            self._reject(number, message)
            return
        if question is None or not _answers(message, question.section):
            self._strays += 1
            return
        del self.slots[number]
        self.clients -= Counter((question.client,))
        self.answered += 1
        self._server.answered(self)
        if not question.answer.done():
            question.answer.set_result(message)

    def _reject(self, number: int, fault: str) -> None:
        """Fail a question, or the connection if the server has answered nothing on it."""
        if not self.answered:
            self.abort(fault)
            return
        question = self.slots.pop(number)
        self.clients -= Counter((question.client,))
        if not question.answer.done():
            question.answer.set_exception(UnavailableError(fault))


def _answers(message: bytes, question: bytes) -> bool:
    """Return True if a message is a response that repeats the question. Its name may differ in case over TCP."""
    if len(message) < HEADER_SIZE + len(question) or not message[2] & _QR or message[4:6] != b"\x00\x01":
        return False
    echoed = message[HEADER_SIZE : HEADER_SIZE + len(question)]
    # Length bytes are below 0x41, so they never change. Type and class are compared exactly.
    return echoed[:-4].lower() == question[:-4].lower() and echoed[-4:] == question[-4:]
