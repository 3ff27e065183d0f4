"""Sets of instants as sorted, disjoint, non-empty half-open intervals. An open end is `FOREVER`."""

from collections.abc import Iterable
from typing import TypeAlias

from dnsfilter.policy.model import Instant, Period

FOREVER: Instant = 2**62

Interval: TypeAlias = tuple[Instant, Instant]
Intervals: TypeAlias = tuple[Interval, ...]


def until(end: Instant | None) -> Instant:
    """Return the end as a number: `FOREVER` for an open one."""
    return FOREVER if end is None else end


def span(period: Period) -> Intervals:
    """Return when a period has effect: one interval, or none."""
    return () if period.begins is None else ((period.begins, until(period.end)),)


def union(intervals: Iterable[Interval]) -> Intervals:
    """Return all instants in any interval. Touching intervals are joined, empty ones dropped."""
    merged: list[Interval] = []
    for start, end in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def intersection(left: Intervals, right: Intervals) -> Intervals:
    """Return the instants in both."""
    common: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start = max(left[i][0], right[j][0])
        end = min(left[i][1], right[j][1])
        if start < end:
            common.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(common)


def difference(left: Intervals, right: Intervals) -> Intervals:
    """Return the instants of `left` that are not in `right`."""
    gaps: list[Interval] = []
    reached = -FOREVER
    for start, end in right:
        gaps.append((reached, start))
        reached = end
    gaps.append((reached, FOREVER))
    return intersection(left, union(gaps))
