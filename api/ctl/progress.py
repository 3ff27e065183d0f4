"""How far long work is, shown on a terminal."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self

from api.ctl.terminal import escape

if TYPE_CHECKING:
    import rich.progress


class Progress(AbstractContextManager["Progress"]):
    """A line on standard error that says how far it is, if a terminal is there that can erase it when the block ends.

    Elsewhere nothing is printed, and `shown` is false.
    """

    def __init__(self) -> None:
        self._bar: rich.progress.Progress | None = None
        self.shown = sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")

    def __enter__(self) -> Self:
        if self.shown:
            from api.ctl.screen import make_bar

            self._bar = make_bar()
            self._task = self._bar.add_task("", total=None)
            self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str, done: int = 0, total: int | None = None) -> None:
        """Show a text in place of the last one, and how much of `total` is done."""
        if self._bar is not None:
            self._bar.update(self._task, description=escape(text), completed=done, total=total)


def shown(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    """The same pieces, with progress by their size."""
    octets = 0
    with Progress() as progress:
        for piece in pieces:
            octets += len(piece)
            progress.say(f"{what}: {octets / 1e6:.1f} MB")
            yield piece
