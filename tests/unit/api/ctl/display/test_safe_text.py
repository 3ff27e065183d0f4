"""Escape texts for a terminal, and keep columns aligned."""

import json
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from api.ctl.display.safe_text import GAP, Heading, columns, counted, cut, dump_json, escape, table
from api.ctl.display.screen import NARROW


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[int], None]:
    """Return a function that makes standard output a terminal of a width."""

    def make(room: int) -> None:
        monkeypatch.setenv("COLUMNS", str(room))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    return make


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


def test_a_terminal_with_room_for_a_very_long_cell_keeps_its_columns_aligned(terminal: Callable[[int], None]) -> None:
    terminal(80)
    assert list(columns([("a" * 61, "1"), ("b", "2")])) == ["a" * 61 + "  1", "b" + " " * 62 + "2"]


def test_table_without_rows_has_no_header() -> None:
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
        (30, ["authority  term", "ghent      through 30", "           September 2026", "diest      no end"]),
        (1, ["authori  term", "ty", "ghent    through", "         30", "         September", "         2026"]),
    ],
)
def test_narrow_terminal_drops_optional_columns_then_wraps_texts(
    terminal: Callable[[int], None], room: int, lines: list[str]
) -> None:
    terminal(room)
    assert list(table(HEADER, ROWS[1:], ("name", "mode")))[: len(lines)] == lines


@pytest.mark.parametrize(("room", "headings"), [(80, ["authority  term"]), (1, ["authori  term", "ty"])])
def test_the_heading_of_a_table_is_marked_for_a_terminal(
    terminal: Callable[[int], None], room: int, headings: list[str]
) -> None:
    rows = [("ghent", "through 30 September 2026")]
    assert not any(isinstance(line, Heading) for line in table(("authority", "term"), rows))
    terminal(room)
    assert [line for line in table(("authority", "term"), rows) if isinstance(line, Heading)] == headings


ODD = st.lists(st.tuples(*[st.text("ab \x1b[/]東:\u0301", max_size=40)] * 3), min_size=1, max_size=4)


@given(ODD, st.integers(1, 100))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_wrapped_table_is_no_wider_than_its_room_and_leaves_nothing_out(
    terminal: Callable[[int], None], rows: list[tuple[str, ...]], room: int
) -> None:
    terminal(room)
    lines = list(table(("a", "b", "c"), rows))
    least = 3 * NARROW + 2 * len(GAP)
    assert all(cell_len(line) <= max(room, least) for line in lines)
    cells = "".join(map("".join, [("a", "b", "c"), *rows]))
    assert Counter("".join(lines).replace(" ", "")) == Counter(escape(cells).replace(" ", ""))


def test_long_texts_are_wrapped_within_their_column(terminal: Callable[[int], None]) -> None:
    rows = [("reason", "the network of the library is moved"), ("by", "[red]1[/red]")]
    terminal(24)
    assert list(columns(rows, indent="  ")) == [
        "  reason  the network of",
        "          the library is",
        "          moved",
        "  by      [red]1[/red]",
    ]


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


def test_only_a_terminal_gets_fewer_columns(terminal: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    complete = list(table(HEADER, ROWS[1:], ("name",)))
    assert complete == list(columns(ROWS))
    assert len(complete) == len(ROWS)
    terminal(30)
    assert max(map(len, table(HEADER, ROWS[1:], ("name",)))) <= 30 < max(map(len, complete))


def test_counted_uses_singular_and_plural() -> None:
    assert [counted(count, "revision") for count in (0, 1, 2)] == ["0 revisions", "1 revision", "2 revisions"]
