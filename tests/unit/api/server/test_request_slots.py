"""Slots are given in turn: many requests of one caller do not delay others."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from api.server.request_slots import Slots


def _run(steps: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(steps, 30))


async def _settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_callers_get_free_slots_in_turn() -> None:
    async def run() -> None:
        slots, order = Slots(1, 1), list[str]()

        async def work(who: str) -> None:
            assert await slots.take(who)
            order.append(who)
            await asyncio.sleep(0)
            slots.give_back(who)

        assert await slots.take("first")
        waiting = [asyncio.create_task(work(who)) for who in ("many", "many", "many", "one", "another")]
        await _settled()
        assert order == []
        slots.give_back("first")
        await asyncio.gather(*waiting)
        assert order == ["many", "one", "another", "many", "many"]

    _run(run())


def test_one_caller_leaves_slots_for_others() -> None:
    async def run() -> None:
        slots = Slots(3, 2)
        assert await slots.take("many")
        assert await slots.take("many")
        third = asyncio.create_task(slots.take("many"))
        await _settled()
        assert not third.done()
        assert await slots.take("one")
        slots.give_back("many")
        assert await third

    _run(run())


def test_a_request_that_waits_too_long_is_refused_and_takes_no_slot() -> None:
    async def run() -> None:
        slots = Slots(1, 1, queued_s=0)
        assert await slots.take("a")
        assert [await slots.take(who) for who in "ab"] == [False, False]
        slots.give_back("a")
        assert await slots.take("b")

    _run(run())


def test_the_number_of_waiting_requests_of_one_caller_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.server.request_slots.MAX_WAITING_EACH", 1)

    async def run() -> None:
        slots = Slots(1, 1)
        assert await slots.take("a")
        waiting = [asyncio.create_task(slots.take(who)) for who in "ab"]
        await _settled()
        assert not await slots.take("a")
        slots.give_back("a")
        assert await waiting[0]
        slots.give_back("a")
        assert await waiting[1]

    _run(run())


@pytest.mark.parametrize("given", [False, True])
def test_a_cancelled_request_takes_no_slot(given: bool) -> None:
    async def run() -> None:
        slots = Slots(1, 1)
        assert await slots.take("a")
        waiting = asyncio.create_task(slots.take("b"))
        await _settled()
        if given:
            slots.give_back("a")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not given:
            slots.give_back("a")
        assert await slots.take("c")

    _run(run())
