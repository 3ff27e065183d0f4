"""Background jobs: one thread repeats the work, and unexpected errors do not end it."""

import logging
import threading
from collections.abc import Callable
from traceback import walk_tb
from typing import TypeVar

from tenacity import Retrying, retry_if_result, sleep_using_event, wait_exponential, wait_random

from dnsfilter.telemetry.logs import emit

Done = TypeVar("Done")

log = logging.getLogger("dnsfilter.api")


class Job:
    """Work that is done at an interval, and when `wake` is called. `attempt` does not need the thread."""

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        *,
        every_s: float | None = None,
        retry_s: tuple[float, float] | None = None,
        delay_s: float = 0.0,
        is_done_at_end: bool = False,
    ) -> None:
        """Set up a job. Without `every_s`, only `wake` starts the work, `delay_s` later.

        `retry_s` is the first pause and the longest. With it, work that returns False or raises an error is retried.
        The pauses double, with a tenth of jitter. With `is_done_at_end`, the work is done once more when the job stops.
        """
        self._name = name
        self._work = work
        self._every_s = every_s
        self._retry_s = retry_s
        self._delay_s = delay_s
        self._is_done_at_end = is_done_at_end
        self._logged: set[tuple[type[Exception], str, int]] = set()
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Return whether the job is ending."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Start the work now. A signal handler may call this. It does not shorten the pause before a retry."""
        self._due.set()

    def end(self) -> None:
        """Ask the job to end, without waiting for it."""
        self._stopping.set()
        self._due.set()

    def stop(self, within_s: float | None = None) -> bool:
        """End the job. Return whether it ended within `within_s`."""
        self.end()
        if self._thread.is_alive():
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def pause(self, seconds: float) -> bool:
        """Wait until the time has passed or the job is ending. Return whether the job is ending."""
        return self._stopping.wait(seconds)

    def attempt(
        self, work: Callable[[], Done], *, expected: tuple[type[Exception], ...] = (), failed: str = ""
    ) -> Done | None:
        """Do work and return its result. Log an error that it raises, and return None.

        An `expected` error is a warning with the event `failed`, each time.
        """
        try:
            return work()
        except expected as error:
            emit(log, logging.WARNING, failed, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001
            self.report(error)
        return None

    def report(self, error: Exception) -> None:
        """Log an error with its traceback, once for each type and line that raised it."""
        lines = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
        kind = (type(error), *(lines[-1] if lines else ("", 0)))
        if kind not in self._logged:
            self._logged.add(kind)
            emit(log, logging.ERROR, "unexpected error, continuing", failure=error, thread=self._name)

    def _run(self) -> None:
        while not self.is_stopping:
            if self._due.wait(self._every_s):
                self._due.clear()
                self.pause(self._delay_s)
            if not self.is_stopping:
                self._do()
        if self._is_done_at_end:
            self.attempt(self._work)

    def _do(self) -> None:
        if self._retry_s is None:
            self.attempt(self._work)
            return
        first_s, last_s = self._retry_s
        Retrying(
            retry=retry_if_result(lambda done: not done),
            wait=wait_exponential(first_s, last_s) + wait_random(0, first_s / 10),
            sleep=sleep_using_event(self._stopping),
        )(self._try)

    def _try(self) -> object:
        # This attempt also covers a wake during an earlier one.
        self._due.clear()
        return self.is_stopping or self.attempt(self._work)
