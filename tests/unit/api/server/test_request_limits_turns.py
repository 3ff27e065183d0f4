"""Requests that wait to write leave threads to others."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event

import httpx
import pytest
from anyio.to_thread import current_default_thread_limiter
from sqlalchemy.orm import Session

from api.server.bodies import MAX_CHECKS, MAX_UNKNOWN_BYTES
from api.server.request_limits import ALL_SLOTS, SLOTS, RequestKind
from tests.unit.api.conftest import Plane

BAN = "/v1/authorities/town/bans/alpha"
MOST, EACH = SLOTS[RequestKind.ACT]
CALLERS = MOST // EACH + 1


class Turn:
    """Count the requests that wait to write. Nobody may write before `given`."""

    def __init__(self, plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.given = Event()
        self._writing = plane.database.writing
        monkeypatch.setattr(plane.database, "writing", self._waiting)

    def _waiting(self) -> AbstractContextManager[Session]:
        @contextmanager
        def waiting() -> Iterator[Session]:
            self.asked += 1
            self.given.wait()
            with self._writing() as session:
                yield session

        return waiting()


@pytest.mark.heavy
def test_waiting_writers_leave_threads_to_others(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = [town.account(f"operator-{number}", ("operator", "town"))[1] for number in range(CALLERS)]
    for token in tokens:
        town.call("GET", "/v1/self", token=token)  # From then on the token is known, and its use is on record.
    turn = Turn(town, monkeypatch)

    async def run() -> tuple[list[int], list[int]]:
        current_default_thread_limiter().total_tokens = ALL_SLOTS
        transport = httpx.ASGITransport(town.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=60) as client:

            async def ask(method: str, path: str, token: str, **options: object) -> int:
                headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
                return (await client.request(method, path, headers=headers, **options)).status_code  # type: ignore[arg-type]

            try:
                acts = [
                    asyncio.create_task(ask("PATCH", BAN, token, json={"mode": "monitor"}))
                    for token in tokens
                    for _ in range(2 * EACH)
                ]
                large = "x" * (MAX_UNKNOWN_BYTES + 1)
                refused = [
                    asyncio.create_task(ask("POST", "/v1/policy/apply", f"made-up-{number}", content=large))
                    for number in range(2 * MAX_CHECKS)
                ]
                await _until(lambda: turn.asked >= MOST + MAX_CHECKS)
                answered = [await ask("GET", path, tokens[0]) for path in ("/healthz", "/readyz", "/v1/bans", BAN)]
                assert turn.asked == MOST + MAX_CHECKS
            finally:
                turn.given.set()
            assert answered == [200] * 4
            return await asyncio.gather(*acts), await asyncio.gather(*refused)

    acts, refused = asyncio.run(asyncio.wait_for(run(), 60))
    assert acts == [200] * len(acts)
    assert set(refused) <= {401, 429}


async def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until, "not in time"
        await asyncio.sleep(0.005)
