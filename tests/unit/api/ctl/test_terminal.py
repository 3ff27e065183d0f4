"""Texts from elsewhere command no terminal, and columns stay aligned."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ctl.terminal import columns, dump_json, escape, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Région de Bruxelles-Capitale", "Région de Bruxelles-Capitale"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\r\nb\tc", r"a\x0d\x0ab\x09c"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("safe\u202egpj.exe", r"safe\u202egpj.exe"),
        ("\u2028\ufeff\U000e0041", r"\u2028\ufeff\U000e0041"),
        ("1\u00a0000\u202fkm", "1 000 km"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_its_number(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(st.text())
def test_whatever_is_escaped_is_printable_and_stays_as_it_is(text: str) -> None:
    shown = escape(text)
    assert shown.isprintable()
    assert escape(shown) == shown


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
