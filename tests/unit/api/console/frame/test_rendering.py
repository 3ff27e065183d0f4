"""Texts of any origin cannot become markup, nor change the direction of a page."""

from api.console.frame.rendering import TEMPLATES, render

HOSTILE = "<script>alert(1)</script>\u202egnp.exe\x07"


def test_texts_are_shown_as_text() -> None:
    page = bytes(
        render(
            "error.html.jinja", "en", status=404, title=HOSTILE, detail=HOSTILE, advice="", faults=(), request=""
        ).body
    ).decode()
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\u202egnp.exe\x07" in page


def test_breaks_of_lines_and_cells_are_kept() -> None:
    assert TEMPLATES.from_string("{{ table }}").render(table="a\tb\r\nc\rd") == "a\tb\r\nc\\x0dd"
