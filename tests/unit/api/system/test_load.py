"""What is worked on at once is bounded; what nodes ask waits for places of its own, and takes none while it rests."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.system.load import OF_NODES, LoadMiddleware


def _scope(path: str) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "headers": []}


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ask(app: LoadMiddleware, scope: Scope) -> int:
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, _receive, send)
    return statuses[0]


async def _done(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Held:
    """An application whose requests at `/hold` and `rest` go on once they may."""

    def __init__(self) -> None:
        self.going = asyncio.Event()
        self.begun = 0

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.begun += 1
        if scope["path"].endswith("rest"):
            with scope["rest"]():
                await self.going.wait()
        elif scope["path"].endswith("hold"):
            await self.going.wait()
        await _done(send)


def test_beyond_the_bound_people_are_refused_and_nodes_are_not_counted_among_them() -> None:
    async def run() -> None:
        held = Held()
        app = LoadMiddleware(held, most=1)
        waiting = [asyncio.create_task(_ask(app, _scope(path))) for path in ("/hold", f"{OF_NODES}hold")]
        await asyncio.sleep(0.01)
        assert await _ask(app, _scope("/now")) == 503
        assert await _ask(app, _scope(f"{OF_NODES}now")) == 200
        held.going.set()
        assert await asyncio.gather(*waiting) == [200, 200]
        assert await _ask(app, _scope("/now")) == 200

    asyncio.run(asyncio.wait_for(run(), 30))


def test_nodes_wait_for_a_place_and_are_refused_in_the_end() -> None:
    async def run() -> None:
        held = Held()
        app = LoadMiddleware(held, of_nodes=1, queued_s=0.05)
        first = asyncio.create_task(_ask(app, _scope(f"{OF_NODES}hold")))
        await asyncio.sleep(0.01)
        assert await _ask(app, _scope(f"{OF_NODES}now")) == 503
        second = asyncio.create_task(_ask(app, _scope(f"{OF_NODES}now")))
        await asyncio.sleep(0.01)
        assert held.begun == 1
        held.going.set()
        assert (await first, await second) == (200, 200)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_who_rests_takes_no_place_and_the_time_is_told() -> None:
    async def run() -> None:
        held = Held()
        app = LoadMiddleware(held, of_nodes=1)
        scopes = [_scope(f"{OF_NODES}rest") for _ in range(5)]
        waiting = [asyncio.create_task(_ask(app, scope)) for scope in scopes]
        while held.begun < 5:
            await asyncio.sleep(0.001)
        assert await _ask(app, _scope(f"{OF_NODES}now")) == 200
        held.going.set()
        assert await asyncio.gather(*waiting) == [200] * 5
        assert all(scope["rested_s"] > 0 for scope in scopes)

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize("path", ["/", f"{OF_NODES}snapshot"])
def test_a_place_comes_back_where_a_request_fails(path: str) -> None:
    async def broken(scope: Scope, _receive: Receive, _send: Send) -> None:
        if "rest" in scope:
            with scope["rest"]():
                raise RuntimeError("broken")
        raise RuntimeError("broken")

    async def run() -> None:
        app = LoadMiddleware(broken, most=1, of_nodes=1, queued_s=0.05)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="broken"):
                await _ask(app, _scope(path))

    asyncio.run(run())
