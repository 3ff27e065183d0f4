"""Concurrent requests are limited. Nodes have separate slots, and hold none while they wait for a snapshot."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.server.request_limits import OF_NODES, LoadMiddleware, RequestKind
from api.server.request_slots import Slots
from tests.unit.api.conftest import Plane
from tests.unit.api.nodes.conftest import Machine


def _scope(path: str, method: str = "GET", authorization: str = "") -> dict[str, Any]:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return {"type": "http", "method": method, "path": path, "headers": headers, "client": ("192.0.2.1", 1)}


def _load(app: Any, most: int = 1, queued_s: float = 0) -> LoadMiddleware:
    """Return that many slots for each kind of work, half of them for one caller."""
    return LoadMiddleware(app, {work: Slots(most, max(1, most // 2), queued_s) for work in RequestKind})


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ask(app: ASGIApp, scope: Scope) -> int:
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, _receive, send)
    return statuses[0]


async def _done(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0)


class Held:
    """An application whose requests at `/hold` and `rest` continue when the test allows it."""

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


KINDS = {
    "a read": _scope("/v1/bans"),
    "an act": _scope("/v1/bans", "PATCH"),
    "a node": _scope(f"{OF_NODES}snapshot"),
    "a probe": _scope("/readyz"),
}


@pytest.mark.parametrize("held", KINDS)
def test_no_kind_of_work_takes_the_slots_of_another(held: str) -> None:
    async def run() -> None:
        going, begun = asyncio.Event(), asyncio.Event()

        async def application(scope: Scope, _receive: Receive, send: Send) -> None:
            if "held" in scope:
                begun.set()
                await going.wait()
            await _done(send)

        app = _load(application)
        waiting = asyncio.create_task(_ask(app, {**KINDS[held], "held": True}))
        await begun.wait()
        found = {kind: await _ask(app, dict(scope)) for kind, scope in KINDS.items()}
        assert found == {kind: 503 if kind == held else 200 for kind in KINDS}
        going.set()
        assert await waiting == 200

    asyncio.run(asyncio.wait_for(run(), 30))


def test_one_known_token_takes_only_its_share_of_the_slots() -> None:
    async def run() -> None:
        held = Held()
        app = _load(held, most=2)
        for token in ("many", "another"):
            assert await _ask(app, {**_scope("/now", authorization=f"Bearer {token}"), "token_known": True}) == 200
        first = asyncio.create_task(_ask(app, _scope("/hold", authorization="Bearer many")))
        await _until(lambda: held.begun == 3)
        for written in ("Bearer many", "bearer many", "BEARER  many "):
            assert await _ask(app, _scope("/now", authorization=written)) == 503
        assert await _ask(app, _scope("/now", authorization="Bearer another")) == 200
        held.going.set()
        assert await first == 200

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize("authorization", ["", "Basic eDp5", "Bearer made-up"])
def test_without_a_known_token_an_address_has_a_share(authorization: str) -> None:
    async def run() -> None:
        held = Held()
        app = _load(held, most=2)
        first = asyncio.create_task(_ask(app, _scope("/hold", authorization="Bearer made-up-too")))
        await _until(lambda: held.begun == 1)
        assert await _ask(app, _scope("/now", authorization=authorization)) == 503
        assert await _ask(app, {**_scope("/now", authorization=authorization), "client": ("192.0.2.2", 1)}) == 200
        held.going.set()
        assert await first == 200

    asyncio.run(asyncio.wait_for(run(), 30))


def test_only_the_last_known_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.server.request_limits.MAX_KNOWN", 2)

    async def run() -> None:
        app = _load(Held())
        for token in "abac":
            assert await _ask(app, {**_scope("/now", authorization=f"Bearer {token}"), "token_known": True}) == 200
        assert [app._caller_of(_scope("/now", authorization=f"Bearer {token}")) for token in "abc"] == [
            "a", "192.0.2.1", "c",
        ]  # fmt: skip

    asyncio.run(asyncio.wait_for(run(), 30))


def test_nodes_are_refused_if_no_slot_becomes_free() -> None:
    async def run() -> None:
        held = Held()
        app = _load(held)
        first = asyncio.create_task(_ask(app, _scope(f"{OF_NODES}hold")))
        await _until(lambda: held.begun == 1)
        assert await _ask(app, _scope(f"{OF_NODES}now")) == 503
        held.going.set()
        assert await first == 200

    asyncio.run(asyncio.wait_for(run(), 30))


def test_nodes_wait_for_a_slot() -> None:
    async def run() -> None:
        held = Held()
        app = _load(held, queued_s=20)
        waiting = [asyncio.create_task(_ask(app, _scope(f"{OF_NODES}hold"))) for _ in range(2)]
        await _until(lambda: held.begun == 1)
        for _ in range(10):
            await asyncio.sleep(0)
        assert held.begun == 1
        held.going.set()
        assert await asyncio.gather(*waiting) == [200, 200]

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize("path", ["/rest", f"{OF_NODES}rest"])
def test_a_resting_request_holds_no_slot_and_the_time_is_noted(path: str) -> None:
    async def run() -> None:
        held = Held()
        app = _load(held)
        scopes = [_scope(path) for _ in range(5)]
        waiting = [asyncio.create_task(_ask(app, scope)) for scope in scopes]
        await _until(lambda: held.begun == 5)
        assert await _ask(app, _scope(path.replace("rest", "now"))) == 200
        held.going.set()
        assert await asyncio.gather(*waiting) == [200] * 5
        assert all(scope["rested_s"] > 0 for scope in scopes)

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize("path", ["/", f"{OF_NODES}snapshot"])
def test_a_slot_is_given_back_after_a_failed_request(path: str) -> None:
    async def broken(scope: Scope, _receive: Receive, _send: Send) -> None:
        if "rest" in scope:
            with scope["rest"]():
                raise RuntimeError("broken")
        raise RuntimeError("broken")

    async def run() -> None:
        app = _load(broken)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="broken"):
                await _ask(app, _scope(path))

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/v1/bans", f"{OF_NODES}snapshot"])
def test_only_an_accepted_token_becomes_known(town: Plane, path: str) -> None:
    known = Machine.enrolled(town, "office").token if path.startswith(OF_NODES) else town.token

    async def run() -> None:
        for token in (known, "made-up"):
            scope = {**_scope(path, authorization=f"Bearer {token}"), "query_string": b"", "root_path": ""}
            await _ask(town.app, scope)
            assert scope.get("token_known", False) == (token == known)

    asyncio.run(asyncio.wait_for(run(), 30))
