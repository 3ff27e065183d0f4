"""A bound on the requests that are worked on at once: beyond it the answer is a problem, at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import OVERLOADED, id_of, problem

MAX_REQUESTS = 200


class LoadMiddleware:
    """Counts requests from their body to the end of their answer, and refuses what is beyond the bound.

    The scope gets `rest`: in a block `with scope["rest"]():` a request that only waits is not counted, and `rested_s`
    has how long that was.
    """

    def __init__(self, app: ASGIApp, most: int = MAX_REQUESTS) -> None:
        self._app = app
        self._most = most
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless too many are being worked on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._now >= self._most:
            response = problem(OVERLOADED, f"{self._most} requests are being worked on; try again soon", id_of(scope))
            response.headers["Retry-After"] = "1"
            await response(scope, receive, send)
            return
        self._now += 1
        scope["rest"] = lambda: self._resting(scope)
        try:
            await self._app(scope, receive, send)
        finally:
            self._now -= 1

    @contextmanager
    def _resting(self, scope: Scope) -> Iterator[None]:
        since = perf_counter()
        self._now -= 1
        try:
            yield
        finally:
            # Who has waited is answered, also where that is one more than the bound.
            self._now += 1
            scope["rested_s"] = scope.get("rested_s", 0.0) + perf_counter() - since
