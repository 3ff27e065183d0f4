"""Asking over TCP, against a real server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, TypeAlias

import pytest
import uvloop

from dnsfilter.config.model import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.upstream import stream
from dnsfilter.upstream.stream import IN_FLIGHT_PER_CONNECTION, STRAYS_PER_CONNECTION, BusyError, StreamPool
from dnsfilter.wire.names import parse_name

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
LONG_S = 30.0


def query(name: str, number: int = 0x1234) -> bytes:
    header = number.to_bytes(2, "big") + b"\x01\0\0\1\0\0\0\0\0\0"
    return header + parse_name(name) + b"\0\x41\0\x01"


def reply(asked: bytes) -> bytes:
    return asked[:2] + b"\x81\x80" + asked[4:]


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return asyncio.run if request.param == "asyncio" else uvloop.run


class Peer:
    """One accepted connection, read as messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> bytes | None:
        try:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
            return await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def send(self, *messages: bytes) -> None:
        self.writer.write(b"".join(framed(message) for message in messages))

    async def echo(self) -> None:
        while (asked := await self.read()) is not None:
            self.send(reply(asked))

    async def swallow(self) -> None:
        while await self.read() is not None:
            pass


class Server:
    """A listening socket; the n-th connection is handed to the n-th script, further ones to the last."""

    def __init__(self, *scripts: Callable[[Peer], Awaitable[object]]) -> None:
        self.accepted = 0
        self.closed = 0
        self.changed = asyncio.Condition()
        self._scripts = scripts

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
        self.accepted += 1
        try:
            await script(Peer(reader, writer))
        finally:
            writer.close()
            self.closed += 1
            async with self.changed:
                self.changed.notify_all()


@asynccontextmanager
async def serving(*scripts: Callable[[Peer], Awaitable[object]]) -> AsyncIterator[tuple[Server, Endpoint]]:
    server = Server(*scripts)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    try:
        yield server, Endpoint(ip_address("127.0.0.1"), listening.sockets[0].getsockname()[1])
    finally:
        listening.close()
        async with server.changed:
            await server.changed.wait_for(lambda: server.closed == server.accepted)


def test_the_answer_comes_back_under_the_askers_id(run: Run) -> None:
    async def main() -> None:
        async with serving(Peer.echo) as (_, endpoint):
            pool = StreamPool()
            assert await pool.ask(endpoint, query("example.org"), LONG_S) == reply(query("example.org"))
            pool.close()

    run(main())


def test_each_question_travels_under_a_fresh_id() -> None:
    seen: list[bytes] = []

    async def note(peer: Peer) -> None:
        while (asked := await peer.read()) is not None:
            seen.append(asked[:2])
            peer.send(reply(asked))

    async def main() -> None:
        async with serving(note) as (_, endpoint):
            pool = StreamPool()
            for _ in range(50):
                await pool.ask(endpoint, query("example.org", 7), LONG_S)
            pool.close()

    asyncio.run(main())
    # Fifty draws from 65,536 repeat twenty times with a chance far below one in 10**50.
    assert len(set(seen)) > 30


def test_one_connection_is_kept_for_questions_one_after_another(run: Run) -> None:
    async def main() -> None:
        async with serving(Peer.echo) as (server, endpoint):
            pool = StreamPool()
            for number in range(20):
                await pool.ask(endpoint, query(f"n{number}.example.org"), LONG_S)
            assert server.accepted == 1
            pool.close()

    run(main())


def test_questions_at_once_are_pipelined_over_two_connections_and_answered_out_of_order(run: Run) -> None:
    async def backwards(peer: Peer) -> None:
        asked = [await peer.read() for _ in range(10)]
        for message in reversed(asked):
            assert message is not None
            peer.send(reply(message))
        await peer.swallow()

    async def main() -> None:
        async with serving(backwards) as (server, endpoint):
            pool = StreamPool(connections_per_server=4)
            queries = [query(f"n{number}.example.org", number) for number in range(20)]
            answers = await asyncio.gather(*(pool.ask(endpoint, message, LONG_S) for message in queries))
            assert answers == [reply(message) for message in queries]
            assert server.accepted == 2
            pool.close()

    run(main())


