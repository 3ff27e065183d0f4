"""Numbers of queries as a person may read them, by day, week or month. Pure.

A number from 1 to 4 is never shown, because it could identify a person. A total that would reveal such a number is
shown as the least that it can be.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from api.report.schemas import BucketRead, BypassIntervalRead, CountsRead, FigureRead, Interval
from api.usage.reading import shown
from api.usage.repository import Bypass, Day
from api.usage.state import HIDDEN_BELOW, RESULTS
from dnsfilter.policy.calendar import add_months

MAX_DAYS_BY_DAY, MAX_DAYS_BY_WEEK = 31, 200
Days = tuple[date, date]
"""The first and the last day of an interval."""


def figure(queries: int) -> FigureRead:
    """Return a number of queries as it may be shown."""
    number, below = shown(queries)
    return FigureRead(queries=number, below=below)


def total(parts: Iterable[int]) -> FigureRead:
    """Return the total of numbers that are shown next to it.

    If some of these are not shown, give only the least total that is possible: each of them counts as 1.
    """
    known = list(parts)
    hidden = [part for part in known if 0 < part < HIDDEN_BELOW]
    least = sum(known) - sum(hidden) + len(hidden)
    if least == HIDDEN_BELOW - 1:
        # A total below `HIDDEN_BELOW` would reveal that each of them is 1.
        return FigureRead(queries=None, at_least=least)
    if not hidden or sum(known) < HIDDEN_BELOW:
        return figure(sum(known))
    return FigureRead(queries=None, at_least=max(HIDDEN_BELOW, least))


def interval_of(first: date, last: date) -> Interval:
    """Return the interval that gives a readable number of rows."""
    days = (last - first).days + 1
    if days <= MAX_DAYS_BY_DAY:
        return Interval.DAY
    return Interval.WEEK if days <= MAX_DAYS_BY_WEEK else Interval.MONTH


def intervals(first: date, last: date, interval: Interval) -> Iterator[Days]:
    """Yield the days, calendar weeks (from Monday) or calendar months of a time, cut at its ends."""
    begin = first
    while begin <= last:
        match interval:
            case Interval.DAY:
                following = begin + timedelta(days=1)
            case Interval.WEEK:
                following = begin + timedelta(days=7 - begin.weekday())
            case Interval.MONTH:
                following = add_months(begin.replace(day=1), 1)
        yield begin, min(last, following - timedelta(days=1))
        begin = following


@dataclass(frozen=True, slots=True)
class Counted:
    """The intervals of a report. Rows outside them are not allowed."""

    spans: Sequence[Days]

    def buckets(self, rows: Iterable[Day]) -> list[BucketRead]:
        """Return the counts of each interval."""
        sums = self._results(rows)
        return [
            BucketRead(
                first=first.isoformat(),
                last=last.isoformat(),
                **{result: figure(sums[result][place]) for result in RESULTS},
            )
            for place, (first, last) in enumerate(self.spans)
        ]

    def counts(self, rows: Iterable[Day]) -> CountsRead:
        """Return the totals over the intervals that `buckets` shows."""
        sums = self._results(rows)
        return CountsRead(**{result: total(sums[result]) for result in RESULTS})

    def sums(self, rows: Iterable[Day]) -> CountsRead:
        """Return the totals, if no numbers of single intervals are shown next to them."""
        sums = self._results(rows)
        return CountsRead(**{result: figure(sum(sums[result])) for result in RESULTS})

    def bypass(self, rows: Sequence[Bypass]) -> list[BypassIntervalRead]:
        """Return the attempts to bypass the resolver in each interval, by kind."""
        sums = self._kinds(rows)
        return [
            BypassIntervalRead(
                first=first.isoformat(),
                last=last.isoformat(),
                attempts={kind: figure(sums[kind][place]) for kind in sums},
            )
            for place, (first, last) in enumerate(self.spans)
        ]

    def attempts(self, rows: Sequence[Bypass]) -> dict[str, FigureRead]:
        """Return the totals by kind over the intervals that `bypass` shows. No number is a sum of several kinds."""
        return {kind: total(sums) for kind, sums in self._kinds(rows).items()}

    def _kinds(self, rows: Sequence[Bypass]) -> Mapping[str, Sequence[int]]:
        kinds = sorted({row.kind for row in rows})
        return {kind: self._sums(row for row in rows if row.kind == kind) for kind in kinds}

    def _results(self, rows: Iterable[Day]) -> Mapping[str, Sequence[int]]:
        known = list(rows)
        return {result: self._sums(row for row in known if row.result == result) for result in RESULTS}

    def _sums(self, rows: Iterable[Day | Bypass]) -> list[int]:
        """Return the sum of each interval."""
        firsts = [first for first, _ in self.spans]
        sums = [0] * len(firsts)
        for row in rows:
            sums[bisect_right(firsts, row.day) - 1] += row.queries
        return sums
