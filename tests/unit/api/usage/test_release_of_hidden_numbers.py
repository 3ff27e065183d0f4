"""Hidden numbers cannot be computed from everything that is published.

A hidden number is safe if another world, in which it is different, publishes the same in every list and report. So the
reader cannot know which of the worlds is true, even if the reader knows the rules by which numbers are hidden.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.orm import Session

from api.db.models import BypassDayRow, UsageDayRow, UsageHourRow
from api.report.kept_usage import kept_usage
from api.report.query_numbers import Counted, intervals
from api.report.schemas import Interval
from api.usage import range_pages, repository
from api.usage.reading import as_csv, read_usage
from api.usage.release import is_hidden, may_split
from api.usage.repository import BypassKey, DayKey, HourKey, Wanted, add
from dnsfilter.policy.calendar import local_midnight
from tests.unit.api.conftest import Plane

pytestmark = pytest.mark.heavy

ZONE = "Europe/Brussels"
FIRST = date(2026, 9, 12)
RANGES = ("192.0.2.0/25", "192.0.2.128/25")
BAN = ("alpha", "town", "own", "refused")
MOST_WORLDS = 40
"""Other worlds that are tried for one value of a hidden number."""


@dataclass(frozen=True)
class OneDay:
    """The queries of a day: of each hour of a range, and of small ranges, which are counted with the authority only."""

    hours: Mapping[tuple[str, int], int]
    rest: int

    @property
    def total(self) -> int:
        return sum(self.hours.values()) + self.rest

    @property
    def is_split(self) -> bool:
        hidden = [number for number in self.hours.values() if is_hidden(number)]
        return may_split(self.total, sum(self.hours.values()) - sum(hidden), len(hidden), sum(hidden))


numbers = st.one_of(st.integers(1, 5), st.integers(1, 12))
one_day = st.builds(
    OneDay,
    st.dictionaries(st.tuples(st.sampled_from(RANGES), st.integers(8, 9)), numbers, max_size=3),
    st.one_of(st.just(0), numbers),
)


def write(session: Session, world: Sequence[OneDay]) -> None:
    for kind in (UsageDayRow, UsageHourRow):
        session.execute(delete(kind))
    for number, one in enumerate(world):
        day = FIRST + timedelta(days=number)
        if one.total:
            add(session, UsageDayRow, {DayKey("town", day.isoformat(), *BAN): one.total})
        start_s = local_midnight(day, ZONE)
        add(
            session,
            UsageHourRow,
            {
                HourKey("town", "default", prefix, start_s + hour * 3600, *BAN): queries
                for (prefix, hour), queries in one.hours.items()
            },
        )


def published(session: Session, days: int) -> list[Any]:
    """Return what lists and reports show of each period, by day, week and month."""
    found: list[Any] = []
    for first, last in product(range(days), repeat=2):
        if first > last:
            continue
        begin, end = FIRST + timedelta(days=first), FIRST + timedelta(days=last)
        wanted = Wanted("town", None, begin, end, ZONE)
        for page in (repository.page_of_days, range_pages.page_of_hours, range_pages.page_of_ranges):
            rows, _ = page(session, wanted, 100, None)
            found += [as_csv(rows), *map(read_usage, rows)]
        of_ban = repository.days_by_ban(session, "town", ["alpha"], begin, end)
        for interval in Interval:
            counted = Counted(tuple(intervals(begin, end, interval)))
            found += [counted.buckets(of_ban), counted.counts(of_ban)]
        found += kept_usage(session, "town", "alpha", end)
    return found


def hidden_numbers(one: OneDay) -> Iterator[tuple[str, int] | str]:
    """Yield what identifies each hidden number of a day."""
    yield from (key for key, queries in one.hours.items() if is_hidden(queries))
    yield from (name for name in ("rest", "total") if is_hidden(getattr(one, name)))


def number_of(one: OneDay, key: tuple[str, int] | str) -> int:
    return getattr(one, key) if isinstance(key, str) else one.hours.get(key, 0)


def others(one: OneDay, key: tuple[str, int] | str, value: int) -> list[OneDay]:
    """Return other days with that value of a hidden number, the most similar first."""
    keys = list(one.hours)
    # No list has the hours of a day that is not split. So some of them may not exist.
    choices = [range(1, 5) if is_hidden(one.hours[each]) else (one.hours[each],) for each in keys]
    choices = choices if one.is_split else [range(max(one.total, 4) + 1)] * len(keys)
    found = []
    for chosen in product(*choices):
        hours = {each: queries for each, queries in zip(keys, chosen, strict=True) if queries}
        totals = range(1, 5) if is_hidden(one.total) else (one.total,)
        rests = {total - sum(chosen) for total in totals}
        found += [OneDay(hours, rest) for rest in rests if rest >= 0]
    able = [each for each in found if number_of(each, key) == value and each.is_split == one.is_split]
    # Who knows the registered ranges may know that there is no rest.
    able = [each for each in able if one.rest or not each.rest]
    return sorted(able, key=lambda each: sum(abs(each.hours.get(k, 0) - one.hours[k]) for k in keys))[:MOST_WORLDS]


def can_be(session: Session, days: list[OneDay], index: int, key: tuple[str, int] | str, value: int) -> bool:
    """Return whether a hidden number can have another value while everything published stays the same."""
    write(session, days)
    shown = published(session, len(days))
    for other in others(days[index], key, value):
        write(session, [*days[:index], other, *days[index + 1 :]])
        if published(session, len(days)) == shown:
            return True
    return False


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(one_day, min_size=1, max_size=2))
@example([OneDay({(RANGES[0], 8): 3, (RANGES[0], 9): 12}, 0)])
@example([OneDay({(RANGES[0], 8): 4, (RANGES[1], 8): 4}, 0), OneDay({}, 3)])
def test_no_hidden_number_can_be_computed(town: Plane, days: list[OneDay]) -> None:
    """Each number that is shown as hidden can be each number from 1 to 4. One in no list can be another, too."""
    with town.database.writing() as session:
        for index, one in enumerate(days):
            for key in hidden_numbers(one):
                values = [value for value in range(1, 5) if value != number_of(one, key)]
                possible = [value for value in values if can_be(session, days, index, key, value)]
                is_listed = one.is_split or key == "total"
                assert possible == values if is_listed else possible, f"{key} of day {index} is one of {possible}"
        session.rollback()


LISTS = ("/v1/usage?authority=town", "/v1/usage/bypass?authority=town")
REPORT = "/v1/authorities/town/bans/alpha/report"
PERIODS = [(12, 12), (12, 14), (13, 18), (12, 20)]


def everything(plane: Plane) -> list[str]:
    """Return the text of every list and report that has numbers of these days."""
    paths = []
    for first, last in PERIODS:
        days = f"from=2026-09-{first}&to=2026-09-{last}"
        for by, form in product(("day", "hour", "range"), ("json", "csv")):
            paths.append(f"{LISTS[0]}&{days}&by={by}&format={form}")
        paths.append(f"{LISTS[1]}&{days}")
        for interval, form in product(Interval, ("json", "md", "html")):
            paths.append(f"{REPORT}?{days}&interval={interval}&format={form}")
    return [plane.call("GET", path).text for path in paths]


def test_two_worlds_that_differ_in_hidden_numbers_publish_the_same_in_every_format(town: Plane) -> None:
    """The week from 14 September, a hidden number and the total of both would otherwise reveal the number."""
    busy = OneDay({(RANGES[0], 8): 2, (RANGES[0], 9): 3, (RANGES[1], 8): 40}, 20)
    quiet = OneDay({(RANGES[0], 8): 3}, 0)
    one = (quiet, busy, replace(busy, rest=3), OneDay({}, 9))
    changed = {(RANGES[0], 8): 4, (RANGES[0], 9): 1, (RANGES[1], 8): 40}
    two = (OneDay({(RANGES[0], 8): 1}, 0), replace(busy, hours=changed), replace(busy, hours=changed, rest=3), one[3])
    seen = []
    for world, attempts in ((one, 2), (two, 4)):
        with town.database.writing() as session:
            write(session, world)
            session.execute(delete(BypassDayRow))
            add(session, BypassDayRow, {BypassKey("town", FIRST.isoformat(), "relay"): attempts})
        seen.append(everything(town))
    assert seen[0] == seen[1]
    assert any('"at_least":' in text for text in seen[0])
