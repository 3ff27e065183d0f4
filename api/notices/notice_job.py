"""Make notices when they are due, and mail them without delaying acts.

Receivers of events get notices too, so they are made also without a mail server or a recipient.

The job looks for due notices every 30 s and after each publication. It stores them in a short transaction and sends
them outside any transaction. It retries failures after 1 minute to 6 hours, for 3 days. It gives up a message at once
if the server permanently refuses the recipient. After a crash between sending and storing the result, it sends the
message once more, with the same Message-ID. Once an hour, it deletes notices that were sent or given up and are older
than 90 days. It keeps those that are still due, because they would be made again.
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
from api.delivery.destinations import MailDestination, is_mailbox
from api.delivery.mail import MAIL_FAILURES, connect, describe_failure, make_message
from api.jobs import Job
from api.notices import repository
from api.notices.due.all_due import due
from api.notices.kinds import Due, Hour, Kind
from api.notices.letters import Names, authorities_in, letter
from blocklists.catalogue import Catalogue
from dnsfilter.policy.model import DAY_S, Authority, Instant, Service
from dnsfilter.telemetry.logs import emit

LOOK_S = 30.0
SOON_S = 5.0
"""Minimum seconds between two looks, however often snapshots are published."""
TICK_S = 1.0
FIRST_PAUSE_S, LAST_PAUSE_S = 60, 6 * 3600
GIVE_UP_S = 3 * DAY_S
BATCH = 100
"""Maximum number of notices sent over one connection."""
ROWS = 200
"""Maximum number of notices stored in one transaction."""
SWEEP_S = 3600.0
"""Interval in seconds of deleting old notices. A new process waits as long, until it knows which are due."""
SWEPT = 2000
"""Maximum number of rows deleted in one sweep."""
MAX_BROKEN = 3
"""Broken connections after which the rest of a batch waits for the next try."""
JUMP_S = 60.0
"""A clock that moves by more than this against elapsed time has been set."""
STOP_S = 10.0
NO_ADDRESS = "the contact is not a mail address"
GONE = "the authority is no longer registered"
TOO_LATE = "not sent within three days"
NO_TEXT = "this version cannot write its text"

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class Status:
    """The state of sending. `oldest_age_s` is the age of the oldest waiting notice, 0 if none waits."""

    waiting: int
    oldest_age_s: int
    abandoned: int
    failures: int
    """Failed tries since this process started."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The result of a try: `sent`, try `again`, or neither: permanently refused."""

    sent: bool = False
    again: bool = False
    reason: str = ""


class _Broken(Exception):
    """Raised when the connection can no longer be used. The message is the reason."""


