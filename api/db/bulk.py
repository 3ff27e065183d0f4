"""Insert and update many rows at once. A statement for each row would take most of the time of a large import."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Table, bindparam, case, insert, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from api.db.base import Json

BATCH = 2_000
"""Rows per statement."""


def insert_all(session: Session, table: Table, rows: Sequence[Json]) -> None:
    """Insert rows in order. All have the same columns, and no column holds bytes.

    PostgreSQL gets them as one JSON document. There, a JSON column that is None becomes NULL.
    """
    if not rows:
        return
    if session.get_bind().dialect.name != "postgresql":
        session.execute(insert(table), rows)
        return
    names = ", ".join(map(_quoted, rows[0]))
    session.execute(text(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_records(table)}"), _document(rows))


def update_all(session: Session, table: Table, rows: Sequence[Json]) -> None:
    """Update rows by their `id`. All have the same columns, and no column holds bytes."""
    if not rows:
        return
    names = [name for name in rows[0] if name != "id"]
    if session.get_bind().dialect.name != "postgresql":
        # SQLAlchemy reserves the names of updated columns for their parameters.
        keyed = [{**row, "_id": row["id"]} for row in rows]
        values: dict[str, BindParameter[object]] = {name: bindparam(name) for name in names}
        session.connection().execute(update(table).where(table.c.id == bindparam("_id")).values(values), keyed)
        return
    changes = ", ".join(f"{_quoted(name)} = given.{_quoted(name)}" for name in names)
    statement = f"UPDATE {table.name} SET {changes} FROM {_records(table)} AS given WHERE {table.name}.id = given.id"
    session.execute(text(statement), _document(rows))


def add_to_all(session: Session, table: Table, rows: Sequence[Json], column: str, most: int) -> None:
    """Insert rows, or add `column` to that of rows with the same key. The sum is at most `most`."""
    own = table.c[column]
    _merge(session, table, rows, column, lambda given: case((own > most - given, most), else_=own + given))


def replace_all(session: Session, table: Table, rows: Sequence[Json], column: str) -> None:
    """Insert rows, or set `column` of rows with the same key."""
    _merge(session, table, rows, column, lambda given: given)


def raise_all(session: Session, table: Table, rows: Sequence[Json], column: str) -> None:
    """Insert rows, or set `column` of rows with the same key if theirs is lower."""
    own = table.c[column]
    _merge(session, table, rows, column, lambda given: case((own > given, own), else_=given))


def _merge(
    session: Session,
    table: Table,
    rows: Sequence[Json],
    column: str,
    merged: Callable[[ColumnElement[Any]], ColumnElement[Any]],
) -> None:
    """Insert rows, or set `column` of rows with the same key to what `merged` makes of the given value."""
    if not rows:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    changes = {column: merged(statement.excluded[column])}
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=table.primary_key.columns, set_=changes), rows
    )


def _records(table: Table) -> str:
    return f"json_populate_recordset(NULL::{table.name}, CAST(:rows AS json))"


def _document(rows: Sequence[Json]) -> dict[str, str]:
    return {"rows": json.dumps(rows, ensure_ascii=False)}


def _quoted(name: str) -> str:
    return f'"{name}"'
