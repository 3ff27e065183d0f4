"""Restore a backup as a new installation, completely or not at all. Never replace an existing one."""

import base64
import errno
import json
import os
import pwd
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
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
from api.db.migration import TABLE, upgrade, versions
from api.db.models import AuditRow, MatterRow
from api.db.session import Database
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.files import make_directories, rename_exclusively, set_owner, write_secret
from api.publish.epoch import begin_epoch
from api.settings import Settings
from dnsfilter.disk import sync_directory

ACT = "installation.restore"
_ODD = (OverflowError, RecursionError, UnicodeError)
"""Errors of values that JSON can hold and a database cannot: too large, too deep, half a character."""


class NotEmpty(Exception):
    """There is already an installation at the target."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: the backup's manifest, the new revision, and what was written."""

    manifest: Manifest
    revision: int
    rows: int
    fault: str | None
    """The fault of the hash chain, if damage was accepted, else None."""
    database: Path | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """The parameters of a restore. `digest` is the SHA-256 of the backup's file.

    With `broken`, restore even if the hash chain was already broken when the backup was made, and record that.
    `report` is called with each step.
    """

    digest: str
    now_s: int
    broken: bool = False
    report: Callable[[str], None] = lambda _step: None


def restore(
    file: IO[bytes], order: RestoreOptions, settings: Settings, owner: pwd.struct_passwd | None = None
) -> Restored:
    """Make the installation of a backup. `owner` gets its files (None: they stay the caller's).

    Raise BadBackup, NotEmpty and OSError. Raise SQLAlchemyError if the database is unreachable. Leave nothing then.
    """
    order.report("verifying the backup")
    backup = open_backup(file)
    _usable(backup)
    url = make_url(settings.database)
    database_file = Path(url.database).absolute() if url.get_backend_name() == "sqlite" and url.database else None
    _empty(settings, database_file, backup)
    held = os.umask(0o077)
    try:
        with make_directories(_wanted(settings.state_dir, database_file), owner):
            keyed = _keyed(settings.token_key_path, backup.token_key(), database_file, owner)
            if database_file is None:
                with keyed:
                    filled = _into(settings.database, backup, order)
            else:
                filled = _into_file(database_file, backup, order, owner, keyed)
    finally:
        os.umask(held)
    # A backup of an earlier installation in this directory says nothing about this one.
    settings.last_backup_path.unlink(missing_ok=True)
    return replace(filled, database=database_file, owner=None if owner is None else owner.pw_name)


def _wanted(state_dir: Path, database_file: Path | None) -> dict[Path, int]:
    """Return the directories that an installation needs, with their modes."""
    wanted = {state_dir: 0o750}
    if database_file is not None:
        wanted.setdefault(database_file.parent, 0o700)
    return wanted


def _usable(backup: Backup) -> None:
    manifest = backup.manifest
    if manifest.database not in versions():
        raise BadBackup(
            f"the database schema {manifest.database} is unknown: "
            f"the backup was made by dnsfilter {manifest.version}; restore it with that version or a newer one"
        )
    if len(backup.token_key()) != KEY_BYTES:
        raise BadBackup(f"token-key: not the {KEY_BYTES} bytes of a key")


def _empty(settings: Settings, database_file: Path | None, backup: Backup) -> None:
    key = settings.token_key_path
    if key.exists() and key.read_bytes() != backup.token_key():
        raise NotEmpty(f"{key} already exists: name another state directory, or move the old one away")
    if database_file is not None:
        _vacant(database_file)
        return
    database = Database(settings.database)
    try:
        tables = inspect(database.engine).get_table_names()
    finally:
        database.close()
    if tables:
        raise NotEmpty(f"the database already has {len(tables)} tables: name an empty one")


def _vacant(database_file: Path) -> None:
    # SQLite would apply an existing log to the new database.
    for path in (database_file, database_file.with_name(f"{database_file.name}-wal")):
        if os.path.lexists(path):
            raise NotEmpty(f"the database {path} already exists: name another, or move the old one away")


@contextmanager
def _keyed(key: Path, content: bytes, database_file: Path | None, owner: pwd.struct_passwd | None) -> Iterator[None]:
    """Write the key of the token hashes before its database appears: without it, no token would be valid.

    If the block fails, remove the key unless it was there before. Raise NotEmpty if another key has appeared.
    """
    made = not key.exists() or key.read_bytes() != content
    if made:
        try:
            write_secret(key, content, exclusive=True)
        except FileExistsError as error:
            raise NotEmpty(f"{key} has appeared during the restore: another process uses the target") from error
    try:
        set_owner(key, owner)
        yield
    except BaseException:
        # Another process that made a database here may have used the key.
        if made and (database_file is None or not database_file.exists()):
            key.unlink(missing_ok=True)
        raise


