"""Pages of lists. A cursor is an opaque text with the key of a page's last item and the sort order."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.errors import Invalid

Row = TypeVar("Row")
Key = TypeVar("Key", str, int)


class Paging(NamedTuple):
    """The page that a request asks for: its most items, and the cursor of the last page."""

    limit: int
    cursor: str | None

    def after(self, kind: type[Key]) -> Key | None:
        """Return the key that the page begins after; None for the first page. Raise Invalid."""
        return None if self.cursor is None else decode_cursor(self.cursor, kind)

    def cut(self, items: Iterable[Row], key: Callable[[Row], Any]) -> tuple[Sequence[Row], str | None]:
        """Return the first items of all that follow the last page, and the cursor of the next page."""
        return cut_page(list(islice(items, self.limit + 1)), self.limit, key)


def equal(wanted: Mapping[InstrumentedAttribute[Any], object]) -> list[ColumnElement[bool]]:
    """Return the conditions that columns have the wanted values; None leaves a column open."""
    return [column == value for column, value in wanted.items() if value is not None]


def within(column: InstrumentedAttribute[Any], visible: frozenset[str] | None) -> list[ColumnElement[bool]]:
    """Return the condition that a column is in `visible`; none if all are visible."""
    return [] if visible is None else [column.in_(visible)]


def cut_page(items: Sequence[Row], limit: int, key: Callable[[Row], Any]) -> tuple[Sequence[Row], str | None]:
    """Return the first `limit` of up to `limit + 1` items, and the cursor of the next page."""
    if len(items) <= limit:
        return items, None
    return items[:limit], encode_cursor(key(items[limit - 1]))


def select_page(
    session: Session,
    statement: Select[Row],
    column: InstrumentedAttribute[Key],
    kind: type[Key],
    limit: int,
    cursor: str | None,
    *,
    newest_first: bool = False,
) -> tuple[Sequence[Row], str | None]:
    """Return a page of ORM rows in the order of `column`, which is unique. Raise Invalid for a foreign cursor."""
    if cursor is not None:
        last = decode_cursor(cursor, kind)
        statement = statement.where(column < last if newest_first else column > last)
    ordered = statement.order_by(column.desc() if newest_first else column).limit(limit + 1)
    return cut_page(session.scalars(ordered).all(), limit, lambda row: getattr(row, column.key))


@dataclass(frozen=True, slots=True)
class Sorting:
    """The columns, by name, that a list can be sorted by. Rows with equal values are in the order of `key` (unique)."""

    key: InstrumentedAttribute[Any]
    columns: Mapping[str, InstrumentedAttribute[Any]]


def sorted_page(
    session: Session, statement: Select[Row], sorting: Sorting, sort: str, limit: int, cursor: str | None
) -> tuple[Sequence[Row], str | None]:
    """Return a page of ORM rows sorted by `sort`, a name of `sorting`, descending after a `-`. Raise Invalid."""
    column, down = sorting.columns[sort.removeprefix("-")], sort.startswith("-")
    position = tuple_(column, sorting.key)
    if cursor is not None:
        last = _decoded(cursor)
        kinds = [str, column.type.python_type, sorting.key.type.python_type]
        if not isinstance(last, list) or [type(part) for part in last] != kinds or last[0] != sort:
            raise not_ours()
        after = tuple_(*map(_bounded, last[1:]))
        statement = statement.where(position < after if down else position > after)
    order = (column.desc(), sorting.key.desc()) if down else (column, sorting.key)
    rows = session.scalars(statement.order_by(*order).limit(limit + 1)).all()
    return cut_page(rows, limit, lambda row: [sort, getattr(row, column.key), getattr(row, sorting.key.key)])


def encode_cursor(key: str | int | Sequence[str | int]) -> str:
    """Return the cursor that continues after `key`."""
    text = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[Key]) -> Key:
    """Return the key in a cursor. Raise Invalid."""
    key = _decoded(cursor)
    if type(key) is not kind:
        raise not_ours()
    return _bounded(key)


def decode_keys(cursor: str, kinds: Sequence[type]) -> list[str | int]:
    """Return the keys in a cursor of a list that several columns order. Raise Invalid."""
    found = _decoded(cursor)
    if not isinstance(found, list) or [type(key) for key in found] != list(kinds):
        raise not_ours()
    return [_bounded(key) for key in found]


def _decoded(cursor: str) -> Any:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise not_ours() from error


def _bounded(key: Key) -> Key:
    """Return the key if a database can compare it, else raise Invalid."""
    beyond = not -(2**63) <= key < 2**63 if isinstance(key, int) else not _encodes(key)
    if beyond:
        raise not_ours()
    return key


def not_ours() -> Invalid:
    """Return the error for a cursor of another list, or an invalid one."""
    return Invalid.at("query.cursor", "not a cursor of this list in this order: give the `next` of its last page")


def _encodes(text: str) -> bool:
    """Return whether a database can store the text. JSON can hold half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
