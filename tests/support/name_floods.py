"""Floods of names that are never asked twice: queries and answers made of bytes, for tens of thousands a second."""

import random
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dnsfilter.wire.iana import Rcode, Type
from tests.support.engines import GHENT, Rig
from tests.support.scripted import LARGEST, Scripted, silent

BATCH = 64
"""The number of queries in flight at a time: fewer than any limit for a client."""
LONGEST_LABEL = 63
_HEAD = struct.Struct("!6H")
_TTL = (3600).to_bytes(4, "big")
_OWNER = b"\xc0\x0c"
_ADDRESS = _OWNER + b"\0\1\0\1" + _TTL + b"\0\4\xc6\x33\x64\x0a"
_TEXT = _OWNER + b"\0\x10\0\1" + _TTL + b"\0\xc9\xc8" + b"t" * 200
_ALIAS = _OWNER + b"\0\5\0\1" + _TTL + b"\0\4\1a" + _OWNER
_ALIAS_ADDRESS = b"\1a" + _ADDRESS
_ROOT_SOA = b"\0\0\6\0\1" + _TTL + b"\0\x16\0\0" + bytes(16) + _TTL


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of question and its answer: sections of records after the question."""

    qtype: int
    long: bool
    rcode: int = Rcode.NOERROR
    answer: tuple[bytes, ...] = ()
    authority: tuple[bytes, ...] = ()


SHAPES = (
    Shape(Type.A, False, answer=(_ADDRESS,)),
    Shape(Type.A, False, Rcode.NXDOMAIN, authority=(_ROOT_SOA,)),
    Shape(Type.TXT, False, answer=(_TEXT,) * 5),
    Shape(Type.A, True, answer=(_ADDRESS,)),
    Shape(Type.AAAA, True, authority=(_ROOT_SOA,)),
    Shape(Type.A, True, Rcode.NXDOMAIN, authority=(_ROOT_SOA,)),
    Shape(Type.A, False, answer=(_ALIAS, _ALIAS_ADDRESS)),
)
"""Data, denials of both kinds, chains. The longest names, and answers near the maximum that a datagram holds."""


class Answering(Scripted):
    """An upstream that answers by the shape in a question's first byte. It keeps only the number of questions."""

    def __init__(self) -> None:
        super().__init__(silent)
        self.count = 0
        self.answers = True

    def serve(self) -> int:
        count = 0
        while True:
            try:
                message, peer = self._udp.recvfrom(LARGEST)
            except BlockingIOError:
                self.count += count
                return count
            count += 1
            if self.answers:
                self._udp.sendto(answered(message), peer)


def answered(message: bytes) -> bytes:
    """Return the answer to a flood's query, without OPT.

    A probe asks about the root and gets the first shape's answer.
    """
    end = message.index(b"\0", 12) + 5
    shape = SHAPES[message[13] - ord("a") if message[12] else 0]
    counts = (1, len(shape.answer), len(shape.authority), 0)
    head = _HEAD.pack(int.from_bytes(message[:2], "big"), 0x8180 | shape.rcode, *counts)
    return head + message[12:end] + b"".join(shape.answer) + b"".join(shape.authority)


def names(count: int, seed: int) -> Iterator[bytes]:
    """Yield queries for that many different random names, with all shapes in turn."""
    source = random.Random(seed)
    for number in range(count):
        shape = SHAPES[number % len(SHAPES)]
        yield question(source, number, shape)


def question(source: random.Random, number: int, shape: Shape) -> bytes:
    """Return one query. Its first label begins with the letter of its shape and contains its number."""
    letter = chr(ord("a") + SHAPES.index(shape))
    first = f"{letter}{number:x}-{source.getrandbits(48):012x}".encode()
    if shape.long:  # 255 bytes in all (RFC 1035 section 2.3.4)
        labels = [first.ljust(LONGEST_LABEL, b"x"), *(_letters(source, LONGEST_LABEL) for _ in range(2))]
        labels.append(_letters(source, 61))
    else:
        labels = [first, b"example", b"org"]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEAD.pack(number & 0xFFFF, 0x0100, 1, 0, 0, 0) + name + struct.pack("!2H", shape.qtype, 1)


def _letters(source: random.Random, count: int) -> bytes:
    return source.randbytes(count).hex().encode()[:count]


class Flooder:
    """A client that asks continuously, `BATCH` questions at a time. `answers` counts replies by rcode."""

    def __init__(self, rig: Rig, client: str = GHENT) -> None:
        self._rig = rig
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((client, 0))
        self._socket.connect(rig.server)
        self._socket.setblocking(False)
        self.answers: dict[int, int] = {}

    def close(self) -> None:
        self._socket.close()

    def ask(self, messages: Iterable[bytes]) -> None:
        """Ask all questions and wait for a reply to each."""
        batch: list[bytes] = []
        for message in messages:
            batch.append(message)
            if len(batch) == BATCH:
                self._exchange(batch)
                batch.clear()
        self._exchange(batch)

    def send(self, messages: Iterable[bytes]) -> None:
        """Send all questions without waiting for replies. The engine has read all of them on return."""
        for number, message in enumerate(messages, 1):
            self._socket.send(message)
            if not number % BATCH:
                self._rig.move()
        self._rig.settle()

    def receive(self) -> int:
        """Read the replies that have arrived and return their number."""
        count = 0
        while True:
            try:
                message = self._socket.recv(LARGEST)
            except BlockingIOError:
                return count
            count += 1
            rcode = message[3] & 15
            self.answers[rcode] = self.answers.get(rcode, 0) + 1

    def _exchange(self, batch: list[bytes]) -> None:
        for message in batch:
            self._socket.send(message)
        missing = len(batch)

        def all_here() -> bytes | None:
            nonlocal missing
            missing -= self.receive()
            return b"" if not missing else None

        if batch:
            self._rig.until(all_here)


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