class Notifier:
    """Make the notices of one database, and mail them through one mail server, if there is one.

    `start` starts a thread. `look` and `send` also work without it.
    """

    def __init__(
        self,
        database: Database,
        services: Callable[[], Mapping[str, Service]],
        packaged: Catalogue,
        destination: MailDestination | None,
        clock: Callable[[], float],
        published: Callable[[], int] = lambda: 0,
        elapsed: Callable[[], float] = monotonic,
    ) -> None:
        """Create a notifier. `services` returns the services in force by slug, `packaged` is the release's catalogue.

        `published` returns the number of publications. `elapsed` returns monotonic seconds.
        """
        self._database = database
        self._services = services
        self._packaged = packaged
        self._destination = destination
        self._clock = clock
        self._published = published
        self._elapsed = elapsed
        self._up_since_s, self._looked = int(clock()), (clock(), elapsed())
        self._swept = elapsed()
        self._failures = 0
        self._reported: set[str] = set()
        self._seen, self._round_s = -1, monotonic() - LOOK_S
        self._job = Job("notices", self._round, every_s=TICK_S)

    def look(self) -> int:
        """Store the notices that are due and return the number of new ones. Raise SQLAlchemyError."""
        now_s, services = self._hour(), self._services()
        with self._database.reading() as session:
            since_s = repository.beginning(session)
            hour = Hour(now_s, now_s if since_s is None else since_s, self._up_since_s)
            found = due(session, hour, services, self._packaged)
            fresh = repository.missing(session, found)
            expired = self._expired(session, hour, found)
        if since_s is None:
            self._begin()
        for start in range(0, len(fresh), ROWS):
            with self._database.writing() as session:
                self._write(session, fresh[start : start + ROWS], now_s)
        for start in range(0, len(expired), ROWS):
            with self._database.writing() as session:
                repository.delete_ended(session, expired[start : start + ROWS])
        return len(fresh)

    def send(self) -> int:
        """Send the waiting notices that are due and return the number sent. Raise SQLAlchemyError."""
        sent, destination = 0, self._destination
        if destination is None:
            self._give_up()
        while destination is not None and not self._job.is_stopping:
            now_s = int(self._clock())
            with self._database.reading() as session:
                rows = repository.waiting(session, now_s, LAST_PAUSE_S, BATCH)
                slugs = {slug for row in rows for slug in authorities_in(row.facts)}
                authorities = repository.authorities(session, slugs | {row.authority for row in rows if row.authority})
            if not rows:
                break
            named = {slug: service.name for slug, service in self._services().items()}
            outcomes = self._try(destination, rows, Names(authorities, named))
            with self._database.writing() as session:
                for row, outcome in outcomes:
                    self._settle(session.get_one(NoticeRow, row.number), outcome, int(self._clock()))
            sent += sum(outcome.sent for _, outcome in outcomes)
        return sent

    def _give_up(self) -> None:
        """Give up notices that still wait for a mail server of an earlier start, so that they age as others do."""
        with self._database.reading() as session:
            waits = repository.counts(session).waiting
        if waits:
            with self._database.writing() as session:
                repository.give_up_waiting(session, repository.NO_MAIL)

    def status(self) -> Status:
        """Return the state of sending. Raise SQLAlchemyError."""
        with self._database.reading() as session:
            found = repository.counts(session)
        age_s = 0 if found.oldest_s is None else max(0, int(self._clock()) - found.oldest_s)
        return Status(found.waiting, age_s, found.abandoned, self._failures)

    def start(self) -> None:
        """Start looking and sending in the background. Events from now on cause notices. Raise SQLAlchemyError."""
        self._begin()
        self._job.start()

    def stop(self) -> None:
        """Stop after the current message, or after `STOP_S`. Waiting notices are sent after the next start."""
        if not self._job.stop(STOP_S):
            emit(log, logging.WARNING, "mail server did not answer while stopping")

    def _begin(self) -> None:
        """Record that this installation makes notices from now on, unless it already does."""
        with self._database.writing() as session:
            if repository.beginning(session) is None:
                repository.begin(session, int(self._clock()))

    def _round(self) -> None:
        passed, published = monotonic() - self._round_s, self._published()
        if passed >= LOOK_S or (published != self._seen and passed >= SOON_S):
            self._seen, self._round_s = published, monotonic()
            # Send stored notices even if new ones cannot be made.
            self._job.attempt(lambda: self._step(self.look, "notices not made, retrying"))
            self._job.attempt(lambda: self._step(self.send, "notices not sent, retrying"))

    def _step(self, step: Callable[[], int], failed: str) -> None:
        try:
            step()
        except SQLAlchemyError as error:
            emit(log, logging.ERROR, failed, error=type(error).__name__)

    def _hour(self) -> Instant:
        """Return the time. If the clock was set ahead or the machine slept, give nodes time to report again."""
        looked, self._looked = self._looked, (self._clock(), self._elapsed())
        by_clock, by_time = (now - before for now, before in zip(self._looked, looked, strict=True))
        if by_clock - by_time > JUMP_S:
            self._up_since_s = int(self._looked[0])
        return int(self._looked[0])

    def _expired(self, session: Session, hour: Hour, found: Sequence[Due]) -> Sequence[int]:
        """Return the notices to delete now, if a sweep is due."""
        if hour.now - hour.up_since < SWEEP_S or self._elapsed() - self._swept < SWEEP_S:
            return ()
        self._swept = self._elapsed()
        needed = {key for one in found for key in (one.key, *one.later_keys)}
        return repository.expired(session, hour.now - repository.KEPT_S, needed, SWEPT)

    def _write(self, session: Session, fresh: Sequence[Due], now_s: Instant) -> None:
        fresh = repository.missing(session, fresh)
        authorities = repository.authorities(session, {one.authority for one in fresh if one.authority is not None})
        for one in fresh:
            if one.authority is not None and one.authority not in authorities:
                continue
            failure = self._failure(None if one.authority is None else authorities[one.authority])
            row = NoticeRow(
                key=one.key,
                kind=str(one.kind),
                authority=one.authority,
                facts=one.facts,
                made_s=now_s,
                next_try_s=None if failure else now_s,
                tries=0,
                failure=failure,
            )
            session.add(row)

    def _failure(self, to: Authority | None) -> str:
        """Return why no mail can go to the authority, or to the installation, which is None. Log a bad contact once."""
        if self._destination is None:
            return repository.NO_MAIL
        if to is None:
            return "" if self._destination.recipients else repository.NO_CONTACT
        if is_mailbox(to.contact):
            self._reported.discard(to.slug)
            return ""
        if to.slug not in self._reported:
            self._reported.add(to.slug)
            emit(log, logging.WARNING, "no notices: the contact is not a mail address", authority=to.slug)
        return NO_ADDRESS

    def _try(
        self, destination: MailDestination, rows: Sequence[NoticeRow], names: Names
    ) -> list[tuple[NoticeRow, _Outcome]]:
        """Send the messages one after the other. Return an outcome for each row, also if the server is unreachable."""
        outcomes: list[tuple[NoticeRow, _Outcome]] = []
        left, broken = list(rows), 0
        while left and not self._job.is_stopping:
            try:
                with connect(destination) as server:
                    while left and not self._job.is_stopping:
                        outcomes.append((left[0], self._outcome(server, destination, left[0], names)))
                        del left[0]
            except (_Broken, *MAIL_FAILURES) as error:
                # Without a connection, all messages wait. A connection may break because of the current message.
                broken += 1
                unreachable = not isinstance(error, _Broken)
                lost = len(left) if unreachable or broken >= MAX_BROKEN else 1
                outcomes += [(row, _Outcome(again=True, reason=_reason(error))) for row in left[:lost]]
                del left[:lost]
        return outcomes

    def _outcome(self, server: smtplib.SMTP, destination: MailDestination, row: NoticeRow, names: Names) -> _Outcome:
        """Send one message. Raise _Broken. Any other error affects only this message."""
        try:
            return self._send(server, destination, row, names)
        except _Broken:
            raise
        except Exception as error:  # noqa: BLE001
            self._job.report(error)
            return _Outcome(again=True, reason=type(error).__name__)

    def _send(self, server: smtplib.SMTP, destination: MailDestination, row: NoticeRow, names: Names) -> _Outcome:
        to = names.authorities.get(row.authority) if row.authority is not None else None
        if row.authority is not None and to is None:
            return _Outcome(reason=GONE)
        recipients = destination.recipients if to is None else (to.contact,)
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
            message = make_message(destination.sender, recipients, written.subject, identity)
        except ValueError:
            return _Outcome(reason=NO_ADDRESS)
        message.set_content(written.text, charset="utf-8", cte="quoted-printable")
        try:
            refused = server.send_message(message, destination.sender, list(recipients))
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
        """Store the outcome of a try."""
        if outcome.sent:
            row.sent_s, row.next_try_s, row.failure, row.tries = now_s, None, outcome.reason, row.tries + 1
            return
        self._failures += 1
        row.tries += 1
        row.failure = outcome.reason
        pause_s = min(FIRST_PAUSE_S * 2 ** min(row.tries - 1, 16), LAST_PAUSE_S)
        row.next_try_s = now_s + pause_s if outcome.again and now_s - row.made_s < GIVE_UP_S else None
        event = "notice given up" if row.next_try_s is None else "notice not sent, retrying"
        emit(log, logging.WARNING, event, notice=row.number, kind=row.kind, tries=row.tries, error=outcome.reason)


def _refused(recipients: Mapping[str, tuple[int, bytes]]) -> _Outcome:
    """Return the outcome if all recipients were refused. It is permanent only if all refusals are."""
    codes = [code for code, _ in recipients.values()]
    return _Outcome(again=min(codes) < 500, reason=f"recipient refused with {min(codes)}")


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, _Broken) else describe_failure(error)
