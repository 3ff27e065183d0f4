"""What clients notice while answers need TCP to the upstream: `python -m tests.bench.streams`.

For each case the bench prints how many questions got an answer, SERVFAIL or nothing, and the longest wait. Where
Unbound can be compared, it forwards to the same upstream.
"""

import asyncio
import contextlib
import socket
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

import dns.message
import dns.rcode

from tests.support.engines import query
from tests.support.knot import Knot
from tests.support.nodes import Node
from tests.support.scripted import Asked, Scripted, reply, truncated
from tests.support.unbound import Unbound

Entered = TypeVar("Entered")
CLIENT, OTHER = "127.0.5.10", "127.0.7.10"
SENDS, RESEND_S = 3, 2.4
"""A full socket can drop a datagram, so it is sent again. A stub gives up after 5 s; the bench waits for 7.2 s."""
RATE, OTHERS_RATE, FLOOD_S = 60, 4, 8
BIG = "\n".join(f'* 300 TXT "{number:04} {"x" * 200}"' for number in range(10))
ZONE = f"""\
$ORIGIN big.example.org.
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
ns 300 A 192.0.2.1
{BIG}
"""


@dataclass
class Results:
    """The outcomes of one client's questions."""

    rcodes: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0

    def __str__(self) -> str:
        found = ", ".join(f"{number} {rcode}" for rcode, number in sorted(self.rcodes.items()))
        return f"{found}; longest {self.longest_s:.2f} s"


class Client(asyncio.DatagramProtocol):
    """A stub resolver at its own address that never repeats a question."""

    def __init__(self) -> None:
        self.results = Results()
        self.waiting: dict[int, asyncio.Future[int]] = {}
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        waiting = self.waiting.pop(int.from_bytes(data[:2], "big"), None)
        if waiting is not None:
            waiting.set_result(data[3] & 15)

    async def ask(self, name: str, number: int) -> None:
        assert self.transport is not None
        waiting = self.waiting[number] = asyncio.get_running_loop().create_future()
        begun = time.monotonic()
        rcode = "nothing"
        for _ in range(SENDS):
            self.transport.sendto(query(name, "TXT", id=number))
            with contextlib.suppress(TimeoutError):
                found = await asyncio.wait_for(asyncio.shield(waiting), RESEND_S)
                rcode = dns.rcode.to_text(dns.rcode.Rcode.make(found))
                break
        self.results.rcodes[rcode] += 1
        self.results.longest_s = max(self.results.longest_s, time.monotonic() - begun)


@asynccontextmanager
async def client(port: int, address: str = CLIENT) -> AsyncIterator[Client]:
    """Open a client of the server at `port`."""
    transport, made = await asyncio.get_running_loop().create_datagram_endpoint(
        Client, local_addr=(address, 0), remote_addr=("127.0.0.1", port)
    )
    try:
        yield made
    finally:
        transport.close()


async def burst(port: int, count: int) -> Results:
    """Ask `count` questions at once. Return their results."""
    async with client(port) as one:
        await asyncio.gather(*(one.ask(f"n{number}.big.example.org", number) for number in range(count)))
        return one.results


async def paced(one: Client, rate: int, label: str) -> None:
    """Ask at `rate` for `FLOOD_S`, and wait for the answers."""
    asked = []
    for number in range(rate * FLOOD_S):
        asked.append(asyncio.ensure_future(one.ask(f"{label}{number}.big.example.org", number)))
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*asked)


async def flood(port: int) -> str:
    """Ask often as one client and rarely as another. Return the results of both as text."""
    async with client(port) as busy, client(port, OTHER) as other:
        await asyncio.gather(paced(busy, RATE, "busy"), paced(other, OTHERS_RATE, "other"))
        return f"{RATE} a second: {busy.results} | {OTHERS_RATE} a second: {other.results}"


