"""Limits on concurrent requests. Nodes, acts, reads and health checks have separate slots."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto
from functools import partial
from hashlib import sha256
from time import perf_counter

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.authentication_failures import address_of, network_of
from api.auth.sessions import COOKIE
from api.errors import Overloaded
from api.http.problems import id_of, of_error
from api.server.request_slots import Slots

OF_NODES = "/v1/nodes/self/"
OF_CONSOLE = "/console/"
OF_HEALTH = frozenset({"/healthz", "/readyz", "/version"})
READS = frozenset({"GET", "HEAD"})


class RequestKind(Enum):
    """The kinds of requests. No kind takes the slots of another."""

    NODE = auto()
    HEALTH = auto()
    READ = auto()
    ACT = auto()


SLOTS: Mapping[RequestKind, tuple[int, int]] = {
    RequestKind.NODE: (32, 4),
    RequestKind.HEALTH: (16, 4),
    # Fewer than the connections of the database's pool (15): each read keeps one until its answer is ready.
    RequestKind.READ: (8, 4),
    # Only one act at a time writes: more slots would only hold threads.
    RequestKind.ACT: (16, 4),
}
"""Concurrent requests: of all callers, and of one. A caller is a known token, or else the client's address."""
ALL_SLOTS = sum(most for most, _ in SLOTS.values())
THREADS = ALL_SLOTS + 40
"""One thread for each slot, and anyio's default of 40 for answers that are sent without a slot.

A request uses at most one thread at a time. So acts that wait to write leave threads to all others.
"""
MAX_KNOWN = 10_000
"""The most tokens that are remembered as known."""


class LoadMiddleware:
    """Count requests from their body until their answer is ready. Requests beyond the limit wait, then are refused.

    An answer in several parts is ready with its last part. A client that reads slowly keeps no slot from others.

    The scope gets `rest`: a request that enters `with scope["rest"]():` gives its slot back, because from there on it
    only waits or sends. `rested_s` is the time spent in that block. Authentication sets `token_known` for a valid
    token.
    """

    def __init__(self, app: ASGIApp, slots: Mapping[RequestKind, Slots] | None = None) -> None:
        self._app = app
        self._slots = slots or {work: Slots(*limits) for work, limits in SLOTS.items()}
        self._known: OrderedDict[bytes, None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as soon as there is a slot for it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        work = _work_of(scope)
        slots, who = self._slots[work], self._caller_of(scope)
        if not await slots.take(who):
            error = Overloaded("too many requests are being worked on: try again soon")
            await of_error(error, id_of(scope))(scope, receive, send)
            return
        slot = _Slot(partial(slots.give_back, who))
        scope["rest"] = lambda: _resting(scope, slot.let_go)
        try:
            await self._app(scope, receive, slot.sending(send))
        finally:
            slot.let_go()
            if scope.get("token_known"):
                self._remember(scope)

    def _caller_of(self, scope: Scope) -> str:
        """Return the request's token if it is known, else its network. Anybody can invent other tokens."""
        token = token_of(scope)
        return token if _digest(token) in self._known else network_of(address_of(scope.get("client")))

    def _remember(self, scope: Scope) -> None:
        digest = _digest(token_of(scope))
        self._known[digest] = None
        self._known.move_to_end(digest)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)


def _work_of(scope: Scope) -> RequestKind:
    if scope["path"].startswith(OF_NODES):
        return RequestKind.NODE
    if scope["path"] in OF_HEALTH:
        return RequestKind.HEALTH
    return RequestKind.READ if scope["method"] in READS else RequestKind.ACT


def token_of(scope: Scope) -> str:
    """Return the bearer token of a request, or an empty text. Ignore case and spaces in its header.

    A request of the console has its token in a cookie.
    """
    if scope["path"].startswith(OF_CONSOLE):
        return HTTPConnection(scope).cookies.get(COOKIE, "")
    header = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
    scheme, _, token = header.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


class _Slot:
    """The slot of a request, which is given back once."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back = give_back
        self._held = True

    def let_go(self) -> None:
        if self._held:
            self._held = False
            self._give_back()

    def sending(self, send: Send) -> Send:
        """Return a `send` that gives the slot back before it passes on an answer's end. Hold the start until then."""
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
