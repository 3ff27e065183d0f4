"""The table of standards: each claim names tests that exist, and each conformance test file is in the table."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tests.meta.project import PROJECT
from tests.support.unbound_differences import DIFFERENCES

DOCUMENT = PROJECT / "docs/reference/standards.md"
HEADINGS = ("Source", "Demand", "State", "Shown by, or why not")
STATES = ("yes", "later", "no")
SHORTEST_REASON = 20
REFERENCE = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


class Row(NamedTuple):
    line: int
    source: str
    demand: str
    state: str
    shown: str


def rows() -> list[Row]:
    """Return every row of the tables of standards, with its line in the document."""
    found: list[Row] = []
    inside = False
    for number, line in enumerate(DOCUMENT.read_text().splitlines(), 1):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if tuple(cells) == HEADINGS:
            inside = True
        elif not cells:
            inside = False
        elif inside and not set(line) <= set("|- :"):
            assert len(cells) == len(HEADINGS), f"line {number} has {len(cells)} cells"
            found.append(Row(number, *cells))
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


def faults(row: Row) -> Iterator[str]:
    """Yield what a row lacks, and each test that it names but that does not exist."""
    if not (row.source and row.demand and row.state in STATES):
        yield "no source, no demand or an unknown state"
    references, rest = REFERENCE.findall(row.shown), REFERENCE.sub("", row.shown)
    if row.state == "yes" and not references:
        yield "no test shows it"
    if row.state == "yes" and rest.strip(", "):
        yield "more than tests"
    if row.state != "yes" and len(rest) < SHORTEST_REASON:
        yield "no reason"
    for path, name in references:
        if name not in functions_of(place(path)):
            yield f"no {path}::{name}"


ROWS = rows()


def test_there_is_a_table() -> None:
    assert len(ROWS) > 100
    assert {row.state for row in ROWS} == set(STATES)


def test_every_row_names_its_source_its_demand_and_the_tests_that_show_it_or_a_reason() -> None:
    assert [f"line {row.line}: {fault}" for row in ROWS for fault in faults(row)] == []


def test_every_file_of_conformance_tests_is_in_the_table() -> None:
    named = {place(path) for row in ROWS for path, _ in REFERENCE.findall(row.shown)}
    files = {str(path.relative_to(PROJECT)) for path in (PROJECT / "tests/conformance").glob("test_*.py")}
    assert files - named == set()


def test_a_demand_is_said_once() -> None:
    demands = [(row.source, row.demand) for row in ROWS]
    assert len(demands) == len(set(demands))


def test_the_differences_from_unbound_are_those_that_the_comparison_allows() -> None:
    _, _, section = DOCUMENT.read_text().partition("### Differences from Unbound")
    listed = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in section.splitlines() if line[:1] == "|"]
    assert listed[2:] == [(row.id, row.what, row.reason) for row in DIFFERENCES]
