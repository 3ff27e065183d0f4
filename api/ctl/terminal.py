"""Texts from elsewhere in columns and as JSON, made safe for a terminal. Pure."""

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from dnsfilter.telemetry.terminal import escape

__all__ = ["columns", "dump_json", "escape", "lines_of", "table"]

GAP = "  "
MAX_PADDED = 60
"""A cell wider than this does not widen its column: one long name would push every other line to the right."""


def dump_json(data: object) -> str:
    """JSON of `data`, indented, readable, with what is not printable as escapes of JSON."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    return "\n".join(line if line.isprintable() else "".join(map(_json_shown, line)) for line in text.split("\n"))


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a text that comes in pieces, each with its end."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of aligned columns under a header, each cell escaped; none at all without rows."""
    if rows:
        yield from columns([header, *rows])


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> Iterator[str]:
    """Lines of aligned columns, each cell escaped; rows are equally long."""
    cells = [[escape(cell) for cell in row] for row in rows]
    widths = [
        max((wide for cell in column if (wide := _width(cell)) <= MAX_PADDED), default=0)
        for column in zip(*cells, strict=True)
    ]
    for row in cells:
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        yield (indent + GAP.join(padded)).rstrip()


def _json_shown(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(mark) else 2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in text
    )
