"""A bound on the requests that are worked on at once: beyond it the answer is a problem, at once.

What nodes ask has places of its own, for which it waits: a new policy brings all nodes at once.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import OVERLOADED, id_of, problem

MAX_REQUESTS = 200
OF_NODES = "/v1/nodes/self/"
MAX_OF_NODES = 32
QUEUED_S = 20.0


class LoadMiddleware:
    """Counts requests from their body to the end of their answer, and refuses what is beyond the bound.

    The scope of what a node asks gets `rest`: from a block `with scope["rest"]():` on, in which it only waits or sends,
    it takes no place. `rested_s` has how long the block was.
    """

    def __init__(
        self, app: ASGIApp, most: int = MAX_REQUESTS, of_nodes: int = MAX_OF_NODES, queued_s: float = QUEUED_S
    ) -> None:
        self._app = app
        self._most = most
        self._now = 0
        self._places = asyncio.Semaphore(of_nodes)
        self._queued_s = queued_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless too many are being worked on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(OF_NODES):
            await self._of_node(scope, receive, send)
            return
        if self._now >= self._most:
            await _refuse(scope, receive, send, f"{self._most} requests are being worked on; try again soon")
            return
        self._now += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._now -= 1

    async def _of_node(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.wait_for(self._places.acquire(), self._queued_s)
        except TimeoutError:
            await _refuse(scope, receive, send, "too many nodes are waiting; try again soon")
            return
        held = True

        def let_go() -> None:
            nonlocal held
            if held:
                held = False
                self._places.release()

        scope["rest"] = lambda: _resting(scope, let_go)
        try:
            await self._app(scope, receive, send)
        finally:
            let_go()


@contextmanager
def _resting(scope: Scope, let_go: Callable[[], None]) -> Iterator[None]:
    since = perf_counter()
    let_go()
    try:
        yield
    finally:
        scope["rested_s"] = scope.get("rested_s", 0.0) + perf_counter() - since


async def _refuse(scope: Scope, receive: Receive, send: Send, detail: str) -> None:
    response = problem(OVERLOADED, detail, id_of(scope))
    response.headers["Retry-After"] = "1"
    await response(scope, receive, send)
