"""Waiting for the next snapshot: each waiting node is woken once, from any thread, and at a stop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from hashlib import sha256

import pytest

from api.publish.announcements import MAX_PAST, AnnouncedSnapshot, Announcements, NodeLostAccess


def _manifest(revision: int) -> bytes:
    return f"manifest {revision}".encode()


def _digest(revision: int) -> str:
    return sha256(_manifest(revision)).hexdigest()


def _announced(*revisions: int) -> Announcements:
    announcements = Announcements()
    for revision in revisions:
        announcements.announce(revision, _manifest(revision), 100.0 * revision)
    return announcements


def _run(act: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(act(), 30)

    asyncio.run(bounded())


async def _waiting(announcements: Announcements, count: int) -> None:
    while announcements.waiting < count:
        await asyncio.sleep(0.001)


def _revision(found: AnnouncedSnapshot | None) -> int | None:
    return None if found is None else found.revision


@pytest.mark.parametrize("known", [None, "", _digest(1)])
def test_newer_snapshot_is_returned_immediately(known: str | None) -> None:
    announcements = _announced(1, 2)

    async def act() -> None:
        assert _revision(await announcements.next(known, 20, 1)) == 2

    _run(act)


@pytest.mark.parametrize("wait_s", [0, 0.01])
def test_known_snapshot_is_returned_after_the_wait(wait_s: float) -> None:
    announcements = _announced(2)

    async def act() -> None:
        assert _revision(await announcements.next(_digest(2), wait_s, 1)) == 2
        assert await Announcements().next(None, wait_s, 1) is None
        assert announcements.waiting == 0

    _run(act)


def test_all_waiting_nodes_are_woken_from_another_thread_also_by_the_first_snapshot() -> None:
    announcements = Announcements()

    async def act() -> None:
        waiting = [asyncio.create_task(announcements.next(None, 20, who)) for who in range(50)]
        await _waiting(announcements, 50)
        thread = threading.Thread(target=announcements.announce, args=(7, _manifest(7), 1.0))
        thread.start()
        assert [_revision(found) for found in await asyncio.gather(*waiting)] == [7] * 50
        thread.join()
        assert announcements.waiting == 0

    _run(act)


def test_second_request_of_a_node_ends_its_earlier_wait() -> None:
    announcements = _announced(2)

    async def act() -> None:
        first = asyncio.create_task(announcements.next(_digest(2), 20, 1))
        other = asyncio.create_task(announcements.next(_digest(2), 20, 2))
        await _waiting(announcements, 2)
        second = asyncio.create_task(announcements.next(_digest(2), 20, 1))
        assert _revision(await first) == 2
        assert not second.done()
        announcements.announce(3, _manifest(3), 3.0)
        assert [_revision(await second), _revision(await other)] == [3, 3]

    _run(act)


def test_only_the_dismissed_node_raises_dismissed() -> None:
    announcements = _announced(2)

    async def act() -> None:
        first, other = (asyncio.create_task(announcements.next(_digest(2), 20, who)) for who in (1, 2))
        await _waiting(announcements, 2)
        announcements.end_wait(1)
        announcements.end_wait(9)
        with pytest.raises(NodeLostAccess):
            await first
        assert not other.done()
        announcements.close()
        assert _revision(await other) == 2

    _run(act)


def test_no_node_waits_after_close() -> None:
    announcements = _announced(2)

    async def act() -> None:
        waiting = asyncio.create_task(announcements.next(_digest(2), 20, 1))
        await _waiting(announcements, 1)
        threading.Thread(target=announcements.close).start()
        assert _revision(await waiting) == 2
        assert _revision(await announcements.next(_digest(2), 20, 1)) == 2

    _run(act)


def test_cancelled_waits_and_closed_loops_are_ignored() -> None:
    announcements = _announced(2)

    async def act() -> None:
        gone = asyncio.create_task(announcements.next(_digest(2), 20, 1))
        await _waiting(announcements, 1)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert announcements.waiting == 0

    _run(act)
    announcements.announce(3, _manifest(3), 3.0)
    assert _revision(announcements.newest) == 3


def test_superseded_gives_when_a_newer_snapshot_came() -> None:
    announcements = _announced(1, 2, 3)
    assert [announcements.superseded_s(_digest(revision)) for revision in (1, 2, 3)] == [200.0, 300.0, None]
    assert announcements.superseded_s(None) == announcements.superseded_s("0" * 64) == 100.0
    assert Announcements().superseded_s(_digest(1)) is None
    announcements.announce(1, _manifest(1), 400.0)
    assert [announcements.superseded_s(_digest(revision)) for revision in (1, 2, 3)] == [None, 300.0, 400.0]


def test_superseded_gives_a_bound_for_old_snapshots() -> None:
    announcements = _announced(*range(1, MAX_PAST + 4))
    assert [announcements.superseded_s(_digest(revision)) for revision in (1, 2, 3, 4)] == [300.0, 300.0, 400.0, 500.0]
