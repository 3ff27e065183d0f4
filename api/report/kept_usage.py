"""What is kept of a ban's usage, by month, in its own authority and in each other one."""

from collections.abc import Iterator
from datetime import date
from itertools import groupby

from sqlalchemy.orm import Session

from api.http.schemas import Read, Slug
from api.report.query_numbers import Counted, intervals
from api.report.schemas import CountedDaysRead, CountsRead, Interval
from api.usage.repository import Day, days_by_ban


class KeptUsageRead(Read):
    """Queries of an authority's clients that a ban decided on one ground, by calendar month of the authority."""

    authority: Slug
    ground: str
    total: CountsRead
    months: list[CountedDaysRead]


def kept_usage(session: Session, authority: str, service: str, last: date) -> Iterator[KeptUsageRead]:
    """Return what is kept of the usage of an authority's ban through a day, by authority and ground."""
    rows = days_by_ban(session, authority, [service], date.min, last)
    for (slug, ground), found in groupby(sorted(rows, key=_whose), _whose):
        theirs = list(found)
        first, last = min(row.day for row in theirs), max(row.day for row in theirs)
        counted = Counted(tuple(intervals(first, last, Interval.MONTH)))
        yield KeptUsageRead(authority=slug, ground=ground, total=counted.counts(theirs), months=counted.buckets(theirs))


def _whose(row: Day) -> tuple[str, str]:
    return row.authority, row.ground
