"""Cursors: an opaque text that carries the key of the last item of a page, and what the list is sorted by."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.errors import Invalid

Row = TypeVar("Row")
Key = TypeVar("Key", str, int)


def cut_page(items: Sequence[Row], limit: int, key: Callable[[Row], Any]) -> tuple[Sequence[Row], str | None]:
    """The first `limit` of up to `limit + 1` items, and the cursor of what follows."""
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
    """A page of ORM rows in the order of `column`, which is unique; raises Invalid for a cursor that is not ours."""
    if cursor is not None:
        last = decode_cursor(cursor, kind)
        statement = statement.where(column < last if newest_first else column > last)
    ordered = statement.order_by(column.desc() if newest_first else column).limit(limit + 1)
    return cut_page(session.scalars(ordered).all(), limit, lambda row: getattr(row, column.key))


@dataclass(frozen=True, slots=True)
class Sorting:
    """What a list can be sorted by: columns by name. Equal ones come in the order of `key`, which is unique."""

    key: InstrumentedAttribute[Any]
    columns: Mapping[str, InstrumentedAttribute[Any]]


def sorted_page(
    session: Session, statement: Select[Row], sorting: Sorting, sort: str, limit: int, cursor: str | None
) -> tuple[Sequence[Row], str | None]:
    """A page of ORM rows in the order of `sort`, a name of `sorting`, downwards after a `-`; raises Invalid."""
    column, down = sorting.columns[sort.removeprefix("-")], sort.startswith("-")
    place = tuple_(column, sorting.key)
    if cursor is not None:
        last = _decoded(cursor)
        kinds = [str, column.type.python_type, sorting.key.type.python_type]
        if not isinstance(last, list) or [type(part) for part in last] != kinds or last[0] != sort:
            raise not_ours()
        after = tuple_(*map(_bounded, last[1:]))
        statement = statement.where(place < after if down else place > after)
    order = (column.desc(), sorting.key.desc()) if down else (column, sorting.key)
    rows = session.scalars(statement.order_by(*order).limit(limit + 1)).all()
    return cut_page(rows, limit, lambda row: [sort, getattr(row, column.key), getattr(row, sorting.key.key)])


def encode_cursor(key: str | int | Sequence[str | int]) -> str:
    """The cursor that continues after `key`."""
    text = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[Key]) -> Key:
    """The key in a cursor; raises Invalid."""
    key = _decoded(cursor)
    if type(key) is not kind:
        raise not_ours()
    return _bounded(key)


def _decoded(cursor: str) -> Any:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise not_ours() from error


def _bounded(key: Key) -> Key:
    """The key, if a database can compare it; raises Invalid."""
    beyond = not -(2**63) <= key < 2**63 if isinstance(key, int) else not _encodes(key)
    if beyond:
        raise not_ours()
    return key


def not_ours() -> Invalid:
    """What is said of a cursor of another list, or of none."""
    return Invalid.at("query.cursor", "not a cursor of this list in this order")


def _encodes(text: str) -> bool:
    """Whether a database can take the text: JSON can spell half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
