"""Show progress of long work on a terminal."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self

from api.ctl.display.safe_text import escape

if TYPE_CHECKING:
    import rich.progress


class Progress(AbstractContextManager["Progress"]):
    """Show progress in a line on standard error, and erase it when the block ends.

    Print nothing if standard error is not a terminal that can erase a line; `shown` is false then.
    """

    def __init__(self) -> None:
        self._bar: rich.progress.Progress | None = None
        self.shown = sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")

    def __enter__(self) -> Self:
        if self.shown:
            from api.ctl.display.screen import make_bar

            self._bar = make_bar()
            self._task = self._bar.add_task("", total=None)
            self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str, done: int = 0, total: int | None = None) -> None:
        """Replace the text, and show how much of `total` is done."""
        if self._bar is not None:
            self._bar.update(self._task, description=escape(text), completed=done, total=total)


def with_progress(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Yield the pieces, and show their total size in MB as progress."""
    size = 0
    with Progress() as progress:
        for piece in pieces:
            size += len(piece)
            progress.say(f"{what}: {size / 1e6:.1f} MB")
            yield piece
