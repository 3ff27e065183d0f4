"""Preferences are read as RFC 7240 and RFC 9110 say."""

import pytest

from api.http.preferences import applied, preferred_type, wanted_wait_s


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        ([""], None),
        (["wait=10"], 10),
        (["return=minimal, WAIT = 10; foo=bar"], 10),
        (["respond-async", 'wait="5"'], 5),
        (["wait=5, wait=20"], 5),
        (["wait=0"], 0),
        (["wait=31"], 30),
        (["wait=99999999999999999999"], 30),
        (["wait"], None),
        (["wait=soon"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=²"], None),
        (["waiting=10"], None),
    ],
)
def test_the_first_valid_wait_counts(lines: list[str], expected: int | None) -> None:
    assert wanted_wait_s(lines) == expected


def test_the_answer_says_how_long_it_could_wait() -> None:
    assert applied(10) == {"Preference-Applied": "wait=10"}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("text/markdown", "text/markdown"),
        ("text/html;q=0.5, text/markdown;q=0.9", "text/markdown"),
        ("text/html;q=0", "application/json"),
        ("text/html;q=much", "application/json"),
        ("image/png", "application/json"),
    ],
)
def test_the_preferred_media_type_has_the_highest_quality(accept: str, expected: str) -> None:
    assert preferred_type(accept, ("application/json", "text/html", "text/markdown")) == expected
