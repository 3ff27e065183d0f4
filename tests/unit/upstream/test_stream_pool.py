"""Asking over TCP, against a real server on loopback."""

import asyncio
from ipaddress import ip_address

import pytest

from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.upstream.stream_connection import STRAYS_PER_CONNECTION
from dnsfilter.upstream.stream_pool import StreamPool
from tests.unit.upstream.streaming import LONG_S, Peer, answer_once, framed, query, reply, serving


async def test_answer_has_the_id_of_the_query() -> None:
    async with serving(Peer.echo) as (_, endpoint):
        pool = StreamPool()
        assert await pool.ask(endpoint, query("example.org"), LONG_S) == reply(query("example.org"))
        pool.close()


def test_each_question_is_sent_under_a_new_id() -> None:
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


async def test_one_connection_is_kept_for_questions_one_after_another() -> None:
    async with serving(Peer.echo) as (server, endpoint):
        pool = StreamPool()
        for number in range(20):
            await pool.ask(endpoint, query(f"n{number}.example.org"), LONG_S)
        assert server.accepted == 1
        pool.close()


async def test_questions_at_once_are_pipelined_over_two_connections_and_answered_out_of_order() -> None:
    async def backwards(peer: Peer) -> None:
        asked = [await peer.read() for _ in range(10)]
        for message in reversed(asked):
            assert message is not None
            peer.send(reply(message))
        await peer.swallow()

    async with serving(backwards) as (server, endpoint):
        pool = StreamPool(connections_per_server=4)
        queries = [query(f"n{number}.example.org", number) for number in range(20)]
        answers = await asyncio.gather(*(pool.ask(endpoint, message, LONG_S) for message in queries))
        assert answers == [reply(message) for message in queries]
        assert server.accepted == 2
        pool.close()


async def test_answers_may_arrive_byte_by_byte_or_two_at_once() -> None:
    async def script(peer: Peer) -> None:
        first = await peer.read()
        assert first is not None
        for byte in framed(reply(first)):
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0)
        second, third = await peer.read(), await peer.read()
        assert second is not None
        assert third is not None
        peer.send(reply(third), reply(second))
        await peer.swallow()

    async with serving(script) as (_, endpoint):
        pool = StreamPool(connections_per_server=1)
        assert await pool.ask(endpoint, query("a.example.org"), LONG_S) == reply(query("a.example.org"))
        both = [query("b.example.org"), query("c.example.org")]
        assert await asyncio.gather(*(pool.ask(endpoint, each, LONG_S) for each in both)) == [
            reply(each) for each in both
        ]
        pool.close()


async def test_largest_answer_is_accepted() -> None:
    padding = bytes(65_535 - len(query("example.org")))

    async def script(peer: Peer) -> None:
        while (asked := await peer.read()) is not None:
            peer.send(reply(asked) + padding)

    async with serving(script) as (_, endpoint):
        pool = StreamPool()
        assert await pool.ask(endpoint, query("example.org"), LONG_S) == reply(query("example.org")) + padding
        pool.close()


def wrong_answers(asked: bytes) -> dict[str, bytes]:
    other_type = bytearray(reply(asked))
    other_type[-3] = 0x61  # TYPE97: the result of folding the case of HTTPS, 0x41
    return {
        "nothing": b"",
        "two bytes": asked[:2],
        "another id": bytes([asked[0] ^ 1]) + reply(asked)[1:],
        "another name": reply(asked).replace(b"example", b"eXampel"),
        "another type": bytes(other_type),
        "a query": asked,
        "no question": reply(asked)[:4] + bytes(8),
        "two questions": reply(asked)[:5] + b"\2" + reply(asked)[6:],
    }


@pytest.mark.parametrize("kind", wrong_answers(query("example.org")).keys())
async def test_answers_that_do_not_match_are_ignored_and_the_wait_continues(kind: str) -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.read()
        assert asked is not None
        peer.send(wrong_answers(asked)[kind], reply(asked))
        await peer.swallow()

    async with serving(script) as (_, endpoint):
        pool = StreamPool()
        assert await pool.ask(endpoint, query("example.org"), LONG_S) == reply(query("example.org"))
        pool.close()


async def test_answer_whose_name_differs_in_case_matches() -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.read()
        assert asked is not None
        peer.send(reply(asked).replace(b"example", b"ExAmPlE"))
        await peer.swallow()

    async with serving(script) as (_, endpoint):
        pool = StreamPool()
        answer = await pool.ask(endpoint, query("example.org"), LONG_S)
        assert answer == reply(query("example.org")).replace(b"example", b"ExAmPlE")
        pool.close()


