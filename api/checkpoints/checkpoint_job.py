"""Makes checkpoints in time and takes them to their places, without holding up an act.

What each place has is kept with the checkpoints. A place gets them in order; what failed is tried again with growing
pauses. One that has none yet gets the newest and those after it. Each place has a thread of its own: a mount whose
server is gone lets nobody go who opens a file on it.
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

from api.chain.checkpoint import public_text
from api.checkpoints.service import checkpoint_of, identity, make_checkpoint, newest
from api.db.models import CheckpointRow
from api.db.session import Database
from api.db.unit_of_work import head
from api.delivery.bounded import FAILURES, deliver
from api.delivery.destinations import Place, place_name
from api.delivery.mail import describe_failure
from api.jobs import Job
from dnsfilter.telemetry.logs import emit

INTERVAL_S = 3600
LOOK_S = 60.0
FIRST_RETRY_S, LAST_RETRY_S = 5.0, 900.0
BATCH = 100
WANTED = "DNSFILTER_API_CHECKPOINT_FILE, DNSFILTER_API_CHECKPOINT_MAIL or DNSFILTER_API_CHECKPOINT_SYSLOG"
"""What to set so that checkpoints leave the machine."""
STOP_S = 10.0
"""How long stopping waits for the places."""

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class PlaceStatus:
    """How far a place is behind. `age_s` is the age of the last checkpoint that it has; None: it has none."""

    name: str
    undelivered: int
    failures: int
    age_s: int | None


@dataclass(slots=True)
class _Delivery:
    """What one place has: checkpoints up to the number `has`, None before that was looked up."""

    place: Place
    has: int | None = None
    delivered_s: int | None = None
    failures: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return place_name(self.place)


class Witness:
    """Checkpoints of one database under one key. Threads, once started; `make` and `settle` do without them."""

    def __init__(
        self, database: Database, key: Ed25519PrivateKey, places: Sequence[Place], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._key = key
        self._clock = clock
        self._deliveries = [_Delivery(place) for place in places]
        self._job = Job("witness", lambda: self.make_if_new(after_s=INTERVAL_S), every_s=LOOK_S)
        self._jobs = [self._job_of(delivery) for delivery in self._deliveries]

    def make(self) -> tuple[CheckpointRow, bool]:
        """The checkpoint of the newest entry, and whether it was made now; it leaves soon. Raises SQLAlchemyError."""
        with self._database.writing() as session:
            found = make_checkpoint(session, self._key, int(self._clock()))
        self._wake()
        return found

    def make_if_new(self, *, after_s: int = 0) -> bool:
        """Make one if there are new entries and the last one is `after_s` old; True where nothing failed."""
        try:
            with self._database.reading() as session:
                wanted = self._wanted(session, after_s)
            if wanted:
                self.make()
        except SQLAlchemyError as error:
            emit(log, logging.ERROR, "checkpoint not made, which is retried", error=type(error).__name__)
            return False
        return True

    def settle(self) -> bool:
        """Try to take to each place what it lacks; True where nothing is left."""
        done = [self._catch_up(delivery) for delivery in self._deliveries]
        return all(done)

    @property
    def destinations(self) -> int:
        """How many destinations are set."""
        return len(self._deliveries)

    def status(self) -> Sequence[PlaceStatus]:
        """How far each place is behind; raises SQLAlchemyError."""
        with self._database.reading() as session:
            return [self._status_of(session, delivery) for delivery in self._deliveries]

    def start(self) -> None:
        """Start: a checkpoint now, if there are new entries, and then every hour."""
        if not self._deliveries:
            emit(log, logging.WARNING, "checkpoints stay on this machine", set=WANTED)
        self._job.attempt(self.make_if_new)
        self._wake()
        for job in (self._job, *self._jobs):
            job.start()

    def stop(self) -> None:
        """Stop the threads, make a last checkpoint, and try once to take it to its places; waits `STOP_S` at most."""
        until = monotonic() + STOP_S
        self._job.stop(STOP_S)
        self._job.attempt(self.make_if_new)
        for job in self._jobs:
            job.end()
        for job, delivery in zip(self._jobs, self._deliveries, strict=True):
            if not job.stop(max(0.0, until - monotonic())):
                emit(log, logging.WARNING, "checkpoints not delivered: no answer while stopping", place=delivery.name)

    def _status_of(self, session: Session, delivery: _Delivery) -> PlaceStatus:
        has, delivered_s = delivery.has, delivery.delivered_s
        if has is None:
            has, delivered_s = _look_up(session, delivery.name)
        lacking = select(func.count()).select_from(CheckpointRow).where(CheckpointRow.number > has)
        age_s = None if delivered_s is None else max(0, int(self._clock()) - delivered_s)
        return PlaceStatus(delivery.name, session.scalar(lacking) or 0, delivery.failures, age_s)

    def _wanted(self, session: Session, after_s: int) -> bool:
        last = newest(session)
        if last is None or last.key != public_text(self._key):
            return True
        # A clock that was set back must not put the next one off.
        return last.seq != head(session)[0] and abs(int(self._clock()) - last.time_s) >= after_s

    def _wake(self) -> None:
        for job in self._jobs:
            job.wake()

    def _job_of(self, delivery: _Delivery) -> Job:
        pauses = FIRST_RETRY_S, LAST_RETRY_S
        work = partial(self._catch_up, delivery)
        return Job("witness", work, every_s=LOOK_S, retry_s=pauses, is_done_at_end=True)

    def _catch_up(self, delivery: _Delivery) -> bool:
        with delivery.turn:
            try:
                while self._deliver_batch(delivery):
                    pass
            except Exception as error:  # noqa: BLE001
                if not isinstance(error, (*FAILURES, SQLAlchemyError)):
                    self._job.report(error)
                delivery.failures += 1
                event, reason = "checkpoint not delivered, which is retried", describe_failure(error)
                emit(log, logging.WARNING, event, place=delivery.name, error=reason)
                return False
        return True

    def _deliver_batch(self, delivery: _Delivery) -> bool:
        """Take some checkpoints to the place; whether there were any."""
        with self._database.reading() as session:
            if delivery.has is None:
                delivery.has, delivery.delivered_s = _look_up(session, delivery.name)
            statement = select(CheckpointRow).where(CheckpointRow.number > delivery.has)
            rows = session.scalars(statement.order_by(CheckpointRow.number).limit(BATCH)).all()
            installation = identity(session)
        if not rows:
            return False
        deliver(delivery.place, installation, [checkpoint_of(row, installation).line for row in rows])
        with self._database.writing() as session:
            for row in rows:
                kept = session.get_one(CheckpointRow, row.number)
                kept.delivered = sorted({*kept.delivered, delivery.name})
        delivery.has, delivery.delivered_s = rows[-1].number, rows[-1].time_s
        emit(log, logging.INFO, "checkpoints delivered", place=delivery.name, seq=rows[-1].seq, count=len(rows))
        return True


def _look_up(session: Session, name: str) -> tuple[int, int | None]:
    """Number and time of the last checkpoint that a place has; without any, it is to get the newest."""
    statement = select(CheckpointRow.number, CheckpointRow.time_s, CheckpointRow.delivered)
    newest_number = 1
    for place, row in enumerate(session.execute(statement.order_by(CheckpointRow.number.desc()))):
        if place == 0:
            newest_number = row.number
        if name in row.delivered:
            return row.number, row.time_s
    return newest_number - 1, None
