"""Fetch feeds when they are due, and propose what they bring as updates.

Every few seconds the job looks for feeds that are due, and fetches a few at the same time. Before a fetch its next one
is stored, so that a crash or a full disk does not cause a fetch at each look. A list that can be read is an update like
any other (`api.updates`): it is compared with what is in force, and tried or held back. After any failure the names in
force stay. Only the control plane that has its turn on the database runs this job.
"""

import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.db.models import FeedRow, ServiceRow
from api.db.session import Database
from api.db.unit_of_work import INSTALLATION_ACCOUNT, Access, Actor, UnitOfWork
from api.errors import Invalid, NotPublished
from api.feeds import repository
from api.feeds.failures import Failure, FetchError
from api.feeds.fetching import Fetched, Fetcher, Validators
from api.feeds.state import FIRST_PAUSE_S, is_failing, pause_s
from api.http.dependencies import Publishing
from api.jobs import Job
from api.updates.schemas import Source
from api.updates.service import Proposal, propose, rehearse
from blocklists.formats.known import Format
from blocklists.list_file import ReadList, read_content
from dnsfilter.errors import DnsfilterError, ListError
from dnsfilter.policy.model import Instant, Policy
from dnsfilter.telemetry.logs import emit

LOOK_S = 5.0
MOST_AT_ONCE = 4
"""Feeds that are fetched at the same time. A slow one does not delay the others."""
NICENESS = 10
"""Added to the niceness of threads that work lists out: an act does not wait for the rest of their time slices."""
FEEDS = Actor(INSTALLATION_ACCOUNT, Access.FEED)
MAX_MESSAGE = 500

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class FeedFigures:
    """How a feed does: the age of its last good fetch, or of the feed before the first, and whether it is failing."""

    authority: str
    service: str
    good_age_s: int
    is_failing: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What to fetch, and how to read it."""

    service: str
    source: str
    format: str
    exact: bool | None
    known: Validators


class FeedJob:
    """Fetch the feeds of one database. `start` starts a thread. `round` also works without it."""

    def __init__(
        self,
        database: Database,
        publishing: Publishing,
        fetcher: Fetcher,
        clock: Callable[[], float],
        share: Callable[[], float] = random.random,
    ) -> None:
        """Create a job. `share` returns from 0 to 1 how a pause is spread."""
        self._database = database
        self._publishing = publishing
        self._fetcher = fetcher
        self._clock = clock
        self._share = share
        self._failures: Counter[Failure] = Counter()
        self._running: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE, "feeds")
        # In Linux this is a thread's. Without privileges a thread cannot take it back, so others do the rest.
        self._giving_way = ThreadPoolExecutor(MOST_AT_ONCE, "lists", initializer=os.nice, initargs=(NICENESS,))
        self._job = Job("feeds", self.round, every_s=LOOK_S)

    def start(self) -> None:
        """Start fetching in the background."""
        self._job.start()

    def stop(self) -> None:
        """Stop after the fetches that are under way."""
        self._job.stop()
        self._pool.shutdown(cancel_futures=True)
        self._giving_way.shutdown()

    def failures(self) -> Mapping[Failure, int]:
        """Return the number of failed fetches of each kind since this process started."""
        return {failure: self._failures[failure] for failure in Failure}

    def figures(self) -> Sequence[FeedFigures]:
        """Return how each feed does. Raise SQLAlchemyError."""
        now_s = int(self._clock())
        with self._database.reading() as session:
            return [
                FeedFigures(
                    row.authority,
                    row.service,
                    max(0, now_s - (row.made_s if row.good_s is None else row.good_s)),
                    is_failing(row),
                )
                for row in repository.feeds(session)
            ]

    def round(self) -> None:
        """Start to fetch the feeds that are due, without waiting for them."""
        self._running = {service: running for service, running in self._running.items() if not running.done()}
        try:
            wanted = self._claim(MOST_AT_ONCE - len(self._running))
        except SQLAlchemyError as error:
            emit(log, logging.ERROR, "feeds not fetched, retrying", error=type(error).__name__)
            return
        for one in wanted:
            self._running[one.service] = self._pool.submit(self._job.attempt, partial(self._fetch, one))

    def finish_round(self) -> None:
        """Wait for the feeds that are being fetched."""
        wait(self._running.values())

    def _claim(self, most: int) -> list[_Wanted]:
        """Return the feeds to fetch now, and store that the next fetch of each is later."""
        with self._database.reading() as session:
            if not self._due(session, most):
                return []
        with self._database.writing() as session:
            rows = self._due(session, most)
            for row in rows:
                row.next_s = int(self._clock()) + FIRST_PAUSE_S
            return [
                _Wanted(row.service, row.source, row.format, row.exact, Validators(row.etag, row.modified))
                for row in rows
            ]

    def _due(self, session: Session, most: int) -> list[FeedRow]:
        rows = repository.due(session, int(self._clock()), most + len(self._running))
        return [row for row in rows if row.service not in self._running][:most]

    def _fetch(self, wanted: _Wanted) -> None:
        """Fetch a feed, and bring its names into force, or note why not."""
        try:
            fetched = self._fetcher.fetch(wanted.source, wanted.known)
            read, proposal = (None, None) if fetched is None else self._worked_out(wanted, fetched.content)
            policy = self._take(wanted, fetched, read, proposal)
        except FetchError as error:
            self._note_failure(wanted, error)
            return
        if policy is not None:
            self._publish(policy)

    def _worked_out(self, wanted: _Wanted, content: bytes) -> tuple[ReadList, Proposal]:
        """Return a list and what it proposes, from a thread that gives way to acts. Raise FetchError."""

        def work() -> tuple[ReadList, Proposal]:
            read = _read(content, wanted)
            return read, self._rehearsed(wanted, read)

        return self._giving_way.submit(work).result()

    def _rehearsed(self, wanted: _Wanted, read: ReadList) -> Proposal:
        """Return what a list proposes, worked out before the transaction. Raise FetchError."""
        proposal = Proposal((read.names.tier(),), Source.FEED, unreadable=read.unreadable, lines=read.lines)
        try:
            with self._database.reading() as session:
                service = session.get(ServiceRow, wanted.service)
                if service is None:
                    return proposal
                return rehearse(session, service, proposal, int(self._clock()), self._publishing.prepare)
        except DnsfilterError as error:
            raise FetchError(Failure.POLICY, f"the names cannot be used: {error}") from error

    def _take(
        self, wanted: _Wanted, fetched: Fetched | None, read: ReadList | None, proposal: Proposal | None
    ) -> Policy | None:
        """Propose the names of a list. Return the policy to publish, if there is one. Raise FetchError."""
        try:
            with self._database.writing() as session:
                row, service = _still(session, wanted), session.get(ServiceRow, wanted.service)
                if row is None or service is None:
                    return None
                unit = UnitOfWork(session, FEEDS, int(self._clock()))
                if fetched is not None and read is not None and proposal is not None:
                    row.names, row.skipped = len(read.names), read.unreadable
                    row.etag, row.modified = fetched.validators.etag, fetched.validators.modified
                    update = propose(unit, service, proposal)
                    row.last_update = row.last_update if update is None else update.number
                self._note_good(row, unit.now_s)
                return self._publishing.check(unit) if unit.acted else None
        except Invalid as error:
            raise FetchError(Failure.POLICY, f"the names cannot be used: {error}") from error

    def _publish(self, policy: Policy) -> None:
        try:
            self._publishing.publish(policy)
        except NotPublished:
            emit(log, logging.WARNING, "a feed's names are not published yet, publishing is retried")

    def _note_good(self, row: FeedRow, now_s: Instant) -> None:
        if row.failures:
            emit(log, logging.INFO, "feed fetched again", service=row.service, failures=row.failures)
        row.fetched_s = row.good_s = now_s
        row.failures, row.failing_since_s, row.failure, row.message = 0, None, "", ""
        row.next_s = now_s + pause_s(row, self._share())

    def _note_failure(self, wanted: _Wanted, error: FetchError) -> None:
        self._failures[error.failure] += 1
        with self._database.writing() as session:
            row = _still(session, wanted)
            if row is None:
                return
            now_s = int(self._clock())
            row.fetched_s, row.failures = now_s, row.failures + 1
            row.failing_since_s = row.failing_since_s or now_s
            row.failure, row.message = error.failure, str(error)[:MAX_MESSAGE]
            row.next_s = now_s + pause_s(row, self._share())
            if row.failures == 1:
                # The message may hold a part of the list.
                emit(log, logging.WARNING, "feed not fetched, retrying", service=row.service, reason=error.failure)


def _still(session: Session, wanted: _Wanted) -> FeedRow | None:
    """Return the feed, unless it was removed or changed meanwhile."""
    row = session.get(FeedRow, wanted.service)
    same = row is not None and (row.source, row.format, row.exact) == (wanted.source, wanted.format, wanted.exact)
    return row if same else None


def _read(content: bytes, wanted: _Wanted) -> ReadList:
    """Read a list. Raise FetchError for what is none, or has no names."""
    try:
        return read_content(content, Format(wanted.format) if wanted.format else None, wanted.exact)
    except ListError as error:
        raise FetchError(Failure.CONTENT, str(error)) from error
