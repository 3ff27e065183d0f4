"""Acts on usage. Usage is not part of the policy, so erasing makes no revision."""

from collections import Counter
from datetime import date
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, CursorResult, delete, select

from api.db.base import Json
from api.db.models import (
    AuthorityRow,
    BypassDayRow,
    CoverageDayRow,
    CoverageRow,
    PendingDayRow,
    UsageClientRow,
    UsageDayRow,
    UsageHourRow,
)
from api.db.session import forget
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.usage.repository import DayKey, day_bounds
from api.usage.schemas import ErasedRange, UsageErased
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.model import DAY_S

Row = TypeVar(
    "Row", UsageDayRow, UsageHourRow, BypassDayRow, PendingDayRow, CoverageDayRow, CoverageRow, UsageClientRow
)


def erase(
    unit: UnitOfWork, row: AuthorityRow, first: date, last: date, where: ErasedRange | None, why: str
) -> UsageErased:
    """Delete an authority's usage of some days, or that of one of its ranges only. Record how many rows, and why.

    Queries of a range are also subtracted from the authority's days, as far as its hours are still kept. Refused
    queries of clients and queries for pending names have no range: only a period erases them.
    """
    found = _range(unit, row, first, last, where) if where is not None else _period(unit, row.slug, first, last)
    forget(unit.session)
    after: Json = {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "range": None if where is None else where.model_dump(),
        **found.model_dump(),
        "reason": why,
    }
    unit.note("usage.erase", subject(row), None, after, row.slug)
    return found


def note_reading(unit: UnitOfWork, slug: str, first: date, last: date, rows: int) -> None:
    """Record that somebody reads refused queries of an authority's clients."""
    after: Json = {"from": first.isoformat(), "to": last.isoformat(), "rows": rows}
    unit.note("usage.read_clients", f"authority/{slug}", None, after, slug)


def _period(unit: UnitOfWork, slug: str, first: date, last: date) -> UsageErased:
    zone = unit.session.get_one(AuthorityRow, slug).time_zone
    start_s, end_s = day_bounds(first, last, zone)
    hour, client = UsageHourRow, UsageClientRow
    days = first.isoformat(), last.isoformat()
    return UsageErased(
        days=_deleted(unit, UsageDayRow, UsageDayRow.authority == slug, UsageDayRow.day.between(*days)),
        hours=_deleted(unit, hour, hour.authority == slug, hour.hour_s >= start_s, hour.hour_s < end_s),
        bypass=_deleted(unit, BypassDayRow, BypassDayRow.authority == slug, BypassDayRow.day.between(*days)),
        pending=_deleted(unit, PendingDayRow, PendingDayRow.authority == slug, PendingDayRow.day.between(*days)),
        coverage=_coverage(unit, slug, start_s, end_s, None),
        clients=_deleted(unit, client, client.authority == slug, client.minute_s >= start_s, client.minute_s < end_s),
    )


def _range(unit: UnitOfWork, row: AuthorityRow, first: date, last: date, where: ErasedRange) -> UsageErased:
    hour, session = UsageHourRow, unit.session
    start_s, end_s = day_bounds(first, last, row.time_zone)
    whose = hour.authority == row.slug, hour.site == where.site, hour.prefix == where.prefix
    within = hour.hour_s >= start_s, hour.hour_s < end_s
    gone: Counter[DayKey] = Counter()
    for found in session.scalars(select(hour).where(*whose, *within)):
        day = local_day(found.hour_s, row.time_zone).isoformat()
        ban = found.service, found.ban_authority, found.ground, found.result
        gone[DayKey(row.slug, day, *ban)] += found.queries
    days = 0
    for key, queries in gone.items():
        known = session.get(UsageDayRow, tuple(key))
        if known is not None:
            known.queries -= min(queries, known.queries)
            if known.queries == 0:
                session.delete(known)
                days += 1
    hours, coverage = _deleted(unit, hour, *whose, *within), _coverage(unit, row.slug, start_s, end_s, where)
    return UsageErased(days=days, hours=hours, bypass=0, pending=0, coverage=coverage, clients=0)


def _coverage(unit: UnitOfWork, slug: str, start_s: int, end_s: int, where: ErasedRange | None) -> int:
    """Delete days of coverage that overlap `[start_s, end_s)`, and when ranges last asked if it was then."""
    day, asked = CoverageDayRow, CoverageRow
    of_days, of_asked = [day.authority == slug], [asked.authority == slug]
    if where is not None:
        of_days += [day.site == where.site, day.prefix == where.prefix]
        of_asked += [asked.site == where.site, asked.prefix == where.prefix]
    _deleted(unit, asked, *of_asked, asked.last_asked_s >= start_s, asked.last_asked_s <= end_s)
    return _deleted(unit, day, *of_days, day.day_s > start_s - DAY_S, day.day_s < end_s)


def _deleted(unit: UnitOfWork, row: type[Row], *where: ColumnElement[bool]) -> int:
    """Delete rows and return their number. There may be millions of clients, so read none of them."""
    statement = delete(row).where(*where).execution_options(synchronize_session=False)
    return cast("CursorResult[Any]", unit.session.execute(statement)).rowcount
