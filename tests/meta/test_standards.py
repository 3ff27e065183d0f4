"""The lists of standards: each claim names tests that exist, and each conformance test file is in a list."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tests.meta.project import PROJECT
from tests.support.unbound_differences import DIFFERENCES

DOCUMENT = PROJECT / "docs/reference/standards.md"
DIFFERENCES_HEADING = "### Differences from Unbound"
SHORTEST_REASON = 20
REFERENCE = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
OPEN = re.compile(r"\*(?:not done|later)\*: .+? \((.+)\)$|\*(?:not done|later)\*")


class Line(NamedTuple):
    heading: str
    text: str

    @property
    def references(self) -> list[tuple[str, str]]:
        """The file and the name of each test that the line names."""
        return REFERENCE.findall(self.text)


def lines() -> list[Line]:
    """Return every line of the lists of standards, below its heading."""
    found: list[Line] = []
    heading = ""
    for line in DOCUMENT.read_text().partition(DIFFERENCES_HEADING)[0].splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("- "):
            found.append(Line(heading, line[2:]))
    return found


def place(path: str) -> str:
    """Return the path of a test file. A path that does not begin with tests/ is in tests/conformance."""
    return path if path.startswith("tests/") else f"tests/conformance/{path}"


@cache
def functions_of(path: str) -> frozenset[str]:
    """Return the names of a file's tests, or an empty set if the file does not exist."""
    if not (PROJECT / path).is_file():
        return frozenset()
    tree = ast.parse((PROJECT / path).read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def faults(line: Line) -> Iterator[str]:
    """Yield what a line lacks, and each test that it names but that does not exist."""
    undone = OPEN.search(line.text)
    if undone is None and not line.references:
        yield "no test shows it"
    if undone is not None and len(undone[1] or "") < SHORTEST_REASON:
        yield "no reason"
    if line.text.startswith("`"):
        yield "no source"
    for path, name in line.references:
        if name not in functions_of(place(path)):
            yield f"no {path}::{name}"


LINES = lines()


def test_there_are_lists_with_demands_that_are_met_and_others() -> None:
    undone = sum(OPEN.search(line.text) is not None for line in LINES)
    assert len(LINES) > 100
    assert 0 < undone < len(LINES) / 4


def test_every_line_names_its_source_and_the_tests_that_show_it_or_a_reason() -> None:
    assert [f"{line.heading}: {line.text}: {fault}" for line in LINES for fault in faults(line)] == []


def test_every_file_of_conformance_tests_is_in_the_lists() -> None:
    named = {place(path) for line in LINES for path, _ in line.references}
    files = {str(path.relative_to(PROJECT)) for path in (PROJECT / "tests/conformance").glob("test_*.py")}
    assert files - named == set()


def test_a_demand_is_said_once() -> None:
    assert len(LINES) == len(set(LINES))


def test_the_differences_from_unbound_are_those_that_the_comparison_allows() -> None:
    _, _, section = DOCUMENT.read_text().partition(DIFFERENCES_HEADING)
    listed = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in section.splitlines() if line[:1] == "|"]
    assert listed[2:] == [(row.id, row.what, row.reason) for row in DIFFERENCES]