async def test_server_that_sends_only_unmatched_answers_is_given_up() -> None:
    async def flood(peer: Peer) -> None:
        await peer.read()
        peer.send(*[reply(query("example.com"))] * (STRAYS_PER_CONNECTION + 1))
        await peer.swallow()

    async with serving(flood) as (_, endpoint):
        pool = StreamPool()
        with pytest.raises(UnavailableError, match="match no question"):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        assert pool.connections(endpoint) == 0
        pool.close()


async def close_after_second(peer: Peer) -> None:
    await answer_once(peer)
    await peer.read()


async def test_a_kept_connection_that_the_server_closed_costs_one_retry() -> None:
    async with serving(close_after_second, Peer.echo) as (server, endpoint):
        pool = StreamPool()
        await pool.ask(endpoint, query("a.example.org"), LONG_S)
        assert await pool.ask(endpoint, query("b.example.org"), LONG_S) == reply(query("b.example.org"))
        assert server.accepted == 2
        pool.close()


async def test_second_broken_connection_fails_the_question() -> None:
    async with serving(close_after_second, Peer.read) as (server, endpoint):
        pool = StreamPool()
        await pool.ask(endpoint, query("a.example.org"), LONG_S)
        with pytest.raises(UnavailableError, match="connection"):
            await pool.ask(endpoint, query("b.example.org"), LONG_S)
        assert server.accepted == 2
        pool.close()


async def test_a_fresh_connection_that_breaks_is_not_retried() -> None:
    async with serving(Peer.read) as (server, endpoint):
        pool = StreamPool()
        with pytest.raises(UnavailableError, match="connection"):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        assert (server.accepted, pool.connections(endpoint)) == (1, 0)
        pool.close()


async def test_broken_connection_fails_all_its_questions() -> None:
    async def script(peer: Peer) -> None:
        for _ in range(5):
            await peer.read()

    async with serving(script) as (server, endpoint):
        pool = StreamPool(connections_per_server=1)
        asks = (pool.ask(endpoint, query(f"n{number}.example.org"), LONG_S) for number in range(5))
        results = await asyncio.gather(*asks, return_exceptions=True)
        assert server.accepted == 1
        assert all(isinstance(result, UnavailableError) for result in results)
        pool.close()


async def test_closed_port_is_unavailable() -> None:
    listening = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    endpoint = Endpoint(ip_address("127.0.0.1"), listening.sockets[0].getsockname()[1])
    listening.close()
    await listening.wait_closed()
    pool = StreamPool()
    with pytest.raises(UnavailableError, match=r"ask 127\.0\.0\.1:\d+ over tcp"):
        await pool.ask(endpoint, query("example.org"), LONG_S)
    assert pool.connections(endpoint) == 0
    pool.close()


async def test_a_silent_server_times_out_and_its_connection_is_not_kept() -> None:
    async with serving(Peer.swallow) as (_, endpoint):
        pool = StreamPool()
        with pytest.raises(UnavailableError, match=r"no answer within 0\.05 s"):
            await pool.ask(endpoint, query("example.org"), 0.05)
        assert pool.connections(endpoint) == 0
        pool.close()


async def test_cancelled_question_does_not_affect_other_answers() -> None:
    async def script(peer: Peer) -> None:
        asked = [await peer.read(), await peer.read()]
        released.set()
        await answer.wait()
        for message in asked:
            assert message is not None
            peer.send(reply(message))
        await peer.swallow()

    released, answer = asyncio.Event(), asyncio.Event()

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


async def test_an_idle_connection_is_closed() -> None:
    async with serving(Peer.echo) as (server, endpoint):
        pool = StreamPool(idle_s=0.02)
        await pool.ask(endpoint, query("example.org"), LONG_S)
        async with server.changed:
            await asyncio.wait_for(server.changed.wait_for(lambda: server.closed == 1), LONG_S)
        assert pool.connections(endpoint) == 0
        pool.close()


async def test_closed_pool_sends_no_question() -> None:
    async with serving(Peer.echo) as (server, endpoint):
        pool = StreamPool()
        await pool.ask(endpoint, query("example.org"), LONG_S)
        pool.close()
        with pytest.raises(UnavailableError, match="pool closed"):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        assert server.accepted == 1


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
def test_invalid_query_raises_value_error(message: bytes) -> None:
    async def main() -> None:
        await StreamPool().ask(Endpoint(ip_address("127.0.0.1"), 9), message, LONG_S)

    with pytest.raises(ValueError, match="ask over tcp"):
        asyncio.run(main())
