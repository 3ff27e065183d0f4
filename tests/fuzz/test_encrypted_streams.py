"""DNS over TLS and over HTTPS: records and frames of any kind, cut anywhere, leave the server alive for others."""

import asyncio
import socket
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.wire.query import parse_query
from tests.fuzz.examples import examples
from tests.fuzz.test_streams import SEEDS, cuts, messages
from tests.support.engines import GHENT, KINDS, PATIENCE_S, query
from tests.support.hostile_clients import Reach, Tls
from tests.support.http2_client import Http2Client
from tests.support.message_mutations import Mutant
from tests.support.served_https import ServedHttps, serving_https
from tests.support.served_streams import framed
from tests.support.served_tls import NAME, ServedTls, serving_tls
from tests.support.weighted_choices import often

PLAIN = query("plain.example.org", id=7)


class Servers:
    """Servers in an event loop, of which nothing may fail."""

    def __init__(self, runner: asyncio.Runner, stack: AsyncExitStack) -> None:
        self._runner, self._stack = runner, stack
        self.failed: list[dict[str, Any]] = []
        runner.get_loop().set_exception_handler(lambda _loop, context: self.failed.append(context))

    def tls(self, kind: str, directory: Path) -> ServedTls:
        return self._runner.run(self._stack.enter_async_context(serving_tls(kind, directory)))

    def https(self, kind: str, directory: Path) -> ServedHttps:
        return self._runner.run(self._stack.enter_async_context(serving_https(kind, directory)))

    def run(self, course: Awaitable[Any]) -> Any:
        """Return what a client's course returns. Raise AssertionError if anything failed in a server."""

        async def running() -> Any:
            return await asyncio.wait_for(course, PATIENCE_S)

        found = self._runner.run(running())
        assert self.failed == []
        return found


@contextmanager
def in_a_loop() -> Iterator[Servers]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield Servers(runner, stack)
        finally:
            runner.run(stack.aclose())


class TlsClient:
    """A client that decides on each byte that it sends."""

    def __init__(self, served: ServedTls | ServedHttps, protocol: str) -> None:
        self._address = served.streams.address
        self._tls = Tls(Reach(0, GHENT, served.certified.trusting(protocols=(protocol,)), NAME))
        self.hello = self._tls.hello()

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._address, local_addr=(GHENT, 0))
        self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def shake_hands(self) -> bytes:
        """Connect. Return the last bytes of the handshake, which are not sent."""
        await self.connect()
        self._writer.write(self.hello)
        sent = b""
        while not self._tls.is_open:
            sent = self._tls.go_on(await self._reader.read(65_536))
        return sent

    def seal(self, data: bytes) -> bytes:
        return self._tls.seal(data) if data else b""

    async def say(self, data: bytes, sizes: Sequence[int] = ()) -> bytes:
        """Send bytes in segments of these sizes, and close. Return what the server said."""
        heard = asyncio.ensure_future(self._hear())
        with suppress(OSError):
            for size in (*sizes, len(data)):
                self._writer.write(data[:size])
                data = data[size:]
                await asyncio.sleep(0)
            if not self._writer.transport.is_closing():
                self._writer.write_eof()
        try:
            return await heard
        finally:
            self._writer.close()

    async def _hear(self) -> bytes:
        found = b""
        with suppress(OSError):
            while data := await self._reader.read(65_536):
                found += data
        return self._tls.unseal(found) if self._tls.is_open else b""


def frames_of(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = 2 + int.from_bytes(data[:2], "big")
        found.append(data[2:size])
        data = data[size:]
    return sorted(found)


def pieces(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    for size in (*sizes, len(data)):
        yield data[:size]
        data = data[size:]


async def ask_by_dot(served: ServedTls, frames: bytes, records: Sequence[int], segments: Sequence[int]) -> list[bytes]:
    """Send frames in records and segments of these sizes. Return the answers, sorted."""
    client = TlsClient(served, "dot")
    last = await client.shake_hands()
    return frames_of(await client.say(last + b"".join(map(client.seal, pieces(frames, records))), segments))


async def is_answered_by_dot(served: ServedTls) -> bool:
    """Return whether a client gets its answer, and no connection of another stays."""
    found = await ask_by_dot(served, framed(PLAIN), (), ())
    await served.until(lambda: served.open == 0)
    return [one[:2] for one in found] == [PLAIN[:2]]


def test_records_and_segments_do_not_change_the_answers(tmp_path: Path) -> None:
    with in_a_loop() as servers:
        served = [servers.tls(kind, tmp_path / kind) for kind in KINDS]

        @examples(100)
        @given(st.lists(messages, min_size=1, max_size=8), cuts, cuts)
        def check(drawn: list[Mutant], records: list[int], segments: list[int]) -> None:
            sent = [framed(one.data) for one in drawn if parse_query(one.data, stream=True) is not None]
            alone = [servers.run(ask_by_dot(served[0], one, (), ())) for one in sent]
            for each in served:
                together = servers.run(ask_by_dot(each, b"".join(sent), records, segments))
                assert together == sorted(answer for answers in alone for answer in answers)

        check()


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.slow)])
def test_close_at_any_byte_ends_only_its_connection(kind: str, tmp_path: Path, step: int) -> None:
    with in_a_loop() as servers:
        served = servers.tls(kind, tmp_path)

        async def close_in_hello(at: int) -> None:
            client = TlsClient(served, "dot")
            await client.connect()
            await client.say(client.hello[:at])

        async def close_after_hello(at: int) -> int:
            client = TlsClient(served, "dot")
            flight = await client.shake_hands() + client.seal(framed(PLAIN)) + client.seal(framed(PLAIN)[:9])
            await client.say(flight[:at])
            return len(flight)

        for at in range(0, len(TlsClient(served, "dot").hello), step):
            servers.run(close_in_hello(at))
        for at in range(0, servers.run(close_after_hello(0)), step):
            servers.run(close_after_hello(at))
        assert servers.run(is_answered_by_dot(served))


