"""Lists of names for tests: as rows that a table can hold, and drawn at random."""

from collections.abc import Iterable

from hypothesis import strategies as st

from blocklists.formats.items import Item, Parsed
from blocklists.formats.known import READERS, Format
from dnsfilter.wire.names import name_text, parse_name

LABELS = st.text("ab1-_", min_size=1, max_size=3)
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: parse_name(".".join([*labels, "example"])))


def drawn_items(*, exact: st.SearchStrategy[bool], allow: st.SearchStrategy[bool]) -> st.SearchStrategy[list[Item]]:
    """Draw items. Short labels of few letters make names that repeat and lie below each other."""
    return st.lists(st.builds(Item, st.just(1), NAMES, exact, allow), max_size=12)


def read_rows(known: Format, text: str, exact: bool | None = None) -> list[str]:
    """Return what a reader yields: `=x` for exactly x, `x` with all below it, `+` before what is freed; or a reason."""
    return list(map(row, READERS[known](text.split("\n"), exact)))


def row(parsed: Parsed) -> str:
    """Return one item or skip as text."""
    if isinstance(parsed, Item):
        return f"{'+' if parsed.allow else ''}{'=' if parsed.exact else ''}{name_text(parsed.name)}"
    return f"{parsed.line}: {parsed.text} {parsed.reason}"


def joined(lines: Iterable[str]) -> list[str]:
    """Return lines that a writer made, each alone."""
    return [line for part in lines for line in part.split("\n")]
