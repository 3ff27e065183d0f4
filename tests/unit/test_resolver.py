"""The resolver on an event loop: queries of stream clients, and streams to upstreams."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.clock import SystemClock
from dnsfilter.engine.limits import client_block
from dnsfilter.engine.reference import room, shares
from dnsfilter.resolver import Resolver
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import upstream_slots
from dnsfilter.upstream import stream_pool
from dnsfilter.upstream.attempt import TOTAL_MS
from dnsfilter.upstream.stream_pool import StreamPool
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, PATIENCE_S, Rig, data, query, running
from tests.support.scripted import Asked, Scripted, reply, silent, truncated

NAME = "plain.example.org"


@asynccontextmanager
async def resolving(*upstreams: Scripted, streams: StreamPool | None = None) -> AsyncIterator[tuple[Resolver, Rig]]:
    """A resolver with an engine whose upstreams serve UDP and TCP on the loop, except closed ones."""
    with running("reference", office(), *upstreams, wall_s=SystemClock().wall_s()) as rig:
        endpoints = [upstream.endpoint for upstream in upstreams]
        serving = [upstream.on_loop() for upstream in upstreams if upstream.fileno() >= 0]
        for each in serving:
            await each.__aenter__()
        resolver = Resolver(rig.engine, endpoints, streams or StreamPool(), rig.clock)
        try:
            yield resolver, rig
        finally:
            await resolver.close()
            for each in serving:
                await each.__aexit__(None, None, None)


def begin(resolver: Resolver, wire: bytes, client: str = GHENT) -> "asyncio.Future[dns.message.Message]":
    """Ask and return a future with the reply. It raises ValueError if there is no reply."""
    answer: asyncio.Future[dns.message.Message] = asyncio.get_running_loop().create_future()
    asked = resolver.ask(wire, ip_address(client).packed, lambda found: answer.set_result(dns.message.from_wire(found)))
    if asked is None:
        answer.set_exception(ValueError("no answer"))
    elif asked == 0:
        assert answer.done()
    return answer


async def within(answer: "asyncio.Future[dns.message.Message]") -> dns.message.Message:
    return await asyncio.wait_for(answer, PATIENCE_S)


def big(asked: Asked) -> tuple[bytes, ...]:
    if not asked.by_stream:
        return (truncated(asked),)
    return (reply(asked, [f"{asked.name}. 300 A 10.0.{n >> 8}.{n & 255}" for n in range(500)]),)


async def test_new_policy_is_taken_before_queries_are_decided() -> None:
    with running("reference", office(), wall_s=SystemClock().wall_s()) as rig:
        decided: list[int] = []
        resolver = Resolver(
            rig.engine, [], StreamPool(), rig.clock, lambda: decided.append(sum(rig.outcomes().values()))
        )
        try:
            rig.send(query("www.tiktok.com"), GHENT)
            while not rig.outcomes():
                await asyncio.sleep(0.001)
            assert set(decided) == {0}
            assert begin(resolver, query("www.tiktok.com")).done()
            assert decided[-1] == 1
        finally:
            await resolver.close()


async def test_query_that_needs_no_upstream_is_answered_at_once() -> None:
    async with resolving(internet()) as (resolver, rig):
        answer = begin(resolver, query("www.tiktok.com"))
        assert answer.done()
        assert answer.result().rcode() == dns.rcode.REFUSED
        assert rig.outcomes() == {("tcp", "refused"): 1}


async def test_invalid_message_gets_no_answer() -> None:
    async with resolving(internet()) as (resolver, _rig):
        for wire in (b"", b"\0" * 11, b"\0\1\x80\0" + bytes(8)):
            assert resolver.ask(wire, ip_address(GHENT).packed, lambda _: pytest.fail("answered")) is None


async def test_miss_is_answered_after_the_upstream_answers() -> None:
    async with resolving(internet()) as (resolver, _rig):
        first = begin(resolver, query(NAME))
        assert not first.done()
        assert data(await within(first)) == ["A 198.51.100.10"]
        assert begin(resolver, query(NAME)).done()


async def test_datagrams_are_served_while_the_loop_runs() -> None:
    async with resolving(internet()) as (_resolver, rig):
        client = rig.send(query(NAME))
        async with asyncio.timeout(PATIENCE_S):
            while (found := client.receive()) is None:
                await asyncio.sleep(0)
        assert data(dns.message.from_wire(found)) == ["A 198.51.100.10"]


async def test_truncated_answer_is_fetched_over_a_stream_for_all_waiting_clients() -> None:
    async with resolving(Scripted(big)) as (resolver, rig):
        waiting = [begin(resolver, query(NAME), client) for client in (GHENT, MECHELEN)]
        datagram = rig.send(query(NAME))
        for answer in waiting:
            assert len(data(await within(answer))) == 500
        cut = datagram.receive()
        assert cut is not None
        assert dns.message.from_wire(cut).flags & dns.flags.TC
        assert [asked.by_stream for asked in rig.upstream.asked] == [False, True]


async def test_next_server_is_asked_after_a_failed_stream() -> None:
    def cut_off(asked: Asked) -> tuple[bytes, ...]:
        return () if asked.by_stream else (truncated(asked),)

    async with resolving(Scripted(cut_off), internet()) as (resolver, _rig):
        assert data(await within(begin(resolver, query(NAME)))) == ["A 198.51.100.10"]


async def test_stream_gets_the_remaining_time_and_the_client() -> None:
    class Noting(StreamPool):
        async def ask(self, server: Endpoint, message: bytes, timeout_s: float, client: bytes = b"") -> bytes:
            noted.append((round(timeout_s, 2), client))
            return await super().ask(server, message, timeout_s, client)

    noted: list[tuple[float, bytes]] = []

    async with resolving(Scripted(big), streams=Noting()) as (resolver, _rig):
        await within(begin(resolver, query(NAME), MECHELEN))
        assert noted == [(TOTAL_MS / 1000, client_block(ip_address(MECHELEN).packed))]


async def test_replaced_question_is_cancelled_on_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_EXCHANGES", 2)
    monkeypatch.setattr(shares, "HEAVY", 2)

    class Noting(StreamPool):
        async def ask(self, server: Endpoint, message: bytes, timeout_s: float, client: bytes = b"") -> bytes:
            begun.append(client)
            try:
                return await super().ask(server, message, timeout_s, client)
            except asyncio.CancelledError:
                cancelled.append(client)
                raise

    begun: list[bytes] = []
    cancelled: list[bytes] = []

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)

    streams = Noting(connections_per_server=0)
    async with resolving(Scripted(big), streams=streams) as (resolver, rig):
        for number in range(2):
            begin(resolver, query(f"n{number}.example.org"), GHENT)
        await until(lambda: len(begun) == 2)
        rig.clock.advance(shares.OLD_MS)
        begin(resolver, query(NAME), MECHELEN)
        await until(lambda: bool(cancelled))
        assert cancelled == [client_block(ip_address(GHENT).packed)]


async def test_stream_refused_by_our_own_limit_is_not_a_server_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_pool, "MOST_OPEN", 0)

    async with resolving(Scripted(big)) as (resolver, rig):
        assert (await within(begin(resolver, query(NAME)))).rcode() == dns.rcode.SERVFAIL
        assert rig.counters.slots[upstream_slots(1)[0].failure(Failure.UNREACHABLE)] == 0


async def test_refused_stream_is_a_server_failure() -> None:
    only_udp = Scripted(lambda asked: (truncated(asked),))
    with running("reference", office(), only_udp) as rig:
        resolver = Resolver(rig.engine, [only_udp.endpoint], StreamPool(), rig.clock)
        try:
            answer = begin(resolver, query(NAME))
            async with asyncio.timeout(PATIENCE_S):
                while not answer.done():
                    only_udp.serve()
                    await asyncio.sleep(0)
            assert answer.result().rcode() == dns.rcode.SERVFAIL
        finally:
            await resolver.close()


async def test_forgotten_client_gets_no_reply_and_others_do() -> None:
    held = Scripted(silent)
    async with resolving(held) as (resolver, rig):
        ticket = resolver.ask(query(NAME), ip_address(GHENT).packed, lambda _: pytest.fail("answered"))
        assert ticket
        other = begin(resolver, query(NAME), MECHELEN)
        async with asyncio.timeout(PATIENCE_S):
            while not held.asked:
                await asyncio.sleep(0)
        resolver.forget(ticket)
        resolver.forget(ticket)
        held.say(held.asked[0], reply(held.asked[0], (f"{NAME}. 300 A 198.51.100.10",)))
        assert data(await within(other)) == ["A 198.51.100.10"]
        assert rig.outcomes() == {("tcp", "forwarded"): 2}


async def test_close_cancels_questions_over_streams() -> None:
    connected = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    upstream = Scripted(lambda asked: (truncated(asked),))
    server = await asyncio.start_server(accept, str(upstream.endpoint.address), upstream.endpoint.port)
    loop = asyncio.get_running_loop()
    with running("reference", office(), upstream) as rig:
        loop.add_reader(upstream.fileno(), upstream.serve)
        resolver = Resolver(rig.engine, [upstream.endpoint], StreamPool(), rig.clock)
        answer = begin(resolver, query(NAME))
        await asyncio.wait_for(connected.wait(), PATIENCE_S)
        await resolver.close()
        assert (await within(answer)).rcode() == dns.rcode.SERVFAIL
        loop.remove_reader(upstream.fileno())
    server.close()
