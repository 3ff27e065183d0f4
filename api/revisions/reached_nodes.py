"""Wait until every node that reports applies a revision. Waiting holds no thread and no database connection."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from api.nodes.report_arrivals import Arrivals
from api.nodes.state import NodeProgress

LOOK_S = 1.0
"""Seconds until the next look without a report: a node may have become silent, and the server may stop."""
GATHER_S = 0.05
"""Seconds in which reports are gathered before the next look."""


async def reached(
    read: Callable[[], Sequence[NodeProgress]],
    arrivals: Arrivals,
    wait_s: float,
    is_stopping: Callable[[], bool],
) -> Sequence[NodeProgress]:
    """Return what `read` finds, as soon as no node is awaited, or after `wait_s`. `read` runs in a thread."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while True:
        arrival = arrivals.expect()
        try:
            found = await run_in_threadpool(read)
            left = deadline - loop.time()
            if left <= 0 or is_stopping() or not any(node.is_awaited for node in found):
                return found
            with suppress(TimeoutError):
                await asyncio.wait_for(arrival, min(left, LOOK_S))
        finally:
            arrivals.drop(arrival)
        await asyncio.sleep(GATHER_S)
