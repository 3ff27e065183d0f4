"""Engine, sessions and migrations. SQLite runs in WAL mode. A writing transaction takes its lock when it begins."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from api.db import versions
from api.db.migration import upgrade
from api.db.models.audit_log import INSTALLATION, InstallationRow
from api.db.turns import Turns
from api.db.unit_of_work import DAMAGE
from api.db.unusable import DISK_FULL, Unusable, is_disk_full, try_space
from dnsfilter.telemetry.logs import emit

BUSY_TIMEOUT_S = 5
WRITE_TRIED_S = 5.0
"""Seconds between two tries to write, however often anybody asks for them."""
NEAR_ENTRIES = 2
"""Newest audit entries that are checked before each transaction builds on them: the last one and its predecessor."""
_FORGOTTEN = "forgotten"
_LOCKED = "locked installation"
_LOG_SUFFIX = "-wal"
_WRITE = "dnsfilter_write"

log = logging.getLogger("dnsfilter.api")


class Examiner(Protocol):
    """Checks the audit log, and sets `damage` of its database."""

    def examine(self, session: Session, entries: int) -> None: ...
    def check_chain(self) -> None: ...


class Database:
    """Sessions on one database. `reading` gives a consistent view, `writing` one transaction."""

    def __init__(self, url: str, *, create: bool = False) -> None:
        """Open the database at `url`. With `create`, SQLite makes a missing file."""
        self._engine = _engine(url, create=create)
        # By default, each statement of PostgreSQL sees another state. A transaction of SQLite always sees one.
        levels = {"isolation_level": "REPEATABLE READ"} if self._engine.name == "postgresql" else {}
        self._reader = self._engine.execution_options(**levels)
        self._writer = self._engine.execution_options(**{_WRITE: True})
        # SQLite's busy handler polls with growing sleeps; waiting here costs a writer of this process nothing.
        self._turns = Turns()
        # Paths that must not be replaced. Each is held open, so that no other file gets its inode.
        self._watched: dict[Path, int] = {}
        self._log_keeper: PoolProxiedConnection | None = None
        self.damage: str | None = None
        """The damage because of which no act may be recorded. The check of the database sets it."""
        self.examiner: Examiner | None = None
        # True if SQLite's log may hold pages with erased data.
        self._stale_log = False
        self._try_s = 0.0
        self._write_fault: str | None = None

    def watch(self, *paths: Path) -> None:
        """Refuse to write after one of these paths is removed or replaced. Raise OSError.

        SQLite's log is watched too: acts that only it holds would be lost with it.
        """
        log_file = self._keep_log()
        for path in paths if log_file is None else (*paths, log_file):
            # A descriptor that cannot read: closing another kind would end SQLite's locks.
            self._watched[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)

    @property
    def obstacle(self) -> str | None:
        """Return why no act can be recorded now, or None."""
        return self._replaced() or self.damage

    def _replaced(self) -> str | None:
        for path, descriptor in self._watched.items():
            try:
                same = os.path.samestat(path.stat(), os.fstat(descriptor))
            except FileNotFoundError:
                same = False
            except OSError as error:
                return f"{path} cannot be read: {error.strerror}. Check its disk, and its directory's owner and mode"
            if not same:
                return f"{path} was removed or replaced while dnsfilter-api runs. {_remedy(path)}"
        return None

    def _keep_log(self) -> Path | None:
        """Return SQLite's log and keep it the same file while this process runs. Return None for PostgreSQL."""
        if self._engine.name != "sqlite":
            return None
        # SQLite removes the log with the last connection, and the pool might close that. This connection stays open.
        self._log_keeper = self._engine.raw_connection()
        self._log_keeper.detach()
        with closing(self._log_keeper.cursor()) as cursor:
            (_, _, file) = cursor.execute("PRAGMA database_list").fetchone()
            cursor.execute("PRAGMA schema_version").fetchone()
        return Path(f"{file}{_LOG_SUFFIX}")

    def _demand_same(self) -> None:
        replaced = self._replaced()
        if replaced is not None:
            raise Unusable(replaced)

    @property
    def engine(self) -> Engine:
        """Return the engine, for migrations and checks of the schema."""
        return self._engine

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that sees one state of the database. Roll it back at the end."""
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self, *, is_background: bool = False) -> Iterator[Session]:
        """Open a transaction that no other writer overlaps. Commit at the block's end, roll back on an exception.

        With `is_background`, let all acts that wait go first. Such a transaction must be short, because acts that come
        later wait for it.

        Keep a version of each changed object of the policy. Raise Unusable if a watched path was replaced. That may be
        found only after the commit, and then the written data is lost.
        """
        with self._turns.turn(is_background=is_background), self._noting_full_disk():
            self._demand_same()
            with Session(self._writer, expire_on_commit=False) as session, session.begin():
                locked = select(InstallationRow).where(InstallationRow.id == INSTALLATION).with_for_update()
                # Referenced until the end: a session drops unreferenced rows, and its acts would query it again.
                session.info[_LOCKED] = session.scalars(locked).one_or_none()
                self.examine(session, NEAR_ENTRIES)
                versions.watch(session)
                yield session
                versions.keep(session)
            self._demand_same()
            self._stale_log |= _FORGOTTEN in session.info
            self._empty_stale_log()

    @contextmanager
    def _noting_full_disk(self) -> Iterator[None]:
        """Note a full disk that a transaction meets, so that `write_fault` returns it at once."""
        try:
            yield
        except DBAPIError as error:
            if is_disk_full(error):
                self._write_fault, self._try_s = DISK_FULL, time.monotonic() + WRITE_TRIED_S
            raise

    def examine(self, session: Session, entries: int) -> None:
        """Check the newest audit entries, on which this writing session builds. Damage ends up in its `info`."""
        if self.damage is None and self.examiner is not None:
            self.examiner.examine(session, entries)
        session.info[DAMAGE] = self.damage

    def write_fault(self) -> str | None:
        """Return why the database accepts no write, as tried at most WRITE_TRIED_S seconds ago. None if it does.

        While another transaction is written, the result is that of the last try.
        """
        if time.monotonic() < self._try_s:
            return self._write_fault
        with self._turns.free_turn() as is_free:
            if is_free:
                self._try_s = time.monotonic() + WRITE_TRIED_S
                self._write_fault = self._try_to_write()
        return self._write_fault

    def _try_to_write(self) -> str | None:
        try:
            with self._writer.begin() as connection:
                connection.execute(update(InstallationRow).values(revision=InstallationRow.revision))
            if self._engine.name == "sqlite" and self._engine.url.database is not None:
                try_space(Path(self._engine.url.database).parent)
        except (SQLAlchemyError, OSError) as error:
            return DISK_FULL if is_disk_full(error) else "the database accepts no write: check its disk"
        return None

    def migrate(self) -> None:
        """Upgrade the schema to the newest version, before the database is used. Raise UnknownSchemaError."""
        with self._engine.begin() as connection:
            upgrade(connection)
        with self._turns.turn():
            # A process that was killed may have left erased data in the log.
            self._stale_log = True
            self._empty_stale_log()

    def _empty_stale_log(self) -> None:
        """Empty SQLite's log if it may hold erased data. Retry with the next act. This does not affect commits."""
        if not self._stale_log:
            return
        try:
            self._stale_log = not self._empty_log()
        except (sqlite3.Error, SQLAlchemyError) as error:
            emit(
                log,
                logging.ERROR,
                "the database's log could not be emptied, retrying with the next act",
                error=type(error).__name__,
            )

    def _empty_log(self) -> bool:
        """Empty SQLite's log, which holds old pages. Return whether that was possible: readers prevent it."""
        if self._engine.name != "sqlite":
            return True
        with closing(self._engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute("PRAGMA busy_timeout=0")
            try:
                (busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
                cursor.close()
        return not busy

    def close(self) -> None:
        """Close every connection."""
        if self._log_keeper is not None:
            self._log_keeper.close()
        self._engine.dispose()
        while self._watched:
            os.close(self._watched.popitem()[1])


def _remedy(path: Path) -> str:
    if path.name.endswith(_LOG_SUFFIX):
        return "Stop dnsfilter-api with SIGTERM, which saves the file's content, and start it again"
    return "Put it back, or restore a backup; then restart dnsfilter-api"


def forget(session: Session) -> None:
    """Mark a writing session as one that erases data. The data is then removed from the database's log too."""
    session.info[_FORGOTTEN] = True


def _engine(url: str, *, create: bool) -> Engine:
    # Errors are logged without parameters, which hold the data of requests and the names of people.
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, hide_parameters=True)

    @event.listens_for(engine, "do_connect")
    def opened(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> None:
        # By default, SQLite makes a missing file, and a policy read from it would be empty.
        if arguments[0] != ":memory:":
            arguments[0] = f"file:{quote(arguments[0])}?mode={'rwc' if create else 'rw'}"
            options["uri"] = True

    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: Any, _record: object) -> None:
        # sqlite3 begins a transaction only before its first write. A read and a write could see two states.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        # secure_delete overwrites deleted data, so that free pages hold no erased names.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine
