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

from api.audit.checkpoints import checkpoint_of, identity, make_checkpoint, newest
from api.audit.delivery import FAILURES, deliver
from api.checkpoint import public_text
from api.db.models import CheckpointRow
from api.db.session import Database
from api.db.unit import head
from api.mail import describe_failure
from api.places import Place, place_name
from api.steady import Steady
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
    pause_s: float = FIRST_RETRY_S
    next_try: float = 0.0
    turn: threading.Lock = field(default_factory=threading.Lock)
    due: threading.Event = field(default_factory=threading.Event)

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
        self._stopping = threading.Event()
        self._steady = Steady("witness")
        self._threads = [_thread(self._make_in_time), *(_thread(self._deliver, one) for one in self._deliveries)]

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

    def settle(self, *, only_due: bool = False) -> bool:
        """Try to take to each place what it lacks; True where nothing is left."""
        due = [one for one in self._deliveries if not only_due or one.next_try <= monotonic()]
        done = [self._catch_up(delivery) for delivery in due]
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
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the threads, make a last checkpoint, and try once to take it to its places; waits `STOP_S` at most."""
        self._stopping.set()
        self._wake()
        self._steady.attempt(self.make_if_new)
        lasts = [_thread(self._catch_up, delivery) for delivery in self._deliveries]
        for thread in lasts:
            thread.start()
        until = monotonic() + STOP_S
        for thread in (*lasts, *self._threads):
            if thread.is_alive():
                thread.join(max(0.0, until - monotonic()))
        for thread, delivery in zip(lasts, self._deliveries, strict=True):
            if thread.is_alive():
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
        for delivery in self._deliveries:
            delivery.due.set()

    def _make_in_time(self) -> None:
        self._steady.attempt(self.make_if_new)
        while not self._stopping.wait(LOOK_S):
            self._steady.attempt(partial(self.make_if_new, after_s=INTERVAL_S))

    def _deliver(self, delivery: _Delivery) -> None:
        while not self._stopping.is_set():
            delivery.due.clear()
            if delivery.next_try <= monotonic():
                self._catch_up(delivery)
            wait_s = delivery.next_try - monotonic() if delivery.next_try else LOOK_S
            delivery.due.wait(timeout=max(0.0, min(LOOK_S, wait_s)))

    def _catch_up(self, delivery: _Delivery) -> bool:
        with delivery.turn:
            try:
                while self._deliver_batch(delivery):
                    delivery.pause_s, delivery.next_try = FIRST_RETRY_S, 0.0
            except (*FAILURES, SQLAlchemyError) as error:
                self._put_off(delivery, error)
                return False
            except Exception as error:  # noqa: BLE001
                self._steady.tell(error)
                self._put_off(delivery, error)
                return False
            delivery.next_try = 0.0
        return True

    def _put_off(self, delivery: _Delivery, error: Exception) -> None:
        delivery.failures += 1
        delivery.next_try = monotonic() + delivery.pause_s
        delivery.pause_s = min(2 * delivery.pause_s, LAST_RETRY_S)
        reason = describe_failure(error)
        emit(log, logging.WARNING, "checkpoint not delivered, which is retried", place=delivery.name, error=reason)

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


def _thread(run: Callable[..., object], *arguments: object) -> threading.Thread:
    """A thread at which the process's end does not wait."""
    return threading.Thread(target=run, args=arguments, name="witness", daemon=True)


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
