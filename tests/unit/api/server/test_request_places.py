"""Places are given in turn: many requests of one caller do not delay others."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from api.server.request_places import Room


def _run(steps: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(steps, 30))


async def _settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_callers_get_free_places_in_turn() -> None:
    async def run() -> None:
        room, order = Room(1, 1), list[str]()

        async def work(who: str) -> None:
            assert await room.begin(who)
            order.append(who)
            await asyncio.sleep(0)
            room.end(who)

        assert await room.begin("first")
        waiting = [asyncio.create_task(work(who)) for who in ("many", "many", "many", "one", "another")]
        await _settled()
        assert order == []
        room.end("first")
        await asyncio.gather(*waiting)
        assert order == ["many", "one", "another", "many", "many"]

    _run(run())


def test_one_caller_leaves_places_for_others() -> None:
    async def run() -> None:
        room = Room(3, 2)
        assert await room.begin("many")
        assert await room.begin("many")
        third = asyncio.create_task(room.begin("many"))
        await _settled()
        assert not third.done()
        assert await room.begin("one")
        room.end("many")
        assert await third

    _run(run())


def test_a_request_that_waits_too_long_is_refused_and_takes_no_place() -> None:
    async def run() -> None:
        room = Room(1, 1, queued_s=0)
        assert await room.begin("a")
        assert [await room.begin(who) for who in "ab"] == [False, False]
        room.end("a")
        assert await room.begin("b")

    _run(run())


def test_the_number_of_waiting_requests_of_one_caller_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.server.request_places.MAX_WAITING_EACH", 1)

    async def run() -> None:
        room = Room(1, 1)
        assert await room.begin("a")
        waiting = [asyncio.create_task(room.begin(who)) for who in "ab"]
        await _settled()
        assert not await room.begin("a")
        room.end("a")
        assert await waiting[0]
        room.end("a")
        assert await waiting[1]

    _run(run())


@pytest.mark.parametrize("given", [False, True])
def test_a_cancelled_request_takes_no_place(given: bool) -> None:
    async def run() -> None:
        room = Room(1, 1)
        assert await room.begin("a")
        waiting = asyncio.create_task(room.begin("b"))
        await _settled()
        if given:
            room.end("a")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not given:
            room.end("a")
        assert await room.begin("c")

    _run(run())
