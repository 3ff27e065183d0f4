"""Check whether the database is intact: for seconds before a start, completely in the background, and before each act.

SQLite checks its own file. A changed or missing entry breaks the hash chain of the audit log. The newest checkpoint
says which entry was there. The index of entries by authority is compared with the entries. Each transaction compares
the newest entry with its predecessor, a checkpoint all entries since the one before.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from time import monotonic

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from api.chain.entry_hash import GENESIS, entry_hash
from api.db import authority_index
from api.db.models import CheckpointRow
from api.db.models.audit_log import AuditRow
from api.db.session import NEAR_ENTRIES, Database
from api.db.unit_of_work import entry_of
from api.jobs import Job
from dnsfilter.policy.model import DAY_S
from dnsfilter.telemetry.logs import emit

QUICK_S = 2.0
"""Seconds that a start waits for SQLite's check of its file."""
QUICK_ENTRIES = 1000
"""Number of the newest audit entries that a start verifies."""
BATCH = 500
EVERY_S = float(DAY_S)
RETRY_S = 60.0
"""Seconds before a failed check is retried, for example while PostgreSQL is unreachable."""
_INTERRUPTED, _DAMAGED = sqlite3.SQLITE_INTERRUPT, (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_SIGNED = (
    select(CheckpointRow.number, CheckpointRow.seq, CheckpointRow.hash, AuditRow.hash.label("found"))
    .outerjoin(AuditRow, AuditRow.seq == CheckpointRow.seq)
    .order_by(CheckpointRow.number.desc())
    .limit(1)
)
"""The newest checkpoint, and the hash that its entry has now."""

log = logging.getLogger("dnsfilter.api")


class ChainReader:
    """Verify the hash chain of the audit log. `fault` is its first fault."""

    def __init__(self, seq: int = 0, previous: str = GENESIS) -> None:
        self.seq, self.hash = seq, previous
        self.fault: str | None = None

    def follow(self, rows: Iterable[AuditRow]) -> None:
        """Verify the next entries, in order."""
        for row in rows:
            if self.fault is None and not self._is_followed_by(row):
                self.fault = f"entry {row.seq} does not follow entry {self.seq}: the hash chain is broken"
            self.seq, self.hash = row.seq, row.hash

    def _is_followed_by(self, row: AuditRow) -> bool:
        return row.seq == self.seq + 1 and row.previous == self.hash and _hash(row) == row.hash


class Integrity:
    """Check one database. Once started, a thread checks all of it immediately, then every day."""

    def __init__(self, database: Database, *, accepted: bool) -> None:
        """With `accepted` acts stay possible even if the database is damaged."""
        self._database = database
        database.examiner = self
        self._accepted = accepted
        self._job = Job("integrity", self.check, every_s=EVERY_S, retry_s=(RETRY_S, RETRY_S))
        self.damage: str | None = None
        """The first damage that a check found, or None."""

    def check_quickly(self) -> None:
        """Check the newest entries, and as much of the file as can be checked within seconds."""
        with self._database.reading() as session:
            self.examine(session, QUICK_ENTRIES)
        self._check(lambda: self._file_fault(monotonic() + QUICK_S))

    def examine(self, session: Session, entries: int) -> None:
        """Check that many of the newest entries, as an open session sees them, unless damage is known."""
        if self.damage is None:
            self._check(lambda: _newest_fault(session, entries))

    def check_chain(self) -> None:
        """Check all entries, in steps, so that others can use the database."""
        self._check(self._chain_fault)

    def check(self) -> bool:
        """Check everything, in steps, so that others can use the database. Return True."""
        self.check_chain()
        self._check(lambda: self._file_fault(None))
        return True

    def start(self) -> None:
        """Start checking in the background."""
        self._job.wake()
        self._job.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._job.stop()

    def _check(self, look: Callable[[], str | None]) -> None:
        try:
            found = look()
        except DBAPIError as error:
            if not is_damage(error.orig):
                raise
            found = str(error.orig)
        except ValueError as error:
            found = f"an entry of the audit log cannot be read: {error}"
        if found is None or self.damage is not None:
            return
        self.damage = found
        if self._accepted:
            emit(log, logging.ERROR, "the database is damaged, acts are accepted anyway", reason=found)
            return
        self._database.damage = (
            f"the database is damaged: {found}. Restore a backup (dnsfilterctl restore), "
            "or accept the damage: restart dnsfilter-api with --accept-damage (DNSFILTER_API_ACCEPT_DAMAGE=true)"
        )
        emit(log, logging.ERROR, "the database is damaged, no act is accepted", reason=found)

    def _chain_fault(self) -> str | None:
        reader, found = ChainReader(), None
        while not self._job.is_stopping and found is None:
            began = monotonic()
            with self._database.reading() as session:
                rows = _batch(session, reader.seq)
                if not rows:
                    return authority_index.surplus_fault(session)
                found = _fault(session, reader, rows)
            # Pause for as long as the step took: verifying blocks the interpreter for other threads.
            self._job.pause(monotonic() - began)
        return found

    def _file_fault(self, until: float | None) -> str | None:
        """Return the fault that SQLite finds in its file before `until`, or None."""
        if self._database.engine.name != "sqlite":
            return None

        def is_over() -> bool:
            return self._job.is_stopping or (until is not None and monotonic() > until)

        with closing(self._database.engine.raw_connection()) as connection:
            driver = connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.set_progress_handler(is_over, 1000)
            try:
                (found,) = driver.execute("PRAGMA quick_check(1)").fetchone()
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode == _INTERRUPTED:
                    return None
                if not is_damage(error):
                    raise
                return str(error)
            finally:
                driver.set_progress_handler(None, 0)
        return None if found == "ok" else str(found)


def _newest_fault(session: Session, entries: int) -> str | None:
    rows = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(entries)).all()[::-1]
    reader = ChainReader(rows[0].seq - 1, rows[0].previous) if rows else ChainReader()
    if entries <= NEAR_ENTRIES:  # before each act: not the index, which takes longer the more entries there are
        reader.follow(rows)
        return reader.fault or _checkpoint_fault(session)
    return _fault(session, reader, rows) or _checkpoint_fault(session) or authority_index.surplus_fault(session)


def _checkpoint_fault(session: Session) -> str | None:
    """Return a fault if the entry that the newest checkpoint signs is another one, or is missing."""
    signed = session.execute(_SIGNED).one_or_none()
    if signed is None or signed.hash == signed.found:
        return None
    return f"entry {signed.seq} is not the one that checkpoint {signed.number} signed"


def _batch(session: Session, after: int) -> Sequence[AuditRow]:
    return session.scalars(select(AuditRow).where(AuditRow.seq > after).order_by(AuditRow.seq).limit(BATCH)).all()


def _fault(session: Session, reader: ChainReader, rows: Sequence[AuditRow]) -> str | None:
    """Return the first fault of the next entries. Compare the index only if the hash chain is intact."""
    reader.follow(rows)
    return reader.fault or authority_index.first_fault(session, rows)


def is_damage(error: BaseException | None) -> bool:
    """Return whether this error of SQLite means that its file is damaged."""
    # An error of the Python module has no code: a text is not UTF-8.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return isinstance(error, sqlite3.DatabaseError) and code & 0xFF in _DAMAGED


def _hash(row: AuditRow) -> str | None:
    """Return the hash that an entry should have. Return None if no such entry can have been recorded."""
    try:
        return entry_hash(entry_of(row))
    # OSError comes from a time outside of the calendar.
    except (ValueError, TypeError, OverflowError, RecursionError, OSError):
        return None
