"""What is worked on at once is bounded; what only waits is not counted, and is answered."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.system.load import LoadMiddleware


def _scope() -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/", "headers": []}


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ask(app: LoadMiddleware, scope: Scope | None = None) -> int:
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(_scope() if scope is None else scope, _receive, send)
    return statuses[0]


@pytest.mark.parametrize("resting", [False, True])
def test_who_rests_takes_nobody_s_place(resting: bool) -> None:
    async def run() -> None:
        going = asyncio.Event()

        async def inner(scope: Scope, _receive: Receive, send: Send) -> None:
            if scope["path"] == "/wait" and resting:
                with scope["rest"]():
                    await going.wait()
            elif scope["path"] == "/wait":
                await going.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        app = LoadMiddleware(inner, most=1)
        scopes = [{**_scope(), "path": "/wait"} for _ in range(3)]
        waiting = [asyncio.create_task(_ask(app, scope)) for scope in scopes]
        await asyncio.sleep(0)
        assert await _ask(app) == (200 if resting else 503)
        going.set()
        assert await asyncio.gather(*waiting) == ([200] * 3 if resting else [200, 503, 503])
        assert [scope.get("rested_s", 0) > 0 for scope in scopes] == [resting] * 3
        assert await _ask(app) == 200

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_place_comes_back_where_waiting_fails() -> None:
    async def run() -> None:
        async def inner(scope: Scope, _receive: Receive, _send: Send) -> None:
            with scope["rest"]():
                raise RuntimeError("broken")

        async def fine(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        app = LoadMiddleware(inner, most=1)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="broken"):
                await _ask(app)
        app._app = fine
        assert await _ask(app) == 200

    asyncio.run(run())