def test_an_answer_may_come_octet_by_octet_and_two_in_one_piece(run: Run) -> None:
    async def script(peer: Peer) -> None:
        first = await peer.read()
        assert first is not None
        for octet in framed(reply(first)):
            peer.writer.write(bytes([octet]))
            await peer.writer.drain()
            await asyncio.sleep(0)
        second, third = await peer.read(), await peer.read()
        assert second is not None
        assert third is not None
        peer.send(reply(third), reply(second))
        await peer.swallow()

    async def main() -> None:
        async with serving(script) as (_, endpoint):
            pool = StreamPool(connections_per_server=1)
            assert await pool.ask(endpoint, query("a.example.org"), LONG_S) == reply(query("a.example.org"))
            both = [query("b.example.org"), query("c.example.org")]
            assert await asyncio.gather(*(pool.ask(endpoint, each, LONG_S) for each in both)) == [
                reply(each) for each in both
            ]
            pool.close()

    run(main())


def test_the_largest_answer_passes(run: Run) -> None:
    padding = bytes(65_535 - len(query("example.org")))

    async def script(peer: Peer) -> None:
        while (asked := await peer.read()) is not None:
            peer.send(reply(asked) + padding)

    async def main() -> None:
        async with serving(script) as (_, endpoint):
            pool = StreamPool()
            assert await pool.ask(endpoint, query("example.org"), LONG_S) == reply(query("example.org")) + padding
            pool.close()

    run(main())


def wrong_answers(asked: bytes) -> dict[str, bytes]:
    other_type = bytearray(reply(asked))
    other_type[-3] = 0x61  # TYPE97: what folding the case of HTTPS, 0x41, would make of it
    return {
        "nothing": b"",
        "two octets": asked[:2],
        "another id": bytes([asked[0] ^ 1]) + reply(asked)[1:],
        "another name": reply(asked).replace(b"example", b"eXampel"),
        "another type": bytes(other_type),
        "a query": asked,
        "no question": reply(asked)[:4] + bytes(8),
        "two questions": reply(asked)[:5] + b"\2" + reply(asked)[6:],
    }


@pytest.mark.parametrize("kind", wrong_answers(query("example.org")).keys())
def test_what_does_not_match_is_passed_over_and_the_wait_goes_on(kind: str) -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.read()
        assert asked is not None
        peer.send(wrong_answers(asked)[kind], reply(asked))
        await peer.swallow()

    async def main() -> None:
        async with serving(script) as (_, endpoint):
            pool = StreamPool()
            assert await pool.ask(endpoint, query("example.org"), LONG_S) == reply(query("example.org"))
            pool.close()

    asyncio.run(main())


def test_an_answer_in_another_case_is_an_answer() -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.read()
        assert asked is not None
        peer.send(reply(asked).replace(b"example", b"ExAmPlE"))
        await peer.swallow()

    async def main() -> None:
        async with serving(script) as (_, endpoint):
            pool = StreamPool()
            answer = await pool.ask(endpoint, query("example.org"), LONG_S)
            assert answer == reply(query("example.org")).replace(b"example", b"ExAmPlE")
            pool.close()

    asyncio.run(main())


def test_a_server_that_only_sends_what_nobody_asked_for_is_given_up() -> None:
    async def flood(peer: Peer) -> None:
        await peer.read()
        peer.send(*[reply(query("example.com"))] * (STRAYS_PER_CONNECTION + 1))
        await peer.swallow()

    async def main() -> None:
        async with serving(flood) as (_, endpoint):
            pool = StreamPool()
            with pytest.raises(UnavailableError, match="nobody asked for"):
                await pool.ask(endpoint, query("example.org"), LONG_S)
            assert pool.connections(endpoint) == 0
            pool.close()

    asyncio.run(main())


async def answer_once(peer: Peer) -> None:
    asked = await peer.read()
    assert asked is not None
    peer.send(reply(asked))


async def close_after_second(peer: Peer) -> None:
    await answer_once(peer)
    await peer.read()


def test_a_kept_connection_that_the_server_closed_costs_one_retry(run: Run) -> None:
    async def main() -> None:
        async with serving(close_after_second, Peer.echo) as (server, endpoint):
            pool = StreamPool()
            await pool.ask(endpoint, query("a.example.org"), LONG_S)
            assert await pool.ask(endpoint, query("b.example.org"), LONG_S) == reply(query("b.example.org"))
            assert server.accepted == 2
            pool.close()

    run(main())


