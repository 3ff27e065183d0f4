"""Times as requests write them, and the four forms of an end."""

import pytest

from api.ctl.display.local_times import end_words, start_words
from api.errors import Invalid
from api.timestamps import (
    check_instant,
    given_bound,
    given_timestamp,
    parse_bound,
    parse_date,
    parse_end,
    parse_timestamp,
    through,
    timestamp_text,
)

ZONE = "Europe/Brussels"
NOW = 1_790_000_000
"""Monday 21 September 2026, 16:13:20 in Brussels."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-25T10:00:00+01:00", "2026-11-25T09:00:00Z"),
        ("2026-11-25", "2026-11-24T23:00:00Z"),
        ("2026-11-25 17:00", "2026-11-25T16:00:00Z"),
        ("from 1 July 2026", "2026-06-30T22:00:00Z"),
    ],
)
def test_a_written_time_is_local_unless_it_names_a_zone(text: str, shown: str) -> None:
    assert timestamp_text(parse_timestamp(text, ZONE, NOW)) == shown


@pytest.mark.parametrize(
    ("end", "until", "span", "shown", "day"),
    [
        ("2026-12-01", None, None, "2026-11-30T23:00:00Z", "2026-11-30"),
        ("through 30 November 2026", None, None, "2026-11-30T23:00:00Z", "2026-11-30"),
        (None, "2026-11-30", None, "2026-11-30T23:00:00Z", "2026-11-30"),
        (None, "30 November 2026", None, "2026-11-30T23:00:00Z", "2026-11-30"),
        (None, "until 1 December 2026 13:00 CET", None, "2026-12-01T12:00:00Z", None),
        (None, None, "1 month", "2026-11-30T23:00:00Z", "2026-11-30"),
        (None, None, "72 hours", "2026-11-03T23:00:00Z", "2026-11-03"),
        ("2026-12-01T12:00:00Z", None, None, "2026-12-01T12:00:00Z", None),
    ],
)
def test_an_end_is_an_instant_a_last_day_or_a_span(
    end: str | None, until: str | None, span: str | None, shown: str, day: str | None
) -> None:
    found = parse_end(parse_timestamp("2026-11-01", ZONE, NOW), end, until, span, ZONE, NOW)
    assert found is not None
    assert (timestamp_text(found), through(found, ZONE)) == (shown, day)


@pytest.mark.parametrize(
    ("start", "end", "until", "shown"),
    [
        (None, "18:00", None, "2026-09-21T16:00:00Z"),
        (None, None, "08:00", "2026-09-22T06:00:00Z"),
        (None, None, "tomorrow", "2026-09-22T22:00:00Z"),
        (None, "tomorrow", None, "2026-09-21T22:00:00Z"),
        (None, None, "until friday", "2026-09-25T22:00:00Z"),
        (None, None, "friday 18:00", "2026-09-25T16:00:00Z"),
        ("tomorrow 08:00", "12:00", None, "2026-09-22T10:00:00Z"),
        ("tomorrow 08:00", None, "tomorrow 12:00", "2026-09-22T10:00:00Z"),
        ("2026-09-01", None, "18:00", "2026-09-21T16:00:00Z"),
    ],
)
def test_an_end_that_is_said_comes_after_its_start_and_now(
    start: str | None, end: str | None, until: str | None, shown: str
) -> None:
    begins = given_timestamp(start, NOW, ZONE, NOW, "body.start")
    found = parse_end(begins, end, until, None, ZONE, NOW)
    assert found is not None
    assert timestamp_text(found) == shown


@pytest.mark.parametrize("text", ["08:00", "tomorrow", "friday 18:00", "2026-11-25 10:00"])
def test_a_node_says_instants_alone(text: str) -> None:
    with pytest.raises(ValueError, match="has no zone: write for example 2026-11-25T10:00:00Z"):
        check_instant(text)


@pytest.mark.parametrize(
    ("start", "span", "last", "at"),
    [
        ("2026-11-28 09:33:08", "6 months", "2027-05-28", None),
        ("2026-11-28 09:33:08", "3 months", "2027-02-28", None),
        ("2026-08-31 09:33:08", "6 months", "2027-02-28", None),
        ("2026-11-28 09:33:08", "2 weeks", "2026-12-12", None),
        ("2026-11-28", "30 days", "2026-12-27", None),
        ("2026-11-28 09:33:08", "72 hours", None, "2026-12-01T08:33:08Z"),
        ("2026-10-24 12:00", "24 hours", None, "2026-10-25T10:00:00Z"),
    ],
)
def test_spans_of_days_and_months_end_at_midnight_and_hours_are_exact(
    start: str, span: str, last: str | None, at: str | None
) -> None:
    found = parse_end(parse_timestamp(start, ZONE, NOW), None, None, span, ZONE, NOW)
    assert found is not None
    assert through(found, ZONE) == last
    assert at in (None, timestamp_text(found))


def test_an_ambiguous_hour_is_the_first_for_a_start_and_the_second_for_an_end() -> None:
    assert timestamp_text(parse_timestamp("2026-10-25 02:30", ZONE, NOW)) == "2026-10-25T00:30:00Z"
    assert timestamp_text(parse_bound("2026-10-25 02:30", ZONE, NOW)) == "2026-10-25T01:30:00Z"


@pytest.mark.parametrize("at", [1_790_000_000, 1_790_028_000, 1_792_888_200, 1_792_891_800])
def test_printed_periods_can_be_parsed_back(at: int) -> None:
    text = timestamp_text(at)
    assert parse_timestamp(start_words(text, ZONE), ZONE, NOW) == at
    assert parse_end(0, None, end_words(text, ZONE), None, ZONE, NOW) == at
    assert parse_end(0, end_words(text, ZONE), None, None, ZONE, NOW) == at
    assert parse_end(0, text, None, None, ZONE, NOW) == at


def test_a_fault_names_its_field_and_what_to_write() -> None:
    with pytest.raises(Invalid) as caught:
        given_timestamp("1 July 2026 09:00 CET", None, ZONE, NOW, "body.at")
    assert caught.value.faults[0].location == "body.at"
    assert "write CEST, or an offset such as +02:00" in caught.value.faults[0].message
    with pytest.raises(Invalid):
        given_bound("through 1 July 2026 09:00", ZONE, NOW, "body.until")
    assert given_timestamp(None, 7, ZONE, NOW, "body.at") == 7
    assert given_bound(None, ZONE, NOW, "body.until") is None


@pytest.mark.parametrize("text", ["1 July 2026", "2026-02-30", "2026-07-01T10:00:00Z"])
def test_the_date_of_a_formal_decision_is_a_plain_date(text: str) -> None:
    with pytest.raises(ValueError, match=r"is (no|not a) (date|time)"):
        parse_date(text)
