"""What nodes reported last: in memory for whoever asks, in the database from time to time.

A thousand nodes report every ten seconds: what they say is written at most once a minute, or soon after a node has
another snapshot or trouble, in few transactions. Prefixes of unknown clients are never written. Nodes that were removed
90 days ago are forgotten; the record keeps what was done to them.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from api.auth.node_tokens import JOURNAL
from api.db.base import Json
from api.db.models import NodeRow
from api.db.session import Database
from api.jobs import Job
from api.nodes import repository
from api.nodes.schemas import ReportWrite
from api.unregistered.networks import UnregisteredNetworks
from dnsfilter.telemetry.logs import emit

EVERY_S = 60.0
UNREGISTERED_S = 24 * 3600
"""Prefixes of unknown clients are forgotten after so long, also where the node has fallen silent."""
LOOK_S = 2.0
BATCH = 100
"""Rows per transaction: an act waits for one of them at most."""
REMOVED_S = 90 * 24 * 3600
"""For so long a node that was removed is listed, and its token told from one that nobody ever had."""
SWEEP_S = 3600.0
"""How often it is looked for such."""
_TELLING = ("revision", "manifest", "trouble", "held_up_to", "suspended")

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class Heard:
    """A report that came at `at_s`: what of it is written down, and when that was done last."""

    body: Json
    at_s: float
    written_s: float | None = None
    due: bool = True


class Board:
    """The last report of each node, by its number. Also a thread, once started, that writes them down."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[int, Heard] = {}
        self.unregistered = UnregisteredNetworks()
        self._swept_s: float | None = None
        self._job = Job("nodes", self._write, every_s=LOOK_S, is_done_at_end=True)

    def hear(self, number: int, site: str, report: ReportWrite, clock_off_s: int) -> None:
        """Take a report of a node at a site."""
        body = report.model_dump(mode="json", exclude={"unregistered", "journal", "clock"})
        body["clock_off_s"] = clock_off_s
        at_s = self._clock()
        with self._lock:
            before = self._heard.get(number)
            told = before is not None and all(before.body[key] == body[key] for key in _TELLING)
            due = before is None or before.due or not told
            written_s = None if before is None else before.written_s
            self._heard[number] = Heard(body, at_s, written_s, due)
        self.unregistered.take(number, site, report.unregistered, at_s)

    def heard(self, number: int) -> Heard | None:
        """The node's last report; None where it has not reported to this process."""
        return self._heard.get(number)

    def forget(self, number: int) -> None:
        """Drop what a node reported."""
        with self._lock:
            self._heard.pop(number, None)
        self.unregistered.forget(number)

    def settle(self) -> None:
        """Write what is due, and forget what is old; raises SQLAlchemyError."""
        now_s = self._clock()
        self.unregistered.expire(now_s - UNREGISTERED_S)
        for batch in self._batches(now_s):
            with self._database.writing() as session:
                for number, heard in batch:
                    row = session.get(NodeRow, number)
                    if row is not None and row.removed_s is None and row.public is not None:
                        row.seen_s = int(heard.at_s)
                        row.report = {**heard.body, JOURNAL: row.report.get(JOURNAL, 0)}
            self._written(batch)

    def sweep(self) -> int:
        """Forget a batch of nodes that were removed long ago, once an hour; how many. Raises SQLAlchemyError."""
        now_s = self._clock()
        if self._swept_s is not None and abs(now_s - self._swept_s) < SWEEP_S:
            return 0
        self._swept_s = now_s
        with self._database.reading() as session:
            numbers = repository.removed(session, int(now_s) - REMOVED_S, BATCH)
        if numbers:
            with self._database.writing() as session:
                repository.delete_removed(session, numbers, int(now_s) - REMOVED_S)
        return len(numbers)

    def start(self) -> None:
        """Start writing in the background."""
        self._job.start()

    def stop(self) -> None:
        """Stop the thread, which writes what is left."""
        self._job.stop()

    def _batches(self, now_s: float) -> Iterator[Sequence[tuple[int, Heard]]]:
        with self._lock:
            due = [(number, heard) for number, heard in self._heard.items() if _is_due(heard, now_s)]
        return (due[start : start + BATCH] for start in range(0, len(due), BATCH))

    def _written(self, batch: Sequence[tuple[int, Heard]]) -> None:
        with self._lock:
            for number, heard in batch:
                now = self._heard.get(number)
                if now is not None:
                    self._heard[number] = replace(now, written_s=heard.at_s, due=now is not heard and now.due)

    def _write(self) -> None:
        for step in (self.settle, self.sweep):
            self._job.attempt(partial(self._try, step))

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except SQLAlchemyError as error:
            emit(log, logging.WARNING, "nodes not written, which is retried", error=type(error).__name__)


def _is_due(heard: Heard, now_s: float) -> bool:
    written_s = heard.written_s
    return heard.due or written_s is None or (heard.at_s > written_s and not 0 <= now_s - written_s < EVERY_S)
