"""Make the result of a list: its JSON, its lines, and a note if it is empty or incomplete."""

from collections.abc import Callable, Iterable

from api.ctl.command import Result
from api.http.schemas import Item, Page


def listed(page: Page[Item], lines: Callable[[], Iterable[str]], what: str) -> Result:
    """Return the result for a page of `what`."""
    notes: tuple[str, ...] = ()
    if not page.items:
        notes = (f"no {what}",)
    elif page.next is not None:
        notes = (f"more {what} follow the first {len(page.items)}. Raise --limit to see them.",)
    return Result(page, lines, notes=notes)
