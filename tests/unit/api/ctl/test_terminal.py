"""Texts from elsewhere command no terminal, and columns stay aligned."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ctl.terminal import GAP, MIN_CUT, columns, counted, cut, dump_json, fitted, table


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.text())))
def test_json_is_printable_and_says_the_same(data: dict[str, object]) -> None:
    text = dump_json(data)
    assert all(line.isprintable() for line in text.split("\n"))
    assert json.loads(text) == data


def test_json_keeps_letters_readable_and_escapes_the_rest() -> None:
    assert dump_json({"name": "Région\x1b\x9b\x7f"}) == '{\n  "name": "Région\\u001b\\u009b\\u007f"\n}'


def test_columns_are_aligned_by_what_a_terminal_shows() -> None:
    rows = [("ghent", "Stad Gent", "x"), ("a\x1b", "東京", "y"), ("e", "e\u0301", "z")]
    assert list(columns(rows)) == [
        "ghent  Stad Gent  x",
        r"a\x1b  東京       y",
        "e      e\u0301          z",
    ]


def test_one_very_long_cell_does_not_push_the_others_away() -> None:
    assert list(columns([("a" * 61, "1"), ("b", "2")])) == ["a" * 61 + "  1", "b  2"]


def test_a_table_without_rows_has_no_header_either() -> None:
    assert list(table(("authority", "name"), [])) == []


HEADER = ("authority", "name", "mode", "term")
ROWS = [
    HEADER,
    ("ghent", "Stad Gent", "enforce", "through 30 September 2026"),
    ("diest", "Stad Diest", "off", "no end"),
]


@pytest.mark.parametrize(
    ("room", "lines"),
    [
        (80, ["authority  name        mode     term", "ghent      Stad Gent   enforce  through 30 September 2026"]),
        (57, ["authority  name        mode     term", "ghent      Stad Gent   enforce  through 30 September 2026"]),
        (56, ["authority  mode     term", "ghent      enforce  through 30 September 2026"]),
        (40, ["authority  term", "ghent      through 30 September 2026"]),
        (30, ["authority  term", "ghent      through 30 Septemb…"]),
        (1, ["authori…  term", "ghent     through…"]),
    ],
)
def test_what_matters_least_is_left_out_until_a_table_fits_and_then_texts_are_cut(room: int, lines: list[str]) -> None:
    assert list(columns(fitted(ROWS, ("name", "mode"), room)))[:2] == lines


@given(st.lists(st.tuples(*[st.text("ab \x1b東", max_size=40)] * 3), max_size=4), st.integers(0, 100))
def test_a_fitted_table_is_no_wider_than_its_room_as_far_as_that_can_be(rows: list[tuple[str, ...]], room: int) -> None:
    cells = fitted([("a", "b", "c"), *rows], ("b",), room)
    assert len({len(row) for row in cells}) == 1
    least = len(cells[0]) * MIN_CUT + (len(cells[0]) - 1) * len(GAP)
    assert all(len(line) <= max(room, least) for line in columns(cells))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to the end", "to the end"),
        ("to the very end", "to the ve…"),
        ("a word then x", "a word th…"),
        ("東京東京東京", "東京東京…"),
    ],
)
def test_a_text_is_cut_by_what_a_terminal_shows(text: str, shown: str) -> None:
    assert cut(text, 10) == shown


def test_only_a_terminal_is_given_less(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    whole = list(table(HEADER, ROWS[1:], ("name",)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert whole == list(columns(ROWS))
    assert list(table(HEADER, ROWS[1:], ("name",))) == list(columns(fitted(ROWS, ("name",), 30)))


def test_one_is_not_many() -> None:
    assert [counted(count, "revision") for count in (0, 1, 2)] == ["0 revisions", "1 revision", "2 revisions"]
