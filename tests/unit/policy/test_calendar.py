"""Dates, spans and weekly hours compared with instants in UTC."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.calendar import (
    Span,
    add_months,
    after_day,
    end_after,
    end_of_span,
    hours_text,
    instant_text,
    last_day,
    local_day,
    local_instant,
    local_midnight,
    parse_duration,
    parse_hours,
    parse_instant,
    parse_span,
    start_of_hour,
    weekly_windows,
    zone,
)
from dnsfilter.policy.model import WeeklyHours

BRUSSELS = "Europe/Brussels"
ZONES = (BRUSSELS, "UTC", "America/Havana", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe")


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("day", "time_zone", "expected"),
    [
        (date(2023, 3, 10), BRUSSELS, "2023-03-09T23:00"),
        (date(2023, 3, 26), BRUSSELS, "2023-03-25T23:00"),
        (date(2023, 3, 27), BRUSSELS, "2023-03-26T22:00"),
        (date(2023, 10, 29), BRUSSELS, "2023-10-28T22:00"),
        (date(2023, 10, 30), BRUSSELS, "2023-10-29T23:00"),
        (date(2023, 3, 12), "America/Havana", "2023-03-12T05:00"),  # 00:00 does not exist: the day begins at 01:00
        (date(2023, 11, 5), "America/Havana", "2023-11-05T04:00"),  # 00:00 occurs twice: the first
        (date(2011, 12, 30), "Pacific/Apia", "2011-12-30T10:00"),  # the complete day was skipped
        (date(2011, 12, 31), "Pacific/Apia", "2011-12-30T10:00"),
    ],
)
def test_a_day_begins_at_its_first_instant(day: date, time_zone: str, expected: str) -> None:
    assert local_midnight(day, time_zone) == utc(expected)


def test_until_a_day_ends_at_the_next_midnight_and_is_shown_as_that_day() -> None:
    end = after_day(date(2023, 9, 30), BRUSSELS)
    assert end == utc("2023-09-30T22:00")
    assert last_day(end, BRUSSELS) == date(2023, 9, 30)
    assert local_day(end, BRUSSELS) == date(2023, 10, 1)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2023-03-26T02:30", "2023-03-26T01:00"),
        ("2023-03-26T02:00", "2023-03-26T01:00"),
        ("2023-10-29T02:30", "2023-10-29T00:30"),
        ("2023-03-10T15:00", "2023-03-10T14:00"),
    ],
)
def test_a_local_time_begins_at_the_first_of_two_and_at_the_end_of_a_gap(local: str, expected: str) -> None:
    assert local_instant(datetime.fromisoformat(local), BRUSSELS) == utc(expected)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2023, 3, 10), 6, date(2023, 9, 10)),
        (date(2023, 8, 31), 6, date(2024, 2, 29)),
        (date(2022, 8, 31), 6, date(2023, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2023, 12, 31), 2, date(2024, 2, 29)),
        (date(2023, 1, 31), -2, date(2022, 11, 30)),
        (date(2100, 1, 29), 1, date(2100, 2, 28)),
    ],
)
def test_months_clamp_to_the_last_day(day: date, months: int, expected: date) -> None:
    assert add_months(day, months) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6 months", Span(months=6)),
        ("1 month", Span(months=1)),
        ("1 year", Span(months=12)),
        ("2 Years", Span(months=24)),
        ("30 days", Span(days=30)),
        ("2 weeks", Span(days=14)),
        ("72 h", Span(seconds=259_200)),
        ("72h", Span(seconds=259_200)),
        ("1 hour", Span(seconds=3_600)),
        ("4 minutes", Span(seconds=240)),
        ("1h30m", Span(seconds=5_400)),
        ("30 min", Span(seconds=1_800)),
    ],
)
def test_spans_are_read(text: str, expected: Span) -> None:
    assert parse_span(text) == expected


@pytest.mark.parametrize("text", ["", "6", "months", "0 days", "-1 day", "6 moons", "1.5 years", "99999 days", "08:00"])
def test_invalid_span_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a span of time") as caught:
        parse_span(text)
    assert repr(text) in str(caught.value)


def test_a_span_of_m_can_be_minutes_or_months_and_the_error_says_so() -> None:
    with pytest.raises(ValueError, match='\'6m\' can mean minutes or months: write "6 minutes" or "6 months"'):
        parse_span("6m")
    assert parse_duration("6m") == 360


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("4h", 14_400),
        ("4 hours", 14_400),
        ("30 minutes", 1800),
        ("1 Hour 5 min", 3900),
        (" 45 s ", 45),
        ("2m30s", 150),
    ],
)
def test_durations_are_read_as_people_type_them(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "30", "0m", "m", "1 month", "2 days", "1.5h", "-5m", "30m1h", "٣٠m", "99999h"]
)
def test_invalid_duration_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("start", "span", "expected"),
    [
        (date(2023, 3, 10), Span(months=6), "2023-09-09T22:00"),
        (date(2023, 8, 31), Span(months=6), "2024-02-28T23:00"),
        (date(2023, 3, 25), Span(days=2), "2023-03-26T22:00"),  # two days of 24 and 23 hours
        (date(2023, 3, 25), Span(seconds=172_800), "2023-03-26T23:00"),
    ],
)
def test_a_span_from_a_day_ends_at_midnight_unless_it_has_hours(start: date, span: Span, expected: str) -> None:
    assert end_of_span(start, span, BRUSSELS) == utc(expected)


@pytest.mark.parametrize(
    ("start", "span", "expected"),
    [
        ("2023-03-10T14:00", Span(months=6), "2023-09-10T13:00"),  # 15:00 both times on a Brussels clock
        ("2023-03-10T14:00", Span(seconds=259_200), "2023-03-13T14:00"),
        ("2023-03-25T22:30", Span(seconds=10_800), "2023-03-26T01:30"),
        ("2023-03-25T01:30", Span(days=1), "2023-03-26T01:00"),
    ],
)
def test_a_span_from_an_instant_keeps_the_time_of_day(start: str, span: Span, expected: str) -> None:
    assert end_after(utc(start), span, BRUSSELS) == utc(expected)


@pytest.mark.parametrize(
    ("hours", "start", "end", "expected"),
    [
        (  # Thursday noon to Monday 10:00: the weekend is left out, both ends are clipped
            "Mon-Fri 09:00-12:00",
            "2023-03-16T10:00",
            "2023-03-20T09:00",
            [
                ("2023-03-16T10:00", "2023-03-16T11:00"),
                ("2023-03-17T08:00", "2023-03-17T11:00"),
                ("2023-03-20T08:00", "2023-03-20T09:00"),
            ],
        ),
        ("Sun 01:00-04:00", "2023-03-25T00:00", "2023-03-27T00:00", [("2023-03-26T00:00", "2023-03-26T02:00")]),
        ("Sun 02:15-04:00", "2023-03-25T00:00", "2023-03-27T00:00", [("2023-03-26T01:00", "2023-03-26T02:00")]),
        ("Sun 01:00-02:30", "2023-03-25T00:00", "2023-03-27T00:00", [("2023-03-26T00:00", "2023-03-26T01:00")]),
        ("Sun 02:10-02:50", "2023-03-25T00:00", "2023-03-27T00:00", []),
        ("Sun 02:15-02:45", "2023-10-28T00:00", "2023-10-30T00:00", [("2023-10-29T00:15", "2023-10-29T01:45")]),
        ("Sun 01:00-02:00", "2023-10-28T00:00", "2023-10-30T00:00", [("2023-10-28T23:00", "2023-10-29T00:00")]),
        ("Sun 02:00-03:00", "2023-10-28T00:00", "2023-10-30T00:00", [("2023-10-29T00:00", "2023-10-29T02:00")]),
        ("Sun 03:00-04:00", "2023-10-28T00:00", "2023-10-30T00:00", [("2023-10-29T02:00", "2023-10-29T03:00")]),
        ("Sun 00:00-24:00", "2023-10-28T00:00", "2023-10-30T12:00", [("2023-10-28T22:00", "2023-10-29T23:00")]),
        ("Sun 00:00-24:00", "2023-03-25T00:00", "2023-03-30T12:00", [("2023-03-25T23:00", "2023-03-26T22:00")]),
        ("Thu 00:00-24:00", "2024-02-28T12:00", "2024-03-01T12:00", [("2024-02-28T23:00", "2024-02-29T23:00")]),
        ("Mon-Sun 00:00-24:00", "2023-03-16T10:00", "2023-03-16T10:00", []),
    ],
)
def test_weekly_hours_become_windows(hours: str, start: str, end: str, expected: list[tuple[str, str]]) -> None:
    windows = weekly_windows(parse_hours(hours, BRUSSELS), utc(start), utc(end))
    assert list(windows) == [(utc(opens), utc(closes)) for opens, closes in expected]


weekly_hours = st.builds(
    lambda days, minutes, time_zone: WeeklyHours(frozenset(days), min(minutes), max(minutes), time_zone),
    st.sets(st.integers(0, 6), min_size=1),
    st.tuples(st.integers(0, 1440), st.integers(0, 1440)).filter(lambda pair: pair[0] != pair[1]),
    st.sampled_from(ZONES),
)


@given(weekly_hours, st.integers(utc("2009-01-01"), utc("2030-01-01")), st.integers(0, 40 * 86400))
def test_windows_are_ordered_disjoint_and_inside(hours: WeeklyHours, start: int, length: int) -> None:
    windows = list(weekly_windows(hours, start, start + length))
    edges = [edge for window in windows for edge in window]
    assert edges == sorted(edges)
    assert all(opens < closes for opens, closes in windows)
    assert all(start <= edge <= start + length for edge in edges)


@given(weekly_hours, st.integers(utc("2009-01-01"), utc("2030-01-01")))
def test_an_instant_whose_local_time_is_in_the_hours_is_in_a_window(hours: WeeklyHours, at: int) -> None:
    local = datetime.fromtimestamp(at, ZoneInfo(hours.time_zone))
    minute = 60 * local.hour + local.minute
    if local.weekday() in hours.days and hours.start_minute <= minute < hours.end_minute:
        assert list(weekly_windows(hours, at, at + 1)) == [(at, at + 1)]


@given(weekly_hours)
def test_hours_are_read_back_from_their_text(hours: WeeklyHours) -> None:
    assert parse_hours(hours_text(hours), hours.time_zone) == hours


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon-Fri 09:00-12:00", "Mon-Fri 09:00-12:00"),
        ("mon–fri 09:00–12:00", "Mon-Fri 09:00-12:00"),
        ("Sat,Sun 00:00-24:00", "Sat-Sun 00:00-24:00"),
        ("Fri-Mon 08:30-17:00", "Mon,Fri-Sun 08:30-17:00"),
        ("Mon,Wed 10:00 - 11:00", "Mon,Wed 10:00-11:00"),
        ("12-14h", "Mon-Sun 12:00-14:00"),
        ("9h-12h", "Mon-Sun 09:00-12:00"),
        ("Mon-Fri 9:30-12h", "Mon-Fri 09:30-12:00"),
        ("12:00-14:00", "Mon-Sun 12:00-14:00"),
    ],
)
def test_hours_have_one_text(text: str, expected: str) -> None:
    assert hours_text(parse_hours(text, BRUSSELS)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("whenever", 'not valid as weekly hours: write for example "Mon-Fri 09:00-12:00", or "12-14h" for every day'),
        ("9-12", "not valid as weekly hours"),
        ("14-12h", "end before they start"),
        ("12-25h", "25:00 in '12-25h' is not a time of day"),
        ("Mon-Fri", "not valid as weekly hours"),
        ("Mun 09:00-12:00", "'Mun' in 'Mun 09:00-12:00' is not a day"),
        ("Mon- 09:00-12:00", "is not a day"),
        ("Mon 09:60-12:00", "09:60"),
        ("Mon 09:00-24:01", "24:01"),
        ("Mon 22:00-06:00", "across midnight"),
        ("Mon 09:00-09:00", "end before they start"),
    ],
)
def test_invalid_hours_are_named_in_the_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_hours(text, BRUSSELS)


@pytest.mark.parametrize("name", ["", "Europe", "Europe/Bruges", "../UTC", "/etc/localtime", "localtime", "right/UTC"])
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        zone(name)


@pytest.mark.parametrize(
    ("at", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_790_805_600, "2026-09-30T22:00:00Z"), (7_258_118_399, "2199-12-31T23:59:59Z")],
)
def test_an_instant_is_read_as_it_is_written(at: int, text: str) -> None:
    assert (instant_text(at), parse_instant(text)) == (text, at)


def test_an_instant_of_any_zone_is_read_and_none_without_one() -> None:
    assert parse_instant("2026-10-01T00:00:00+02:00") == 1_790_805_600
    for text in ("2026-10-01T00:00:00", "2026-10-01", "tomorrow"):
        with pytest.raises(ValueError, match=r"no zone|isoformat"):
            parse_instant(text)


@pytest.mark.parametrize(
    ("at", "time_zone", "start"),
    [
        ("2026-09-21T14:13:20", "UTC", "2026-09-21T14:00:00"),
        ("2026-09-21T14:13:20", BRUSSELS, "2026-09-21T14:00:00"),
        ("2026-09-21T14:13:20", "Asia/Kolkata", "2026-09-21T13:30:00"),
        ("2026-09-21T18:30:00", "Asia/Kolkata", "2026-09-21T18:30:00"),
        ("2026-09-21T18:14:59", "Asia/Kathmandu", "2026-09-21T17:15:00"),
        ("2026-09-21T14:13:20", "America/St_Johns", "2026-09-21T13:30:00"),
        # The clocks go back by half an hour at 15:00 UTC.
        ("2026-04-04T14:59:59", "Australia/Lord_Howe", "2026-04-04T14:00:00"),
        ("2026-04-04T15:00:00", "Australia/Lord_Howe", "2026-04-04T14:30:00"),
    ],
)
def test_hour_starts_with_the_local_hour(at: str, time_zone: str, start: str) -> None:
    assert start_of_hour(utc(at), time_zone) == utc(start)
