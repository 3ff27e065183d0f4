"""The last reports of nodes: in memory for readers, stored in the database from time to time.

A thousand nodes may report every ten seconds. Reports are stored in few transactions: at most once a minute, or soon
after a node's snapshot or problem changed. Prefixes of unregistered clients are never stored. Nodes removed 90 days ago
are deleted; the audit log keeps the acts on them.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from api.auth.node_tokens import JOURNAL
from api.db.base import Json
from api.db.models import NodeRow
from api.db.session import Database
from api.jobs import Job
from api.nodes import repository
from api.nodes.report_arrivals import Arrivals
from api.nodes.schemas import ReportWrite
from api.nodes.unregistered_prefixes import UnregisteredNetworks
from dnsfilter.policy.model import DAY_S

EVERY_S = 60.0
"""Minimum interval in seconds between storing two reports of a node, unless they differ in an urgent field."""
UNREGISTERED_S = DAY_S
"""Seconds after which prefixes of unregistered clients are dropped, also if the node is silent."""
LOOK_S = 2.0
BATCH = 100
"""Rows per transaction. An act waits for at most one such transaction."""
REMOVED_S = 90 * DAY_S
"""Seconds for which a removed node is listed, and its token is distinguished from an unknown one."""
SWEEP_S = 3600.0
"""Sweep interval in seconds."""
_URGENT_FIELDS = ("revision", "manifest", "trouble", "held_up_to", "learning_until", "suspended", "names")
"""A report that differs in one of these fields is stored soon."""


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """A report received at `at_s`, and when a report of the node was stored last. `due`: to be stored soon.

    `since_s` is when this process first received the revision that the report names.
    """

    body: Json
    at_s: float
    written_s: float | None = None
    due: bool = True
    since_s: float = 0.0


class LastReports:
    """The last report of each node, by its number. `start` starts a thread that stores them."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._received: dict[int, ReceivedReport] = {}
        self.unregistered = UnregisteredNetworks()
        self.arrivals = Arrivals()
        self._swept_s: float | None = None
        self._job = Job("nodes", self._write, every_s=LOOK_S, is_done_at_end=True)

    def take(self, number: int, site: str, report: ReportWrite, clock_off_s: int) -> None:
        """Take a report from a node at a site."""
        body = report.model_dump(mode="json", exclude={"unregistered", "journal", "usage", "clock"})
        body["clock_off_s"] = clock_off_s
        at_s = self._clock()
        with self._lock:
            before = self._received.get(number)
            same = before is not None and all(before.body[key] == body[key] for key in _URGENT_FIELDS)
            due = before is None or before.due or not same
            written_s = None if before is None else before.written_s
            applies = before is not None and before.body["revision"] == body["revision"]
            since_s = before.since_s if before is not None and applies else at_s
            self._received[number] = ReceivedReport(body, at_s, written_s, due, since_s)
        self.unregistered.take(number, site, report.unregistered, at_s)
        self.arrivals.announce()

    def received(self, number: int) -> ReceivedReport | None:
        """Return the node's last report; None if it has not reported to this process."""
        return self._received.get(number)

    def forget(self, number: int) -> None:
        """Drop a node's last report."""
        with self._lock:
            self._received.pop(number, None)
        self.unregistered.forget(number)

    def store_due(self) -> None:
        """Store the reports that are due, and drop old unregistered prefixes. Raise SQLAlchemyError."""
        now_s = self._clock()
        self.unregistered.expire(now_s - UNREGISTERED_S)
        for batch in self._batches(now_s):
            with self._database.writing() as session:
                for number, received in batch:
                    row = session.get(NodeRow, number)
                    if row is not None and row.removed_s is None and row.public is not None:
                        row.seen_s = int(received.at_s)
                        row.report = {**received.body, JOURNAL: row.report.get(JOURNAL, 0)}
            self._written(batch)

    def sweep(self) -> int:
        """Delete a batch of nodes removed long ago, once an hour. Return their number. Raise SQLAlchemyError."""
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
        """Start storing in the background."""
        self._job.start()

    def stop(self) -> None:
        """Stop the thread, which stores what is left."""
        self._job.stop()

    def _batches(self, now_s: float) -> Iterator[Sequence[tuple[int, ReceivedReport]]]:
        with self._lock:
            due = [(number, received) for number, received in self._received.items() if _is_due(received, now_s)]
        return (due[start : start + BATCH] for start in range(0, len(due), BATCH))

    def _written(self, batch: Sequence[tuple[int, ReceivedReport]]) -> None:
        with self._lock:
            for number, received in batch:
                now = self._received.get(number)
                if now is not None:
                    self._received[number] = replace(now, written_s=received.at_s, due=now is not received and now.due)

    def _write(self) -> None:
        for step in (self.store_due, self.sweep):
            self._job.attempt(step, expected=(SQLAlchemyError,), failed="reports of nodes not stored, retrying")


def _is_due(received: ReceivedReport, now_s: float) -> bool:
    written_s = received.written_s
    return received.due or written_s is None or (received.at_s > written_s and not 0 <= now_s - written_s < EVERY_S)
