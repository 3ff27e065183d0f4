"""Few large bodies are read concurrently, and only with a valid token."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api import errors
from api.server.bodies import LARGE_QUEUED_S, MAX_UNKNOWN_BYTES, READ_TIMEOUT_S, BodyMiddleware
from api.server.request_limits import OF_NODES

LARGE = b"x" * (MAX_UNKNOWN_BYTES + 1)


class Held:
    """An application that answers requests when the test allows it, or fails while `broken`."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun: list[str] = []
        self.broken = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.broken:
            raise RuntimeError("broken")
        self.begun.append(scope["path"])
        await self.go_on.wait()
        await Response(status_code=204)(scope, receive, send)


class Caller:
    """A client that sends large bodies to a `Held` behind the middleware."""

    def __init__(self, **bounds: Any) -> None:
        self.held = Held()
        self.app = BodyMiddleware(
            self.held, lambda token, _scope: token, lambda _token, _scope: errors.NotAuthenticated("no"), **bounds
        )
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://testserver")

    async def send(self, token: str, path: str = "/", content: Any = LARGE) -> httpx.Response:
        given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await self._client.post(path, headers=given, content=content)

    async def begin(self, token: str, path: str = "/") -> "asyncio.Task[httpx.Response]":
        """Start a request, and wait until it is being handled."""
        before, made = len(self.held.begun), asyncio.create_task(self.send(token, path))
        while len(self.held.begun) == before:
            await asyncio.sleep(0.001)
        return made


def test_a_large_body_waits_for_a_slot_and_is_refused_after_a_timeout() -> None:
    async def run() -> None:
        caller = Caller(most_large=2, most_large_each=1, queued_s=0)
        first = await caller.begin("a")
        late = await caller.send("a")
        assert (late.status_code, late.json()["type"]) == (503, "/problems/overloaded")
        assert (late.headers["retry-after"], late.headers["connection"]) == ("1", "close")
        second = await caller.begin("b")
        assert (await caller.send("c")).status_code == 503
        small = asyncio.create_task(caller.send("c", content=b"x" * MAX_UNKNOWN_BYTES))
        node = await caller.begin("c", f"{OF_NODES}report")
        caller.held.go_on.set()
        answers = await asyncio.gather(first, second, small, node)
        assert [answer.status_code for answer in answers] == [204] * 4

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_waiting_body_is_read_as_soon_as_there_is_a_slot() -> None:
    async def run() -> None:
        caller = Caller(most_large=1, queued_s=20.0)
        first = await caller.begin("a")
        waiting = [asyncio.create_task(caller.send(token)) for token in "abc"]
        await asyncio.sleep(0.01)
        assert len(caller.held.begun) == 1
        caller.held.go_on.set()
        assert [answer.status_code for answer in await asyncio.gather(first, *waiting)] == [204] * 4

    asyncio.run(asyncio.wait_for(run(), 30))


def test_bodies_wait_longer_than_slow_uploads_hold_a_slot() -> None:
    assert LARGE_QUEUED_S > READ_TIMEOUT_S


def test_a_waiting_body_is_not_read() -> None:
    read: list[int] = []

    async def parts() -> Any:
        for number in range(10):
            read.append(number)
            yield b"x" * MAX_UNKNOWN_BYTES

    async def run() -> None:
        caller = Caller(most_large=1, queued_s=0)
        first = await caller.begin("a")
        assert (await caller.send("b", content=parts())).status_code == 503
        assert read == []
        caller.held.go_on.set()
        await first

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_slot_is_given_back_after_a_failed_request() -> None:
    async def run() -> None:
        caller = Caller(most_large=1, queued_s=0)
        caller.held.broken = True
        for _ in range(3):
            with pytest.raises(RuntimeError, match="broken"):
                await caller.send("a")

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize(
    "came",
    [
        [{"type": "http.disconnect"}],
        [{"type": "http.request", "body": b"{}", "more_body": True}, {"type": "http.disconnect"}],
        [{"type": "http.request", "body": b"{}"}],
    ],
    ids=["nothing", "a part", "less than announced"],
)
def test_an_incomplete_body_is_not_passed_on(came: list[Message]) -> None:
    caller, sent, left = Caller(), list[Message](), iter(came)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"3")]

    async def receive() -> Message:
        return next(left)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(caller.app({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive, send))
    assert (sent[0]["status"], caller.held.begun) == (400, [])
