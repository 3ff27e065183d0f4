"""A list as a result: its JSON, its lines, and a word where more follows or nothing was found."""

from collections.abc import Callable, Iterable

from api.ctl.command import Result
from api.http.schemas import Item, Page


def listed(page: Page[Item], lines: Callable[[], Iterable[str]], what: str) -> Result:
    """The result for a page of `what`."""
    notes: tuple[str, ...] = ()
    if not page.items:
        notes = (f"no {what}",)
    elif page.next is not None:
        notes = (f"more {what} follow the first {len(page.items)}: raise --limit",)
    return Result(page, lines, notes=notes)
