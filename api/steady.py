"""What a thread in the background does over and over: an error that nobody foresaw is told, and does not end it."""

import logging
from collections.abc import Callable
from traceback import walk_tb
from typing import TypeVar

from dnsfilter.telemetry.logs import emit

Done = TypeVar("Done")

log = logging.getLogger("dnsfilter.api")


class Steady:
    """Goes on with one thread's work after any error; of each kind, which is one line that raised one, tells once."""

    def __init__(self, thread: str) -> None:
        self._thread = thread
        self._told: set[tuple[type[Exception], str, int]] = set()

    def attempt(self, work: Callable[[], Done]) -> Done | None:
        """Do the work; None where it raised an error."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001
            self.tell(error)
            return None

    def tell(self, error: Exception) -> None:
        """Log an error that was raised, with its traceback, unless its kind was told before."""
        places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
        kind = (type(error), *(places[-1] if places else ("", 0)))
        if kind not in self._told:
            self._told.add(kind)
            emit(log, logging.ERROR, "unexpected error, going on", failure=error, thread=self._thread)
