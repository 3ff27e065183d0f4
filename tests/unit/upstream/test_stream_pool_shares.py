"""Places on connections, shared by clients: turns, limits, breaks, and failures of the server."""

import asyncio
import os
import resource
from collections.abc import Callable

import pytest

from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.upstream import stream_connection, stream_pool
from dnsfilter.upstream.stream_connection import BusyError
from dnsfilter.upstream.stream_pool import IN_FLIGHT_PER_CONNECTION, StreamPool
from tests.unit.upstream.streaming import LONG_S, Peer, answer_once, query, reply, serving


def ask_all(pool: StreamPool, endpoint: Endpoint, count: int, client: bytes = b"") -> "asyncio.Future[list[bytes]]":
    """Ask `count` questions in the loop's next turn."""
    queries = [query(f"n{number}.example.org") for number in range(count)]
    return asyncio.gather(*(pool.ask(endpoint, each, LONG_S, client) for each in queries))


async def test_questions_beyond_the_places_wait() -> None:
    async with serving(Peer.echo) as (server, endpoint):
        pool = StreamPool(connections_per_server=1)
        assert len(await ask_all(pool, endpoint, 3 * IN_FLIGHT_PER_CONNECTION)) == 3 * IN_FLIGHT_PER_CONNECTION
        assert server.accepted == 1
        pool.close()


async def test_questions_beyond_the_limit_are_rejected_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_pool, "MOST_OPEN", 5)

    async with serving(Peer.swallow) as (_, endpoint):
        pool = StreamPool()
        waiting = ask_all(pool, endpoint, 5)
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="5 questions open"):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        pool.close()
        with pytest.raises(UnavailableError):
            await waiting


def test_busy_client_leaves_connections_to_others() -> None:
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
    # Questions sent before the other clients arrive stay sent.
    assert read[IN_FLIGHT_PER_CONNECTION:][:6].count("some") == 3


@pytest.mark.parametrize("count", [5, 50])
async def test_a_server_that_closes_after_each_answer_answers_all(count: int) -> None:
    async with serving(answer_once) as (_, endpoint):
        pool = StreamPool()
        assert len(await ask_all(pool, endpoint, count)) == count
        pool.close()


async def test_a_server_that_allows_few_connections_answers_all() -> None:
    answered = asyncio.Event()

    async def allowed(peer: Peer) -> None:
        while (asked := await peer.read()) is not None:
            peer.send(reply(asked))
            answered.set()

    async def turned_away(peer: Peer) -> None:
        await answered.wait()

    async with serving(allowed, turned_away) as (_, endpoint):
        pool = StreamPool()
        assert len(await ask_all(pool, endpoint, 50)) == 50
        pool.close()


async def test_a_question_that_breaks_every_connection_fails_and_others_are_answered() -> None:
    async def break_at_poison(peer: Peer) -> None:
        while (asked := await peer.read()) is not None and b"poison" not in asked:
            peer.send(reply(asked))

    async with serving(break_at_poison) as (server, endpoint):
        pool = StreamPool()
        await pool.ask(endpoint, query("example.org"), LONG_S)
        poison = asyncio.ensure_future(pool.ask(endpoint, query("poison.example.org"), LONG_S))
        assert len(await ask_all(pool, endpoint, 50)) == 50
        with pytest.raises(UnavailableError, match="connection"):
            await poison
        assert server.accepted <= 20
        pool.close()


async def test_question_without_a_place_in_time_is_not_the_servers_failure() -> None:
    async with serving(Peer.swallow) as (_, endpoint):
        pool = StreamPool(connections_per_server=1)
        waiting = ask_all(pool, endpoint, IN_FLIGHT_PER_CONNECTION)
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="no answer within"):
            await pool.ask(endpoint, query("example.org"), 0.01)
        pool.close()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_lack_of_file_descriptors_is_not_the_servers_failure() -> None:
    async with serving(Peer.echo) as (_, endpoint):
        pool = StreamPool()
        next_free = os.dup(0)
        os.close(next_free)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, before[1]))
        try:
            with pytest.raises(BusyError, match="Too many open files"):
                await pool.ask(endpoint, query("example.org"), LONG_S)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        pool.close()


@pytest.mark.parametrize(("silence_s", "failed"), [(0.0, True), (LONG_S, False)])
async def test_only_a_long_silence_is_a_failure_of_the_server(
    monkeypatch: pytest.MonkeyPatch, silence_s: float, failed: bool
) -> None:
    monkeypatch.setattr(stream_pool, "SILENCE_S", silence_s)

    async with serving(Peer.swallow) as (_, endpoint):
        pool = StreamPool()
        with pytest.raises(UnavailableError, match="no answer within") as raised:
            await pool.ask(endpoint, query("example.org"), 0.01)
        assert isinstance(raised.value, BusyError) is not failed
        pool.close()


async def test_a_server_that_answers_others_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[asyncio.Timeout] = []

    def noted(delay: float, timeout: Callable[[float], asyncio.Timeout] = asyncio.timeout) -> asyncio.Timeout:
        timeouts.append(timeout(delay))
        return timeouts[-1]

    monkeypatch.setattr(asyncio, "timeout", noted)
    monkeypatch.setattr(stream_pool, "SILENCE_S", 0.0)

    async def all_but_the_first(peer: Peer) -> None:
        await peer.read()
        await peer.echo()

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


async def test_answers_that_come_too_late_cost_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_connection, "STRAYS_PER_CONNECTION", 0)

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


async def test_questions_on_a_silent_connection_are_sent_on_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_pool, "SILENCE_S", 0.0)

    async def fall_silent(peer: Peer) -> None:
        await answer_once(peer)
        await peer.swallow()

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
