"""Whoever waits for the next snapshot is told of it: from whatever thread it comes, once each, and at a stop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from hashlib import sha256

import pytest

from api.publish.newest import MAX_PAST, Dismissed, Newest, News


def _manifest(revision: int) -> bytes:
    return f"manifest {revision}".encode()


def _digest(revision: int) -> str:
    return sha256(_manifest(revision)).hexdigest()


def _announced(*revisions: int) -> News:
    news = News()
    for revision in revisions:
        news.announce(revision, _manifest(revision), 100.0 * revision)
    return news


def _run(act: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(act(), 30)

    asyncio.run(bounded())


async def _waiting(news: News, count: int) -> None:
    while news.waiting < count:
        await asyncio.sleep(0.001)


def _revision(found: Newest | None) -> int | None:
    return None if found is None else found.revision


@pytest.mark.parametrize("known", [None, "", _digest(1)])
def test_what_is_newer_already_is_told_at_once(known: str | None) -> None:
    news = _announced(1, 2)

    async def act() -> None:
        assert _revision(await news.next(known, 20, 1)) == 2

    _run(act)


@pytest.mark.parametrize("wait_s", [0, 0.01])
def test_without_anything_newer_what_is_there_is_told_in_the_end(wait_s: float) -> None:
    news = _announced(2)

    async def act() -> None:
        assert _revision(await news.next(_digest(2), wait_s, 1)) == 2
        assert await News().next(None, wait_s, 1) is None
        assert news.waiting == 0

    _run(act)


def test_all_who_wait_are_woken_from_another_thread_also_by_the_very_first() -> None:
    news = News()

    async def act() -> None:
        waiting = [asyncio.create_task(news.next(None, 20, who)) for who in range(50)]
        await _waiting(news, 50)
        thread = threading.Thread(target=news.announce, args=(7, _manifest(7), 1.0))
        thread.start()
        assert [_revision(found) for found in await asyncio.gather(*waiting)] == [7] * 50
        thread.join()
        assert news.waiting == 0

    _run(act)


def test_asking_again_ends_the_earlier_waiting_of_the_same_one() -> None:
    news = _announced(2)

    async def act() -> None:
        first = asyncio.create_task(news.next(_digest(2), 20, 1))
        other = asyncio.create_task(news.next(_digest(2), 20, 2))
        await _waiting(news, 2)
        second = asyncio.create_task(news.next(_digest(2), 20, 1))
        assert _revision(await first) == 2
        assert not second.done()
        news.announce(3, _manifest(3), 3.0)
        assert [_revision(await second), _revision(await other)] == [3, 3]

    _run(act)


def test_who_is_dismissed_hears_so_and_nobody_else_does() -> None:
    news = _announced(2)

    async def act() -> None:
        first, other = (asyncio.create_task(news.next(_digest(2), 20, who)) for who in (1, 2))
        await _waiting(news, 2)
        news.dismiss(1)
        news.dismiss(9)
        with pytest.raises(Dismissed):
            await first
        assert not other.done()
        news.close()
        assert _revision(await other) == 2

    _run(act)


def test_after_the_end_nobody_waits() -> None:
    news = _announced(2)

    async def act() -> None:
        waiting = asyncio.create_task(news.next(_digest(2), 20, 1))
        await _waiting(news, 1)
        threading.Thread(target=news.close).start()
        assert _revision(await waiting) == 2
        assert _revision(await news.next(_digest(2), 20, 1)) == 2

    _run(act)


def test_one_who_has_gone_is_forgotten_and_a_loop_that_ended_is_no_obstacle() -> None:
    news = _announced(2)

    async def act() -> None:
        gone = asyncio.create_task(news.next(_digest(2), 20, 1))
        await _waiting(news, 1)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert news.waiting == 0

    _run(act)
    news.announce(3, _manifest(3), 3.0)
    assert _revision(news.newest) == 3


def test_it_is_known_since_when_there_is_something_newer() -> None:
    news = _announced(1, 2, 3)
    assert [news.superseded_s(_digest(revision)) for revision in (1, 2, 3)] == [200.0, 300.0, None]
    assert news.superseded_s(None) == news.superseded_s("0" * 64) == 100.0
    assert News().superseded_s(_digest(1)) is None
    news.announce(1, _manifest(1), 400.0)
    assert [news.superseded_s(_digest(revision)) for revision in (1, 2, 3)] == [None, 300.0, 400.0]


def test_of_what_is_long_past_only_that_is_known() -> None:
    news = _announced(*range(1, MAX_PAST + 4))
    assert [news.superseded_s(_digest(revision)) for revision in (1, 2, 3, 4)] == [300.0, 300.0, 400.0, 500.0]
