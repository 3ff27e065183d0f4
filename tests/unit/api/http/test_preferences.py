"""The preference `wait` is read as RFC 7240 says."""

import pytest

from api.http.preferences import applied, wanted_wait_s


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
