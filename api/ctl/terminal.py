"""Texts from elsewhere, made safe for a terminal, and columns. Pure.

A name or a reason that the API gives may hold what a terminal obeys: escape sequences, carriage returns, marks that
reverse the direction of writing. Whatever is not printable is shown as its number.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

GAP = "  "
MAX_PADDED = 60
"""A cell wider than this does not widen its column: one long name would push every other line to the right."""


def escape(text: str) -> str:
    r"""`text` with every character that is not printable as \xNN, \uNNNN or \UNNNNNNNN; each sort of space is one."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


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


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _json_shown(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(mark) else 2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in text
    )