def test_the_retry_is_the_only_one(run: Run) -> None:
    async def main() -> None:
        async with serving(close_after_second, Peer.read) as (server, endpoint):
            pool = StreamPool()
            await pool.ask(endpoint, query("a.example.org"), LONG_S)
            with pytest.raises(UnavailableError, match="connection"):
                await pool.ask(endpoint, query("b.example.org"), LONG_S)
            assert server.accepted == 2
            pool.close()

    run(main())


def test_a_fresh_connection_that_breaks_is_not_retried(run: Run) -> None:
    async def main() -> None:
        async with serving(Peer.read) as (server, endpoint):
            pool = StreamPool()
            with pytest.raises(UnavailableError, match="connection"):
                await pool.ask(endpoint, query("example.org"), LONG_S)
            assert (server.accepted, pool.connections(endpoint)) == (1, 0)
            pool.close()

    run(main())


def test_a_broken_connection_fails_everyone_who_waits_on_it() -> None:
    async def script(peer: Peer) -> None:
        for _ in range(5):
            await peer.read()

    async def main() -> None:
        async with serving(script) as (server, endpoint):
            pool = StreamPool(connections_per_server=1)
            asks = (pool.ask(endpoint, query(f"n{number}.example.org"), LONG_S) for number in range(5))
            results = await asyncio.gather(*asks, return_exceptions=True)
            assert server.accepted == 1
            assert all(isinstance(result, UnavailableError) for result in results)
            pool.close()

    asyncio.run(main())


def test_nobody_listening_is_unavailable(run: Run) -> None:
    async def main() -> None:
        listening = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        endpoint = Endpoint(ip_address("127.0.0.1"), listening.sockets[0].getsockname()[1])
        listening.close()
        await listening.wait_closed()
        pool = StreamPool()
        with pytest.raises(UnavailableError, match=r"ask 127\.0\.0\.1:\d+ over tcp"):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        assert pool.connections(endpoint) == 0
        pool.close()

    run(main())


def test_a_silent_server_times_out_and_its_connection_is_not_kept(run: Run) -> None:
    async def main() -> None:
        async with serving(Peer.swallow) as (_, endpoint):
            pool = StreamPool()
            with pytest.raises(UnavailableError, match=r"no answer within 0\.05 s"):
                await pool.ask(endpoint, query("example.org"), 0.05)
            assert pool.connections(endpoint) == 0
            pool.close()

    run(main())


def test_one_that_gives_up_does_not_take_the_others_answers_away() -> None:
    async def script(peer: Peer) -> None:
        asked = [await peer.read(), await peer.read()]
        released.set()
        await answer.wait()
        for message in asked:
            assert message is not None
            peer.send(reply(message))
        await peer.swallow()

    released, answer = asyncio.Event(), asyncio.Event()

    async def main() -> None:
        async with serving(script) as (server, endpoint):
            pool = StreamPool(connections_per_server=1)
            impatient = asyncio.ensure_future(pool.ask(endpoint, query("a.example.org"), LONG_S))
            patient = asyncio.ensure_future(pool.ask(endpoint, query("b.example.org"), LONG_S))
            await released.wait()
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
            answer.set()
            assert await patient == reply(query("b.example.org"))
            assert server.accepted == 1
            pool.close()

    asyncio.run(main())


def ask_all(pool: StreamPool, endpoint: Endpoint, count: int, client: bytes = b"") -> "asyncio.Future[list[bytes]]":
    """Ask so many questions in the loop's next turn."""
    queries = [query(f"n{number}.example.org") for number in range(count)]
    return asyncio.gather(*(pool.ask(endpoint, each, LONG_S, client) for each in queries))


def test_questions_beyond_the_places_wait(run: Run) -> None:
    async def main() -> None:
        async with serving(Peer.echo) as (server, endpoint):
            pool = StreamPool(connections_per_server=1)
            assert len(await ask_all(pool, endpoint, 3 * IN_FLIGHT_PER_CONNECTION)) == 3 * IN_FLIGHT_PER_CONNECTION
            assert server.accepted == 1
            pool.close()

    run(main())


def test_questions_beyond_the_bound_are_turned_away_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_OPEN", 5)

    async def main() -> None:
        async with serving(Peer.swallow) as (_, endpoint):
            pool = StreamPool()
            waiting = ask_all(pool, endpoint, 5)
            await asyncio.sleep(0)
            with pytest.raises(BusyError, match="5 questions open"):
                await pool.ask(endpoint, query("example.org"), LONG_S)
            pool.close()
            with pytest.raises(UnavailableError):
                await waiting

    asyncio.run(main())


