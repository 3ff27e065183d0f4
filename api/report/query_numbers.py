"""Numbers of queries by day, week or month, as `api.usage.release` shows them. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from api.report.schemas import BypassIntervalRead, CountedDaysRead, CountsRead, FigureRead, Interval
from api.usage.release import distinct, total
from api.usage.repository import Bypass, Day
from api.usage.state import RESULTS
from dnsfilter.policy.calendar import add_months
from dnsfilter.telemetry.metrics import BanResult

MAX_DAYS_BY_DAY, MAX_DAYS_BY_WEEK = 31, 200
Days = tuple[date, date]
"""The first and the last day of an interval."""


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
    """The intervals of a report, as far as its days are over. Rows outside them are not allowed."""

    spans: Sequence[Days]

    def buckets(self, rows: Iterable[Day]) -> list[CountedDaysRead]:
        """Return the counts of each interval."""
        parts = self._results(rows)
        return [
            CountedDaysRead(
                first=first.isoformat(),
                last=last.isoformat(),
                **{result: self._total(parts[result][index]) for result in RESULTS},
            )
            for index, (first, last) in enumerate(self.spans)
        ]

    def counts(self, rows: Iterable[Day]) -> CountsRead:
        """Return the totals over all intervals."""
        return CountsRead(**{result: self._sum(parts) for result, parts in self._results(rows).items()})

    def distinct(self, bans: Iterable[Iterable[Day]]) -> CountsRead:
        """Return the totals over what several bans counted of the same clients. A query counts once in each.

        Only one ban refuses a query, but several may monitor or exempt it.
        """
        rows = [row for days in bans for row in days]
        found = {BanResult.REFUSED: self._sum(self._parts(row for row in rows if row.result == BanResult.REFUSED))}
        for result in (BanResult.MONITORED, BanResult.EXEMPTED):
            by_day = defaultdict[date, list[int]](list)
            for row in rows:
                if row.result == result:
                    by_day[row.day].append(row.queries)
            figure = distinct(by_day.values(), is_complete=bool(self.spans))
            found[result] = FigureRead(**figure._asdict())
        return CountsRead(**{str(result): figure for result, figure in found.items()})

    def bypass(self, rows: Sequence[Bypass]) -> list[BypassIntervalRead]:
        """Return the attempts to bypass the resolver in each interval, by kind."""
        parts = self._kinds(rows)
        return [
            BypassIntervalRead(
                first=first.isoformat(),
                last=last.isoformat(),
                attempts={kind: self._total(parts[kind][index]) for kind in parts},
            )
            for index, (first, last) in enumerate(self.spans)
        ]

    def attempts(self, rows: Sequence[Bypass]) -> dict[str, FigureRead]:
        """Return the totals by kind over all intervals. No number is a sum of several kinds."""
        return {kind: self._sum(parts) for kind, parts in self._kinds(rows).items()}

    def _total(self, parts: Iterable[int]) -> FigureRead:
        return FigureRead(**total(parts, is_complete=bool(self.spans))._asdict())

    def _sum(self, parts: Iterable[Sequence[int]]) -> FigureRead:
        return self._total(queries for each in parts for queries in each)

    def _kinds(self, rows: Sequence[Bypass]) -> Mapping[str, Sequence[Sequence[int]]]:
        kinds = sorted({row.kind for row in rows})
        return {kind: self._parts(row for row in rows if row.kind == kind) for kind in kinds}

    def _results(self, rows: Iterable[Day]) -> Mapping[str, Sequence[Sequence[int]]]:
        known = list(rows)
        return {result: self._parts(row for row in known if row.result == result) for result in RESULTS}

    def _parts(self, rows: Iterable[Day | Bypass]) -> list[list[int]]:
        """Return the numbers of each interval, one for each row."""
        firsts = [first for first, _ in self.spans]
        parts: list[list[int]] = [[] for _ in firsts]
        for row in rows:
            parts[bisect_right(firsts, row.day) - 1].append(row.queries)
        return parts
