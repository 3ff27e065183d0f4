"""Plain names, one per line; `#` starts a comment."""

from collections.abc import Iterable, Iterator

from blocklists.formats.items import LONG, MAX_LINE, Item, Parsed, clean_name, item_text, parsed_name, skip

COMMENT = "#"
WORDS = "has more than one word"


def read_domains(lines: Iterable[str], exact: bool | None = None) -> Iterator[Parsed]:
    """Yield the names. `x` is x with all below it, unless `exact`; `*.x` and `.x` always are."""
    for number, line in enumerate(lines, 1):
        # Most lines of a large list are a name and nothing else.
        name = clean_name(line)
        if name is not None:
            yield Item(number, name, bool(exact))
            continue
        if len(line) > MAX_LINE:
            yield skip(number, line, LONG)
            continue
        content = line.partition("#")[0].strip() if "#" in line else line.strip()
        if not content:
            continue
        if len(content.split(None, 1)) > 1:
            yield skip(number, content, WORDS)
            continue
        below = content[0] == "." and len(content) > 1
        yield parsed_name(number, content[1:] if below else content, exact=bool(exact) and not below)


def domains_line(item: Item) -> str:
    """Return the line of an item, or an empty text: a plain name is never exact and never an exception."""
    return "" if item.exact or item.allow else item_text(item)
