"""When a row has effect: its columns as a `Period`, and the same rules as SQL."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, case, func, or_

from dnsfilter.policy.intervals import FOREVER
from dnsfilter.policy.model import Instant, Period


def period_of(start: Instant, end: Instant | None, ended: Instant | None, recorded: Instant | None) -> Period:
    """Return the period of a row. `ended` is an end set by an act. It can only shorten the period."""
    return Period(start, earlier(end, ended), recorded)


def earlier(end: Instant | None, ended: Instant | None) -> Instant | None:
    """Return the end, or the earlier one that an act set; None if neither is set."""
    if end is None or ended is None:
        return ended if end is None else end
    return min(end, ended)


@dataclass(frozen=True, slots=True)
class SqlPeriod:
    """A `Period` of columns. Each condition selects the rows for which the `Period` method of that name is true.

    An open `end` is FOREVER, and so is `recorded` for what was not recorded. So no condition is NULL.
    """

    start: SQLColumnExpression[int]
    end: SQLColumnExpression[int]
    recorded: SQLColumnExpression[int]

    @property
    def is_void(self) -> ColumnElement[bool]:
        """Select the rows that an act ended before they started."""
        return self.end <= self.start

    def holds(self, at: Instant) -> ColumnElement[bool]:
        """Select the rows that are in force at `at`."""
        return and_(self.recorded <= at, self.covers(at))

    def covers(self, at: Instant | SQLColumnExpression[int]) -> ColumnElement[bool]:
        """Select the rows that have started and not ended at `at`, even if they were recorded later."""
        return and_(self.start <= at, self.end > at)

    def is_ahead(self, at: Instant) -> ColumnElement[bool]:
        """Select the rows that come into force after `at`."""
        return and_(or_(self.start > at, self.recorded > at), self.end > self.start, self.end > self.recorded)

    def has_ended(self, at: Instant) -> ColumnElement[bool]:
        """Select the rows that have ended at `at`, or are void."""
        return or_(self.end <= at, self.is_void)


def sql_period(
    start: SQLColumnExpression[int],
    end: SQLColumnExpression[Any],
    ended: SQLColumnExpression[Any],
    recorded: SQLColumnExpression[Any],
) -> SqlPeriod:
    """Return the period of columns, as `period_of` does of values."""
    effective = case((or_(end.is_(None), ended < end), ended), else_=end)
    return SqlPeriod(start, func.coalesce(effective, FOREVER), func.coalesce(recorded, FOREVER))
