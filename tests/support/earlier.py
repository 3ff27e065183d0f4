"""Databases and backups of earlier versions, without the columns that later migrations add."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import text, update

from api.archive.backup_format import FORMER_SIZE
from api.db.models import TermRow, VersionRow
from api.db.session import Database
from api.db.versions import KINDS
from dnsfilter.policy.model import Usage
from tests.support.backups import members, packed, with_manifest, with_rows

ADDED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "0007": {"publications": ("made_s",)},
    "0008": {
        "bans": ("superseded_by",),
        "terms": ("merged_from",),
        "bindings": ("superseded_by",),
        "exemptions": ("superseded_by",),
    },
    "0014": {"authorities": ("client_since_s", "client_until_s", "client_basis")},
    "0015": {"usage_streams": ("items",)},
    "0017": {"event_cursors": ("parked", "parked_last")},
    "0018": {"installation": ("epoch",)},
}
"""The columns that a migration adds, by table."""
ADDED_TABLES: Mapping[str, Sequence[str]] = {
    "0010": ("usage_days", "usage_hours", "bypass_days", "usage_streams"),
    "0011": ("webhooks", "event_cursors"),
    "0012": ("coverage", "coverage_days"),
    "0013": ("captures",),
    "0014": ("usage_clients",),
}
"""The tables that a migration adds, in the order in which they can be dropped."""
REQUESTS = """CREATE TABLE requests (
    number INTEGER PRIMARY KEY, ban INTEGER NOT NULL, mode VARCHAR(16) NOT NULL, until_s BIGINT,
    reason VARCHAR(1000) NOT NULL, was VARCHAR(16) NOT NULL, was_set_s BIGINT, requested_s BIGINT NOT NULL,
    requested_by BIGINT NOT NULL, approved_s BIGINT, rejected_s BIGINT, withdrawn_s BIGINT, decided_by BIGINT,
    note VARCHAR(1000) NOT NULL, revision BIGINT NOT NULL
)"""
"""The table that migration 0016 replaces."""
ADDED_INDEXES: Mapping[str, Sequence[str]] = {"0014": ("ix_usage_hours_range",)}
"""The indexes that a migration adds to tables of earlier ones."""


def set_back(database: Database, schema: str) -> None:
    """Convert a database to an earlier schema, and keep its rows."""
    gone = _added_since(schema)
    with database.engine.begin() as connection:
        for table in _tables_since(schema):
            connection.execute(text(f"DROP TABLE {table}"))
        for index in [each for added in ADDED_INDEXES for each in ADDED_INDEXES[added] if schema < added]:
            connection.execute(text(f"DROP INDEX IF EXISTS {index}"))
        if schema < "0016":
            # Requests are not converted: a test that has some writes them itself.
            connection.execute(text("DROP TABLE requests"))
            connection.execute(text(REQUESTS))
            connection.execute(text("CREATE INDEX ix_requests_ban ON requests (ban)"))
        for table, column in gone:
            if table not in _tables_since(schema):
                connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        for row in connection.execute(VersionRow.__table__.select()).mappings().all():
            body = earlier_body(row["kind"], row["body"], schema)
            if body != row["body"]:
                same = [getattr(VersionRow, name) == row[name] for name in ("kind", "key", "revision")]
                connection.execute(update(VersionRow).where(*same).values(body=body))
        connection.execute(text("UPDATE alembic_version SET version_num = :schema"), {"schema": schema})


def earlier_backup(data: bytes, schema: str) -> bytes:
    """Return the backup that a version with an earlier schema would have made."""
    gone = _added_since(schema)

    def strip(rows: list[dict[str, Any]], table: str) -> None:
        for row in rows:
            for name in [column for owner, column in gone if owner == table]:
                del row[name]
            if table == VersionRow.__tablename__:
                row["body"] = earlier_body(row["kind"], row["body"], schema)

    for table in {VersionRow.__tablename__, *(table for table, _ in gone)}:
        data = with_rows(data, table, partial(strip, table=table))

    files = members(data)
    for table in _tables_since(schema):
        del files[f"tables/{table}.jsonl"]

    def former(manifest: dict[str, Any]) -> None:
        manifest["database"] = schema
        for table in _tables_since(schema):
            del manifest["members"][f"tables/{table}.jsonl"]
        for member in manifest["members"].values():
            member[FORMER_SIZE] = member.pop("bytes")

    return with_manifest(packed(files), former)


def earlier_body(kind: str, body: dict[str, Any] | None, schema: str) -> dict[str, Any] | None:
    """Return what a version with an earlier schema kept of an object. For a ban, include its terms."""
    if body is None:
        return None
    gone, table = _added_since(schema), KINDS[kind].__tablename__
    left = {name: value for name, value in body.items() if (table, name) not in gone}
    if schema < "0010" and left.get("usage") == Usage.RANGE:
        left["usage"] = str(Usage.AUTHORITY)
    if "terms" in left:
        terms = TermRow.__tablename__
        left["terms"] = [
            {name: value for name, value in term.items() if (terms, name) not in gone} for term in left["terms"]
        ]
    return left


def _tables_since(schema: str) -> list[str]:
    return [table for migration, tables in ADDED_TABLES.items() if migration > schema for table in tables]


def _added_since(schema: str) -> list[tuple[str, str]]:
    return [
        (table, column)
        for migration, tables in ADDED.items()
        if migration > schema
        for table, columns in tables.items()
        for column in columns
    ]
