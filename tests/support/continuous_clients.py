"""Clients that ask continuously while the policy changes, and note the possible revisions of each reply.

The earliest is the newest revision that a reply had shown when the question was sent. The latest is the newest revision
that was published when the reply came.
"""

import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Self

import dns.message

from dnsfilter.telemetry.metrics import Transport
from tests.support.engines import data, edes, query

PATIENCE_S = 60.0
PAUSE_S = 0.002
_MARK = re.compile(rb"revision=(\d+)|\br(\d+)@")
"""A pattern for the revision in a reply: in the text of the health name, or in the contact of a refusal."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a reply says, apart from TTLs: rcode, records of the answer section, extended errors with their texts."""

    rcode: int
    answer: frozenset[str] = frozenset()
    errors: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its reply. The revision in force was between `first` and `last`."""

    client: str
    name: str
    qtype: str
    reply: bytes
    first: int
    last: int

    def said(self) -> Said:
        return _said(bytes(2) + self.reply[2:])


@lru_cache(maxsize=100_000)
def _said(reply: bytes) -> Said:
    message = dns.message.from_wire(reply)
    return Said(int(message.rcode()), frozenset(data(message)), tuple(edes(message)))


class Board:
    """The newest published revision, which the test sets, and the newest revision in any reply."""

    def __init__(self, revision: int) -> None:
        self.published = revision
        self.seen = revision
        self._changed = threading.Condition()

    def note(self, reply: bytes) -> None:
        """Record the revision of a reply, if it has one."""
        reported = max((int(one or other) for one, other in _MARK.findall(reply)), default=0)
        if reported > self.seen:
            with self._changed:
                self.seen = max(self.seen, reported)
                self._changed.notify_all()

    def wait_until_seen(self, revision: int) -> bool:
        """Return whether a reply of that revision, or of a newer one, arrives in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.seen >= revision, PATIENCE_S)


class Asker:
    """One client in its own thread, which asks one question at a time, each once. `with` starts and stops it."""

    def __init__(
        self,
        board: Board,
        server: tuple[str, int],
        client: str,
        transport: Transport,
        questions: Iterator[tuple[str, str]],
    ) -> None:
        self.exchanges: list[Exchange] = []
        self.trouble: str | None = None
        self._board = board
        self._client = client
        self._transport = transport
        self._questions = questions
        kind = socket.SOCK_DGRAM if transport is Transport.UDP else socket.SOCK_STREAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.bind((client, 0))
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(server)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"asker {client} {transport}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        for number, (name, qtype) in enumerate(self._questions):
            if self._stopping.wait(PAUSE_S):
                return
            try:
                self._ask(name, qtype, number & 0xFFFF)
            except (OSError, EOFError) as error:
                self.trouble = f"{self._client} {self._transport} {name} {qtype}: {error or type(error).__name__}"
                return

    def _ask(self, name: str, qtype: str, number: int) -> None:
        message = query(name, qtype, id=number)
        first = self._board.seen
        if self._transport is Transport.UDP:
            self._socket.send(message)
            reply = self._socket.recv(65535)
        else:
            self._socket.sendall(len(message).to_bytes(2, "big") + message)
            reply = self._exactly(int.from_bytes(self._exactly(2), "big"))
        if reply[:2] != message[:2]:
            raise EOFError(f"reply {reply[:2].hex()} to question {message[:2].hex()}")
        self._board.note(reply)
        self.exchanges.append(Exchange(self._client, name, qtype, reply, first, self._board.published))

    def _exactly(self, count: int) -> bytes:
        raw = b""
        while len(raw) < count:
            more = self._socket.recv(count - len(raw))
            if not more:
                raise EOFError("the connection was closed")
            raw += more
        return raw


def wait_a_little() -> None:
    """Wait so long that the clients ask more than one question per revision."""
    time.sleep(10 * PAUSE_S)
