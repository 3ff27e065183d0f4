"""The newest snapshot for nodes, and the nodes that wait for the next one, without a thread or session per node.

Publishing happens in threads, waiting in event loops. Each publication wakes all waiting nodes of a loop with one call.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import TypeAlias, TypeVar

MAX_PAST = 1000
"""Number of past snapshots whose end is known exactly. For older ones, a later bound is used."""

Result = TypeVar("Result")
_Future: TypeAlias = "asyncio.Future[bool]"


@dataclass(frozen=True, slots=True)
class AnnouncedSnapshot:
    """A stored signed manifest with its SHA-256 in hexadecimal, in force since `since_s`."""

    revision: int
    manifest: bytes
    digest: str
    since_s: float


class NodeLostAccess(Exception):
    """Raised when a waiting node loses access."""


class Announcements:
    """The newest publication, and the nodes that wait for the next one. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._newest: AnnouncedSnapshot | None = None
        self._first_s = 0.0
        self._superseded: OrderedDict[str, float] = OrderedDict()
        self._waiting: dict[int, _Future] = {}
        self._closed = False

    @property
    def newest(self) -> AnnouncedSnapshot | None:
        """The newest snapshot; None before this process has published one."""
        return self._newest

    @property
    def waiting(self) -> int:
        """The number of waiting nodes."""
        return len(self._waiting)

    @property
    def is_closed(self) -> bool:
        """Return whether nothing waits any more, because the server stops."""
        return self._closed

    def announce(self, revision: int, manifest: bytes, now_s: float) -> None:
        """Set the newest snapshot and wake all waiting nodes."""
        with self._lock:
            before, self._newest = (
                self._newest,
                AnnouncedSnapshot(revision, manifest, sha256(manifest).hexdigest(), now_s),
            )
            if before is None:
                self._first_s = now_s
            elif before.digest != self._newest.digest:
                self._superseded[before.digest] = now_s
                self._superseded.pop(self._newest.digest, None)
                if len(self._superseded) > MAX_PAST:
                    self._first_s = self._superseded.popitem(last=False)[1]
            self._wake()

    def superseded_s(self, digest: str | None) -> float | None:
        """Return since when a newer snapshot exists; None if this one is the newest, or nothing is published."""
        with self._lock:
            if self._newest is None or self._newest.digest == digest:
                return None
            return self._superseded.get(digest or "", self._first_s)

    async def next(self, known: str | None, wait_s: float, node: int) -> AnnouncedSnapshot | None:
        """Return the newest snapshot as soon as it differs from `known`, or after `wait_s`; None if there is none.

        Each `node` can wait only once: another call ends the earlier wait. Raise NodeLostAccess.
        """
        loop = asyncio.get_running_loop()
        future: _Future = loop.create_future()
        with self._lock:
            newest = self._newest
            if self._closed or wait_s <= 0 or (newest is not None and newest.digest != known):
                return newest
            earlier = self._waiting.get(node)
            self._waiting[node] = future
        if earlier is not None:
            resolve((earlier,), True)
        try:
            stays = await asyncio.wait_for(future, wait_s)
        except TimeoutError:
            stays = True
        finally:
            with self._lock:
                if self._waiting.get(node) is future:
                    del self._waiting[node]
        if not stays:
            raise NodeLostAccess
        return self._newest

    def end_wait(self, node: int) -> None:
        """End the wait of a node that loses access, if it waits."""
        with self._lock:
            future = self._waiting.pop(node, None)
        if future is not None:
            resolve((future,), False)

    def close(self) -> None:
        """Wake all waiting nodes and accept no further waits."""
        with self._lock:
            self._closed = True
            self._wake()

    def _wake(self) -> None:
        futures, self._waiting = tuple(self._waiting.values()), {}
        resolve(futures, True)


def resolve(futures: "Iterable[asyncio.Future[Result]]", result: Result) -> None:
    """Give futures their result, in the event loop of each. Any thread may call this."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[Result]]] = {}
    for future in futures:
        by_loop.setdefault(future.get_loop(), []).append(future)
    for loop, own in by_loop.items():
        # In a closed loop nobody waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_set, own, result)


def _set(futures: "Iterable[asyncio.Future[Result]]", result: Result) -> None:
    for future in futures:
        if not future.done():
            future.set_result(result)
