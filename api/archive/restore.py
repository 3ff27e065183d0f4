"""A backup becomes an installation, where there is none: all of it, or nothing."""

import base64
import errno
import json
import os
import pwd
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import JSON, Connection, LargeBinary, MetaData, Table, func, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session

from api.archive.backup_format import BadBackup, Manifest, member_of
from api.archive.backup_reader import Backup, open_backup
from api.archive.dump import BATCH, batch_of
from api.auth.tokens import KEY_BYTES
from api.db import authority_index
from api.db.base import Json
from api.db.integrity import ChainReader
from api.db.migration import NEWEST, is_known, upgrade
from api.db.models import AuditRow, MatterRow
from api.db.session import Database
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.files import give, made_directories, place_exclusively, sync_directory, write_secret
from api.settings import Settings

SCHEMA_TABLE = "alembic_version"
ACT = "installation.restore"
_ODD = (OverflowError, RecursionError, UnicodeError)
"""What values say that JSON can hold and a database cannot: too large, too deep, half a character."""


class NotEmpty(Exception):
    """Where the installation is to be there is one."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What has been restored: the backup's manifest, the revision that this is, and what was written."""

    manifest: Manifest
    revision: int
    rows: int
    fault: str | None
    """What is wrong with the record's chain, where that was accepted."""
    database: Path | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: the restore of a backup whose file has the SHA-256 `digest`, now.

    With `broken` also where the record's chain did not hold when the backup was made, which then goes on record.
    `told` hears what is being done.
    """

    digest: str
    now_s: int
    broken: bool = False
    told: Callable[[str], None] = lambda _step: None


def restore(file: IO[bytes], order: Order, settings: Settings, owner: pwd.struct_passwd | None = None) -> Restored:
    """Make the installation of a backup, and give its files to `owner` (None: they stay the caller's).

    Raises BadBackup, NotEmpty, OSError, and SQLAlchemyError where a database cannot be reached; nothing is left then.
    """
    order.told("verifying the backup")
    backup = open_backup(file)
    _usable(backup)
    url = make_url(settings.database)
    place = Path(url.database).absolute() if url.get_backend_name() == "sqlite" and url.database else None
    _empty(settings, place, backup)
    held = os.umask(0o077)
    try:
        with made_directories(_wanted(settings.state_dir, place), owner):
            keyed = _keyed(settings.token_key_path, backup.token_key(), place, owner)
            if place is None:
                with keyed:
                    filled = _into(settings.database, backup, order)
            else:
                filled = _into_file(place, backup, order, owner, keyed)
    finally:
        os.umask(held)
    user = None if owner is None else owner.pw_name
    return Restored(backup.manifest, filled.revision, filled.rows, filled.fault, place, user)


@dataclass(frozen=True, slots=True)
class _Filled:
    """A database that has been filled: its revision, how many rows the backup had, what is wrong with the chain."""

    revision: int
    rows: int
    fault: str | None


def _wanted(state_dir: Path, place: Path | None) -> dict[Path, int]:
    """The directories that an installation needs, with their modes."""
    wanted = {state_dir: 0o750}
    if place is not None:
        wanted.setdefault(place.parent, 0o700)
    return wanted


def _usable(backup: Backup) -> None:
    manifest = backup.manifest
    if not is_known(manifest.database):
        raise BadBackup(
            f"the database's schema {manifest.database} is not known here: "
            f"the backup was made by dnsfilter {manifest.version}; restore it with that version or a newer one"
        )
    if len(backup.token_key()) != KEY_BYTES:
        raise BadBackup(f"token-key: not the {KEY_BYTES} octets of a key")


def _empty(settings: Settings, place: Path | None, backup: Backup) -> None:
    key = settings.token_key_path
    if key.exists() and key.read_bytes() != backup.token_key():
        raise NotEmpty(f"{key} is there already: name another state directory, or move the old one away")
    if place is not None:
        _vacant(place)
        return
    database = Database(settings.database)
    try:
        tables = inspect(database.engine).get_table_names()
    finally:
        database.close()
    if tables:
        raise NotEmpty(f"the database has {len(tables)} tables already: name an empty one")


def _vacant(place: Path) -> None:
    # A log that is there would be taken for that of the database that comes.
    for path in (place, place.with_name(f"{place.name}-wal")):
        if os.path.lexists(path):
            raise NotEmpty(f"the database {path} is there already: name another, or move the old one away")


@contextmanager
def _keyed(key: Path, content: bytes, place: Path | None, owner: pwd.struct_passwd | None) -> Iterator[None]:
    """The key of the token hashes, in its place before its database is: without it all tokens would be unknown.

    Taken away again where the block fails and it was not there before; raises NotEmpty where another one appeared.
    """
    made = not key.exists() or key.read_bytes() != content
    if made:
        try:
            write_secret(key, content, exclusive=True)
        except FileExistsError as error:
            raise NotEmpty(f"{key} has appeared meanwhile: something runs there") from error
    try:
        give(key, owner)
        yield
    except BaseException:
        # Whoever made a database here meanwhile may have taken the key for its own.
        if made and (place is None or not place.exists()):
            key.unlink(missing_ok=True)
        raise


def _into_file(
    place: Path, backup: Backup, order: Order, owner: pwd.struct_passwd | None, keyed: AbstractContextManager[None]
) -> _Filled:
    """Beside first, then moved: a database that is there is a whole one."""
    beside = place.with_name(f".{place.name}.restoring")
    try:
        _remove(beside)
        done = _into(f"sqlite:///{beside}", backup, order)
        _settle(beside)
        give(beside, owner)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        _vacant(place)
        with keyed:
            try:
                place_exclusively(beside, place)
            except FileExistsError as error:
                raise NotEmpty(f"the database {place} has appeared meanwhile: something runs there") from error
    finally:
        _remove(beside)
    sync_directory(place.parent)
    return done


def _settle(database: Path) -> None:
    """Have all of it in its one file; raises OSError. Closing it tries that too, and is silent where it cannot."""
    reason = "its log is in use"
    try:
        with closing(sqlite3.connect(database, timeout=0)) as connection:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        busy, reason = 1, str(error)
    if busy or database.with_name(f"{database.name}-wal").exists():
        raise OSError(errno.EIO, reason, str(database))


def _into(url: str, backup: Backup, order: Order) -> _Filled:
    """Fill a database in one transaction; raises BadBackup also for values that no database holds."""
    database = Database(url, create=True)
    try:
        with database.engine.begin() as connection:
            upgrade(connection, backup.manifest.database)
            rows = _load(connection, backup, order)
            upgrade(connection, NEWEST)
            _number(connection, backup.manifest.numbers)
            order.told("verifying the record")
            with Session(connection, expire_on_commit=False) as session:
                fault = _fault(session, backup.manifest)
                if fault is not None and not order.broken:
                    raise BadBackup(f"{member_of(AuditRow.__tablename__)}: {fault}")
                authority_index.derive(session)
                revision = _record(session, backup.manifest, order, fault)
    except _ODD as error:
        raise BadBackup(f"it has a value that no database holds: {type(error).__name__}") from error
    finally:
        database.close()
    return _Filled(revision, rows, fault)


def _load(connection: Connection, backup: Backup, order: Order) -> int:
    """Every row into the tables of the backup's own schema, in an order that references allow."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.sorted_tables if table.name != SCHEMA_TABLE]
    missing = {table.name for table in tables} ^ backup.manifest.tables
    if missing:
        raise BadBackup(f"{member_of(min(missing))}: the schema {backup.manifest.database} and the backup do not agree")
    for table in reversed(tables):
        # What the migrations have put there is in the backup as well; elsewhere triggers refuse a deletion.
        if connection.scalar(select(func.count()).select_from(table)):
            connection.execute(table.delete())
    rows = 0
    for table in tables:
        if table.name == MatterRow.__tablename__:
            continue  # Derived from the entries: what it held may have been tampered with.
        order.told(f"restoring {table.name}, after {rows} rows")
        with _unguarded(connection, table) if order.broken else nullcontext():
            rows += _load_table(connection, table, backup)
    return rows


@contextmanager
def _unguarded(connection: Connection, table: Table) -> Iterator[None]:
    """Without the triggers that take only what a whole record can have."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"),
            {"table": table.name},
        ).all()
        before, after = [f"DROP TRIGGER {row.name}" for row in found], [row.sql for row in found]
    else:
        before, after = ([f"ALTER TABLE {table.name} {verb} TRIGGER USER"] for verb in ("DISABLE", "ENABLE"))
    for statement in before:
        connection.exec_driver_sql(statement)
    yield
    for statement in after:
        connection.exec_driver_sql(statement)


def _load_table(connection: Connection, table: Table, backup: Backup) -> int:
    for column in table.columns:
        if isinstance(column.type, JSON):
            column.type = JSON(none_as_null=True)
    name, count = member_of(table.name), 0
    try:
        rows, size = _rows(table, name, backup.lines(name)), batch_of(table)
        while batch := list(islice(rows, size)):
            connection.execute(table.insert(), batch)
            count += len(batch)
    except (DBAPIError, StatementError, *_ODD) as error:
        # The statement would repeat whole rows: the driver's own words have to do.
        reason = str(error.orig).partition("\n")[0] if isinstance(error, DBAPIError) else type(error).__name__
        raise BadBackup(f"{name}: the database refuses what follows row {count}: {reason}") from error
    return count


def _rows(table: Table, name: str, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    columns = {column.name for column in table.columns}
    binary = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
    for number, line in enumerate(lines, start=1):
        try:
            row: dict[str, Any] = json.loads(line)
            if row.keys() != columns:
                raise ValueError("other columns")
            for column in binary:
                if row[column] is not None:
                    row[column] = base64.b64decode(row[column], validate=True)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise BadBackup(f"{name}: row {number} is not one of the table {table.name}") from error
        yield row


def _number(connection: Connection, numbers: Mapping[str, int]) -> None:
    """No number is given twice, not even that of a row that was removed before the backup."""
    known = inspect(connection)
    for table, last in numbers.items():
        if not known.has_table(table):
            continue
        if connection.dialect.name == "sqlite":
            connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), {"table": table})
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)"), {"table": table, "last": last}
            )
        else:
            (column,) = known.get_pk_constraint(table)["constrained_columns"]
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"),
                {"table": table, "column": column, "last": last},
            )


def _fault(session: Session, manifest: Manifest) -> str | None:
    """The first fault in the audit's chain; raises BadBackup where it does not end as the manifest says."""
    reader = ChainReader()
    reader.follow(session.scalars(select(AuditRow).order_by(AuditRow.seq).execution_options(yield_per=BATCH)))
    if (reader.seq, reader.hash) != (manifest.audit.seq, manifest.audit.hash):
        member = member_of(AuditRow.__tablename__)
        raise BadBackup(f"{member}: ends at entry {reader.seq}, and not as the manifest says")
    return reader.fault


def _record(session: Session, manifest: Manifest, order: Order, fault: str | None) -> int:
    unit = UnitOfWork(session, LOCAL, order.now_s)
    audit = manifest.audit
    after: Json = {"backup": order.digest, "time": manifest.time, "seq": audit.seq, "hash": audit.hash}
    unit.record(ACT, "installation", None, after if fault is None else {**after, "fault": fault})
    session.flush()
    return unit.revision


def _remove(database: Path) -> None:
    for path in (database, *(database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm", "-journal"))):
        path.unlink(missing_ok=True)
