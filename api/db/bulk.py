"""Insert and update many rows at once. A statement for each row would take most of the time of a large import."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, BindParameter, Column, Table, bindparam, insert, text, update
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
    own, given = f"{table.name}.{_quoted(column)}", f"excluded.{_quoted(column)}"
    _merge(session, table, rows, column, f"CASE WHEN {own} > {most} - {given} THEN {most} ELSE {own} + {given} END")


def replace_all(session: Session, table: Table, rows: Sequence[Json], column: str) -> None:
    """Insert rows, or set `column` of rows with the same key."""
    _merge(session, table, rows, column, f"excluded.{_quoted(column)}")


def raise_all(session: Session, table: Table, rows: Sequence[Json], column: str) -> None:
    """Insert rows, or set `column` of rows with the same key if theirs is lower."""
    own, given = f"{table.name}.{_quoted(column)}", f"excluded.{_quoted(column)}"
    _merge(session, table, rows, column, f"CASE WHEN {own} > {given} THEN {own} ELSE {given} END")


def _merge(session: Session, table: Table, rows: Sequence[Json], column: str, merged: str) -> None:
    """Insert rows with different keys, or set `column` of rows with the same key to the expression `merged`.

    All is one statement with one JSON document, whose rows the database reads itself. That takes half the time of a
    statement for each row.
    """
    if not rows:
        return
    names, keys = ", ".join(map(_quoted, rows[0])), ", ".join(_quoted(each.name) for each in table.primary_key.columns)
    if session.get_bind().dialect.name == "postgresql":
        source, document = _records(table), _document(rows)
    else:
        columns = (_from_json(table.c[name], number) for number, name in enumerate(rows[0]))
        source = f"(SELECT {', '.join(columns)} FROM json_each(:rows))"
        document = {"rows": json.dumps([list(row.values()) for row in rows], ensure_ascii=False)}
    # Without WHERE, SQLite would take ON CONFLICT as part of a join.
    statement = f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {source} WHERE true"
    session.execute(text(f"{statement} ON CONFLICT ({keys}) DO UPDATE SET {_quoted(column)} = {merged}"), document)


def _from_json(column: Column[Any], number: int) -> str:
    """Return the expression of SQLite for a column of a row that is an array."""
    return f"value {'->' if isinstance(column.type, JSON) else '->>'} {number} AS {_quoted(column.name)}"


def _records(table: Table) -> str:
    return f"json_populate_recordset(NULL::{table.name}, CAST(:rows AS json))"


def _document(rows: Sequence[Json]) -> dict[str, str]:
    return {"rows": json.dumps(rows, ensure_ascii=False)}


def _quoted(name: str) -> str:
    return f'"{name}"'
