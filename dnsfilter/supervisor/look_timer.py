"""When the supervisor looks at workers and files: at intervals, and at once if it is woken."""

import asyncio
import time
from collections.abc import Callable

LOOK_S = 0.04
"""Seconds between two looks, unless it is woken: a change of files must be in force within 0.1."""
GLANCE_S = 0.02
"""Seconds between two glances."""


class LookTimer:
    """Calls `look` and `glance` with the monotonic time until `end`. A glance that returns True leads to a look."""

    def __init__(self, glance: Callable[[float], bool], look: Callable[[float], object]) -> None:
        self._glance, self._look = glance, look
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._look_at = 0.0
        self._next: asyncio.Handle | None = None
        self.is_ending = False

    async def run(self) -> None:
        """Return after `end`. Raise what a look raises."""
        self.wake()
        await self._over

    def wake(self) -> None:
        """Look as soon as the event loop is free."""
        self._look_at = 0.0
        if self._next is not None:
            self._next.cancel()
        self._next = self._loop.call_soon(self._turn)

    def end(self) -> None:
        """Make `run` return after this look, or after one more."""
        self.is_ending = True
        self.wake()

    def _turn(self) -> None:
        if self._over.done():
            return
        try:
            now = time.monotonic()
            if now >= self._look_at or self._glance(now):
                self._look_at = now + LOOK_S
                self._look(now)
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._over.set_exception(error)
            return
        if self.is_ending:
            self._over.set_result(None)
        elif self._look_at:  # else this look has woken it
            # A timer costs half of what a task costs that waits for one.
            self._next = self._loop.call_later(GLANCE_S, self._turn)
