"""Make checkpoints regularly and send them to their destinations, without delaying acts.

The database stores which destinations have each checkpoint. A destination gets checkpoints in order, and failures are
retried with growing pauses. A new destination gets the newest checkpoint and those after it. Each destination has its
own thread: opening a file on a mount whose server is gone blocks forever.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.audit.service import checkpoint_of, identity, make_checkpoint, newest
from api.chain.checkpoint import public_text
from api.db.integrity import QUICK_ENTRIES
from api.db.models import CheckpointRow
from api.db.session import Database
from api.db.unit_of_work import head
from api.delivery.destinations import Destination, destination_name
from api.delivery.mail import describe_failure
from api.delivery.sending import FAILURES, deliver
from api.jobs import Job
from dnsfilter.telemetry.logs import emit

INTERVAL_S = 3600
LOOK_S = 60.0
FIRST_RETRY_S, LAST_RETRY_S = 5.0, 900.0
BATCH = 100
DESTINATION_SETTINGS = "DNSFILTER_API_CHECKPOINT_FILE, DNSFILTER_API_CHECKPOINT_MAIL or DNSFILTER_API_CHECKPOINT_SYSLOG"
"""Settings that send checkpoints off the machine."""
STOP_S = 10.0
"""Seconds that stopping waits for destinations."""

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """How far a destination is behind. `age_s` is the age of the last checkpoint that it has; None if it has none."""

    name: str
    undelivered: int
    failures: int
    age_s: int | None


@dataclass(slots=True)
class _Delivery:
    """The state of one destination: it has checkpoints up to number `has`; None before that is looked up."""

    destination: Destination
    has: int | None = None
    delivered_s: int | None = None
    failures: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return destination_name(self.destination)


class CheckpointJob:
    """Make and send checkpoints of one database with one key.

    `start` starts threads. `make` and `send_missing` also work without them.
    """

    def __init__(
        self,
        database: Database,
        key: Ed25519PrivateKey,
        destinations: Sequence[Destination],
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._key = key
        self._clock = clock
        self._deliveries = [_Delivery(destination) for destination in destinations]
        hourly = partial(self.make_if_new, after_s=INTERVAL_S, after_check=True)
        self._job = Job("checkpoints", hourly, every_s=LOOK_S)
        self._jobs = [self._job_of(delivery) for delivery in self._deliveries]

    def make(self) -> tuple[CheckpointRow, bool]:
        """Return the checkpoint of the newest entry, and whether this call made it. Raise SQLAlchemyError.

        A new checkpoint is sent soon.
        """
        with self._database.writing() as session:
            last = newest(session)
            since = head(session)[0] - (0 if last is None else last.seq)
            self._database.examine(session, max(since, 0) + QUICK_ENTRIES)
            found = make_checkpoint(session, self._key, int(self._clock()))
        self._wake()
        return found

    def make_if_new(self, *, after_s: int = 0, after_check: bool = False) -> bool:
        """Make a checkpoint if there are new entries and the last one is `after_s` old. Return False on failure.

        With `after_check`, check all entries before, which takes seconds for each 100,000.
        """
        try:
            with self._database.reading() as session:
                wanted = self._wanted(session, after_s)
            if wanted and after_check and self._database.examiner is not None:
                self._database.examiner.check_chain()
            if wanted:
                self.make()
        except SQLAlchemyError as error:
            emit(log, logging.ERROR, "checkpoint not made, retrying", error=type(error).__name__)
            return False
        return True

    def send_missing(self) -> bool:
        """Send each destination the checkpoints that it lacks. Return True if nothing is left."""
        done = [self._catch_up(delivery) for delivery in self._deliveries]
        return all(done)

    @property
    def destinations(self) -> int:
        """The number of destinations."""
        return len(self._deliveries)

    def status(self) -> Sequence[DestinationStatus]:
        """Return how far each destination is behind. Raise SQLAlchemyError."""
        with self._database.reading() as session:
            return [self._status_of(session, delivery) for delivery in self._deliveries]

    def newest_age_s(self) -> int | None:
        """Return the age of the newest checkpoint; None if there is none. Raise SQLAlchemyError."""
        with self._database.reading() as session:
            last = newest(session)
        return None if last is None else max(0, int(self._clock()) - last.time_s)

    def start(self) -> None:
        """Make a checkpoint now if there are new entries, and start to make one every hour."""
        if not self._deliveries:
            emit(log, logging.WARNING, "checkpoints stay on this machine", set=DESTINATION_SETTINGS)
        self._job.attempt(self.make_if_new)
        self._wake()
        for job in (self._job, *self._jobs):
            job.start()

    def stop(self) -> None:
        """Stop the threads, make a last checkpoint, and try once to send it. Wait `STOP_S` at most."""
        until = monotonic() + STOP_S
        self._job.stop(STOP_S)
        self._job.attempt(self.make_if_new)
        for job in self._jobs:
            job.end()
        for job, delivery in zip(self._jobs, self._deliveries, strict=True):
            if not job.stop(max(0.0, until - monotonic())):
                emit(log, logging.WARNING, "checkpoints not sent: no answer while stopping", destination=delivery.name)

    def _status_of(self, session: Session, delivery: _Delivery) -> DestinationStatus:
        has, delivered_s = delivery.has, delivery.delivered_s
        if has is None:
            has, delivered_s = _look_up(session, delivery.name)
        lacking = select(func.count()).select_from(CheckpointRow).where(CheckpointRow.number > has)
        age_s = None if delivered_s is None else max(0, int(self._clock()) - delivered_s)
        return DestinationStatus(delivery.name, session.scalar(lacking) or 0, delivery.failures, age_s)

    def _wanted(self, session: Session, after_s: int) -> bool:
        last = newest(session)
        if last is None or last.key != public_text(self._key):
            return True
        # A clock that was set back must not delay the next checkpoint.
        return last.seq != head(session)[0] and abs(int(self._clock()) - last.time_s) >= after_s

    def _wake(self) -> None:
        for job in self._jobs:
            job.wake()

    def _job_of(self, delivery: _Delivery) -> Job:
        pauses = FIRST_RETRY_S, LAST_RETRY_S
        work = partial(self._catch_up, delivery)
        return Job("checkpoints", work, every_s=LOOK_S, retry_s=pauses, is_done_at_end=True)

    def _catch_up(self, delivery: _Delivery) -> bool:
        with delivery.turn:
            try:
                while self._deliver_batch(delivery):
                    pass
            except Exception as error:  # noqa: BLE001
                if not isinstance(error, (*FAILURES, SQLAlchemyError)):
                    self._job.report(error)
                delivery.failures += 1
                event, reason = "checkpoint not sent, retrying", describe_failure(error)
                emit(log, logging.WARNING, event, destination=delivery.name, error=reason)
                return False
        return True

    def _deliver_batch(self, delivery: _Delivery) -> bool:
        """Send a batch of checkpoints to the destination. Return whether there were any."""
        with self._database.reading() as session:
            if delivery.has is None:
                delivery.has, delivery.delivered_s = _look_up(session, delivery.name)
            statement = select(CheckpointRow).where(CheckpointRow.number > delivery.has)
            rows = session.scalars(statement.order_by(CheckpointRow.number).limit(BATCH)).all()
            installation = identity(session)
        if not rows:
            return False
        deliver(delivery.destination, installation, [checkpoint_of(row, installation).line for row in rows])
        with self._database.writing() as session:
            for row in rows:
                kept = session.get_one(CheckpointRow, row.number)
                kept.delivered = sorted({*kept.delivered, delivery.name})
        delivery.has, delivery.delivered_s = rows[-1].number, rows[-1].time_s
        emit(log, logging.INFO, "checkpoints sent", destination=delivery.name, seq=rows[-1].seq, count=len(rows))
        return True


def _look_up(session: Session, name: str) -> tuple[int, int | None]:
    """Return number and time of the last checkpoint that a destination has.

    If it has none, return the number before the newest checkpoint, so that it gets the newest.
    """
    statement = select(CheckpointRow.number, CheckpointRow.time_s, CheckpointRow.delivered)
    newest_number = 1
    for index, row in enumerate(session.execute(statement.order_by(CheckpointRow.number.desc()))):
        if index == 0:
            newest_number = row.number
        if name in row.delivered:
            return row.number, row.time_s
    return newest_number - 1, None
