"""A steady load over TCP: `python -m tests.bench.tcp_load PORT SECONDS QUESTIONS CLIENT RATE CONNECTIONS`.

It prints the account of `asker.c` for its one client. The client keeps CONNECTIONS to 127.0.0.1 and connects again when
one ends. A query without an answer when its connection ends is lost: nobody asks it again.
"""

import asyncio
import json
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import quantiles

LAST_S = 1.0
"""Seconds that the last answers may take."""
RETRY_S = 0.01


@dataclass(slots=True)
class Account:
    """What the client has noticed. `latencies_s` has one entry for each answer."""

    sent: int = 0
    skipped: int = 0
    gap_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    def line(self) -> str:
        cuts = quantiles(self.latencies_s, n=100) if len(self.latencies_s) > 1 else [0.0] * 99
        return json.dumps(
            {
                "sent": self.sent,
                "answered": len(self.latencies_s),
                "skipped": self.skipped,
                "deaf": 0,
                "gap_ms": round(self.gap_s * 1e3, 3),
                "p50_ms": round(cuts[49] * 1e3, 3),
                "p99_ms": round(cuts[98] * 1e3, 3),
            }
        )


@dataclass(slots=True)
class Flow:
    """One connection after another. The gap is the longest time between two answers, or up to the end without one."""

    client: str
    port: int
    account: Account
    pending: dict[int, float] = field(default_factory=dict)
    writer: asyncio.StreamWriter | None = None
    answered_at: float = 0.0

    async def run(self) -> None:
        """Read answers until cancelled, and connect whenever there is no connection."""
        while True:
            try:
                reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.client, 0))
            except OSError:
                await asyncio.sleep(RETRY_S)
                continue
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    await self._read(reader)
            self.writer.close()
            self.writer = None
            self.pending.clear()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        message = await reader.readexactly(size)
        asked_at = self.pending.pop(int.from_bytes(message[:2], "big"), None)
        if asked_at is not None:
            now = asyncio.get_running_loop().time()
            self.account.latencies_s.append(now - asked_at)
            self.note_silence(now)
            self.answered_at = now

    def note_silence(self, now: float) -> None:
        self.account.gap_s = max(self.account.gap_s, now - self.answered_at)

    def ask(self, number: int, message: bytes, now: float) -> None:
        """Ask a question, or skip it while there is no connection."""
        if self.writer is None or self.writer.is_closing():
            self.account.skipped += 1
            return
        identifier = number & 0xFFFF
        self.pending[identifier] = now
        self.writer.write(struct.pack("!HH", len(message), identifier) + message[2:])
        self.account.sent += 1


def messages(path: Path) -> Iterator[bytes]:
    """Yield the messages of a file with their lengths before them."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        (size,) = struct.unpack_from("!H", data, at)
        yield data[at + 2 : at + 2 + size]
        at += 2 + size


async def load(port: int, seconds: int, asked: Sequence[bytes], client: str, rate: int, connections: int) -> Account:
    """Ask `rate` questions a second, from one connection after another. Return the account."""
    loop, account, questions = asyncio.get_running_loop(), Account(), cycle(asked)
    flows = [Flow(client, port, account, answered_at=loop.time()) for _ in range(connections)]
    tasks = [loop.create_task(flow.run()) for flow in flows]
    while not all(flow.writer for flow in flows):
        await asyncio.sleep(RETRY_S)
    began = loop.time()
    for flow in flows:
        flow.answered_at = began
    for number in range(rate * seconds):
        if (wait := began + number / rate - loop.time()) > 0:
            await asyncio.sleep(wait)
        flows[number % connections].ask(number, next(questions), loop.time())
    ended = loop.time()
    while any(flow.pending for flow in flows) and loop.time() < ended + LAST_S:
        await asyncio.sleep(RETRY_S)
    for flow in flows:
        flow.note_silence(ended)
    for task in tasks:
        task.cancel()
    return account


def main(words: Sequence[str]) -> None:
    port, seconds, asked, client, rate, connections = words
    account = asyncio.run(
        load(int(port), int(seconds), list(messages(Path(asked))), client, int(rate), int(connections))
    )
    print(account.line())


if __name__ == "__main__":
    main(sys.argv[1:])
