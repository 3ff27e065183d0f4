"""When a range has stopped asking: silence at night, at weekends and on closing days is no sign."""

from collections.abc import Mapping

import pytest

from api.usage.state import COVERAGE_KEPT_S, HOUR_S, WEEK_S, complete_hours, coverage_state, usual_queries
from dnsfilter.policy.model import DAY_S

MONDAY = 1_790_553_600
"""Monday 28 September 2026, 00:00 UTC."""
FRIDAY_17 = MONDAY - 3 * DAY_S + 17 * HOUR_S
OFFICE = frozenset(day * 24 + hour for day in range(5) for hour in range(8, 17))
"""Hours of a week, from Monday 00:00, in which an office asks."""
ALWAYS = frozenset(range(168))
ONE = frozenset({9})


def asked(hours: frozenset[int], weeks: int = 3) -> Mapping[int, int]:
    """Return ten queries in each of these hours, in so many weeks before MONDAY."""
    first = MONDAY - weeks * WEEK_S
    return {first + week * WEEK_S + hour * HOUR_S: 10 for week in range(weeks) for hour in hours}


@pytest.mark.parametrize(
    ("last_s", "hours", "now_s", "state"),
    [
        (None, {}, MONDAY, "never"),
        (MONDAY, {}, MONDAY, "asking"),
        # An office, after its weekend.
        (FRIDAY_17, asked(OFFICE), MONDAY, "asking"),
        (FRIDAY_17, asked(OFFICE), MONDAY + 11 * HOUR_S - 1, "asking"),
        (FRIDAY_17, asked(OFFICE), MONDAY + 11 * HOUR_S, "stopped"),
        # It closes during the day: the first silent hour began before.
        (MONDAY + 10 * HOUR_S + 1, asked(OFFICE), MONDAY + 14 * HOUR_S - 1, "asking"),
        (MONDAY + 10 * HOUR_S + 1, asked(OFFICE), MONDAY + 14 * HOUR_S, "stopped"),
        # A new range, of which only one week is known.
        (FRIDAY_17, asked(OFFICE, weeks=1), MONDAY + 16 * HOUR_S, "asking"),
        (FRIDAY_17, asked(OFFICE, weeks=2), MONDAY + 16 * HOUR_S, "stopped"),
        # One that asks day and night, and one that asks for an hour a week.
        (MONDAY, asked(ALWAYS), MONDAY + 3 * HOUR_S - 1, "asking"),
        (MONDAY, asked(ALWAYS), MONDAY + 3 * HOUR_S, "stopped"),
        (MONDAY - 6 * DAY_S, asked(ONE), MONDAY + DAY_S - 1, "asking"),
        (MONDAY - 6 * DAY_S, asked(ONE), MONDAY + DAY_S, "stopped"),
        (MONDAY - WEEK_S, {}, MONDAY, "stopped"),
        # The clock was set back.
        (MONDAY + DAY_S, asked(ALWAYS), MONDAY, "asking"),
    ],
)
def test_range_has_stopped_after_three_usual_hours_or_a_week(
    last_s: int | None, hours: Mapping[int, int], now_s: int, state: str
) -> None:
    assert coverage_state(last_s, hours, now_s) == state


def test_all_hours_that_the_state_depends_on_are_kept() -> None:
    read: list[int] = []

    class Recorded(dict[int, int]):
        def get(self, hour_s: int, default: int = 0) -> int:  # type: ignore[override]
            read.append(hour_s)
            return 1

    coverage_state(MONDAY - WEEK_S + 1, Recorded(), MONDAY)
    assert min(read) >= MONDAY - COVERAGE_KEPT_S


def test_hours_between_are_complete() -> None:
    assert list(complete_hours(7200, 14_400)) == [7200, 10_800]
    assert list(complete_hours(7201, 14_399)) == []


@pytest.mark.parametrize(
    ("hours", "usual"),
    [
        ({}, None),
        ({MONDAY - HOUR_S: 0}, None),
        ({MONDAY - HOUR_S: 10, MONDAY - 2 * HOUR_S: 21, MONDAY - 3 * HOUR_S: 0}, 16),
        ({MONDAY - HOUR_S: 10, MONDAY - 2 * WEEK_S - 1: 1000}, 10),
        ({MONDAY: 3}, 3),
    ],
)
def test_usual_number_is_the_average_of_hours_with_queries(hours: Mapping[int, int], usual: int | None) -> None:
    assert usual_queries(hours, MONDAY) == usual
