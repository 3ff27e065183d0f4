"""The table of standards: what it says is shown, is shown, and nothing is shown that it does not know of."""

import ast
import re
from functools import cache
from typing import NamedTuple

import pytest

from tests.meta.project import PROJECT
from tests.support.differences import DIFFERENCES

DOCUMENT = PROJECT / "docs/standards.md"
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
    """Every row of the tables of standards, with its line in the document."""
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
    """The path of a test's file, which is among those of conformance unless it says otherwise."""
    return path if path.startswith("tests/") else f"tests/conformance/{path}"


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((PROJECT / path).read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


ROWS = rows()
by_line = pytest.mark.parametrize("row", ROWS, ids=[f"line {row.line}" for row in ROWS])


def test_there_is_a_table() -> None:
    assert len(ROWS) > 100
    assert {row.state for row in ROWS} == set(STATES)


@by_line
def test_a_row_has_a_source_a_demand_and_a_known_state(row: Row) -> None:
    assert row.source
    assert row.demand
    assert row.state in STATES


@by_line
def test_what_is_done_is_shown_by_tests_that_exist_and_the_rest_has_a_reason(row: Row) -> None:
    references = REFERENCE.findall(row.shown)
    if row.state == "yes":
        assert references, "nothing shows it"
        assert not REFERENCE.sub("", row.shown).strip(", "), "more than tests"
    else:
        assert len(REFERENCE.sub("", row.shown)) >= SHORTEST_REASON, "no reason"
    for path, name in references:
        assert (PROJECT / place(path)).is_file(), path
        assert name in functions_of(place(path)), f"{path} has no {name}"


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
