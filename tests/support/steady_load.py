"""A steady load of queries from many ports, with an exact count of unanswered queries."""

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.support.engines import query

QUIET_S = 3.0
"""After this many seconds without any answer, unanswered queries count as lost."""
UNLIMITED = """
[limits]
waiting_per_client = 4096

[[limits.override]]
prefix = "127.0.0.0/8"
queries_per_second = 0
"""
"""Configuration that lets one machine ask as often as it likes.

A standby has nothing cached, so it asks upstream for every query that it finds waiting. With a slow upstream, these
exceed the default number of waiting queries for one client, and the others would be dropped.
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """The result of the load. `lost` queries were never answered. `rcodes` counts the answers by rcode."""

    sent: int
    lost: int
    rcodes: dict[int, int]


class ConstantLoad:
    """A steady load: `with ConstantLoad(port, names) as load:` sends until the end of the block.

    Then read `load.tally`. Each of `ports` clients has its own socket, so that the kernel spreads them over a node's
    workers.
    """

    def __init__(self, port: int, names: Sequence[str], *, per_second: int = 1_000, ports: int = 32) -> None:
        self._messages = [query(name) for name in names]
        self._per_second = per_second
        self._clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(ports)]
        for client in self._clients:
            client.bind(("127.0.0.1", 0))
            client.connect(("127.0.0.1", port))
            client.setblocking(False)
        self._waiting: list[set[int]] = [set() for _ in self._clients]
        self._rcodes: dict[int, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0
        self.answered = 0

    @property
    def tally(self) -> Tally:
        return Tally(self.sent, sum(map(len, self._waiting)), dict(self._rcodes))

    def until_answered(self, number: int) -> None:
        """Wait for this number of further answers. Raise AssertionError if they do not come."""
        wanted, deadline = self.answered + number, time.monotonic() + 180
        while self.answered < wanted:
            assert time.monotonic() < deadline, self.tally
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        for client in self._clients:
            client.close()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._ended.is_set():
            # A thread that could not run for a while does not catch up with a burst.
            for _ in range(min(int((time.monotonic() - began) * self._per_second) - self.sent, 20)):
                self._send()
            self._receive()
            time.sleep(0.002)
        last = time.monotonic()
        while any(self._waiting) and time.monotonic() - last < QUIET_S:
            if self._receive():
                last = time.monotonic()
            time.sleep(0.002)

    def _send(self) -> None:
        number, round_ = self.sent % len(self._clients), self.sent // len(self._clients)
        message = self._messages[round_ % len(self._messages)]
        self.sent += 1
        self._waiting[number].add(round_ & 0xFFFF)
        with contextlib.suppress(ConnectionError):
            self._clients[number].send((round_ & 0xFFFF).to_bytes(2, "big") + message[2:])

    def _receive(self) -> int:
        count = 0
        for client, waiting in zip(self._clients, self._waiting, strict=True):
            with contextlib.suppress(BlockingIOError, ConnectionError):
                while True:
                    reply = client.recv(4096)
                    waiting.remove(int.from_bytes(reply[:2], "big"))  # each is answered once
                    self._rcodes[reply[3] & 15] = self._rcodes.get(reply[3] & 15, 0) + 1
                    count += 1
        self.answered += count
        return count
