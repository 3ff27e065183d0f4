"""Lay out terminal output with rich: wrapped columns, bold headings, progress bars.

Callers escape texts, and texts are never markup. Without a terminal this module is not loaded.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from api.ctl.display.safe_text import GAP

NARROW = 8
_BOLD = "bold"


def wrap_columns(rows: Sequence[Sequence[str]], room: int, *, headed: bool) -> Iterator[tuple[str, bool]]:
    """Yield lines at most `room` wide, and whether each belongs to the heading, which is the first row if `headed`.

    Narrow the widest columns and wrap their texts. Lines are wider if even columns of `NARROW` do not fit.
    """
    least = [min(NARROW, max(map(cell_len, column))) for column in zip(*rows, strict=True)]
    room = max(room, sum(least) + len(GAP) * (len(least) - 1))
    grid = Table.grid(padding=(0, len(GAP), 0, 0))
    for _ in rows[0]:
        grid.add_column(overflow="fold")
    for at, row in enumerate(rows):
        grid.add_row(*map(Text, row), style=_BOLD if headed and at == 0 else "")
    for line in Console(width=room, color_system=None).render_lines(grid, pad=False):
        bold = any(segment.style is not None and segment.style.bold for segment in line)
        yield "".join(segment.text for segment in line).rstrip(), bold


def print_heading(text: str) -> None:
    """Print one line in bold on standard output; plain if the terminal or `NO_COLOR` asks for no escapes."""
    _console(sys.stdout).print(Text(text, style=_BOLD), soft_wrap=True)


def make_bar() -> Progress:
    """Return a progress bar with a text and the elapsed time on standard error. It disappears when it stops."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=_console(sys.stderr),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _console(file: TextIO) -> Console:
    return Console(file=file, color_system=None if os.environ.get("NO_COLOR") else "auto")
