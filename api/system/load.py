"""A bound on the requests that are worked on at once: beyond it the answer is a problem, at once.

What nodes ask has places of its own, for which it waits: a new policy brings all nodes at once.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import OVERLOADED, id_of, problem

MAX_REQUESTS = 200
OF_NODES = "/v1/nodes/self/"
MAX_OF_NODES = 32
QUEUED_S = 20.0


class LoadMiddleware:
    """Counts requests from their body until their answer is made, and refuses what is beyond the bound.

    An answer in several parts is made with its last one. To take what is made may last: it holds up nobody else.

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
        place = _Place(self._leave)
        try:
            await self._app(scope, receive, place.sending(send))
        finally:
            place.let_go()

    async def _of_node(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.wait_for(self._places.acquire(), self._queued_s)
        except TimeoutError:
            await _refuse(scope, receive, send, "too many nodes are waiting; try again soon")
            return
        place = _Place(self._places.release)
        scope["rest"] = lambda: _resting(scope, place.let_go)
        try:
            await self._app(scope, receive, place.sending(send))
        finally:
            place.let_go()

    def _leave(self) -> None:
        self._now -= 1


class _Place:
    """What a request has taken, and gives back once."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back = give_back
        self._held = True

    def let_go(self) -> None:
        if self._held:
            self._held = False
            self._give_back()

    def sending(self, send: Send) -> Send:
        """`send`, which lets go before it passes on an answer's end: what comes before may have to wait."""
        start: Message | None = None

        async def passed_on(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if not message.get("more_body", False):
                self.let_go()
            if start is not None:
                first, start = start, None
                await send(first)
            await send(message)

        return passed_on


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
