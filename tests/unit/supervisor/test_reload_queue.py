"""Reloads and upgrades run one at a time."""

import asyncio
import logging

import pytest

from dnsfilter.supervisor.reload_queue import ReloadQueue
from tests.support.on_a_loop import on_a_loop


class Played:
    """ReloadQueue that end when they are allowed to. `began` lists them."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.may_end = asyncio.Event()

    async def reload(self) -> str:
        self.began.append("reload")
        await self.may_end.wait()
        return f"reason {self.began.count('reload')}"

    async def upgrade(self) -> None:
        self.began.append("upgrade")
        await self.may_end.wait()


@on_a_loop
async def test_reloads_asked_for_during_one_become_the_next_and_each_learns_its_own_result() -> None:
    played = Played()
    queue = ReloadQueue(played.reload, played.upgrade)
    first = queue.ask_reload()
    await asyncio.sleep(0)
    later = [queue.ask_reload(), queue.ask_reload()]
    later[0].cancel()  # its command has ended
    played.may_end.set()
    assert await first == "reason 1"
    assert await later[1] == "reason 2"
    assert played.began == ["reload", "reload"]


@on_a_loop
async def test_a_reload_waits_for_an_upgrade_and_an_upgrade_is_ignored_meanwhile(
    caplog: pytest.LogCaptureFixture,
) -> None:
    played = Played()
    queue = ReloadQueue(played.reload, played.upgrade)
    queue.ask_upgrade()
    result = queue.ask_reload()
    await asyncio.sleep(0)
    with caplog.at_level(logging.WARNING, "dnsfilter.node"):
        queue.ask_upgrade()
    assert "signal ignored" in caplog.text
    assert played.began == ["upgrade"]
    played.may_end.set()
    assert await result == "reason 1"
    assert played.began == ["upgrade", "reload"]


@on_a_loop
async def test_an_upgrade_waits_for_a_reload() -> None:
    played = Played()
    queue = ReloadQueue(played.reload, played.upgrade)
    result = queue.ask_reload()
    await asyncio.sleep(0)
    queue.ask_upgrade()
    later = queue.ask_reload()
    played.may_end.set()
    assert (await result, await later) == ("reason 1", "reason 2")
    assert played.began == ["reload", "upgrade", "reload"]


@on_a_loop
async def test_what_a_fault_breaks_off_is_waited_for_by_nobody_and_can_be_asked_for_again() -> None:
    faulty = True

    async def reload() -> str:
        if faulty:
            raise RuntimeError("a fault of the program")
        return "reloaded"

    upgrades: list[bool] = []

    async def upgrade() -> None:
        upgrades.append(faulty)
        if faulty:
            raise RuntimeError("a fault of the program")

    queue = ReloadQueue(reload, upgrade)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(queue.ask_reload(), 30)
    queue.ask_upgrade()
    await asyncio.sleep(0)
    faulty = False
    queue.ask_upgrade()
    assert await asyncio.wait_for(queue.ask_reload(), 30) == "reloaded"
    assert upgrades == [True, False]
    ended = ReloadQueue(Played().reload, upgrade)
    result = ended.ask_reload()
    await asyncio.sleep(0)
    ended.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(result, 30)