def test_one_that_asks_much_leaves_connections_to_others() -> None:
    async def main() -> None:
        async with serving(Peer.swallow) as (_, endpoint):
            pool = StreamPool(connections_per_server=8)
            counts = []
            for client in (b"much", b"more", b"some"):
                waiting.append(ask_all(pool, endpoint, 1000, client))
                await asyncio.sleep(0)
                counts.append(pool.connections(endpoint))
            assert counts == [4, 6, 7]
            pool.close()
            await asyncio.gather(*waiting, return_exceptions=True)

    waiting: list[asyncio.Future[list[bytes]]] = []
    asyncio.run(main())


def test_clients_take_turns() -> None:
    read: list[str] = []

    async def one_by_one(peer: Peer) -> None:
        while (asked := await peer.read()) is not None:
            read.append(asked[13:17].decode())
            peer.send(reply(asked))

    async def main() -> None:
        async with serving(one_by_one) as (_, endpoint):
            pool = StreamPool(connections_per_server=1)
            names = [("much", number) for number in range(500)] + [("some", number) for number in range(3)]
            asks = (pool.ask(endpoint, query(f"{name}.n{n}.example.org"), LONG_S, name.encode()) for name, n in names)
            await asyncio.gather(*asks)
            pool.close()

    asyncio.run(main())
    # What is sent before the others come is not taken back.
    assert read[IN_FLIGHT_PER_CONNECTION:][:6].count("some") == 3


@pytest.mark.parametrize("count", [5, 50])
def test_a_server_that_closes_after_each_answer_answers_all(run: Run, count: int) -> None:
    async def main() -> None:
        async with serving(answer_once) as (_, endpoint):
            pool = StreamPool()
            assert len(await ask_all(pool, endpoint, count)) == count
            pool.close()

    run(main())


def test_a_server_that_allows_few_connections_answers_all(run: Run) -> None:
    answered = asyncio.Event()

    async def allowed(peer: Peer) -> None:
        while (asked := await peer.read()) is not None:
            peer.send(reply(asked))
            answered.set()

    async def turned_away(peer: Peer) -> None:
        await answered.wait()

    async def main() -> None:
        async with serving(allowed, turned_away) as (_, endpoint):
            pool = StreamPool()
            assert len(await ask_all(pool, endpoint, 50)) == 50
            pool.close()

    run(main())


def test_a_question_that_breaks_every_connection_fails_and_others_are_answered(run: Run) -> None:
    async def break_at_poison(peer: Peer) -> None:
        while (asked := await peer.read()) is not None and b"poison" not in asked:
            peer.send(reply(asked))

    async def main() -> None:
        async with serving(break_at_poison) as (server, endpoint):
            pool = StreamPool()
            await pool.ask(endpoint, query("example.org"), LONG_S)
            poison = asyncio.ensure_future(pool.ask(endpoint, query("poison.example.org"), LONG_S))
            assert len(await ask_all(pool, endpoint, 50)) == 50
            with pytest.raises(UnavailableError, match="connection"):
                await poison
            assert server.accepted <= 20
            pool.close()

    run(main())


def test_a_question_that_had_no_place_in_time_says_nothing_of_the_server() -> None:
    async def main() -> None:
        async with serving(Peer.swallow) as (_, endpoint):
            pool = StreamPool(connections_per_server=1)
            waiting = ask_all(pool, endpoint, IN_FLIGHT_PER_CONNECTION)
            await asyncio.sleep(0)
            with pytest.raises(BusyError, match="no answer within"):
                await pool.ask(endpoint, query("example.org"), 0.01)
            pool.close()
            await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(main())


@pytest.mark.parametrize(("silence_s", "failed"), [(0.0, True), (LONG_S, False)])
def test_only_a_long_silence_is_a_failure_of_the_server(
    monkeypatch: pytest.MonkeyPatch, silence_s: float, failed: bool
) -> None:
    monkeypatch.setattr(stream, "SILENCE_S", silence_s)

    async def main() -> None:
        async with serving(Peer.swallow) as (_, endpoint):
            pool = StreamPool()
            with pytest.raises(UnavailableError, match="no answer within") as raised:
                await pool.ask(endpoint, query("example.org"), 0.01)
            assert isinstance(raised.value, BusyError) is not failed
            pool.close()

    asyncio.run(main())


