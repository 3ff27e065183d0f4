"""Instants as text."""

import pytest

from api.moments import moment_text, parse_end, parse_moment, through

ZONE = "Europe/Brussels"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-25T10:00:00Z", "2026-11-25T10:00:00Z"),
        ("2026-11-25T10:00:00+01:00", "2026-11-25T09:00:00Z"),
        ("2026-11-25t10:00:00.999z", "2026-11-25T10:00:00Z"),
        ("2026-11-25", "2026-11-24T23:00:00Z"),
        ("2026-07-01", "2026-06-30T22:00:00Z"),
    ],
)
def test_a_moment_is_a_time_with_a_zone_or_a_local_midnight(text: str, shown: str) -> None:
    assert moment_text(parse_moment(text, ZONE)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T10:00:00",
        "2026-11-25T10:00Z",
        "2026-13-01",
        "2026-02-30",
        "0001-01-01",
        "9999-12-31",
        "9999-12-31T23:59:59-12:00",
        "tomorrow",
        "٢٠٢٦-١١-٢٥",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_moment(text, ZONE)


@pytest.mark.parametrize(
    ("end", "until", "span", "shown", "day"),
    [
        ("2026-12-01", None, None, "2026-11-30T23:00:00Z", "2026-11-30"),
        (None, "2026-11-30", None, "2026-11-30T23:00:00Z", "2026-11-30"),
        (None, None, "1 month", "2026-11-30T23:00:00Z", "2026-11-30"),
        (None, None, "72 hours", "2026-11-03T23:00:00Z", "2026-11-03"),
        ("2026-12-01T12:00:00Z", None, None, "2026-12-01T12:00:00Z", None),
    ],
)
def test_an_end_is_given_in_one_of_three_ways(
    end: str | None, until: str | None, span: str | None, shown: str, day: str | None
) -> None:
    found = parse_end(parse_moment("2026-11-01", ZONE), end, until, span, ZONE)
    assert found is not None
    assert (moment_text(found), through(found, ZONE)) == (shown, day)
