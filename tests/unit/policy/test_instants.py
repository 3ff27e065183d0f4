"""Instants in the form that people write and read."""

from datetime import UTC, date, datetime

import pytest

from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.instants import at_words, day_words, instant_of, is_midnight, parse_written

BRUSSELS = "Europe/Brussels"


NOW = 1_790_000_000
"""Monday 21 September 2026, 16:13:20 in Brussels."""


def _read(text: str, time_zone: str = BRUSSELS, *, second: bool = False, past: bool = False, now: int = NOW) -> str:
    at = instant_of(parse_written(text), time_zone, now, second=second, past=past)
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-25T10:00:00Z", "2026-11-25T10:00:00Z"),
        ("2026-11-25T10:00Z", "2026-11-25T10:00:00Z"),
        ("2026-11-25t10:00:00.999z", "2026-11-25T10:00:00Z"),
        ("2026-11-25T10:00:00+01:00", "2026-11-25T09:00:00Z"),
        ("2026-11-25 10:00 -0330", "2026-11-25T13:30:00Z"),
        ("2026-11-25 10:00 -03", "2026-11-25T13:00:00Z"),
        ("2026-11-25", "2026-11-24T23:00:00Z"),
        ("2026-07-01", "2026-06-30T22:00:00Z"),
        ("1 July 2026", "2026-06-30T22:00:00Z"),
        ("2026-11-25 10:00", "2026-11-25T09:00:00Z"),
        ("2026-07-01T10:00:30", "2026-07-01T08:00:30Z"),
        ("25 november 2026 11:00:05 CET", "2026-11-25T10:00:05Z"),
        ("1 October 2026 at 09:00 CEST", "2026-10-01T07:00:00Z"),
        ("25 November 2026 10:00:05 UTC", "2026-11-25T10:00:05Z"),
        ("2026-03-29 02:30", "2026-03-29T01:00:00Z"),
    ],
)
def test_time_without_a_zone_is_a_local_time_of_the_given_zone(text: str, expected: str) -> None:
    assert _read(text) == expected


def test_repeated_hour_is_the_first_as_start_the_second_as_end_unless_named() -> None:
    assert _read("2026-10-25 02:30") == "2026-10-25T00:30:00Z"
    assert _read("2026-10-25 02:30", second=True) == "2026-10-25T01:30:00Z"
    for second in (False, True):
        assert _read("25 October 2026 02:30 CEST", second=second) == "2026-10-25T00:30:00Z"
        assert _read("25 October 2026 02:30 CET", second=second) == "2026-10-25T01:30:00Z"


@pytest.mark.parametrize(
    ("text", "coming", "gone"),
    [
        ("17:30", "2026-09-21T15:30:00Z", "2026-09-20T15:30:00Z"),
        ("16:13", "2026-09-22T14:13:00Z", "2026-09-21T14:13:00Z"),
        ("8:00", "2026-09-22T06:00:00Z", "2026-09-21T06:00:00Z"),
        ("today", "2026-09-20T22:00:00Z", "2026-09-20T22:00:00Z"),
        ("today 08:00", "2026-09-21T06:00:00Z", "2026-09-21T06:00:00Z"),
        ("Tomorrow 08:00", "2026-09-22T06:00:00Z", "2026-09-22T06:00:00Z"),
        ("tomorrow at 08:00", "2026-09-22T06:00:00Z", "2026-09-22T06:00:00Z"),
        ("yesterday 18:00", "2026-09-20T16:00:00Z", "2026-09-20T16:00:00Z"),
        ("friday 18:00", "2026-09-25T16:00:00Z", "2026-09-18T16:00:00Z"),
        ("Sun", "2026-09-26T22:00:00Z", "2026-09-19T22:00:00Z"),
    ],
)
def test_time_without_a_date_is_the_next_or_the_last_one(text: str, coming: str, gone: str) -> None:
    assert (_read(text), _read(text, past=True)) == (coming, gone)


