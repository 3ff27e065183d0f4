"""Wake those who wait for a node's next report, without a thread or session for each."""

import asyncio
from threading import Lock
from typing import TypeAlias

from api.publish.announcements import resolve

_Future: TypeAlias = "asyncio.Future[None]"


class Arrivals:
    """Notify waiting requests in event loops of reports that threads have taken. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: set[_Future] = set()

    @property
    def waiting(self) -> int:
        """The number of those who wait."""
        return len(self._waiting)

    def announce(self) -> None:
        """Wake all that wait."""
        with self._lock:
            futures, self._waiting = self._waiting, set()
        resolve(futures, None)

    def expect(self) -> _Future:
        """Return a future that ends with the next report. Call this before reading what the last reports say."""
        future: _Future = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.add(future)
        return future

    def drop(self, future: _Future) -> None:
        """Forget a future that nobody waits for any more."""
        with self._lock:
            self._waiting.discard(future)
