"""Texts from elsewhere in columns and as JSON, made safe for a terminal, and as wide as it is."""

import json
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from dnsfilter.telemetry.terminal import escape

__all__ = ["columns", "counted", "cut", "dump_json", "escape", "fitted", "lines_of", "table"]

GAP = "  "
MAX_PADDED = 60
"""A cell wider than this does not widen its column: one long name would push every other line to the right."""
MIN_CUT = 8
"""No column is cut to less: what is left would say nothing."""


def counted(count: int, noun: str) -> str:
    """How many there are: "1 revision", "2 revisions"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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


def table(header: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str] = ()) -> Iterator[str]:
    """Lines of aligned columns under a header, each cell escaped; none at all without rows.

    On a terminal they are made to fit, without the columns in `spare` first. A pipe or a file is given all.
    """
    if rows:
        room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        yield from columns([header, *rows] if room is None else fitted([header, *rows], spare, room))


def fitted(rows: Sequence[Sequence[str]], spare: Sequence[str], room: int) -> list[list[str]]:
    """The rows, the first of which is the header, as they fit into so many columns of a terminal, each cell escaped.

    Of the columns whose headers are in `spare` as many are left out as need be, in that order; then texts are cut, the
    longest first.
    """
    cells = [[escape(cell) for cell in row] for row in rows]
    for name in spare:
        if _wide(_widths(cells)) <= room:
            break
        kept = [at for at, header in enumerate(cells[0]) if header != name]
        cells = [[row[at] for at in kept] for row in cells]
    widths = _widths(cells)
    while _wide(widths) > room and max(widths) > MIN_CUT:
        widths[widths.index(max(widths))] -= 1
    return [[cut(cell, width) for cell, width in zip(row, widths, strict=True)] for row in cells]


def cut(text: str, width: int) -> str:
    """The text if it is no wider, else its beginning and "…", which are."""
    if _width(text) <= width:
        return text
    end = min(len(text), width)
    while _width(text[:end]) >= width:
        end -= 1
    return f"{text[:end].rstrip()}…"


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


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(_width, column)) for column in zip(*cells, strict=True)]


def _wide(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(mark) else 2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in text
    )
