"""What a client gets while upstreams are silent: `python -m tests.bench.outage [SECONDS]`.

One client sends 400 queries a second. First both of two upstreams fall silent for SECONDS (default: 20). The client
asks for 100 names that are cached and 100 whose answers last a second. Then the first of two upstreams falls silent
while every name is new, for this resolver and for Unbound. Each line describes the queries of one phase. It gives how
many got a fresh answer, a stale one, an error or nothing, their waits, and the upstreams' packets a second.
"""

import multiprocessing
import os
import select
import socket
import sys
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from multiprocessing.sharedctypes import SynchronizedArray

from tests.bench.cases import Case
from tests.bench.servers import CLIENT, OURS, Policies, server
from tests.support.engines import query

PER_SECOND, NAMES, PATIENCE_S = 400, 200, 6.0
STALE = b"\0\x0f\0\2\0\3"
"""The option of extended error 3 (Stale Answer)."""
CASE = Case("outage", "silent upstreams", names=1, ranges=20)


@dataclass(slots=True)
class Upstreams:
    """Two upstreams in their own process, and the memory that they share with this process."""

    sockets: Sequence[socket.socket]
    silent: "SynchronizedArray[int]"
    counts: "SynchronizedArray[int]"

    def ports(self) -> tuple[int, ...]:
        return tuple(sock.getsockname()[1] for sock in self.sockets)

    def serve(self) -> None:
        """Give every name an address, with a TTL of a second if the name begins with `e`, else of an hour."""
        while True:
            for sock in select.select(self.sockets, [], [])[0]:
                number = self.sockets.index(sock)
                message, peer = sock.recvfrom(4096)
                self.counts[number] += 1
                if not self.silent[number]:
                    end = message.index(b"\0", 12) + 5
                    ttl = 1 if message[13:14] == b"e" else 3600
                    record = b"\xc0\x0c\0\1\0\1" + ttl.to_bytes(4, "big") + b"\0\4\xc6\x33\x64\x0a"
                    sock.sendto(message[:2] + bytes.fromhex("81800001000100000000") + message[12:end] + record, peer)


@dataclass(slots=True)
class Phase:
    """A period in which some upstreams are silent, and the outcomes of the queries that were sent in it."""

    title: str
    seconds: float
    silent: tuple[int, int]
    sent: int = 0
    packets: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    waits_ms: list[float] = field(default_factory=list)

    def line(self) -> str:
        waits_ms = sorted(self.waits_ms) or [0.0]
        p50, p99 = (waits_ms[int(len(waits_ms) * share)] for share in (0.5, 0.99))
        ends = ", ".join(f"{self.ends[end]} {end}" for end in ("fresh", "stale", "error"))
        return (
            f"{self.title}: {ends}, {self.sent - len(self.waits_ms)} nothing; p50 {p50:.1f} ms, "
            f"p99 {p99:.1f} ms, longest {waits_ms[-1]:.0f} ms; {self.packets / self.seconds:.1f} packets a second"
        )


def load(port: int, name_of: Callable[[int], str], phases: Sequence[Phase], upstreams: Upstreams) -> None:
    """Send queries at a steady rate through all phases, and wait for late replies."""
    ends = list(accumulate(phase.seconds for phase in phases))
    asked: list[tuple[Phase, float]] = []
    phase = phases[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((CLIENT, 0))
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        began, before = time.monotonic(), sum(upstreams.counts[:])
        while (now := time.monotonic() - began) < ends[-1] + PATIENCE_S:
            if now < ends[-1]:
                phase = phases[bisect(ends, now)]
                upstreams.silent[:] = phase.silent
                if len(asked) <= now * PER_SECOND:
                    sock.send(query(name_of(len(asked)), id=len(asked)))
                    asked.append((phase, time.monotonic()))
                    phase.sent += 1
            phase.packets += sum(upstreams.counts[:]) - before
            before = sum(upstreams.counts[:])
            select.select([sock], [], [], 0.5 / PER_SECOND)
            with suppress(BlockingIOError):
                while True:
                    note(sock.recv(4096), asked)


def note(reply: bytes, asked: Sequence[tuple[Phase, float]]) -> None:
    """Count a reply in the phase in which its query was sent."""
    phase, sent_s = asked[int.from_bytes(reply[:2], "big")]
    phase.waits_ms.append((time.monotonic() - sent_s) * 1000)
    phase.ends["error" if reply[3] & 15 else "stale" if STALE in reply else "fresh"] += 1


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    cores = frozenset(os.sched_getaffinity(0))
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    upstreams = Upstreams(sockets, multiprocessing.Array("i", 2), multiprocessing.Array("i", 2))
    process = multiprocessing.Process(target=upstreams.serve, daemon=True)
    process.start()
    policies = Policies()
    runs: list[tuple[str, str, tuple[int, int], Callable[[int], str]]] = [
        (OURS, "both silent", (1, 1), lambda n: f"{'ek'[n % 2]}{n % NAMES}.example.org"),
        (OURS, "first silent", (1, 0), lambda n: f"n{n}.example.org"),
        ("unbound", "first silent", (1, 0), lambda n: f"n{n}.example.org"),
    ]
    try:
        for name, title, silent, name_of in runs:
            phases = [Phase("before", 5, (0, 0)), Phase(title, seconds, silent), Phase("after", 10, (0, 0))]
            with server(name, CASE, upstreams.ports(), cores, policies) as running:
                load(running.port, name_of, phases, upstreams)
            for phase in phases:
                print(f"{name}, {phase.line()}", flush=True)
    finally:
        process.terminate()


if __name__ == "__main__":
    main()