def test_a_server_that_answers_others_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[asyncio.Timeout] = []

    def noted(delay: float, timeout: Callable[[float], asyncio.Timeout] = asyncio.timeout) -> asyncio.Timeout:
        timeouts.append(timeout(delay))
        return timeouts[-1]

    monkeypatch.setattr(asyncio, "timeout", noted)
    monkeypatch.setattr(stream, "SILENCE_S", 0.0)

    async def all_but_the_first(peer: Peer) -> None:
        await peer.read()
        await peer.echo()

    async def main() -> None:
        async with serving(all_but_the_first) as (server, endpoint):
            pool = StreamPool(connections_per_server=1)
            unanswered = asyncio.ensure_future(pool.ask(endpoint, query("a.example.org"), LONG_S))
            await asyncio.sleep(0)
            await pool.ask(endpoint, query("b.example.org"), LONG_S)
            timeouts[0].reschedule(asyncio.get_running_loop().time())
            with pytest.raises(BusyError):
                await unanswered
            assert server.accepted == 1
            pool.close()

    asyncio.run(main())


def test_answers_that_come_too_late_cost_no_connection(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(stream, "STRAYS_PER_CONNECTION", 0)

    async def main() -> None:
        read, late = asyncio.Event(), asyncio.Event()

        async def script(peer: Peer) -> None:
            asked = await peer.read()
            assert asked is not None
            read.set()
            await late.wait()
            peer.send(reply(asked))
            await peer.echo()

        async with serving(script) as (server, endpoint):
            pool = StreamPool(connections_per_server=1)
            impatient = asyncio.ensure_future(pool.ask(endpoint, query("a.example.org"), LONG_S))
            await read.wait()
            impatient.cancel()
            late.set()
            assert await pool.ask(endpoint, query("b.example.org"), LONG_S) == reply(query("b.example.org"))
            assert server.accepted == 1
            pool.close()

    run(main())


def test_what_waits_on_a_connection_that_fell_silent_is_asked_on_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_S", 0.0)

    async def fall_silent(peer: Peer) -> None:
        await answer_once(peer)
        await peer.swallow()

    async def main() -> None:
        async with serving(fall_silent, Peer.echo) as (server, endpoint):
            pool = StreamPool(connections_per_server=1)
            await pool.ask(endpoint, query("a.example.org"), LONG_S)
            impatient = asyncio.ensure_future(pool.ask(endpoint, query("b.example.org"), 0.05))
            await asyncio.sleep(0)
            assert await pool.ask(endpoint, query("c.example.org"), LONG_S) == reply(query("c.example.org"))
            with pytest.raises(UnavailableError):
                await impatient
            assert server.accepted == 2
            pool.close()

    asyncio.run(main())


def test_an_idle_connection_is_closed(run: Run) -> None:
    async def main() -> None:
        async with serving(Peer.echo) as (server, endpoint):
            pool = StreamPool(idle_s=0.02)
            await pool.ask(endpoint, query("example.org"), LONG_S)
            async with server.changed:
                await asyncio.wait_for(server.changed.wait_for(lambda: server.closed == 1), LONG_S)
            assert pool.connections(endpoint) == 0
            pool.close()

    run(main())


def test_a_closed_pool_asks_nobody(run: Run) -> None:
    async def main() -> None:
        async with serving(Peer.echo) as (server, endpoint):
            pool = StreamPool()
            await pool.ask(endpoint, query("example.org"), LONG_S)
            pool.close()
            with pytest.raises(UnavailableError, match="pool closed"):
                await pool.ask(endpoint, query("example.org"), LONG_S)
            assert server.accepted == 1

    run(main())


@pytest.mark.parametrize(
    "message",
    [
        b"",
        bytes(12),
        query("example.org")[:-1],
        query("example.org") + bytes(65_536),
        bytes(5) + b"\1" + bytes(6) + b"\x3f",
    ],
)
def test_what_is_no_query_is_our_mistake(message: bytes) -> None:
    async def main() -> None:
        await StreamPool().ask(Endpoint(ip_address("127.0.0.1"), 9), message, LONG_S)

    with pytest.raises(ValueError, match="ask over tcp"):
        asyncio.run(main())