@pytest.mark.parametrize(
    ("clock", "now", "at"),
    [
        ("02:30", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
        ("00:10", "2026-09-21T21:50:00Z", "2026-09-21T22:10:00Z"),
        ("02:30", "2026-10-25T00:10:00Z", "2026-10-25T00:30:00Z"),
        ("02:30", "2026-10-25T00:40:00Z", "2026-10-25T01:30:00Z"),
        ("02:30", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"),
        ("02:30", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"),
    ],
)
def test_time_of_day_is_its_next_occurrence_also_when_clocks_change(clock: str, now: str, at: str) -> None:
    assert _read(clock, now=parse_instant(now)) == at


@pytest.mark.parametrize(
    ("text", "past", "message"),
    [
        ("monday 18:00", False, "can mean today or 28 September 2026: write today 18:00 or 2026-09-28 18:00"),
        ("Mon", False, "'Mon' can mean today or 28 September 2026: write today or 2026-09-28"),
        ("monday", True, "can mean today or 14 September 2026: write today or 2026-09-14"),
    ],
)
def test_the_weekday_of_today_is_two_days_and_the_error_says_which(text: str, past: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _read(text, past=past)


def test_length_of_time_in_place_of_a_time_is_named() -> None:
    with pytest.raises(ValueError, match=r"write for example .*08:00, tomorrow 08:00.* It is a length of time"):
        parse_written("4 minutes")


def test_zone_name_of_the_default_zone_is_read_with_another_zone() -> None:
    assert _read("25 November 2026 11:00:05 CET", "Asia/Tokyo") == "2026-11-25T10:00:05Z"
    assert _read("25 November 2026 11:00:05 JST", "Asia/Tokyo") == "2026-11-25T02:00:05Z"


@pytest.mark.parametrize(
    "text", ["1 July 2026 09:00 CET", "2026-11-25 10:00 EST", "29 March 2026 02:30 CET", "2026-11-25 10:00 CEST"]
)
def test_zone_name_that_does_not_fit_the_time_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"clocks of Europe/Brussels show CES?T then, not (CES?T|EST): write "):
        _read(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-01", "2026-02-30", "30 February 2026", "1 Foo 2026", "0001-01-01", "9999-12-31",
        "9999-12-31T23:59:59-12:00", "2026-11-25T24:00", "2026-11-25T10:00:00+24:00", "2026-11-25T10",
        "some day", "24:00", "12:60", "noon", "tomorrow 25:00", "friday tomorrow", "12-14h", "08:00 CET", "6 moons",
        "٢٠٢٦-١١-٢٥", "2026-11-25 10:00 Europe/Brussels", "",
    ],
)  # fmt: skip
def test_other_text_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a (date|time)|outside the years"):
        parse_written(text)


@pytest.mark.parametrize("text", ["25 Nov 2026", "25 november2026", "1 Mai 2026", "25 November 2026 9:00"])
def test_error_for_an_unknown_form_lists_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date or time: write for example 2026-09-30, "):
        parse_written(text)


@pytest.mark.parametrize("time_zone", [BRUSSELS, "UTC", "Europe/Lisbon", "Asia/Kathmandu", "America/Sao_Paulo"])
@pytest.mark.parametrize("at", [1_795_649_612, 1_792_888_200, 1_792_891_800, 1_774_746_000])
def test_printed_instant_is_read_back(at: int, time_zone: str) -> None:
    assert instant_of(parse_written(at_words(at, time_zone)), time_zone, 0) == at


def test_instant_is_printed_in_local_time_with_the_month_in_letters() -> None:
    assert at_words(1_795_649_612, "UTC") == "25 November 2026 23:33:32 UTC"
    assert at_words(1_795_649_612) == "26 November 2026 00:33:32 CET"
    assert day_words(date(2026, 5, 1)) == "1 May 2026"


def test_midnight_is_local_to_the_zone() -> None:
    at = instant_of(parse_written("2026-11-25"), BRUSSELS, 0)
    assert is_midnight(at, BRUSSELS)
    assert not is_midnight(at, "UTC")
