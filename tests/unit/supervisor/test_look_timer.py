import asyncio
from collections.abc import Callable

import pytest

from dnsfilter.supervisor.look_timer import LookTimer


def run(looks: Callable[[LookTimer, int], object], glance: Callable[[int], bool] = lambda _: False) -> list[str]:
    """Run a timer until `looks` ends them, which gets the number of the look. Return what was called."""
    called: list[str] = []

    async def go() -> None:
        def glanced(_now: float) -> bool:
            called.append("glance")
            return glance(called.count("glance"))

        def looked(_now: float) -> None:
            called.append("look")
            looks(timer, called.count("look"))

        timer = LookTimer(glanced, looked)
        async with asyncio.timeout(60):
            await timer.run()

    asyncio.run(go())
    return called


def test_the_first_one_is_a_look_and_glances_come_between_looks() -> None:
    called = run(lambda timer, number: timer.end() if number == 3 else None)
    assert called[0] == "look"
    assert "glance" in called
    assert called.count("look") == 3


def test_a_glance_that_finds_something_leads_to_a_look() -> None:
    called = run(lambda timer, number: timer.end() if number == 2 else None, glance=lambda _: True)
    assert called[:3] == ["look", "glance", "look"]


@pytest.mark.parametrize("times", [1, 3])
def test_a_wake_during_a_look_leads_to_one_more_look_at_once(times: int) -> None:
    def look(timer: LookTimer, number: int) -> None:
        if number == 1:
            for _ in range(times):
                timer.wake()
        if number == 2:
            timer.end()

    assert run(look) == ["look", "look"]


def test_a_look_that_raises_ends_the_run() -> None:
    def look(timer: LookTimer, _number: int) -> None:
        timer.wake()
        raise LookupError("broken")

    with pytest.raises(LookupError, match="broken"):
        run(look)
