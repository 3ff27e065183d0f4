"""The newest snapshot as nodes get it, and those who wait for the next one: with neither a thread nor a session each.

Publishing happens in threads, waiting in event loops: each publication wakes all who wait in a loop with one call.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import TypeAlias

MAX_PAST = 1000
"""Of so many snapshots it is known when the next one came; of older ones, that it was longer ago."""

_Future: TypeAlias = "asyncio.Future[bool]"


@dataclass(frozen=True, slots=True)
class Newest:
    """A signed manifest as it is stored, with its SHA-256 in hexadecimal, in force since `since_s`."""

    revision: int
    manifest: bytes
    digest: str
    since_s: float


class Dismissed(Exception):
    """Ends the waiting of somebody who may no longer."""


class News:
    """What was published last. Safe in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._newest: Newest | None = None
        self._first_s = 0.0
        self._superseded: OrderedDict[str, float] = OrderedDict()
        self._waiting: dict[int, _Future] = {}
        self._closed = False

    @property
    def newest(self) -> Newest | None:
        """The newest snapshot; None before this process has published one."""
        return self._newest

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def announce(self, revision: int, manifest: bytes, now_s: float) -> None:
        """That a snapshot has come into force; wakes all who wait."""
        with self._lock:
            before, self._newest = self._newest, Newest(revision, manifest, sha256(manifest).hexdigest(), now_s)
            if before is None:
                self._first_s = now_s
            elif before.digest != self._newest.digest:
                self._superseded[before.digest] = now_s
                self._superseded.pop(self._newest.digest, None)
                if len(self._superseded) > MAX_PAST:
                    self._first_s = self._superseded.popitem(last=False)[1]
            self._wake()

    def superseded_s(self, digest: str | None) -> float | None:
        """Since when a snapshot is not the newest any more; None where it is, or where there is none."""
        with self._lock:
            if self._newest is None or self._newest.digest == digest:
                return None
            return self._superseded.get(digest or "", self._first_s)

    async def next(self, known: str | None, wait_s: float, who: int) -> Newest | None:
        """The newest snapshot, as soon as it is another one than `known`, or once `wait_s` is over; None without any.

        Each `who` waits once: asking again ends the earlier waiting. Raises Dismissed.
        """
        loop = asyncio.get_running_loop()
        future: _Future = loop.create_future()
        with self._lock:
            newest = self._newest
            if self._closed or wait_s <= 0 or (newest is not None and newest.digest != known):
                return newest
            earlier = self._waiting.get(who)
            self._waiting[who] = future
        if earlier is not None:
            _settle((earlier,), True)
        try:
            stays = await asyncio.wait_for(future, wait_s)
        except TimeoutError:
            stays = True
        finally:
            with self._lock:
                if self._waiting.get(who) is future:
                    del self._waiting[who]
        if not stays:
            raise Dismissed
        return self._newest

    def dismiss(self, who: int) -> None:
        """End the waiting of one, if it waits."""
        with self._lock:
            future = self._waiting.pop(who, None)
        if future is not None:
            _settle((future,), False)

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._lock:
            self._closed = True
            self._wake()

    def _wake(self) -> None:
        futures, self._waiting = tuple(self._waiting.values()), {}
        _settle(futures, True)


def _settle(futures: Iterable[_Future], stays: bool) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Future]] = {}
    for future in futures:
        by_loop.setdefault(future.get_loop(), []).append(future)
    for loop, own in by_loop.items():
        # A loop that has ended has nobody who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, own, stays)


def _resolve(futures: Iterable[_Future], stays: bool) -> None:
    for future in futures:
        if not future.done():
            future.set_result(stays)
