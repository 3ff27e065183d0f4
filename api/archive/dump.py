"""Write a backup: the complete database as of one instant, in the format of backup_format.py."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from sqlalchemy import LargeBinary, Table, select, text
from sqlalchemy.orm import Session

from api.archive.backup_format import (
    FORMAT,
    MANIFEST,
    TOKEN_KEY,
    AuditLogEnd,
    Manifest,
    Member,
    dump_manifest,
    member_of,
    row_line,
)
from api.archive.zipping import Written, ZipWriter
from api.db import models
from api.db.base import Base
from api.db.migration import schema_of
from api.db.models.audit_log import INSTALLATION
from api.db.unit_of_work import head
from api.timestamps import timestamp_text
from dnsfilter import __version__

BATCH = 500
_MODE = 0o600


def backup(session: Session, token_key: bytes, now_s: int, file: BinaryIO) -> None:
    """Write a backup of every table, as the session sees them, and of the key of the token hashes.

    Keep only a few rows in memory. Raise errors of the database.
    """
    tables = Base.metadata.sorted_tables
    manifest = _manifest(session, now_s, tables)
    with ZipWriter(file, _MODE) as made:
        parts = {member_of(table.name): _lines(session, table) for table in tables} | {TOKEN_KEY: (token_key,)}
        members = {name: _member(made.add(name, content)) for name, content in parts.items()}
        made.add(MANIFEST, (dump_manifest(manifest.model_copy(update={"members": members})),))


def batch_of(table: Table) -> int:
    """Return how many rows to hold at once: one if a row may be as large as a list of millions of names."""
    return 1 if any(isinstance(column.type, LargeBinary) for column in table.columns) else BATCH


def _manifest(session: Session, now_s: int, tables: Iterable[Table]) -> Manifest:
    installation = session.get_one(models.InstallationRow, INSTALLATION)
    seq, digest = head(session)
    return Manifest(
        format=FORMAT,
        version=__version__,
        database=schema_of(session.connection()) or "none",
        time=timestamp_text(now_s),
        installation=installation.identity,
        revision=installation.revision,
        audit=AuditLogEnd(seq=seq, hash=digest),
        numbers=_numbers(session, tables),
        members={},
    )


def _lines(session: Session, table: Table) -> Iterator[bytes]:
    statement = select(table).order_by(*table.primary_key.columns)
    for row in session.connection().execute(statement, execution_options={"yield_per": batch_of(table)}).mappings():
        yield row_line({column.name: row[column] for column in table.columns})


def _member(written: Written) -> Member:
    return Member.model_validate({"sha256": written.sha256, "bytes": written.size, "rows": written.parts})


def _numbers(session: Session, tables: Iterable[Table]) -> dict[str, int]:
    """Return the last number used in each table that numbers its rows, if one was used."""
    numbering = {table.name: column for table in tables if (column := table.autoincrement_column) is not None}
    if session.get_bind().dialect.name == "sqlite":
        found = {row.name: row.seq for row in session.execute(text("SELECT name, seq FROM sqlite_sequence"))}
        return {name: found[name] for name in sorted(numbering) if name in found}
    numbers = {}
    for name, column in sorted(numbering.items()):
        names = {"table": name, "column": column.name}
        sequence = session.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), names)
        # The name comes from the database itself, quoted if needed.
        last, called = session.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()
        if called:
            numbers[name] = last
    return numbers
