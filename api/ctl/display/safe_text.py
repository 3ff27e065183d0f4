"""Print text of any origin safely on a terminal, in columns that fit it, and as JSON."""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from dnsfilter.telemetry.terminal import escape

__all__ = ["columns", "counted", "cut", "dump_json", "escape", "lines_of", "print_line", "table"]

GAP = "  "
MAX_PADDED = 60
"""Maximum column width outside a terminal. A wider cell does not shift the other lines."""

Cells: TypeAlias = list[list[str]]


class Heading(str):
    """A line that a terminal shows in bold."""

    __slots__ = ()


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 revision", "2 revisions"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def dump_json(data: object) -> str:
    """Return indented JSON. Characters that are not printable become JSON escapes."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    return "\n".join(line if line.isprintable() else "".join(map(_json_shown, line)) for line in text.split("\n"))


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a text that arrives in pieces, each with its line end."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def table(header: Sequence[str], rows: Sequence[Sequence[str]], optional: Sequence[str] = ()) -> Iterator[str]:
    """Yield lines of aligned columns under a header, each cell escaped; yield nothing without rows.

    If a terminal is too narrow, leave out columns named in `optional`, in that order, then wrap texts. A pipe or a file
    gets all columns, and one line for each row.
    """
    if rows:
        cells = _escaped([header, *rows])
        if (room := _terminal_width()) is not None:
            cells = _drop_columns(optional, cells, room)
        yield from _layout_lines(cells, room, headed=True)


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> Iterator[str]:
    """Yield lines of aligned columns, each cell escaped. Rows have equal length. A terminal gets long texts wrapped."""
    room = _terminal_width()
    for line in _layout_lines(_escaped(rows), room if room is None else room - len(indent), headed=False):
        yield indent + line


def print_line(line: str) -> None:
    """Print a line, escaped. Print a heading in bold."""
    if isinstance(line, Heading):
        from api.ctl.display.screen import print_heading

        print_heading(escape(line))
    else:
        print(escape(line))


def cut(text: str, width: int) -> str:
    """Return the text, shortened with "…" if it is wider than `width` columns of a terminal."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"


def _terminal_width() -> int | None:
    """Return the width of the terminal on standard output, or None if it is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _escaped(rows: Sequence[Sequence[str]]) -> Cells:
    return [[escape(cell) for cell in row] for row in rows]


def _drop_columns(optional: Sequence[str], cells: Cells, room: int) -> Cells:
    for name in optional:
        if _total_width(cells) <= room:
            break
        kept = [at for at, header in enumerate(cells[0]) if header != name]
        cells = [[row[at] for at in kept] for row in cells]
    return cells


def _layout_lines(cells: Cells, room: int | None, *, headed: bool) -> Iterator[str]:
    """Yield the lines, wrapped if they are too wide. On a terminal, mark those of the heading."""
    if room is not None and cells and _total_width(cells) > room:
        from api.ctl.display.screen import wrap_columns

        for line, heads in wrap_columns(cells, room, headed=headed):
            yield Heading(line) if heads else line
        return
    for at, line in enumerate(_aligned(cells, MAX_PADDED if room is None else room)):
        yield Heading(line) if headed and at == 0 and room is not None else line


def _aligned(cells: Cells, most: int) -> Iterator[str]:
    """Yield the lines. A column is as wide as its widest cell that is at most `most` wide."""
    from rich.cells import cell_len

    widths = [
        max((wide for cell in column if (wide := cell_len(cell)) <= most), default=0)
        for column in zip(*cells, strict=True)
    ]
    for row in cells:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        yield GAP.join(padded).rstrip()


def _total_width(cells: Cells) -> int:
    """Return the width that the widest cells of all columns need together."""
    from rich.cells import cell_len

    return sum(max(map(cell_len, column)) for column in zip(*cells, strict=True)) + len(GAP) * (len(cells[0]) - 1)


def _json_shown(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")
