"""Take usage from reports of nodes, and store it in the background.

A thousand nodes may report every ten seconds, so no report waits for the database. A batch is held until it is stored:
small ones together, and a large one in parts, so that no act waits long for a transaction. A node sends its batch again
until a report's answer says that it is stored.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.db.models import BypassDayRow, NodeRow, PendingDayRow, UsageClientRow, UsageDayRow, UsageHourRow
from api.db.models.audit_log import INSTALLATION, InstallationRow
from api.db.session import Database
from api.errors import Invalid
from api.jobs import Job
from api.usage import coverage_queries, repository
from api.usage.ageing import SWEEP_S, age
from api.usage.booking import HeldBatch, Part, Registered, Sums, items_of
from api.usage.rate import MAX_AT_ONCE, Rates
from api.usage.repository import Progress
from api.usage.schemas import UsageBatch
from api.usage.state import HOURS_KEPT_S
from dnsfilter.telemetry.logs import emit

LOOK_S = 2.0
ITEMS: Final = 400
"""Counts that one transaction stores, each in up to two rows. An act waits for at most one such transaction."""
MAX_HELD = 200_000
"""Counts that are held until they are stored. Beyond these, nodes keep their batches."""
MAX_HELD_EACH = 16
"""Batches of one node that are held until they are stored."""
MAX_CHANGES: Final = 10
"""Changes of the database between the preparation of counts and their storage, after which a round ends."""
RETRY_S: Final = 300
"""Seconds after which a failed deletion is tried again."""


log = logging.getLogger("dnsfilter.api")


class _Changed(Exception):
    """Raised when the database has changed since counts were prepared."""


class UsageIntake:
    """Batches of nodes that wait to be stored. Thread-safe. `start` starts a thread that stores them."""

    def __init__(
        self, database: Database, services: Callable[[], Mapping[str, object]], clock: Callable[[], float]
    ) -> None:
        """Create an intake. `services` returns those in force, `clock` the time of counts."""
        self._database = database
        self._services = services
        self._clock = clock
        self._rates = Rates(monotonic)
        self._lock = threading.Lock()
        self._held: dict[tuple[int, str, int], HeldBatch] = {}
        self._stored: dict[int, tuple[str, int]] = {}
        """The last stored batch of each node: its stream and sequence."""
        self._settling = threading.Lock()
        self._registered: Registered | None = None
        self._sweep_from_s: float | None = None
        self._sweep_after_s: float = 0
        self._job = Job("usage", self._write, every_s=LOOK_S, is_done_at_end=True)

    def take(self, node: int, site: str, batch: UsageBatch, clock_off_s: int) -> int:
        """Hold a batch until it is stored. Return the sequence of the last stored batch of its stream.

        `clock_off_s` is how far the node's clock is ahead. Raise Invalid for more queries than a node can answer, and
        SQLAlchemyError.
        """
        stored = self._last(node, batch.stream)
        if batch.sequence <= stored:
            return stored
        now_s = int(self._clock())
        start_s = min(max(batch.start_s - clock_off_s, now_s - HOURS_KEPT_S), now_s)
        end_s = min(max(batch.end_s - clock_off_s, start_s), now_s)
        held = HeldBatch(node, site, batch.stream, batch.sequence, items_of(batch), start_s, end_s, now_s, clock_off_s)
        queries = sum(item.queries for item in held.items)
        if queries > MAX_AT_ONCE:
            raise Invalid.at(
                "body.usage", f"{queries} queries in a batch: a node answers at most {MAX_AT_ONCE} an hour"
            )
        self._hold(held, queries)
        return stored

    def store_held(self) -> None:
        """Store the batches that are held. Raise SQLAlchemyError."""
        with self._settling:
            changes = 0
            while changes <= MAX_CHANGES and (parts := self._next_parts()):
                changes += not self._store(parts)

    def sweep(self) -> int:
        """Delete old usage, once an hour. Return the number of deleted counts. Raise SQLAlchemyError.

        After a failure, try again in some minutes.
        """
        now_s = self._clock()
        if self._sweep_from_s is not None and abs(now_s - self._sweep_from_s) < self._sweep_after_s:
            return 0
        self._sweep_from_s, self._sweep_after_s = now_s, RETRY_S
        deleted = age(self._database, int(now_s))
        self._sweep_after_s = SWEEP_S
        return deleted

    def start(self) -> None:
        """Start storing in the background."""
        self._job.start()

    def stop(self) -> None:
        """Stop the thread, which stores what is left."""
        self._job.stop()

    def _last(self, node: int, stream: str) -> int:
        known = self._stored.get(node)
        if known is not None and known[0] == stream:
            return known[1]
        with self._database.reading() as session:
            return repository.progress(session, node, stream).complete

    def _hold(self, held: HeldBatch, queries: int) -> None:
        """Hold a batch, unless it is held already or there is no room. Its node sends it again."""
        with self._lock:
            if held.key in self._held:
                return
            size = len(held.items) + sum(len(each.items) for each in self._held.values())
            own = sum(each.node == held.node for each in self._held.values())
            if size > MAX_HELD or own >= MAX_HELD_EACH:
                return
            within, is_news = self._rates.take(held.node, queries)
            if within:
                self._held[held.key] = held
        if is_news:
            emit(log, logging.WARNING, "usage of a node waits: more queries than a node can answer", node=held.node)

    def _next_parts(self) -> Sequence[Part]:
        """Return the counts to store next. Drop batches that are stored already.

        A node's batches are in the order of their sequences, because storing one ends all earlier ones.
        """
        with self._lock:
            waiting = sorted(self._held.values(), key=lambda held: held.key)
        parts: list[Part] = []
        left = ITEMS
        with self._database.reading() as session:
            for held in waiting:
                at = repository.progress(session, held.node, held.stream)
                first = at.items_of(held.sequence)
                if held.sequence <= at.complete or session.get(NodeRow, held.node) is None:
                    self._forget(held, max(at.complete, held.sequence))
                    continue
                last = min(first + left, len(held.items))
                parts.append(Part(held, first, last))
                left -= max(last - first, 1)
                if left <= 0:
                    break
            if parts:
                self._read(session, parts)
        return parts

    def _read(self, session: Session, parts: Sequence[Part]) -> None:
        revision = session.scalars(select(InstallationRow.revision).where(InstallationRow.id == INSTALLATION)).one()
        if self._registered is None or self._registered.revision != revision:
            self._registered = Registered(revision, self._services(), int(self._clock()))
        self._registered.read(session, parts)

    def _store(self, parts: Sequence[Part]) -> bool:
        """Store counts in one transaction. Return False if the database has changed since they were prepared."""
        registered = self._registered
        if registered is None:
            return False
        sums = registered.book(parts)
        try:
            with self._database.writing(is_background=True) as session:
                if session.get_one(InstallationRow, INSTALLATION).revision != registered.revision:
                    raise _Changed
                self._note_progress(session, parts)
                _add(session, sums)
        except _Changed:
            return False
        for part in parts:
            if part.last == len(part.held.items):
                self._forget(part.held, part.held.sequence)
        return True

    def _note_progress(self, session: Session, parts: Sequence[Part]) -> None:
        """Record that counts are stored. Raise _Changed if another process has stored some of them."""
        for part in parts:
            held, sequence = part.held, part.held.sequence
            at = repository.progress(session, held.node, held.stream)
            if at.complete >= sequence or at.items_of(sequence) != part.first:
                raise _Changed
            reached = Progress(sequence, part.last if part.last < len(held.items) else 0)
            repository.note_progress(session, held.node, held.stream, reached, int(self._clock()))

    def _forget(self, held: HeldBatch, stored: int) -> None:
        """Drop a batch that is stored, and remember for its node that batches up to `stored` are."""
        with self._lock:
            self._held.pop(held.key, None)
            stream, before = self._stored.get(held.node, ("", 0))
            if stream != held.stream or before < stored:
                self._stored[held.node] = held.stream, stored

    def _write(self) -> None:
        for step in (self.store_held, self.sweep):
            failed = "usage not stored or not deleted, retrying"
            self._job.attempt(step, expected=(SQLAlchemyError,), failed=failed)


def _add(session: Session, sums: Sums) -> None:
    repository.add(session, UsageDayRow, sums.days)
    repository.add(session, UsageHourRow, sums.hours)
    repository.add(session, BypassDayRow, sums.bypass)
    repository.add(session, PendingDayRow, sums.pending)
    coverage_queries.add(session, sums.asked, sums.ranges)
    repository.add(session, UsageClientRow, sums.clients)
