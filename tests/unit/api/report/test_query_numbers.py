"""Counts by interval, and which numbers are shown."""

from datetime import date, timedelta

import pytest

from api.report.query_numbers import Counted, interval_of, intervals
from api.report.schemas import FigureRead, Interval
from api.usage.repository import Bypass, Day

FIRST = date(2026, 9, 2)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def counted_on(number: int, queries: int, result: str = "refused") -> Day:
    return Day("ghent", day(number), "tiktok", "ghent", "own", result, queries)


def attempted_on(number: int, queries: int, kind: str) -> Bypass:
    return Bypass("ghent", day(number), kind, queries)


def test_weeks_begin_on_monday_and_are_cut_at_the_ends() -> None:
    found = list(intervals(FIRST, date(2026, 9, 15), Interval.WEEK))
    assert found == [
        (date(2026, 9, 2), date(2026, 9, 6)),
        (date(2026, 9, 7), date(2026, 9, 13)),
        (date(2026, 9, 14), date(2026, 9, 15)),
    ]


def test_months_end_on_their_last_day() -> None:
    found = list(intervals(date(2026, 1, 31), date(2026, 3, 1), Interval.MONTH))
    assert found == [
        (date(2026, 1, 31), date(2026, 1, 31)),
        (date(2026, 2, 1), date(2026, 2, 28)),
        (date(2026, 3, 1), date(2026, 3, 1)),
    ]


@pytest.mark.parametrize("interval", list(Interval))
def test_intervals_cover_each_day_once(interval: Interval) -> None:
    last = date(2028, 3, 1)
    found = list(intervals(FIRST, last, interval))
    covered = [first + timedelta(days=one) for first, until in found for one in range((until - first).days + 1)]
    assert covered == [day(number) for number in range((last - FIRST).days + 1)]


@pytest.mark.parametrize(("days", "expected"), [(1, "day"), (31, "day"), (32, "week"), (184, "week"), (366, "month")])
def test_the_interval_follows_from_the_number_of_days(days: int, expected: str) -> None:
    assert interval_of(FIRST, day(days - 1)) == expected


def test_counts_are_the_sums_of_their_days_by_result() -> None:
    counted = Counted(tuple(intervals(FIRST, day(9), Interval.WEEK)))
    rows = [
        counted_on(0, 3),
        counted_on(4, 4),
        counted_on(5, 9),
        counted_on(9, 6, "monitored"),
        counted_on(9, 1, "exempted"),
    ]
    first, second = counted.buckets(rows)
    assert (first.first, first.last, second.first, second.last) == (
        "2026-09-02",
        "2026-09-06",
        "2026-09-07",
        "2026-09-11",
    )
    assert (first.refused, first.monitored.queries) == (FigureRead(queries=None, at_least=2, at_most=8), 0)
    assert (second.refused.queries, second.monitored.queries) == (9, 6)
    assert second.exempted == FigureRead(queries=None, below=5)
    found = counted.counts(rows)
    assert (found.refused, found.monitored.queries) == (FigureRead(queries=None, at_least=11, at_most=17), 6)
    assert found.exempted == FigureRead(queries=None, below=5)


def test_a_query_that_several_bans_counted_counts_once_in_their_total() -> None:
    counted = Counted(((day(0), day(1)),))
    one = [counted_on(0, 50), counted_on(0, 100, "monitored"), counted_on(1, 9, "exempted")]
    other = [counted_on(0, 7), counted_on(0, 80, "monitored")]
    found = counted.distinct([one, other])
    assert found.refused == FigureRead(queries=57)
    assert found.monitored == FigureRead(queries=None, at_least=100, at_most=180)
    assert found.exempted == FigureRead(queries=9)
    assert counted.distinct([one]) == counted.counts(one)


def test_a_time_of_which_no_day_is_over_has_no_known_total() -> None:
    found = Counted(()).counts([])
    assert found.refused == FigureRead(queries=None, at_least=0)


def test_attempts_to_bypass_are_counted_by_interval_and_by_kind() -> None:
    counted = Counted(tuple(intervals(FIRST, day(1), Interval.DAY)))
    rows = [attempted_on(0, 9, "relay"), attempted_on(0, 2, "canary"), attempted_on(1, 12, "canary")]
    assert [one.attempts for one in counted.bypass(rows)] == [
        {"canary": FigureRead(queries=None, below=5), "relay": FigureRead(queries=9)},
        {"canary": FigureRead(queries=12), "relay": FigureRead(queries=0)},
    ]
    assert counted.attempts(rows) == {
        "canary": FigureRead(queries=None, at_least=13, at_most=16),
        "relay": FigureRead(queries=9),
    }