def _into_file(
    database_file: Path,
    backup: Backup,
    order: RestoreOptions,
    owner: pwd.struct_passwd | None,
    keyed: AbstractContextManager[None],
) -> Restored:
    """Fill a temporary file, then rename it: the database appears only when it is complete."""
    temporary = database_file.with_name(f".{database_file.name}.restoring")
    try:
        _remove(temporary)
        done = _into(f"sqlite:///{temporary}", backup, order)
        _settle(temporary)
        set_owner(temporary, owner)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        _vacant(database_file)
        with keyed:
            try:
                rename_exclusively(temporary, database_file)
            except FileExistsError as error:
                message = (
                    f"the database {database_file} has appeared during the restore: another process uses the target"
                )
                raise NotEmpty(message) from error
    finally:
        _remove(temporary)
    sync_directory(database_file.parent)
    return done


def _settle(database: Path) -> None:
    """Move all data into the database's main file. Raise OSError. Closing does that too, but hides failures."""
    reason = "its log is in use"
    try:
        with closing(sqlite3.connect(database, timeout=0)) as connection:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        busy, reason = 1, str(error)
    if busy or database.with_name(f"{database.name}-wal").exists():
        raise OSError(errno.EIO, reason, str(database))


def _into(url: str, backup: Backup, order: RestoreOptions) -> Restored:
    """Fill a database in one transaction. Raise BadBackup, also for values that a database cannot store."""
    database = Database(url, create=True)
    try:
        with database.engine.begin() as connection:
            upgrade(connection, backup.manifest.database)
            rows = _load(connection, backup, order)
            upgrade(connection)
            _number(connection, backup.manifest.numbers)
            order.report("verifying the audit log")
            with Session(connection, expire_on_commit=False) as session:
                fault = _fault(session, backup.manifest)
                if fault is not None and not order.broken:
                    raise BadBackup(f"{member_of(AuditRow.__tablename__)}: {fault}")
                authority_index.derive(session)
                revision = _record(session, backup.manifest, order, fault)
    except _ODD as error:
        raise BadBackup(f"it has a value that a database cannot store: {type(error).__name__}") from error
    finally:
        database.close()
    return Restored(backup.manifest, revision, rows, fault)


def _load(connection: Connection, backup: Backup, order: RestoreOptions) -> int:
    """Insert every row into the tables of the backup's schema, in an order that foreign keys allow."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.sorted_tables if table.name != TABLE]
    missing = {table.name for table in tables} ^ backup.manifest.tables
    if missing:
        raise BadBackup(f"{member_of(min(missing))}: the schema {backup.manifest.database} and the backup do not agree")
    for table in reversed(tables):
        # The backup also has the rows that migrations insert. Other tables are empty, and may refuse deletions.
        if connection.scalar(select(func.count()).select_from(table)):
            connection.execute(table.delete())
    rows = 0
    for table in tables:
        if table.name == MatterRow.__tablename__:
            continue  # It is derived from the entries, because the backup's copy may have been tampered with.
        order.report(f"restoring {table.name}, after {rows} rows")
        with _unguarded(connection, table) if order.broken else nullcontext():
            rows += _load_table(connection, table, backup)
    return rows


@contextmanager
def _unguarded(connection: Connection, table: Table) -> Iterator[None]:
    """Disable the triggers that refuse rows of a damaged audit log."""
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
        # The statement would repeat complete rows: give only the driver's own message.
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
    """Continue the numbering of tables, so that numbers of rows removed before the backup are not reused."""
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
    """Return the first fault of the hash chain. Raise BadBackup if it does not end as the manifest says."""
    reader = ChainReader()
    reader.follow(session.scalars(select(AuditRow).order_by(AuditRow.seq).execution_options(yield_per=BATCH)))
    if (reader.seq, reader.hash) != (manifest.audit.seq, manifest.audit.hash):
        member = member_of(AuditRow.__tablename__)
        raise BadBackup(f"{member}: it ends at entry {reader.seq}, which does not match the manifest")
    return reader.fault


def _record(session: Session, manifest: Manifest, order: RestoreOptions, fault: str | None) -> int:
    unit = UnitOfWork(session, LOCAL, order.now_s)
    audit = manifest.audit
    after: Json = {"backup": order.digest, "time": manifest.time, "seq": audit.seq, "hash": audit.hash}
    after["epoch"] = begin_epoch(session, order.now_s)
    unit.record(ACT, "installation", None, after if fault is None else {**after, "fault": fault})
    session.flush()
    return unit.revision


def _remove(database: Path) -> None:
    for path in (database, *(database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm", "-journal"))):
        path.unlink(missing_ok=True)
