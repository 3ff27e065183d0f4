"""Wait for the next entries of the audit log. Waiting holds no thread and no database connection."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from api.http.schemas import Page

LOOK_S = 0.5
"""Seconds between two looks for new entries. Other processes of the control plane record some."""

Item = TypeVar("Item")


async def followed(
    read: Callable[[], Page[Item]], newest: Callable[[], int], wait_s: float, is_stopping: Callable[[], bool]
) -> Page[Item]:
    """Return what `read` finds, as soon as it finds an item, or after `wait_s`.

    It reads again only after `newest`, the number of the last entry, has changed. Both run in a thread.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while True:
        before = await run_in_threadpool(newest) if wait_s else 0
        found = await run_in_threadpool(read)
        if found.items:
            return found
        while True:
            left = deadline - loop.time()
            if left <= 0 or is_stopping():
                return found
            await asyncio.sleep(min(left, LOOK_S))
            if await run_in_threadpool(newest) != before:
                break
