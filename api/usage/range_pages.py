"""Counts of ranges as they may be shown: by hour, or over some days.

A day is split into the hours of its ranges only if that reveals no hidden number (`api.usage.release.may_split`).
Otherwise its queries are in the authority's day only, as those of ranges with fewer than 16 addresses are.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, case, func, select, tuple_
from sqlalchemy.orm import Session

from api.db.models import UsageDayRow, UsageHourRow
from api.http.pagination import cut_page, decode_place
from api.usage.release import Figure, bounded, figure, may_split
from api.usage.repository import BAN_NAMES, Counted, Wanted, day_bounds
from api.usage.state import HIDDEN_BELOW

_Ban: TypeAlias = tuple[str, ...]
"""The service, the ban's authority, its ground and the result."""
_HOUR_NAMES = ("hour_s", "site", "prefix", *BAN_NAMES)
_RANGE_NAMES = ("site", "prefix", *BAN_NAMES)
_HIDDEN = UsageHourRow.queries.between(1, HIDDEN_BELOW - 1)


def page_of_hours(
    session: Session, wanted: Wanted, limit: int, cursor: str | None
) -> tuple[Sequence[Counted], str | None]:
    """Return a page of the counts of ranges by hour, in their order. Raise Invalid for a foreign cursor."""
    columns = _columns(_HOUR_NAMES)
    after = None if cursor is None else _place(cursor, _HOUR_NAMES)
    found: list[Counted] = []
    for day in _days(wanted):
        _, end_s = day_bounds(day, day, wanted.time_zone)
        if after is not None and end_s <= int(after[0]):
            continue
        splits = _splits(session, wanted, day)
        statement = select(*columns, UsageHourRow.queries).where(*_of_day(wanted, day)).order_by(*columns)
        statement = statement.where(tuple_(*_columns(BAN_NAMES)).in_([ban for ban, may in splits.items() if may]))
        if after is not None:
            statement = statement.where(tuple_(*columns) > tuple_(*after))
        for *key, queries in session.execute(statement.limit(limit + 1 - len(found))):
            found.append(_counted(_HOUR_NAMES, key, figure(queries)))
        if len(found) > limit:
            break
    return cut_page(found, limit, lambda one: [getattr(one, name) for name in _HOUR_NAMES])


def page_of_ranges(
    session: Session, wanted: Wanted, limit: int, cursor: str | None
) -> tuple[Sequence[Counted], str | None]:
    """Return a page of the counts of ranges over all days, in their order. Raise Invalid for a foreign cursor."""
    columns, queries = _columns(_RANGE_NAMES), UsageHourRow.queries
    sums = defaultdict[_Ban, list[int]](lambda: [0, 0])
    partly: set[_Ban] = set()
    for day in _days(wanted):
        splits = _splits(session, wanted, day)
        partly |= {ban for ban, may in splits.items() if not may}
        if not any(splits.values()):
            continue
        parts = func.sum(case((_HIDDEN, 0), else_=queries)), func.sum(case((_HIDDEN, 1), else_=0))
        statement = select(*columns, *parts).where(*_of_day(wanted, day)).group_by(*columns)
        for *key, known, hidden in session.execute(statement):
            if splits[tuple(key[2:])]:
                sums[tuple(key)][0] += int(known)
                sums[tuple(key)][1] += int(hidden)
    after = None if cursor is None else tuple(_place(cursor, _RANGE_NAMES))
    found = [
        _counted(_RANGE_NAMES, key, bounded(*sums[key], is_complete=key[2:] not in partly))
        for key in sorted(sums)
        if after is None or key > after
    ]
    return cut_page(found[: limit + 1], limit, lambda one: [getattr(one, name) for name in _RANGE_NAMES])


def _splits(session: Session, wanted: Wanted, day: date) -> Mapping[_Ban, bool]:
    """Return whether a day may be split, for each ban that has counts of ranges on it."""
    ban, queries = _columns(BAN_NAMES), UsageHourRow.queries
    row = UsageDayRow
    of_day = select(*(getattr(row, name) for name in BAN_NAMES), row.queries)
    of_day = of_day.where(row.authority == wanted.authority, row.day == day.isoformat())
    totals = {tuple(key): total for *key, total in session.execute(of_day)}
    parts = (case((_HIDDEN, 0), else_=queries), case((_HIDDEN, 1), else_=0), case((_HIDDEN, queries), else_=0))
    of_parts = select(*ban, *map(func.sum, parts)).where(*_of_day(wanted, day)).group_by(*ban)
    return {
        tuple(key): may_split(totals.get(tuple(key), 0), int(shown), int(hidden), int(hidden_sum))
        for *key, shown, hidden, hidden_sum in session.execute(of_parts)
    }


def _of_day(wanted: Wanted, day: date) -> list[ColumnElement[bool]]:
    """Select the wanted rows of a day. Hours belong to the day in which they begin."""
    row = UsageHourRow
    start_s, end_s = day_bounds(day, day, wanted.time_zone)
    own = [row.authority == wanted.authority, row.hour_s >= start_s, row.hour_s < end_s]
    return own if wanted.service is None else [*own, row.service == wanted.service]


def _counted(names: Sequence[str], key: Sequence[Any], shown: Figure) -> Counted:
    return Counted(**dict(zip(names, key, strict=True)), figure=shown)


def _days(wanted: Wanted) -> Iterator[date]:
    for number in range((wanted.last - wanted.first).days + 1):
        yield wanted.first + timedelta(days=number)


def _columns(names: Sequence[str]) -> list[ColumnElement[str]]:
    return [getattr(UsageHourRow, name) for name in names]


def _place(cursor: str, names: Sequence[str]) -> Sequence[str | int]:
    return decode_place(cursor, [int if name == "hour_s" else str for name in names])