changes = st.lists(st.tuples(st.integers(0, 1_000), st.binary(max_size=6)), min_size=1, max_size=4)


def changed(data: bytes, drawn: Sequence[tuple[int, bytes]]) -> bytes:
    for at, written in drawn:
        at %= len(data) + 1
        data = data[:at] + written + data[at + len(written) // 2 :]
    return data


def test_records_of_any_kind_end_only_their_connection(kind: str, tmp_path: Path) -> None:
    with in_a_loop() as servers:
        served = servers.tls(kind, tmp_path)

        async def in_hello(drawn: Sequence[tuple[int, bytes]], sizes: Sequence[int]) -> None:
            client = TlsClient(served, "dot")
            await client.connect()
            await client.say(changed(client.hello, drawn), sizes)

        async def after_hello(drawn: Sequence[tuple[int, bytes]], sizes: Sequence[int], again: bool) -> None:
            client = TlsClient(served, "dot")
            last = await client.shake_hands()
            # A second hello in place of messages is how a renegotiation begins.
            said = client.hello if again else client.seal(framed(PLAIN)) * 2
            await client.say(last + changed(said, drawn) if again else changed(last + said, drawn), sizes)

        @examples(100)
        @given(changes, cuts, st.sampled_from(("in hello", "after", "again")))
        def check(drawn: list[tuple[int, bytes]], sizes: list[int], where: str) -> None:
            servers.run(in_hello(drawn, sizes) if where == "in hello" else after_hello(drawn, sizes, where == "again"))
            assert servers.run(is_answered_by_dot(served))

        check()


# HTTP/2.

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
STREAMS = st.sampled_from((0, 0, 1, 1, 3, 3, 5, 7, 2, 2**31 - 1))
NUMBERS = st.sampled_from((0, 1, 100, 16_384, 2**31 - 1, 2**32 - 1)).map(lambda number: number.to_bytes(4, "big"))
BLOCKS = st.sampled_from(
    (
        b"\x83\x87\x84\x04\x0a/dns-query\x5f\x17application/dns-message",
        b"\x82\x87\x84",
        b"\x82\x87",
        b"\x3f\xe1\xff\x7f",
        b"\xff\xff\xff\xff\xff",
    )
)
SETTING = st.builds(lambda kind, value: bytes((0, kind)) + value, st.integers(0, 9), NUMBERS)
PAYLOADS: dict[int, st.SearchStrategy[bytes]] = {
    DATA: st.sampled_from((PLAIN, SEEDS["banned"], b"")),
    HEADERS: BLOCKS,
    PRIORITY: NUMBERS.map(lambda number: number + b"\x10"),
    RESET: NUMBERS,
    SETTINGS: st.lists(SETTING, max_size=4).map(b"".join),
    PUSH: BLOCKS,
    PING: st.binary(min_size=8, max_size=8),
    GOAWAY: st.builds(lambda last, code: last + code, NUMBERS, NUMBERS),
    WINDOW: NUMBERS,
    CONTINUATION: BLOCKS,
}
BY_KIND = often(
    (4, st.sampled_from((HEADERS, DATA, HEADERS, DATA, CONTINUATION))), (2, st.sampled_from(list(PAYLOADS)))
)
FLAGS = often((4, st.sampled_from((0, 1, 4, 5))), (1, st.integers(0, 255)))


def _frame(kind: int, payload: bytes, flags: int, stream: int) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _of_kind(kind: int) -> st.SearchStrategy[bytes]:
    payload = often((6, PAYLOADS[kind]), (1, st.binary(max_size=40)))
    return st.builds(_frame, st.just(kind), payload, FLAGS, STREAMS)


FRAMES = st.lists(often((20, BY_KIND.flatmap(_of_kind)), (1, st.binary(max_size=60))), max_size=12)


def test_frames_of_any_kind_end_only_their_connection(kind: str, tmp_path: Path) -> None:
    with in_a_loop() as servers:
        served = servers.https(kind, tmp_path)

        async def send(frames: bytes, records: Sequence[int], segments: Sequence[int]) -> None:
            client = TlsClient(served, "h2")
            last = await client.shake_hands()
            await client.say(last + b"".join(map(client.seal, pieces(frames, records))), segments)

        async def is_answered() -> bool:
            client = await served.connect()
            found = await client.ask(PLAIN)
            client.close()
            await served.until(lambda: served.open == 0)
            return found.body[:2] == PLAIN[:2]

        @examples(150)
        @given(FRAMES, cuts, cuts)
        def check(frames: list[bytes], records: list[int], segments: list[int]) -> None:
            servers.run(send(Http2Client().take() + b"".join(frames), records, segments))
            assert servers.run(is_answered())

        check()
