"""Texts from elsewhere in columns and as JSON, made safe for a terminal, and as wide as it is."""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from dnsfilter.telemetry.terminal import escape

__all__ = ["columns", "counted", "cut", "dump_json", "escape", "lines_of", "print_line", "table"]

GAP = "  "
MAX_PADDED = 60
"""In a file a wider cell does not widen its column: one long name would push every other line to the right."""

Cells: TypeAlias = list[list[str]]


class Heading(str):
    """A line that a terminal shows in bold."""

    __slots__ = ()


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

    On a terminal they are made to fit: first without as many of the columns in `spare` as need be, in that order, then
    with texts wrapped. A pipe or a file is given all, a line for each row.
    """
    if rows:
        cells = _escaped([header, *rows])
        if (room := _room()) is not None:
            cells = _without(spare, cells, room)
        yield from _laid(cells, room, headed=True)


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> Iterator[str]:
    """Lines of aligned columns, each cell escaped; rows are equally long. On a terminal long texts are wrapped."""
    room = _room()
    for line in _laid(_escaped(rows), room if room is None else room - len(indent), headed=False):
        yield indent + line


def print_line(line: str) -> None:
    """Print a line, escaped; a heading in bold."""
    if isinstance(line, Heading):
        from api.ctl.display.screen import print_heading

        print_heading(escape(line))
    else:
        print(escape(line))


def cut(text: str, width: int) -> str:
    """The text if it is no wider in columns of a terminal, else its beginning and "…", which are."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"


def _room() -> int | None:
    """How many columns a terminal on standard output has; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _escaped(rows: Sequence[Sequence[str]]) -> Cells:
    return [[escape(cell) for cell in row] for row in rows]


def _without(spare: Sequence[str], cells: Cells, room: int) -> Cells:
    for name in spare:
        if _wide(cells) <= room:
            break
        kept = [at for at, header in enumerate(cells[0]) if header != name]
        cells = [[row[at] for at in kept] for row in cells]
    return cells


def _laid(cells: Cells, room: int | None, *, headed: bool) -> Iterator[str]:
    """The lines, wrapped where there is less room than they need. Those of the heading are marked on a terminal."""
    if room is not None and cells and _wide(cells) > room:
        from api.ctl.display.screen import wrapped

        for line, heads in wrapped(cells, room, headed=headed):
            yield Heading(line) if heads else line
        return
    for at, line in enumerate(_aligned(cells, MAX_PADDED if room is None else room)):
        yield Heading(line) if headed and at == 0 and room is not None else line


def _aligned(cells: Cells, most: int) -> Iterator[str]:
    """The lines with columns that are as wide as their widest cell of at most `most`."""
    from rich.cells import cell_len

    widths = [
        max((wide for cell in column if (wide := cell_len(cell)) <= most), default=0)
        for column in zip(*cells, strict=True)
    ]
    for row in cells:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        yield GAP.join(padded).rstrip()


def _wide(cells: Cells) -> int:
    """Columns of a terminal that the widest cells of all columns need together."""
    from rich.cells import cell_len

    return sum(max(map(cell_len, column)) for column in zip(*cells, strict=True)) + len(GAP) * (len(cells[0]) - 1)


def _json_shown(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")