Serve: TypeAlias = Callable[[Callable[[bytes], bytes], asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


def _write(writer: asyncio.StreamWriter, message: bytes) -> None:
    if not writer.is_closing():
        writer.write(len(message).to_bytes(2, "big") + message)


async def closing(answer: Callable[[bytes], bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close after each answer."""
    _write(writer, answer(await _read(reader)))


async def in_turn(
    answer: Callable[[bytes], bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
) -> None:
    """Answer the questions of a connection one after another."""
    while True:
        asked = await _read(reader)
        await asyncio.sleep(delay_s)
        _write(writer, answer(asked))


async def at_once(
    answer: Callable[[bytes], bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
) -> None:
    """Answer each question `delay_s` after it came, in parallel."""
    while True:
        asked = await _read(reader)
        asyncio.get_running_loop().call_later(delay_s, _write, writer, answer(asked))


async def silent(_: Callable[[bytes], bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read and never answer."""
    while await reader.read(65535):
        pass


@asynccontextmanager
async def upstream(serve: Serve | None) -> AsyncIterator[str]:
    """Run an upstream that truncates every datagram. `serve` handles its connections. With None it drops every SYN."""
    scripted = Scripted(lambda asked: (truncated(asked),))
    endpoint, loop = scripted.endpoint, asyncio.get_running_loop()

    def answer(message: bytes) -> bytes:
        name = dns.message.from_wire(message).question[0].name.to_text()
        return reply(Asked(message, name, "TXT", True, ("", 0)), [f'{name} 300 TXT "complete"'])

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert serve is not None
        # The resolver may close a connection at any time. The end of the bench cancels the remaining ones.
        expected = contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError)
        with contextlib.closing(writer), expected:
            await serve(answer, reader, writer)

    loop.add_reader(scripted.fileno(), scripted.serve)
    held: list[socket.socket] = []
    if serve is None:
        listening = socket.create_server((str(endpoint.address), endpoint.port), backlog=0)
        held.append(listening)
        for _ in range(3):
            held.append(socket.socket())
            held[-1].setblocking(False)
            held[-1].connect_ex((str(endpoint.address), endpoint.port))
        server = None
    else:
        server = await asyncio.start_server(handle, str(endpoint.address), endpoint.port)
    try:
        yield f"{endpoint.address}:{endpoint.port}"
    finally:
        loop.remove_reader(scripted.fileno())
        scripted.close()
        if server is not None:
            server.close()
        for each in held:
            each.close()


@contextmanager
def _node(upstreams: Sequence[str]) -> Iterator[Node]:
    with tempfile.TemporaryDirectory(prefix="streams-") as made:
        listed = '", "'.join(upstreams)
        with Node(Path(made), listed) as node:
            yield node


@asynccontextmanager
async def in_thread(manager: contextlib.AbstractContextManager[Entered]) -> AsyncIterator[Entered]:
    """Enter and leave a blocking context in a thread, so that the upstreams on this loop continue to answer."""
    entered = await asyncio.to_thread(manager.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


async def compare(
    title: str, upstreams: Sequence[str], ask: Callable[[int], Awaitable[object]], *, unbound: bool
) -> None:
    """Print what the clients of a node see, and what those of Unbound see."""
    async with in_thread(_node(upstreams)) as node:
        print(f"{title}\n  dnsfilter: {await ask(node.port)}", flush=True)
        counted = await asyncio.to_thread(node.metrics)
        failures = {key: value for key, value in counted.items() if "upstream_failures" in key and value}
        print(f"    upstream failures: {failures}", flush=True)
    if unbound:
        async with in_thread(Unbound(upstreams[0])) as peer:
            print(f"  unbound:   {await ask(peer.port)}", flush=True)


async def main() -> None:
    """Run every case."""
    for name, serve in (("silent", silent), ("SYN dropped", None)):
        async with upstream(serve) as one, upstream(serve) as two:
            await compare(f"TCP {name}", [one], lambda port: burst(port, 1), unbound=False)
            await compare(f"TCP {name}, two upstreams", [one, two], lambda port: burst(port, 1), unbound=False)
    with await asyncio.to_thread(Knot, {"big.example.org": ZONE}) as knot:
        for count in (150, 500):
            await compare(f"Knot, {count} at once", [knot.hostport], partial(burst, count=count), unbound=True)
    for count in (5, 50):
        async with upstream(closing) as one:
            await compare(
                f"closes after each answer, {count} at once", [one], partial(burst, count=count), unbound=True
            )
    for title, serve in (
        ("2 s an answer", partial(at_once, delay_s=2.0)),
        ("4 s an answer", partial(at_once, delay_s=4.0)),
        ("1 s an answer, one at a time on a connection", partial(in_turn, delay_s=1.0)),
    ):
        async with upstream(serve) as one:
            await compare(title, [one], flood, unbound=True)


if __name__ == "__main__":
    asyncio.run(main())
