"""Delete usage that is older than it may be kept."""

from collections.abc import Callable
from datetime import date
from typing import Final

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from api.coverage.state import HOURS_KEPT_S as COVERAGE_KEPT_S
from api.db.models import (
    BypassDayRow,
    CoverageDayRow,
    CoverageRow,
    RangeRow,
    UsageClientRow,
    UsageDayRow,
    UsageHourRow,
)
from api.db.session import Database, forget
from api.usage.state import CLIENTS_KEPT_S, DAY_S, DAYS_KEPT_MONTHS, HOUR_S, HOURS_KEPT_S
from dnsfilter.policy.calendar import add_months, local_day

SWEEP_S: Final = HOUR_S
"""Interval in seconds in which `age` is called. Clients go this much earlier, so that none is kept for too long."""


def age(database: Database, now_s: int) -> int:
    """Delete hours after 92 days, which leaves them in their days, and days after three years. Return the number.

    Delete hours of coverage after three weeks, and when a range last asked once the range is gone. Delete clients
    before they are 30 days old.

    Each transaction deletes at most one day's rows, so that no act waits long. Raise SQLAlchemyError.
    """
    first_kept = add_months(local_day(now_s, "UTC"), -DAYS_KEPT_MONTHS)
    steps: tuple[Callable[[Session], int], ...] = (
        lambda session: _delete_clients(session, now_s + SWEEP_S - CLIENTS_KEPT_S),
        lambda session: _delete_hours(session, now_s - HOURS_KEPT_S),
        lambda session: _delete_days(session, UsageDayRow, first_kept),
        lambda session: _delete_days(session, BypassDayRow, first_kept),
        lambda session: _delete_coverage_day(session, now_s - COVERAGE_KEPT_S - DAY_S),
        _delete_gone_ranges,
    )
    deleted = 0
    for step in steps:
        while (count := _once(database, step)) > 0:
            deleted += count
    return deleted


def _once(database: Database, step: Callable[[Session], int]) -> int:
    """Run a step in a transaction, which is rolled back if it deletes nothing."""
    with database.writing() as session:
        count = step(session)
        if count:
            forget(session)
        return count


def _delete_clients(session: Session, before_s: int) -> int:
    row = UsageClientRow
    oldest = session.scalar(select(func.min(row.minute_s)))
    if oldest is None or oldest >= before_s:
        return 0
    statement = delete(row).where(row.minute_s < min(before_s, oldest + HOUR_S)).returning(row.minute_s)
    return len(session.execute(statement).all())


def _delete_hours(session: Session, before_s: int) -> int:
    row = UsageHourRow
    oldest = session.scalar(select(func.min(row.hour_s)))
    if oldest is None or oldest >= before_s:
        return 0
    statement = delete(row).where(row.hour_s < min(before_s, oldest + DAY_S)).returning(row.hour_s)
    return len(session.execute(statement).all())


def _delete_days(session: Session, row: type[UsageDayRow] | type[BypassDayRow], first_kept: date) -> int:
    oldest = session.scalar(select(func.min(row.day)))
    if oldest is None or oldest >= first_kept.isoformat():
        return 0
    return len(session.execute(delete(row).where(row.day == oldest).returning(row.day)).all())


def _delete_coverage_day(session: Session, until_s: int) -> int:
    row = CoverageDayRow
    oldest = session.scalar(select(func.min(row.day_s)))
    if oldest is None or oldest > until_s:
        return 0
    return len(session.execute(delete(row).where(row.day_s == oldest).returning(row.day_s)).all())


def _delete_gone_ranges(session: Session) -> int:
    row, own = CoverageRow, RangeRow
    same = own.authority == row.authority, own.site == row.site, own.prefix == row.prefix
    return len(session.execute(delete(row).where(~exists().where(*same)).returning(row.prefix)).all())
