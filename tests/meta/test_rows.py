"""Tables of rows in one test: every row is checked, and the error names every row that fails."""

import inspect

import pytest

from tests.support.row_tables import each_row

SEEN: list[tuple[int, str]] = []


@each_row("number", [1, 2])
@each_row(("letter", "good"), [("a", True), ("b", False)], ids=["first", "second"])
def _check(number: int, letter: str, good: bool) -> None:
    SEEN.append((number, letter))
    assert good


def test_every_row_is_checked_and_those_that_fail_are_named() -> None:
    SEEN.clear()
    with pytest.raises(BaseExceptionGroup, match="2 of 4 rows fail: 1-second; 2-second") as caught:
        _check()
    assert SEEN == [(1, "a"), (2, "a"), (1, "b"), (2, "b")]
    assert [error.__notes__ for error in caught.value.exceptions] == [["in the row 1-second"], ["in the row 2-second"]]


def test_what_a_row_says_is_no_fixture_and_marks_stay() -> None:
    @each_row("number", [1])
    @pytest.mark.heavy
    def check(kind: str, number: int) -> None:
        assert (kind, number) == ("reference", 1)

    check(kind="reference")
    assert list(inspect.signature(check).parameters) == ["kind"]
    assert [mark.name for mark in vars(check)["pytestmark"]] == ["heavy"]


class _Start:
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_each_row_ends_its_engines_and_a_raises_that_sees_nothing_fails_it_alone() -> None:
    @each_row("number", [1, 2])
    def check(start: _Start, number: int) -> None:
        with pytest.raises(ValueError, match="never"):
            assert start.closed == number - 1

    start = _Start()
    with pytest.raises(BaseExceptionGroup, match="2 of 2 rows fail: 1; 2"):
        check(start=start)
    assert start.closed == 2


def test_a_table_without_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="no rows for number"):
        each_row("number", [])
