"""The event loop that waits inside the compiled engine."""

import asyncio
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, cast

import dns.message
import pytest

from dnsfilter.engine.interface import AskStream, Event
from dnsfilter.engine.slow_path.slow_path import SlowPath
from dnsfilter.worker.engine_loop import EngineLoop, Serving
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, PATIENCE_S, Client, Rig, data, query, running
from tests.support.scripted import Scripted, silent, truncated

pytest.importorskip("dnsfilter.engine._engine")

NAME = "plain.example.org"


class Polls:
    """The reader of an engine's descriptor, as a resolver: it notes what each call of `poll` returned or raised."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.found: list[Sequence[Event]] = []
        self.raised: list[BaseException] = []
        self.decided: list[int] = []
        """The number of decided queries before each call."""

    def __call__(self) -> None:
        self.decided.append(sum(self.rig.outcomes().values()))
        try:
            self.found.append(self.rig.engine.poll(8))
        except ArithmeticError as error:
            self.raised.append(error)


@contextmanager
def waiting_in(rig: Rig) -> Iterator[Polls]:
    """Wait in the rig's engine on the running loop."""
    loop, polls = cast(EngineLoop, asyncio.get_running_loop()), Polls(rig)
    assert isinstance(rig.engine, Serving)
    loop.wait_in(rig.engine)
    loop.add_reader(rig.engine.fileno(), polls)
    try:
        yield polls
    finally:
        loop.remove_reader(rig.engine.fileno())


async def answer_to(client: Client) -> dns.message.Message:
    async with asyncio.timeout(PATIENCE_S):
        while (found := client.receive()) is None:
            await asyncio.sleep(0.001)
    return dns.message.from_wire(found)


async def until_asked(upstream: Scripted, number: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(upstream.asked) < number:
            await asyncio.sleep(0.001)


async def test_ordinary_queries_call_no_python() -> None:
    with running("compiled", office(), internet()) as rig, waiting_in(rig) as polls:
        async with rig.upstream.on_loop():
            assert (await answer_to(rig.send(query("www.tiktok.com"), GHENT))).rcode() == dns.rcode.REFUSED
            for _ in range(2):
                assert data(await answer_to(rig.send(query(NAME), GHENT))) == ["A 198.51.100.10"]
        assert rig.outcomes() == {("udp", "refused"): 1, ("udp", "forwarded"): 1, ("udp", "cached"): 1}
    assert polls.decided == []


async def test_events_reach_the_reader() -> None:
    with running("compiled", office(), Scripted(lambda asked: (truncated(asked),))) as rig, waiting_in(rig) as polls:
        async with rig.upstream.on_loop():
            rig.send(query(NAME), GHENT)
            async with asyncio.timeout(PATIENCE_S):
                while not polls.found:
                    await asyncio.sleep(0.001)
            assert [type(event) for event in polls.found[0]] == [AskStream]
            assert (await answer_to(rig.send(query("www.tiktok.com"), GHENT))).rcode() == dns.rcode.REFUSED
    assert len(polls.found) == 1


async def test_exception_in_the_slow_path_reaches_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> NoReturn:
        raise ArithmeticError("for a test")

    with running("compiled", office(), internet()) as rig, waiting_in(rig) as polls:
        with monkeypatch.context() as patch:
            patch.setattr(SlowPath, "decide_message", failing)
            rig.send(query("health.dnsfilter.internal"), GHENT)
            async with asyncio.timeout(PATIENCE_S):
                while not polls.raised:
                    await asyncio.sleep(0.001)
        assert (await answer_to(rig.send(query("www.tiktok.com"), GHENT))).rcode() == dns.rcode.REFUSED
    assert [str(error) for error in polls.raised] == ["for a test"]


async def test_queries_wait_while_an_announced_policy_is_not_taken() -> None:
    with running("compiled", office(), internet()) as rig, waiting_in(rig) as polls:
        rig.counters.ordered = 7
        assert (await answer_to(rig.send(query("www.tiktok.com"), GHENT))).rcode() == dns.rcode.REFUSED
        assert polls.decided == [0]
        rig.counters.received = 7
        assert (await answer_to(rig.send(query("www.tiktok.com"), GHENT))).rcode() == dns.rcode.REFUSED
        assert polls.decided == [0]


async def test_questions_without_an_answer_time_out() -> None:
    with running("compiled", office(), Scripted(silent), internet()) as rig, waiting_in(rig):
        async with rig.upstreams[0].on_loop(), rig.upstreams[1].on_loop():
            client = rig.send(query(NAME), GHENT)
            await until_asked(rig.upstreams[0], 1)
            rig.clock.advance(1_000)
            assert data(await answer_to(client)) == ["A 198.51.100.10"]


async def test_descriptors_and_timers_of_the_loop_are_served_between_queries() -> None:
    loop, (near, far) = asyncio.get_running_loop(), socket.socketpair()
    read, fired = asyncio.Event(), asyncio.Event()
    with near, far, running("compiled", office(), internet()) as rig, waiting_in(rig):
        loop.add_reader(near, read.set)
        client = rig.send(query("www.tiktok.com"), GHENT)
        far.send(b"1")
        loop.call_later(0.001, fired.set)
        async with asyncio.timeout(PATIENCE_S):
            assert await read.wait()
            assert await fired.wait()
        assert (await answer_to(client)).rcode() == dns.rcode.REFUSED
        loop.remove_reader(near)


async def test_signal_ends_the_wait() -> None:
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    with running("compiled", office(), internet()) as rig, waiting_in(rig):
        loop.add_signal_handler(signal.SIGALRM, arrived.set)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        async with asyncio.timeout(PATIENCE_S):
            assert await arrived.wait()
        loop.remove_signal_handler(signal.SIGALRM)


async def test_engine_without_a_reader_answers_nothing_and_can_get_one_again() -> None:
    with running("compiled", office(), internet()) as rig:
        with waiting_in(rig):
            await answer_to(rig.send(query("www.tiktok.com"), GHENT))
        client = rig.send(query("www.tiktok.com"), GHENT)
        for _ in range(10):
            await asyncio.sleep(0.001)
        assert client.receive() is None
        with waiting_in(rig):
            await answer_to(client)
