"""Cursors: an opaque text that carries the key of the last item of a page."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.errors import Invalid

MAX_LIMIT = 200
DEFAULT_LIMIT = 50

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="at most this many items")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next` of the page before")]

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


def encode_cursor(key: str | int) -> str:
    """The cursor that continues after `key`."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[Key]) -> Key:
    """The key in a cursor; raises Invalid."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Invalid.at("query.cursor", "not a cursor of this list") from error
    beyond = not -(2**63) <= key < 2**63 if isinstance(key, int) else isinstance(key, str) and not _encodes(key)
    if type(key) is not kind or beyond:
        raise Invalid.at("query.cursor", "not a cursor of this list")
    return key


def _encodes(text: str) -> bool:
    """Whether a database can take the text: JSON can spell half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
