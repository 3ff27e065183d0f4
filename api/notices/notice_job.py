"""Makes notices in time and sends them, without holding up an act.

What is due is looked for every 30 s and after each publication, and written down in a short transaction; what is
written down is sent outside any. What fails is tried again after 1 minute to 6 hours, for 3 days. A message whose
recipient the server refuses for good is given up at once. After a crash between sending and writing that down, it is
sent once more, under the same Message-ID. Once an hour those that are over and older than 90 days are forgotten, but
for such as are due still: they would be made anew.
"""

import hashlib
import logging
import smtplib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.db.models import NoticeRow
from api.db.session import Database
from api.delivery.destinations import MailPlace, is_mailbox
from api.delivery.mail import MAIL_FAILURES, connect, describe_failure, make_message
from api.jobs import Job
from api.notices import repository
from api.notices.due.all_due import due
from api.notices.kinds import DAY_S, Due, Hour, Kind
from api.notices.letters import Names, bodies_of, letter
from dnsfilter.policy.model import Authority, Instant
from dnsfilter.telemetry.logs import emit

LOOK_S = 30.0
SOON_S = 5.0
"""The least between two looks, however often something is published."""
TICK_S = 1.0
FIRST_PAUSE_S, LAST_PAUSE_S = 60, 6 * 3600
GIVE_UP_S = 3 * DAY_S
BATCH = 100
"""How many are sent over one connection."""
ROWS = 200
"""How many are written down in one transaction."""
SWEEP_S = 3600.0
"""How often what is old is forgotten; not before this process has run for so long, and knows what is due."""
SWEPT = 2000
"""Rows that are forgotten in one sweep, at most."""
MAX_BROKEN = 3
"""Connections that may break before the rest of a batch waits."""
JUMP_S = 60.0
"""By so much a clock is set, rather than adjusted."""
STOP_S = 10.0
NO_ADDRESS = "the contact is no mail address"
GONE = "the authority is not registered any more"
TOO_LATE = "not sent within three days"
NO_TEXT = "its text cannot be made by this version"

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class Status:
    """How sending goes. `oldest_age_s` is how long the oldest notice has waited, 0 without any."""

    waiting: int
    oldest_age_s: int
    given_up: int
    failures: int
    """Tries that failed since this process started."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a try: sent, refused for good (neither of both), or to be tried again."""

    sent: bool = False
    again: bool = False
    reason: str = ""


class _Broken(Exception):
    """The connection is of no use any more: says why."""


