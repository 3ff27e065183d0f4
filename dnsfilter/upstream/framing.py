"""How messages lie in the bytes of a connection: each after its length (RFC 1035 section 4.2.2), or in HTTP/2."""

import secrets
from collections.abc import Container, Sequence
from typing import Protocol, TypeAlias

from dnsfilter.errors import UnavailableError
from dnsfilter.upstream.keepalive import answered_timeout_s, asking_keepalive

Arrived: TypeAlias = tuple[int, bytes | str]
"""The number of a question, and its answer; or a text that says why it has none."""


class FramingError(UnavailableError):
    """The bytes of a server break the format, or it wants to end the connection."""


class Framing(Protocol):
    """One connection's format, without I/O."""

    @property
    def most_open(self) -> int:
        """Return how many questions the server takes at a time."""

    @property
    def idle_s(self) -> float | None:
        """Return for how many seconds the server keeps an idle connection; None if it did not say it."""

    def ask(self, message: bytes, taken: Container[int]) -> tuple[int, bytes]:
        """Return a number for a question, which is not `taken`, and the bytes to send."""

    def receive(self, data: bytes) -> Sequence[Arrived]:
        """Take bytes, and return what has arrived completely. Raise FramingError if the connection must end."""

    def outgoing(self) -> bytes:
        """Return bytes to send that belong to no question."""


class LengthFraming:
    """Implements `Framing` for TCP and TLS: the number of a question is its random id.

    The first question with an OPT asks for how long the connection may be idle (RFC 7828). If the server answers 0, the
    connection takes no more questions.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._asking: int | None = None
        """Number of the question that asked; None if none has."""
        self.idle_s: float | None = None

    @property
    def most_open(self) -> int:
        return 0 if self.idle_s == 0 else 0x10000

    def ask(self, message: bytes, taken: Container[int]) -> tuple[int, bytes]:
        number = secrets.randbelow(0x10000)
        while number in taken:
            number = secrets.randbelow(0x10000)
        if self._asking is None and (asking := asking_keepalive(message)) is not None:
            self._asking, message = number, asking
        return number, len(message).to_bytes(2, "big") + number.to_bytes(2, "big") + message[2:]

    def receive(self, data: bytes) -> Sequence[Arrived]:
        self._buffer += data
        arrived: list[Arrived] = []
        start = 0
        while len(self._buffer) - start >= 2:
            end = start + 2 + int.from_bytes(self._buffer[start : start + 2], "big")
            if len(self._buffer) < end:
                break
            message = bytes(self._buffer[start + 2 : end])
            number = int.from_bytes(message[:2], "big")
            if number == self._asking and self.idle_s is None:
                self.idle_s = answered_timeout_s(message)
            arrived.append((number, message))
            start = end
        del self._buffer[:start]
        return arrived

    def outgoing(self) -> bytes:
        return b""
