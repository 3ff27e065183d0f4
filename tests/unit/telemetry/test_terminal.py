"""Control characters in texts do not reach the terminal."""

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
def test_control_characters_are_shown_as_their_numbers(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(st.text())
def test_escaped_text_is_printable_and_stays_the_same(text: str) -> None:
    shown = escape(text)
    assert shown.isprintable()
    assert escape(shown) == shown


def test_say_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(ValueError("a\x1b[2J\r\nb"))
    assert capsys.readouterr().out == "a\\x1b[2J\\x0d\\x0ab\n"
