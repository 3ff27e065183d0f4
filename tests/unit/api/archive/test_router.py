"""Files are made before they are sent: sending holds no transaction. Each account has few at once."""

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy.pool import QueuePool
from starlette.types import Message

from api.http.quota import Quota
from tests.unit.api.conftest import Plane, on_both_databases

pytestmark = pytest.mark.heavy

ADMINISTRATOR = 1
"""The number of the administrator's account."""
DOWNLOADS = {"/v1/archive": "downloads", "/v1/backup": "backups", "/v1/audit/export": "downloads"}
"""The paths of downloads, with their quotas."""


def _scope(plane: Plane, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(b"authorization", f"Bearer {plane.token}".encode())],
    }


def _quota(plane: Plane, path: str) -> Quota:
    found: Quota = getattr(plane.app.state.runtime, DOWNLOADS[path])
    return found


@on_both_databases
@pytest.mark.parametrize("path", DOWNLOADS)
def test_sending_an_answer_holds_no_database_connection(full: Plane, path: str) -> None:
    pool = full.database.engine.pool
    assert isinstance(pool, QueuePool)
    held: list[int] = []
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        held.append(pool.checkedout())

    asyncio.run(asyncio.wait_for(full.app(_scope(full, path), receive, send), 60))
    assert len(held) > 1
    assert set(held) == {0}


@pytest.mark.parametrize("path", DOWNLOADS)
def test_a_download_ends_when_its_client_disconnects(full: Plane, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_quota(full, path), "_most_each", 1)
    meanwhile: list[int] = []

    async def run() -> None:
        hung_up, asked = asyncio.Event(), False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await hung_up.wait()
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message.get("body"):
                meanwhile.append((await asyncio.to_thread(full.call, "GET", path)).status_code)
                hung_up.set()
                await asyncio.Event().wait()

        await full.app(_scope(full, path), receive, send)

    asyncio.run(asyncio.wait_for(run(), 60))
    assert meanwhile == [429]
    assert full.call("GET", path).status_code == 200


@pytest.mark.parametrize("path", DOWNLOADS)
def test_concurrent_downloads_are_limited_per_account(town: Plane, path: str) -> None:
    _, auditor = town.account("auditor", ("administrator", None))
    quota = _quota(town, path)
    with ExitStack() as stack:
        for _ in range(quota._most_each):
            stack.enter_context(quota.held(ADMINISTRATOR))
        refused = town.call("GET", path)
        assert (refused.status_code, refused.json()["type"], refused.headers["retry-after"]) == (
            429, "/problems/too-many-at-once", "1",
        )  # fmt: skip
        assert town.call("GET", path, token=auditor).status_code == 200
    for other in range(quota._most):
        stack.enter_context(quota.held(1000 + other))
    refused = town.call("GET", path)
    assert (refused.status_code, refused.json()["type"], refused.headers["retry-after"]) == (
        503, "/problems/overloaded", "1",
    )  # fmt: skip
    stack.close()
    assert [town.call("GET", path).status_code for _ in range(3)] == [200] * 3


def test_downloads_and_long_reads_do_not_prevent_a_backup(town: Plane) -> None:
    runtime = town.app.state.runtime
    with ExitStack() as stack:
        for quota in (runtime.downloads, runtime.costly):
            for other in range(quota._most):
                stack.enter_context(quota.held(1000 + other))
        assert town.call("GET", "/v1/backup").status_code == 200
