"""Counts by interval, and which numbers are shown."""

from datetime import date, timedelta

import pytest

from api.report.figures import Counted, figure, interval_of, intervals, total
from api.report.schemas import FigureRead, Interval
from api.usage.repository import Bypass, Day

FIRST = date(2026, 9, 2)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def counted_on(number: int, queries: int, result: str = "refused") -> Day:
    return Day("ghent", day(number), "tiktok", "ghent", "own", result, queries)


def attempted_on(number: int, queries: int, kind: str) -> Bypass:
    return Bypass("ghent", day(number), kind, queries)


@pytest.mark.parametrize("queries", [0, 5, 12_345])
def test_zero_and_numbers_from_five_on_are_shown(queries: int) -> None:
    assert figure(queries) == FigureRead(queries=queries)


@pytest.mark.parametrize("queries", [1, 2, 3, 4])
def test_a_number_from_one_to_four_is_not_shown(queries: int) -> None:
    assert figure(queries) == FigureRead(queries=None, below=5)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], FigureRead(queries=0)),
        ([7, 0, 5], FigureRead(queries=12)),
        ([1, 2], FigureRead(queries=None, below=5)),
        ([1, 2, 0, 2], FigureRead(queries=None, at_least=5)),
        ([7, 3], FigureRead(queries=None, at_least=8)),
        ([7, 4], FigureRead(queries=None, at_least=8)),
        ([100, 1, 1, 4], FigureRead(queries=None, at_least=103)),
    ],
)
def test_a_total_does_not_reveal_a_number_that_is_not_shown(parts: list[int], expected: FigureRead) -> None:
    assert total(parts) == expected


@pytest.mark.parametrize("hidden", [(1, 4), (2, 3), (4, 4)])
def test_totals_that_differ_only_in_numbers_that_are_not_shown_are_equal(hidden: tuple[int, int]) -> None:
    assert total([10, *hidden]) == total([10, 1, 1])


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
    assert (first.refused.queries, first.monitored.queries) == (7, 0)
    assert (second.refused.queries, second.monitored.queries) == (9, 6)
    assert second.exempted == FigureRead(queries=None, below=5)
    found = counted.counts(rows)
    assert (found.refused.queries, found.monitored.queries) == (16, 6)
    assert found.exempted == FigureRead(queries=None, below=5)


def test_attempts_to_bypass_are_counted_by_interval_and_by_kind() -> None:
    counted = Counted(tuple(intervals(FIRST, day(1), Interval.DAY)))
    rows = [attempted_on(0, 9, "relay"), attempted_on(0, 2, "canary"), attempted_on(1, 12, "canary")]
    assert [one.attempts for one in counted.bypass(rows)] == [
        {"canary": figure(2), "relay": figure(9)},
        {"canary": figure(12), "relay": figure(0)},
    ]
    assert counted.attempts(rows) == {"canary": FigureRead(queries=None, at_least=13), "relay": figure(9)}


def test_a_total_of_four_hidden_numbers_does_not_reveal_that_each_is_one() -> None:
    assert total([1, 1, 1, 1]) == total([2, 1, 1, 1]) == FigureRead(queries=None, at_least=4)
