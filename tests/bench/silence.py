"""Who gets answers while others ask under silent zones: `python -m tests.bench.silence [SECONDS]`.

30 clients send 300 queries a second each for SECONDS (default: 8), all for unique names under silent zones. Meanwhile
another client asks for 100 new names under other zones. The upstream takes 600 ms for half of them. Each line gives how
many of those got an answer, an error or nothing. It also gives the worker's processor time, and how many datagrams its
socket dropped.
"""

import heapq
import multiprocessing
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

from tests.support.engines import query
from tests.support.name_floods import answered
from tests.support.nodes import Node
from tests.support.ports import free_port

CLIENTS, PER_SECOND, ASKED = 30, 300, 100
SLOW_S, PATIENCE_S = 0.6, 5.0
OTHER = "127.0.7.10"
ZONES = {
    "one zone": lambda n: f"x{n}.silent.example",
    "one zone, varied depths": lambda n: (
        f"x{n}{('', f'.y{n}', '.a.b.c', f'.y{n}.z{n}', f'.b{n % 7}')[n % 5]}.silent.example"
    ),
    "20 zones of one suffix": lambda n: f"x{n}.silent{n % 20}.co.uk",
    "5,000 zones of one suffix": lambda n: f"x{n}.silent{n % 5000}.co.uk",
    "a conditional zone": lambda n: f"x{n}.y{n}.corp.local",
}
ZONE = '[[zone]]\nsuffix = "corp.local"\nservers = ["127.0.0.1:{port}"]\n'


def serve(port: int) -> None:
    """Answer at once, or after SLOW_S if the name begins with `as`. Send no answer for silent zones."""
    later: list[tuple[float, int, bytes, tuple[str, int]]] = []
    numbers = count()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind(("127.0.0.1", port))
        while True:
            sock.settimeout(max(later[0][0] - time.monotonic(), 0.0001) if later else None)
            with suppress(TimeoutError):
                message, peer = sock.recvfrom(4096)
                if b"silent" in message or b"\4corp" in message:
                    continue
                if message[13:15] == b"as":
                    heapq.heappush(later, (time.monotonic() + SLOW_S, next(numbers), message, peer))
                else:
                    sock.sendto(answered(message), peer)
            while later and later[0][0] <= time.monotonic():
                _, _, message, peer = heapq.heappop(later)
                sock.sendto(answered(message), peer)


def bound(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


def run(port: int, silent: Callable[[int], str], seconds: float) -> dict[tuple[bool, str], int]:
    """Send both loads. Return the outcomes of the other client's queries, slow and prompt."""
    attackers = [bound(f"127.0.5.{n + 1}", port) for n in range(CLIENTS)]
    other = bound(OTHER, port)
    head, tail = query("a.example")[:12], query("a.example")[12 + 11 :]
    began, sent, asked = time.monotonic(), 0, 0
    said: dict[int, str] = {}
    quiet = seconds / 4  # until the table is full
    while (now := time.monotonic() - began) < seconds + PATIENCE_S:
        due = int(min(now, seconds) * CLIENTS * PER_SECOND)
        for sent in range(sent, min(due, sent + 200)):  # noqa: B020 - goes on where it stopped
            name = b"".join(bytes([len(label)]) + label for label in silent(sent).encode().split(b".")) + b"\0"
            with suppress(BlockingIOError):
                attackers[sent % CLIENTS].send(sent.to_bytes(4, "big")[2:] + head[2:] + name + tail)
        if due > sent:
            sent += 1
        if asked < ASKED and now > quiet + asked * (seconds - quiet) / ASKED:
            zone = ("example", "co.uk", "net")[asked % 3]
            other.send(query(f"{('ap', 'as')[asked % 2]}{asked}.site{asked}.{zone}", id=asked))
            asked += 1
        with suppress(BlockingIOError):
            while True:
                reply = other.recv(4096)
                said[reply[1]] = "answer" if not reply[3] & 15 else "error"
        for attacker in attackers:
            with suppress(BlockingIOError):
                while True:
                    attacker.recv(4096)
        time.sleep(0.0005)
    for sock in (*attackers, other):
        sock.close()
    found: dict[tuple[bool, str], int] = {}
    for number in range(asked):
        key = (number % 2 == 1, said.get(number, "nothing"))
        found[key] = found.get(key, 0) + 1
    return found


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def lost(port: int) -> int:
    """Return how many datagrams the sockets at a port dropped."""
    fields = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return sum(int(each[-1]) for each in fields if each[1].endswith(f":{port:04X}"))


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    upstream = free_port()
    server = multiprocessing.Process(target=serve, args=(upstream,), daemon=True)
    server.start()
    try:
        for what, silent in ZONES.items():
            with (
                tempfile.TemporaryDirectory() as directory,
                Node(Path(directory), f"127.0.0.1:{upstream}", config=ZONE.format(port=upstream)) as node,
            ):
                before = cpu_s(node.worker_pid())
                found = run(node.port, silent, seconds)
                used = cpu_s(node.worker_pid()) - before
                full = lost(node.port)
                limited = {k[23:]: int(v) for k, v in node.metrics().items() if "limited_total" in k and v}
            words = [
                f"{name} {'/'.join(str(found.get((slow, end), 0)) for end in ('answer', 'error', 'nothing'))}"
                for slow, name in ((False, "prompt"), (True, "slow"))
            ]
            print(f"{what}: {', '.join(words)} (answer/error/nothing); {used:.1f} s; {full} lost; {limited}")
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
