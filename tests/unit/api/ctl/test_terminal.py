"""Texts from elsewhere command no terminal, and columns stay aligned."""

import json

from hypothesis import given
from hypothesis import strategies as st

from api.ctl.terminal import columns, dump_json, table


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
