"""Delete usage that is older than it may be kept."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias, cast

from sqlalchemy import ColumnElement, CursorResult, Table, and_, bindparam, delete, exists, select

from api.db.base import Base
from api.db.models import (
    BypassDayRow,
    CoverageDayRow,
    CoverageRow,
    PendingDayRow,
    RangeRow,
    UsageClientRow,
    UsageDayRow,
    UsageHourRow,
)
from api.db.session import Database, forget
from api.usage.state import CLIENTS_KEPT_S, COVERAGE_KEPT_S, DAYS_KEPT_MONTHS, HOUR_S, HOURS_KEPT_S, PENDING_KEPT_S
from dnsfilter.policy.calendar import add_months, local_day
from dnsfilter.policy.model import DAY_S

SWEEP_S: Final = HOUR_S
"""Interval in seconds in which `age` is called. Clients go this much earlier, so that none is kept for too long."""
ROWS: Final = 500
"""Rows that one transaction deletes. An act waits for at most one such transaction."""
_Old: TypeAlias = tuple[type[Base], ColumnElement[bool]]


def age(database: Database, now_s: int) -> int:
    """Delete hours after 92 days, which leaves them in their days, and days after three years. Return the number.

    Delete hours of coverage after three weeks, and when a range last asked once the range is gone. Delete clients
    before they are 30 days old, and counts of pending names when they are. Raise SQLAlchemyError.
    """
    deleted = 0
    for row, is_old in _old(now_s):
        table = Base.metadata.tables[row.__tablename__]
        while keys := _keys(database, table, is_old):
            deleted += _delete(database, table, keys, is_old)
    return deleted


def _old(now_s: int) -> Iterator[_Old]:
    """Yield which rows of each table to delete."""
    first_kept = add_months(local_day(now_s, "UTC"), -DAYS_KEPT_MONTHS).isoformat()
    asked, own = CoverageRow, RangeRow
    registered = exists().where(own.authority == asked.authority, own.site == asked.site, own.prefix == asked.prefix)
    yield UsageClientRow, UsageClientRow.minute_s < now_s + SWEEP_S - CLIENTS_KEPT_S
    yield UsageHourRow, UsageHourRow.hour_s < now_s - HOURS_KEPT_S
    yield UsageDayRow, UsageDayRow.day < first_kept
    yield BypassDayRow, BypassDayRow.day < first_kept
    yield PendingDayRow, PendingDayRow.day < local_day(now_s - PENDING_KEPT_S, "UTC").isoformat()
    yield CoverageDayRow, CoverageDayRow.day_s <= now_s - COVERAGE_KEPT_S - DAY_S
    yield CoverageRow, ~registered


def _keys(database: Database, table: Table, is_old: ColumnElement[bool]) -> Sequence[dict[str, Any]]:
    """Return the keys of some old rows. Finding them may take long, so acts do not wait for it."""
    columns = table.primary_key.columns
    with database.reading() as session:
        found = session.execute(select(*columns).where(is_old).limit(ROWS))
        return [{f"_{column.name}": value for column, value in zip(columns, key, strict=True)} for key in found]


def _delete(database: Database, table: Table, keys: Sequence[dict[str, Any]], is_old: ColumnElement[bool]) -> int:
    """Delete rows that are still old. Return their number."""
    named = and_(*(column == bindparam(f"_{column.name}") for column in table.primary_key.columns))
    with database.writing(is_background=True) as session:
        done = session.connection().execute(delete(table).where(named, is_old), keys)
        forget(session)
    return cast("CursorResult[Any]", done).rowcount