class Notifier:
    """Notices of one database through one mail server. Also a thread, once started; `look` and `send` do without it."""

    def __init__(
        self,
        database: Database,
        services: Mapping[str, str],
        place: MailPlace,
        clock: Callable[[], float],
        published: Callable[[], int] = lambda: 0,
        elapsed: Callable[[], float] = monotonic,
    ) -> None:
        """`services` are display names by slug; `published` counts what has come into force.

        `elapsed` gives seconds that no setting of the clock adds to.
        """
        self._database = database
        self._services = services
        self._place = place
        self._clock = clock
        self._published = published
        self._elapsed = elapsed
        self._up_since_s, self._looked = int(clock()), (clock(), elapsed())
        self._swept = elapsed()
        self._failures = 0
        self._told: set[str] = set()
        self._seen, self._round_s = -1, monotonic() - LOOK_S
        self._job = Job("notices", self._round, every_s=TICK_S)

    def look(self) -> int:
        """Write down the notices that are due; how many were new. Raises SQLAlchemyError."""
        now_s = self._hour()
        with self._database.reading() as session:
            since_s = repository.beginning(session)
            hour = Hour(now_s, now_s if since_s is None else since_s, self._up_since_s)
            found = due(session, hour)
            fresh = repository.missing(session, [one for one in found if self._wanted(one)])
            old = self._old(session, hour, found)
        if since_s is None:
            self._begin()
        for start in range(0, len(fresh), ROWS):
            with self._database.writing() as session:
                self._write(session, fresh[start : start + ROWS], now_s)
        for start in range(0, len(old), ROWS):
            with self._database.writing() as session:
                repository.forget(session, old[start : start + ROWS])
        return len(fresh)

    def send(self) -> int:
        """Try to send what waits and whose turn has come; how many were sent. Raises SQLAlchemyError."""
        sent = 0
        while not self._job.is_stopping:
            now_s = int(self._clock())
            with self._database.reading() as session:
                rows = repository.waiting(session, now_s, LAST_PAUSE_S, BATCH)
                slugs = {slug for row in rows for slug in bodies_of(row.facts)}
                bodies = repository.bodies(session, slugs | {row.authority for row in rows if row.authority})
            if not rows:
                break
            outcomes = self._try(rows, Names(bodies, self._services))
            with self._database.writing() as session:
                for row, outcome in outcomes:
                    self._settle(session.get_one(NoticeRow, row.number), outcome, int(self._clock()))
            sent += sum(outcome.sent for _, outcome in outcomes)
        return sent

    def status(self) -> Status:
        """How sending goes; raises SQLAlchemyError."""
        with self._database.reading() as session:
            found = repository.counts(session)
        age_s = 0 if found.oldest_s is None else max(0, int(self._clock()) - found.oldest_s)
        return Status(found.waiting, age_s, found.given_up, self._failures)

    def start(self) -> None:
        """Start looking and sending in the background; what happens from now on is told. Raises SQLAlchemyError."""
        self._begin()
        self._job.start()

    def stop(self) -> None:
        """Stop, once the message in hand is sent or has taken too long; what waits is sent after the next start."""
        if not self._job.stop(STOP_S):
            emit(log, logging.WARNING, "the mail server did not answer while stopping")

    def _begin(self) -> None:
        """Say that this installation makes notices from now on, unless it does already."""
        with self._database.writing() as session:
            if repository.beginning(session) is None:
                repository.begin(session, int(self._clock()))

    def _round(self) -> None:
        passed, published = monotonic() - self._round_s, self._published()
        if passed >= LOOK_S or (published != self._seen and passed >= SOON_S):
            self._seen, self._round_s = published, monotonic()
            # What is written down is sent, also where something new cannot be.
            self._job.attempt(lambda: self._step(self.look, "notices not made, which is retried"))
            self._job.attempt(lambda: self._step(self.send, "notices not sent, which is retried"))

    def _step(self, step: Callable[[], int], failed: str) -> None:
        try:
            step()
        except SQLAlchemyError as error:
            emit(log, logging.ERROR, failed, error=type(error).__name__)

    def _hour(self) -> Instant:
        """The time. Where the clock was set ahead, or the machine slept, nodes are given time to report again."""
        looked, self._looked = self._looked, (self._clock(), self._elapsed())
        by_clock, by_time = (now - before for now, before in zip(self._looked, looked, strict=True))
        if by_clock - by_time > JUMP_S:
            self._up_since_s = int(self._looked[0])
        return int(self._looked[0])

    def _old(self, session: Session, hour: Hour, found: Sequence[Due]) -> Sequence[int]:
        """The notices to be forgotten now, where it is time for that."""
        if hour.now - hour.up_since < SWEEP_S or self._elapsed() - self._swept < SWEEP_S:
            return ()
        self._swept = self._elapsed()
        needed = {key for one in found for key in (one.key, *one.said)}
        return repository.over(session, hour.now - repository.KEPT_S, needed, SWEPT)

    def _wanted(self, one: Due) -> bool:
        """What has no authority goes to the installation's own contact, where there is one."""
        return one.authority is not None or bool(self._place.recipients)

    def _write(self, session: Session, fresh: Sequence[Due], now_s: Instant) -> None:
        fresh = repository.missing(session, fresh)
        bodies = repository.bodies(session, {one.authority for one in fresh if one.authority is not None})
        for one in fresh:
            if one.authority is not None and one.authority not in bodies:
                continue
            addressed = one.authority is None or self._addressed(bodies[one.authority])
            row = NoticeRow(
                key=one.key,
                kind=str(one.kind),
                authority=one.authority,
                facts=one.facts,
                made_s=now_s,
                next_try_s=now_s if addressed else None,
                tries=0,
                failure="" if addressed else NO_ADDRESS,
            )
            session.add(row)

    def _addressed(self, to: Authority) -> bool:
        """Whether an authority can be sent mail; where it cannot, that is said once."""
        if is_mailbox(to.contact):
            self._told.discard(to.slug)
            return True
        if to.slug not in self._told:
            self._told.add(to.slug)
            emit(log, logging.WARNING, "no notices: the contact is no mail address", authority=to.slug)
        return False

    def _try(self, rows: Sequence[NoticeRow], names: Names) -> list[tuple[NoticeRow, _Outcome]]:
        """Send the messages one after the other; each row has an outcome, also where the server is not there."""
        outcomes: list[tuple[NoticeRow, _Outcome]] = []
        left, broken = list(rows), 0
        while left and not self._job.is_stopping:
            try:
                with connect(self._place) as server:
                    while left and not self._job.is_stopping:
                        outcomes.append((left[0], self._outcome(server, left[0], names)))
                        del left[0]
            except (_Broken, *MAIL_FAILURES) as error:
                # Not connected at all, nobody is served; broken amid a message, it may be that message's fault.
                broken += 1
                away = not isinstance(error, _Broken)
                lost = len(left) if away or broken >= MAX_BROKEN else 1
                outcomes += [(row, _Outcome(again=True, reason=_reason(error))) for row in left[:lost]]
                del left[:lost]
        return outcomes

    def _outcome(self, server: smtplib.SMTP, row: NoticeRow, names: Names) -> _Outcome:
        """Send one message; raises _Broken. Whatever else is wrong with it holds up no other."""
        try:
            return self._send(server, row, names)
        except _Broken:
            raise
        except Exception as error:  # noqa: BLE001
            self._job.report(error)
            return _Outcome(again=True, reason=type(error).__name__)

    def _send(self, server: smtplib.SMTP, row: NoticeRow, names: Names) -> _Outcome:
        to = names.bodies.get(row.authority) if row.authority is not None else None
        if row.authority is not None and to is None:
            return _Outcome(reason=GONE)
        recipients = self._place.recipients if to is None else (to.contact,)
        if not recipients or not all(map(is_mailbox, recipients)):
            return _Outcome(reason=NO_ADDRESS)
        if int(self._clock()) - row.made_s >= GIVE_UP_S:
            return _Outcome(reason=TOO_LATE)
        try:
            written = letter(Kind(row.kind), row.facts, to, names)
        except (KeyError, ValueError):
            return _Outcome(reason=NO_TEXT)
        identity = f"notice.{hashlib.sha256(f'{row.key}/{row.made_s}'.encode()).hexdigest()[:32]}"
        try:
            message = make_message(self._place.sender, recipients, written.subject, identity)
        except ValueError:
            return _Outcome(reason=NO_ADDRESS)
        message.set_content(written.text, charset="utf-8", cte="quoted-printable")
        try:
            refused = server.send_message(message, self._place.sender, list(recipients))
        except smtplib.SMTPRecipientsRefused as error:
            return _refused(error.recipients)
        except smtplib.SMTPDataError as error:
            return _Outcome(again=error.smtp_code < 500, reason=f"refused with {error.smtp_code}")
        except smtplib.SMTPResponseException as error:
            return _Outcome(again=True, reason=f"refused with {error.smtp_code}")
        except MAIL_FAILURES as error:
            raise _Broken(_reason(error)) from error
        return _Outcome(sent=True, reason=f"{len(refused)} of {len(recipients)} recipients refused" if refused else "")

    def _settle(self, row: NoticeRow, outcome: _Outcome, now_s: Instant) -> None:
        """Write down what became of a try."""
        if outcome.sent:
            row.sent_s, row.next_try_s, row.failure, row.tries = now_s, None, outcome.reason, row.tries + 1
            return
        self._failures += 1
        row.tries += 1
        row.failure = outcome.reason
        pause_s = min(FIRST_PAUSE_S * 2 ** min(row.tries - 1, 16), LAST_PAUSE_S)
        row.next_try_s = now_s + pause_s if outcome.again and now_s - row.made_s < GIVE_UP_S else None
        event = "notice given up" if row.next_try_s is None else "notice not sent, which is retried"
        emit(log, logging.WARNING, event, notice=row.number, kind=row.kind, tries=row.tries, error=outcome.reason)


def _refused(recipients: Mapping[str, tuple[int, bytes]]) -> _Outcome:
    """Nobody was taken as a recipient: for good only where everybody was refused so."""
    codes = [code for code, _ in recipients.values()]
    return _Outcome(again=min(codes) < 500, reason=f"recipient refused with {min(codes)}")


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, _Broken) else describe_failure(error)
