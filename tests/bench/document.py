"""The document that holds the figures of benchmarks, between marks."""

from tests.support.components import PROJECT

DOCUMENT = PROJECT / "docs/explanation/performance.md"


def write(name: str, figures: str) -> None:
    """Put these figures between the document's marks of this name. Raise ValueError if a mark is missing."""
    DOCUMENT.write_text(with_figures(DOCUMENT.read_text(), name, figures))


def with_figures(document: str, name: str, figures: str) -> str:
    """Return the document with these figures between its two marks. Raise ValueError if a mark is missing."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    head, has_begin, rest = document.partition(begin)
    _, has_end, tail = rest.partition(end)
    if not has_begin or not has_end:
        raise ValueError(f"write figures: the document has no {begin.strip()} before an {end.strip()}")
    return f"{head}{begin}\n{figures}\n{end}{tail}"
