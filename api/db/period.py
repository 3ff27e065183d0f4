"""When a row has effect: the columns of a row as a `Period`, and the same rules as SQL."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, case, func, or_

from dnsfilter.policy.intervals import FOREVER
from dnsfilter.policy.model import Instant, Period


def period_of(start: Instant, end: Instant | None, ended: Instant | None, recorded: Instant | None) -> Period:
    """Return the period of a row. `ended` is the end that an act has given it, which only shortens it."""
    return Period(start, min((each for each in (end, ended) if each is not None), default=None), recorded)


@dataclass(frozen=True, slots=True)
class SqlPeriod:
    """A `Period` of columns: each condition selects the rows for which the value's method of that name is true.

    An open `end` is FOREVER, and so is a `recorded` that has not happened. So no condition is ever NULL.
    """

    start: SQLColumnExpression[int]
    end: SQLColumnExpression[int]
    recorded: SQLColumnExpression[int]

    @property
    def is_void(self) -> ColumnElement[bool]:
        """Select what an act ended before it started."""
        return self.end <= self.start

    def holds(self, at: Instant) -> ColumnElement[bool]:
        """Select what is in force at `at`."""
        return and_(self.recorded <= at, self.covers(at))

    def covers(self, at: Instant | SQLColumnExpression[int]) -> ColumnElement[bool]:
        """Select what has started and not ended at `at`, also if it was recorded later."""
        return and_(self.start <= at, self.end > at)

    def is_ahead(self, at: Instant) -> ColumnElement[bool]:
        """Select what comes into force after `at`."""
        return and_(or_(self.start > at, self.recorded > at), self.end > self.start, self.end > self.recorded)

    def has_ended(self, at: Instant) -> ColumnElement[bool]:
        """Select what is over at `at`, or void."""
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
