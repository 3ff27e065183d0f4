"""Limits on concurrent work: one for each caller, and one for all."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from api.errors import Overloaded, TooManyAtOnce
from dnsfilter.translatable import Text


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
                raise TooManyAtOnce(
                    Text(
                        "you already have {most_each} {what}: wait until one ends",
                        most_each=self._most_each,
                        what=self._what,
                    )
                )
            if self._now.total() >= self._most:
                raise Overloaded(
                    Text("there are already {most} {what}: try again soon", most=self._most, what=self._what)
                )
            self._now[who] += 1
