"""Texts from elsewhere command no terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.telemetry.terminal import escape, say


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


def test_what_is_said_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(ValueError("a\x1b[2J\r\nb"))
    assert capsys.readouterr().out == "a\\x1b[2J\\x0d\\x0ab\n"
