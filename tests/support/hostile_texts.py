"""Texts that try to leave their place in a page, in every column of a control plane's database that holds free text."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from sqlalchemy import Column, Engine, String, Table, select, update

from api.db.base import Base

MARK = "hostile"
HOSTILE = (
    f"{MARK}<img src=x onerror=alert(1)><script>alert(2)</script><svg/onload=alert(3)>\"'&amp;"
    f"\u202egnp\u2066\x1b[31m\x00\x85{100 * 'w'}"
)
"""Markup, an override of the direction, control characters, and a long word."""
RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that a page shows as numbers."""
FREE = (100, 200, 500, 1000)
"""Lengths of the columns of free texts. Identifiers have others."""
NOT_FREE = frozenset({"key", "path", "url", "etag", "modified", "media_type"})
"""Columns of these lengths that only the program writes or reads."""
PARTS = {
    "authorities": ("names",),
    "bans": ("decision",),
    "terms": ("decision", "ended_decision"),
    "list_versions": ("decision",),
}
"""Columns with values of free text by key."""
OF_NODES = ("version", "engine", "trouble")
"""Free texts of a node's report."""
KEPT = frozenset({"date", "follows", "link"})
"""Keys of a formal decision that are no free text."""


def spoil(engine: Engine) -> None:
    """Put the hostile text into every free text, past all checks of the program."""
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            columns = [column for column in table.columns if _is_free(column)]
            if columns:
                connection.execute(update(table).values({column: HOSTILE.replace("\x00", "") for column in columns}))
        for name, parts in PARTS.items():
            _spoil_parts(connection, Base.metadata.tables[name], parts)
        nodes = Base.metadata.tables["nodes"]
        for number, report in connection.execute(select(nodes.c.number, nodes.c.report)).all():
            spoilt = {**report, **{key: HOSTILE for key in OF_NODES if key in report}}
            connection.execute(update(nodes).where(nodes.c.number == number).values(report=spoilt))


def _is_free(column: Column[Any]) -> bool:
    return isinstance(column.type, String) and column.type.length in FREE and column.name not in NOT_FREE


def _spoil_parts(connection: Any, table: Table, parts: tuple[str, ...]) -> None:
    key = next(iter(table.primary_key.columns))
    for part in parts:
        for identity, held in connection.execute(select(key, table.c[part])).all():
            spoilt = {name: value if name in KEPT else HOSTILE for name, value in (held or {}).items()}
            connection.execute(update(table).where(key == identity).values({part: spoilt}))


class Elements(HTMLParser):
    """Collects what a page must not have from data: images, scripts without a source, attributes of events."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that is not the frame's."""
        names = dict(attrs)
        own = tag == "script" and (names.get("src") or "").startswith("/console/static/")
        if tag in ("img", "iframe", "object", "embed", "base") or (tag == "script" and not own):
            self.found.append(f"<{tag}>")
        self.found += [f"{tag}[{name}]" for name in names if name.startswith("on") or name in ("style", "srcdoc")]
        self.found += [f"{name}={value}" for name, value in attrs if value and value.lower().startswith("javascript:")]

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.texts.append(data)


def breaches(page: str) -> Iterator[str]:
    """Yield what of a page is not as it should be."""
    elements = Elements()
    elements.feed(page)
    yield from elements.found
    yield from (f"the character {ord(each[0]):#x}" for each in RAW.finditer(page))
