"""Limits on concurrent work: one for each caller, and one for all."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from api.errors import Overloaded, TooManyAtOnce


class Quota:
    """Count concurrent work. `what` names it in errors. Safe in threads."""

    def __init__(self, what: str, most: int, most_each: int) -> None:
        self._what, self._most, self._most_each = what, most, most_each
        self._lock = Lock()
        self._now: Counter[int] = Counter()

    @contextmanager
    def held(self, who: int) -> Iterator[None]:
        """Hold a slot for `who`. Raise TooManyAtOnce or Overloaded if there is none."""
        self._begin(who)
        try:
            yield
        finally:
            with self._lock:
                self._now[who] -= 1
                # Drop callers at zero.
                self._now = +self._now

    def _begin(self, who: int) -> None:
        with self._lock:
            if self._now[who] >= self._most_each:
                raise TooManyAtOnce(f"you already have {self._most_each} {self._what}: wait until one ends")
            if self._now.total() >= self._most:
                raise Overloaded(f"there are already {self._most} {self._what}: try again soon")
            self._now[who] += 1
