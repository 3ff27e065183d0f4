"""Commands and code blocks in the project's documents."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import groupby, takewhile
from pathlib import Path
from textwrap import dedent

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT_CODE_1 = ("authority onboard ghent --check", "revision diff 12")
"""Commands of dnsfilterctl that exit with code 1 to report a finding."""
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_PROJECT = Path(__file__).parents[2]


@cache
def text(name: str) -> str:
    """Return the text of a document. The name is relative to the project's root."""
    return (_PROJECT / name).read_text(encoding="utf-8")


@cache
def numbered(name: str) -> list[str]:
    """Return the pages to which the items of a document's numbered lists lead, in their order."""
    links = re.findall(r"^\d+\. \[[^\]]+\]\(([\w-]+\.md)\)", text(name), re.MULTILINE)
    return [str(Path(name).with_name(link)) for link in links]


def tasks() -> tuple[str, ...]:
    """Return the names of the pages of tasks, the tutorial included."""
    found = (path for folder in ("tasks", "tutorial") for path in (_PROJECT / "docs" / folder).glob("*.md"))
    return tuple(sorted(str(path.relative_to(_PROJECT)) for path in found))


def commands(name: str) -> Iterator[list[str]]:
    """Yield the words of each command in a document's shell blocks, also in lists.

    Join continuation lines and skip comments.
    """
    for _, language, block in _BLOCK.findall(text(name)):
        if language == "sh":
            for line in dedent(block).replace("\\\n", " ").splitlines():
                for _, words in groupby(shlex.split(line, comments=True), "|".__ne__):
                    first, *rest = words
                    if first != "|":
                        yield [first.removeprefix(".venv/bin/"), *rest]


def blocks(name: str, heading: str, language: str = "sh") -> list[str]:
    """Return the fenced blocks of a section and its subsections, without indentation. Include blocks in lists.

    The section of a page's title is the page.
    """
    title = re.search(rf"^(#+) {re.escape(heading)}\n", text(name), re.MULTILINE)
    assert title is not None, f"{name} has no heading {heading}"
    section = text(name)[title.end() :]
    if title[1] != "#":
        section = re.split(rf"^#{{2,{len(title[1])}}} ", section, maxsplit=1, flags=re.MULTILINE)[0]
    return [dedent(block) for _, found, block in _BLOCK.findall(section) if found == language]


def rows_of_table(name: str, first_column: str) -> list[dict[str, str]]:
    """Return the rows of the table whose first column has this heading, as cells by heading."""
    lines = text(name).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_column} |"))
    written = takewhile(lambda line: line.startswith("|"), lines[start:])
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in written]
    return [dict(zip(table[0], row, strict=True)) for row in table[2:]]
