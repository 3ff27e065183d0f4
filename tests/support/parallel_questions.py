"""Many questions to one server at a time, over real sockets. Each waits for its reply."""

import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

WINDOW = 48
"""The number of questions that wait for a reply at a time."""
UDP_SOCKETS = 4
STREAMS = 12
RESEND_S = 4.0
PATIENCE_S = 30.0
_LENGTH = struct.Struct("!H")


class _Channel(Protocol):
    def fileno(self) -> int: ...
    def send(self, number: int, message: bytes) -> None: ...
    def receive(self) -> Iterator[tuple[int, bytes]]: ...
    def close(self) -> None: ...


class _Datagrams:
    """A connected UDP socket. The id of a message is its number."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(server)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, number: int, message: bytes) -> None:
        self._socket.send(_LENGTH.pack(number) + message[2:])

    def receive(self) -> Iterator[tuple[int, bytes]]:
        while True:
            try:
                message = self._socket.recv(65535)
            except BlockingIOError:
                return
            yield int.from_bytes(message[:2], "big"), message

    def close(self) -> None:
        self._socket.close()


class _Stream:
    """A TCP connection with one query at a time, so that the order of the answers is certain."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._socket = socket.create_connection(server, PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._queue: deque[bytes] = deque()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, number: int, message: bytes) -> None:
        self._queue.append(_LENGTH.pack(len(message)) + _LENGTH.pack(number) + message[2:])
        if len(self._queue) == 1:
            self._socket.sendall(self._queue[0])

    def receive(self) -> Iterator[tuple[int, bytes]]:
        received = self._socket.recv(1 << 17)
        # Acknowledge at once. A server that sends in two pieces otherwise waits with the second piece.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if not received:
            raise ConnectionError(f"ask: the server ended the connection, while there waited {list(self._queue)}")
        self._buffer += received
        if len(self._buffer) < 2 or len(self._buffer) < 2 + _LENGTH.unpack_from(self._buffer)[0]:
            return
        message, self._buffer = self._buffer[2:], b""
        self._queue.popleft()
        if self._queue:
            self._socket.sendall(self._queue[0])
        yield int.from_bytes(message[:2], "big"), message

    def close(self) -> None:
        self._socket.close()


class Asker:
    """Sockets to one server, open for the duration of the `with` block."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._datagrams: list[_Channel] = []
        self._streams: list[_Channel] = []

    def __enter__(self) -> "Asker":
        self._datagrams = [_Datagrams(self._server) for _ in range(UDP_SOCKETS)]
        self._streams = [_Stream(self._server) for _ in range(STREAMS)]
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self._datagrams + self._streams:
            channel.close()

    def ask_all(self, messages: Sequence[tuple[bool, bytes]]) -> list[bytes]:
        """Return the reply to each message, with the id 0. Send messages marked True over a stream.

        Raise TimeoutError if a message gets no reply. Accept at most 65,536 messages. Send them in order, and send a
        datagram without reply once more.
        """
        replies: list[bytes] = [b""] * len(messages)
        waiting: dict[int, float] = {}
        unsent = deque(range(len(messages)))
        again: set[int] = set()
        by_fd = {channel.fileno(): channel for channel in self._datagrams + self._streams}
        poller = select.poll()
        for fd in by_fd:
            poller.register(fd, select.POLLIN)
        while unsent or waiting:
            while unsent and len(waiting) < WINDOW:
                number = unsent.popleft()
                self._channel(messages[number][0], number).send(number, messages[number][1])
                waiting[number] = time.monotonic()
            for fd, _ in poller.poll(200):
                for number, reply in by_fd[fd].receive():
                    if waiting.pop(number, None) is not None:
                        replies[number] = b"\0\0" + reply[2:]
            self._resend(messages, waiting, again)
        return replies

    def _channel(self, stream: bool, number: int) -> _Channel:
        channels = self._streams if stream else self._datagrams
        return channels[number % len(channels)]

    def _resend(self, messages: Sequence[tuple[bool, bytes]], waiting: dict[int, float], again: set[int]) -> None:
        oldest = next(iter(waiting), None)
        now = time.monotonic()
        if oldest is None or now - waiting[oldest] < RESEND_S:
            return
        for number, since in waiting.items():
            if now - since > PATIENCE_S:
                raise TimeoutError(f"ask {self._server}: no reply to {messages[number][1].hex()}")
            if now - since > RESEND_S and number not in again and not messages[number][0]:
                again.add(number)
                self._channel(False, number).send(number, messages[number][1])
