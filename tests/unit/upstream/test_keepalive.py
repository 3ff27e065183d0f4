"""How long an upstream keeps an idle connection (RFC 7828), against a real server on loopback."""

import asyncio
from collections.abc import Awaitable, Callable

import dns.edns
import dns.message
import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.upstream.framing import LengthFraming
from dnsfilter.upstream.keepalive import answered_timeout_s, asking_keepalive
from dnsfilter.upstream.stream_pool import StreamPool
from dnsfilter.wire.edns import QUERY_PADDING_BLOCK
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.query import build_upstream_query, question_of
from tests.support.row_tables import each_row
from tests.unit.upstream.streaming import LONG_S, Peer, query, serving

KEEPALIVE = dns.edns.OptionType.make(11)


def asked(name: str = "example.org", *, padded: bool = False, edns: bool = True) -> bytes:
    question = question_of(parse_name(name), 1)
    return build_upstream_query(question, id=7, cd=False, do=True, padded=padded, edns=edns)


def codes(message: bytes) -> list[int]:
    return [int(option.otype) for option in dns.message.from_wire(message).options]


def answered(message: bytes, data: bytes | None) -> bytes:
    """Return the answer to a query, with that data in its keepalive option."""
    made = dns.message.make_response(dns.message.from_wire(message))
    options: list[dns.edns.Option] = [] if data is None else [dns.edns.GenericOption(KEEPALIVE, data)]
    made.use_edns(0, payload=1232, options=options)
    return made.to_wire()


def keeping(data: bytes | None, seen: list[bytes]) -> Callable[[Peer], Awaitable[object]]:
    """Return the script of a server that notes queries, and answers each with that data in its option."""

    async def script(peer: Peer) -> None:
        while (message := await peer.read()) is not None:
            seen.append(message)
            peer.send(answered(message, data))

    return script


@each_row("name", [f"{'a' * size}.example.org" for size in range(1, 64, 3)])
@each_row("padded", [True, False])
def test_a_query_asks_by_an_empty_option_and_stays_padded(name: str, padded: bool) -> None:
    message = asking_keepalive(asked(name, padded=padded))
    assert message is not None
    assert codes(message) == [11, 12] if padded else [11]
    assert dns.message.from_wire(message).options[0].to_wire() == b""
    assert not padded or len(message) % QUERY_PADDING_BLOCK == 0
    assert message[: len(name)] == asked(name)[: len(name)]


@each_row("message", [asked(edns=False), query("example.org"), b"\0\7\x28\0" + asked()[4:]])
def test_a_message_without_an_opt_and_an_update_ask_nothing(message: bytes) -> None:
    assert asking_keepalive(message) is None


@each_row(
    "data, timeout_s", [(None, None), (b"", None), (b"\0", None), (b"\0\0\0", None), (b"\0\0", 0), (b"\1\2", 25.8)]
)
def test_the_timeout_has_two_bytes_of_tenths_of_a_second(data: bytes | None, timeout_s: float | None) -> None:
    assert answered_timeout_s(answered(asked(), data)) == timeout_s


@each_row("size", range(0, 40, 3))
def test_an_answer_that_is_cut_off_has_no_timeout(size: int) -> None:
    assert answered_timeout_s(answered(asked(), b"\0\1")[:size]) is None


def test_only_the_first_question_asks_and_only_its_answer_counts() -> None:
    framing = LengthFraming()
    sent = [framing.ask(asked(), ())[1][2:] for _ in range(3)]
    assert [codes(message) for message in sent] == [[11], [], []]
    for message, data, idle_s in ((sent[1], b"\0\5", None), (sent[0], b"\0\6", 0.6), (sent[0], b"\0\7", 0.6)):
        answer = answered(message, data)
        framing.receive(len(answer).to_bytes(2, "big") + answer)
        assert framing.idle_s == idle_s


async def test_a_connection_is_idle_for_no_longer_than_its_server_allows() -> None:
    seen: list[bytes] = []
    async with serving(keeping(b"\0\1", seen)) as (server, endpoint):
        pool = StreamPool(idle_s=LONG_S)
        await pool.ask(endpoint, asked(), LONG_S)
        async with server.changed:
            await asyncio.wait_for(server.changed.wait_for(lambda: server.closed == 1), LONG_S)
        assert pool.connections(endpoint) == 0
        pool.close()


async def test_a_longer_time_than_ours_changes_nothing() -> None:
    async with serving(keeping(b"\xff\xff", [])) as (server, endpoint):
        pool = StreamPool(idle_s=0.02)
        await pool.ask(endpoint, asked(), LONG_S)
        async with server.changed:
            await asyncio.wait_for(server.changed.wait_for(lambda: server.closed == 1), LONG_S)
        assert pool.connections(endpoint) == 0
        pool.close()


async def test_a_timeout_of_zero_ends_the_connection_after_what_is_under_way() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        first, second = await peer.read(), await peer.read()
        assert first is not None
        assert second is not None
        peer.send(answered(first, b"\0\0"))
        may_answer.set()
        await go_on.wait()
        peer.send(answered(second, None))
        assert await peer.read() is None  # no third question, and the node closes

    may_answer, go_on = asyncio.Event(), asyncio.Event()
    async with serving(script, keeping(None, seen)) as (server, endpoint):
        pool = StreamPool(connections_per_server=1, idle_s=LONG_S)
        one, two = (asyncio.create_task(pool.ask(endpoint, asked(name), LONG_S)) for name in ("a.example", "b.example"))
        await one
        await may_answer.wait()
        three = asyncio.create_task(pool.ask(endpoint, asked("c.example"), LONG_S))
        go_on.set()
        assert len(await two) > 12
        assert len(await three) > 12
        assert (server.accepted, len(seen)) == (2, 1)
        pool.close()


async def test_a_client_whose_connection_takes_no_more_questions_gets_another() -> None:
    async def script(peer: Peer) -> None:
        first, second = await peer.read(), await peer.read()
        assert first is not None
        assert second is not None
        peer.send(answered(first, b"\0\0"))
        await go_on.wait()
        peer.send(answered(second, None))

    go_on = asyncio.Event()
    async with serving(script, keeping(None, [])) as (server, endpoint):
        pool = StreamPool(connections_per_server=2, idle_s=LONG_S)
        first, slow = (
            asyncio.create_task(pool.ask(endpoint, asked(name), LONG_S)) for name in ("a.example", "b.example")
        )
        await first
        assert len(await pool.ask(endpoint, asked("c.example"), LONG_S)) > 12
        assert (server.accepted, slow.done()) == (2, False)
        go_on.set()
        assert len(await slow) > 12
        pool.close()


async def test_a_timeout_in_an_answer_that_comes_late_counts_at_once() -> None:
    async def script(peer: Peer) -> None:
        first, second = await peer.read(), await peer.read()
        assert first is not None
        assert second is not None
        peer.send(answered(second, None))
        await go_on.wait()
        peer.send(answered(first, b"\0\0"))
        assert await peer.read() is None  # the node closes

    go_on = asyncio.Event()
    async with serving(script) as (server, endpoint):
        pool = StreamPool(connections_per_server=1, idle_s=LONG_S)
        late = asyncio.create_task(pool.ask(endpoint, asked("a.example"), 0.2))
        other = asyncio.create_task(pool.ask(endpoint, asked("b.example"), LONG_S))
        assert len(await other) > 12
        with pytest.raises(UnavailableError):
            await late
        go_on.set()
        async with server.changed:
            await asyncio.wait_for(server.changed.wait_for(lambda: server.closed == 1), LONG_S)
        pool.close()
