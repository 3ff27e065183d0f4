"""Send events to their receivers: webhooks, a file, a syslog server. Acts never wait for them.

Each receiver has its position in the tables of acts and notices. It gets what follows, in order. A file and a syslog
server have a second position: the last day whose totals they have. A receiver that is away is tried again with growing
pauses, for as long as it exists, and then gets all that it missed. An event that a receiver rejects is parked after
`MOST_REJECTIONS` tries, so that the later ones arrive. After a crash between sending and storing the position, an event
is sent once more with the same id.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.audit.service import identity
from api.db.models import WebhookRow
from api.db.session import Database
from api.delivery.destinations import FileDestination, SyslogDestination
from api.delivery.mail import describe_failure
from api.delivery.sending import FAILURES
from api.events import repository
from api.events.daily_totals import day_totals, due_day, due_s
from api.events.event_types import Event
from api.events.receivers import LineReceiver, Receiver, WebhookReceiver
from api.events.repository import Following, Position
from api.events.webhook_sending import NotTaken, Rejected, WebhookClient
from api.events.webhook_signature import secret_bytes
from api.jobs import Job
from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.model import Prefix
from dnsfilter.telemetry.logs import emit

ONE_DAY = timedelta(days=1)
LOOK_S = 1.0
FIRST_PAUSE_S, LAST_PAUSE_S = 2.0, 300.0
MOST_REJECTIONS = 20
"""Tries of an event that its receiver rejects, in about an hour. Then it is parked."""
MOST_AT_ONCE = 8
"""Receivers that are served at the same time. A slow one does not delay the others."""
STORED_AFTER = 1000
"""Unwanted acts or notices after which a position is stored, so that a start does not read more of them again."""

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class ReceiverStatus:
    """How far a receiver is. `failures` and `failure` are those since the last success."""

    seq: int
    failures: int
    failure: str


@dataclass(frozen=True, slots=True)
class ReceiverFigures:
    """How a receiver does: whether it failed last, the age of the oldest event that it lacks, and events parked."""

    name: str
    is_failing: bool
    waiting_s: int
    parked: int = 0


@dataclass(slots=True)
class _Progress:
    """What is known of a receiver while this process runs. `at` None: not yet read from the database.

    `totals` is the last day whose totals it has. `waits_from_s` is the time of the oldest event that it should have.
    `rejections` counts those of the event with the id `rejected`. `parked` counts the events that were parked.
    """

    at: Position | None = None
    totals: date = date.min
    waits_from_s: int | None = None
    failures: int = 0
    failure: str = ""
    again_s: float = 0.0
    is_busy: bool = False
    rejected: str = ""
    rejections: int = 0
    parked: int = 0

    def reject(self, event: str) -> int:
        """Note that an event was rejected. Return how often it was."""
        self.rejections = self.rejections + 1 if self.rejected == event else 1
        self.rejected = event
        return self.rejections


class EventJob:
    """Send the events of one database. `start` starts a thread. `round` also works without it."""

    def __init__(
        self,
        database: Database,
        token_key: bytes,
        services: Callable[[], Mapping[str, str]],
        destinations: Sequence[FileDestination | SyslogDestination],
        clock: Callable[[], float],
        elapsed_s: Callable[[], float] = monotonic,
        private: Sequence[Prefix] = (),
    ) -> None:
        """Create a job. `services` returns display names by slug. `destinations` get every event.

        `private` are networks of private addresses at which webhooks may be.
        `elapsed_s` is the clock of pauses, which never goes back.
        """
        self._database = database
        self._token_key = token_key
        self._services = services
        self._fixed = tuple(LineReceiver(destination) for destination in destinations)
        self._clock = clock
        self._elapsed_s = elapsed_s
        self._client = WebhookClient(private)
        self._progress: dict[str, _Progress] = {}
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE, "events")
        self._running: set[Future[None]] = set()
        self._job = Job("events", self.round, every_s=LOOK_S)

    def start(self) -> None:
        """Start sending in the background."""
        self._job.start()

    def stop(self) -> None:
        """Stop after the requests that are under way. The rest is sent after the next start."""
        self._job.stop()
        self._pool.shutdown(cancel_futures=True)

    def status(self, receiver: str) -> ReceiverStatus | None:
        """Return how far a receiver is; None if it was not served since this process started."""
        found = self._progress.get(receiver)
        if found is None or found.at is None:
            return None
        return ReceiverStatus(found.at.seq, found.failures, found.failure)

    def figures(self) -> Sequence[ReceiverFigures]:
        """Return how each receiver does, by name."""
        now_s = int(self._clock())
        return [
            ReceiverFigures(
                name,
                one.failures > 0,
                0 if one.waits_from_s is None else max(0, now_s - one.waits_from_s),
                one.parked,
            )
            for name, one in sorted(self._progress.items())
        ]

    def round(self) -> None:
        """Serve every receiver that is due, in threads of its own, without waiting for them."""
        try:
            with self._database.reading() as session:
                receivers: list[Receiver] = [*self._fixed, *map(self._receiver, repository.webhooks(session))]
        except SQLAlchemyError as error:
            emit(log, logging.ERROR, "events not sent, retrying", error=type(error).__name__)
            return
        known = {receiver.name for receiver in receivers}
        for name in self._progress.keys() - known:
            del self._progress[name]
        for receiver in receivers:
            progress = self._progress.setdefault(receiver.name, _Progress())
            if self._elapsed_s() >= progress.again_s and not progress.is_busy:
                # Set this here: a receiver that waits for a thread must not be queued again.
                progress.is_busy = True
                self._running.add(self._pool.submit(self._job.attempt, partial(self.serve, receiver, progress)))
        self._running = {future for future in self._running if not future.done()}

    def finish_round(self) -> None:
        """Wait for the receivers that are being served."""
        wait(self._running)

    def serve(self, receiver: Receiver, progress: _Progress) -> None:
        """Send a receiver what it lacks. Note a failure, and when to try again."""
        try:
            while not self._job.is_stopping and self._send_batch(receiver, progress):
                pass
            if isinstance(receiver, LineReceiver):
                self._send_totals(receiver, progress)
            if not self._job.is_stopping:
                progress.waits_from_s = None
        except (NotTaken, SQLAlchemyError, *FAILURES) as error:
            self._note_failure(receiver, progress, error)
        except Exception as error:
            self._note_failure(receiver, progress, error)
            raise  # The job logs it with its location.
        finally:
            progress.is_busy = False

    def _send_batch(self, receiver: Receiver, progress: _Progress) -> bool:
        """Send the next events. Return whether there may be more."""
        with self._database.reading() as session:
            stored = repository.position(session, receiver.name)
            at = stored and (progress.at or stored)
            found = None if at is None else self._following(session, receiver, at)
            progress.parked = repository.parked(session, receiver.name).count
            installation = identity(session)
        if stored is None or found is None:
            # A webhook has a position until it is removed.
            if isinstance(receiver, LineReceiver):
                progress.at = self._begin(receiver)
            return False
        progress.at = at
        left = found.events
        while left and not self._job.is_stopping:
            progress.waits_from_s = parse_instant(left[0].time)
            try:
                taken = receiver.send(left, installation)
            except Rejected as error:
                if progress.reject(left[0].id) < MOST_REJECTIONS:
                    raise
                if not self._park(receiver, progress, left[0], str(error)):
                    return False
                left = left[1:]
                continue
            last, left = left[taken - 1], left[taken:]
            if not self._keep(receiver, progress, Position(last.seq, last.notice)):
                return False
        if not left:
            progress.at = found.reached
            if max(found.reached.seq - stored.seq, found.reached.notice - stored.notice) >= STORED_AFTER:
                return self._keep(receiver, progress, found.reached)
        return found.reached != at

    def _send_totals(self, receiver: LineReceiver, progress: _Progress) -> None:
        """Send a receiver the totals of each day that it lacks and that is due. A day's totals follow the acts."""
        due = due_day(int(self._clock()))
        while progress.totals < due and not self._job.is_stopping:
            with self._database.reading() as session:
                has = repository.totals_position(session, receiver.name)
                day = due if has is None else min(due, has + ONE_DAY)
                events = [] if has is None or has >= due else list(day_totals(session, day))
                installation = identity(session)
            if events:
                progress.waits_from_s = due_s(day)
                receiver.send(events, installation)
            # A receiver that was never served gets the totals of later days only.
            if has is None or has < due:
                with self._database.writing() as session:
                    repository.keep_totals_position(session, receiver.name, day)
            self._note_success(receiver, progress)
            progress.totals = day

    def _following(self, session: Session, receiver: Receiver, at: Position) -> Following:
        return repository.following(session, at, receiver.authority, receiver.types, self._services())

    def _begin(self, receiver: Receiver) -> Position:
        """Store and return the position of a receiver of the settings that was never served: events from now on."""
        with self._database.writing() as session:
            at = repository.newest(session)
            repository.keep(session, receiver.name, at)
        return at

    def _keep(self, receiver: Receiver, progress: _Progress, at: Position) -> bool:
        """Store how far a receiver is. Return False if it was removed."""
        with self._database.writing() as session:
            if not repository.advance(session, receiver.name, at):
                return False
        progress.at = at
        self._note_success(receiver, progress)
        return True

    def _park(self, receiver: Receiver, progress: _Progress, event: Event, reason: str) -> bool:
        """Leave out an event, and begin the pauses again for the next one. Return False if the receiver was removed."""
        at = Position(event.seq, event.notice)
        with self._database.writing() as session:
            if not repository.park(session, receiver.name, at, event.id, reason):
                return False
        emit(log, logging.ERROR, "event parked", receiver=receiver.name, id=event.id, error=reason)
        progress.at, progress.failures, progress.parked = at, 0, progress.parked + 1
        return True

    def _note_success(self, receiver: Receiver, progress: _Progress) -> None:
        if progress.failures:
            emit(log, logging.INFO, "events sent again", receiver=receiver.name, failures=progress.failures)
        progress.failures, progress.failure, progress.again_s = 0, "", 0.0

    def _note_failure(self, receiver: Receiver, progress: _Progress, error: Exception) -> None:
        progress.failures += 1
        progress.failure = str(error) if isinstance(error, NotTaken) else describe_failure(error)
        progress.again_s = self._elapsed_s() + min(FIRST_PAUSE_S * 2 ** min(progress.failures - 1, 16), LAST_PAUSE_S)
        if progress.failures == 1:
            emit(log, logging.WARNING, "events not sent, retrying", receiver=receiver.name, error=progress.failure)

    def _receiver(self, row: WebhookRow) -> WebhookReceiver:
        secret = secret_bytes(self._token_key, row.nonce)
        return WebhookReceiver(
            receiver_name(row.number), row.authority, row.types, row.url, secret, self._client, self._clock
        )


def receiver_name(number: int) -> str:
    """Return the name under which a webhook's position is stored."""
    return f"webhook/{number}"
