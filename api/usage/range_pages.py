"""Counts of ranges as they may be shown: by hour, or over some days.

A day is split into the hours of its ranges only if that reveals no hidden number (`api.usage.release.may_split`).
Otherwise its queries are in the authority's day only, as those of ranges with fewer than 16 addresses are.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Integer, and_, case, column, func, select, tuple_, values
from sqlalchemy.orm import Session

from api.db.models import RangeRow, UsageDayRow, UsageHourRow
from api.http.pagination import cut_page, decode_keys
from api.usage.release import Figure, bounded, figure, may_split
from api.usage.repository import BAN_NAMES, DAY_NAMES, Counted, Wanted, day_bounds
from api.usage.state import HIDDEN_BELOW

_Key: TypeAlias = tuple[str, ...]
"""The site and the prefix of a range if it is split by them, and the values of `BAN_NAMES`."""


class _Day(NamedTuple):
    """A day (ISO 8601) of the authority, which is the instants `[start_s, end_s)`."""

    name: str
    start_s: int
    end_s: int


class _Part(NamedTuple):
    """Counts of hours on a day: the sum of those that are shown, how many are hidden, and the sum of these."""

    day: _Day
    key: _Key
    shown: int
    hidden: int
    hidden_sum: int

    @property
    def ban(self) -> _Key:
        """Return the values of `BAN_NAMES`."""
        return self.key[-len(BAN_NAMES) :]


_HOUR_NAMES = ("hour_s", "site", "prefix", *BAN_NAMES)
_RANGE_NAMES = ("site", "prefix", *BAN_NAMES)
_HIDDEN = UsageHourRow.queries.between(1, HIDDEN_BELOW - 1)


def page_of_hours(
    session: Session, wanted: Wanted, limit: int, cursor: str | None
) -> tuple[Sequence[Counted], str | None]:
    """Return a page of the counts of ranges by hour, in their order. Raise Invalid for a foreign cursor."""
    columns = _columns(_HOUR_NAMES)
    after = None if cursor is None else _cursor_keys(cursor, _HOUR_NAMES)
    found: list[Counted] = []
    for days in _growing(_days(wanted, 0 if after is None else int(after[0]))):
        for day, splits in _splits(session, wanted, _parts(session, wanted, days, BAN_NAMES)).items():
            if not any(splits.values()):
                continue
            shown = tuple_(*_columns(BAN_NAMES)).in_([ban for ban, may in splits.items() if may])
            own = UsageHourRow.hour_s >= day.start_s, UsageHourRow.hour_s < day.end_s
            statement = select(*columns, UsageHourRow.queries).where(*_of(wanted), *own, shown).order_by(*columns)
            if after is not None:
                statement = statement.where(tuple_(*columns) > tuple_(*after))
            for *key, queries in session.execute(statement.limit(limit + 1 - len(found))):
                found.append(_counted(_HOUR_NAMES, key, figure(queries)))
            if len(found) > limit:
                return cut_page(found, limit, _hour_keys)
    return cut_page(found, limit, _hour_keys)


def page_of_ranges(
    session: Session, wanted: Wanted, limit: int, cursor: str | None
) -> tuple[Sequence[Counted], str | None]:
    """Return a page of the counts of ranges over all days, in their order. Raise Invalid for a foreign cursor."""
    after = None if cursor is None else tuple(_cursor_keys(cursor, _RANGE_NAMES))
    days = _days(wanted)
    parts = _parts(session, wanted, days, _RANGE_NAMES)
    of_days = _splits(session, wanted, parts)
    sums = defaultdict[_Key, list[int]](lambda: [0, 0])
    for part in parts:
        if of_days[part.day][part.ban]:
            sums[part.key][0] += part.shown
            sums[part.key][1] += part.hidden
    partly = {ban for splits in of_days.values() for ban, may in splits.items() if not may}
    found = [
        _counted(_RANGE_NAMES, key, bounded(*sums[key], is_complete=key[-len(BAN_NAMES) :] not in partly))
        for key in sorted(sums)
        if after is None or key > after
    ]
    return cut_page(found[: limit + 1], limit, lambda one: [getattr(one, name) for name in _RANGE_NAMES])


def _splits(session: Session, wanted: Wanted, parts: Sequence[_Part]) -> Mapping[_Day, Mapping[_Key, bool]]:
    """Return whether each day may be split, for each ban that has counts of ranges on it. Days are in order."""
    sums = defaultdict[_Day, dict[_Key, list[int]]](dict)
    for part in parts:
        known = sums[part.day].setdefault(part.ban, [0, 0, 0])
        for index, queries in enumerate((part.shown, part.hidden, part.hidden_sum)):
            known[index] += queries
    row = UsageDayRow
    of_days = select(*(getattr(row, name) for name in DAY_NAMES), row.queries)
    of_days = of_days.where(row.authority == wanted.authority, row.day.in_([day.name for day in sums]))
    totals = {tuple(key): total for *key, total in session.execute(of_days)}
    return {
        day: {ban: may_split(totals.get((day.name, *ban), 0), *sums[day][ban]) for ban in sums[day]}
        for day in sorted(sums)
    }


def _parts(session: Session, wanted: Wanted, days: Sequence[_Day], names: Sequence[str]) -> Sequence[_Part]:
    """Return the counts of ranges on some days, by the values of `names`. Hours belong to the day in which they begin.

    One query reads all days.
    """
    if not days:
        return []
    hour, queries = UsageHourRow.hour_s, UsageHourRow.queries
    fields = column("number", Integer), column("start_s", hour.type), column("end_s", hour.type)
    rows = [(number, day.start_s, day.end_s) for number, day in enumerate(days)]
    known = values(*fields, name="days", literal_binds=True).data(rows).cte()
    sums = (case((_HIDDEN, 0), else_=queries), case((_HIDDEN, 1), else_=0), case((_HIDDEN, queries), else_=0))
    keys = known.c.number, *_columns(names)
    statement = select(*keys, *map(func.sum, sums)).where(*_of(wanted)).group_by(*keys)
    statement = statement.join(known, and_(hour >= known.c.start_s, hour < known.c.end_s))
    found = session.execute(statement)
    return [
        _Part(days[number], tuple(key), int(shown), int(hidden), int(hidden_sum))
        for number, *key, shown, hidden, hidden_sum in found
    ]


def _of(wanted: Wanted) -> list[ColumnElement[bool]]:
    own = [UsageHourRow.authority == wanted.authority]
    return own if wanted.service is None else [*own, UsageHourRow.service == wanted.service]


def _counted(names: Sequence[str], key: Sequence[Any], shown: Figure) -> Counted:
    return Counted(**dict(zip(names, key, strict=True)), figure=shown)


def _days(wanted: Wanted, since_s: int = 0) -> list[_Day]:
    """Return the wanted days that end after an instant."""
    dates = (wanted.first + timedelta(days=number) for number in range((wanted.last - wanted.first).days + 1))
    days = (_Day(day.isoformat(), *day_bounds(day, day, wanted.time_zone)) for day in dates)
    return [day for day in days if day.end_s > since_s]


def _growing(days: Sequence[_Day]) -> Iterator[Sequence[_Day]]:
    """Yield the days in few parts, the first ones small: a page is often complete after a day."""
    start, size = 0, 1
    while start < len(days):
        yield days[start : start + size]
        start, size = start + size, 2 * size


def _hour_keys(one: Counted) -> list[Any]:
    return [getattr(one, name) for name in _HOUR_NAMES]


def labelled(session: Session, authority: str, rows: Sequence[Counted]) -> Sequence[Counted]:
    """Return counts of ranges with the labels that the authority's ranges have now."""
    if all(row.prefix is None for row in rows):
        return rows
    row = RangeRow
    known = select(row.site, row.prefix, row.label).where(row.authority == authority, row.label != "")
    labels = {(site, prefix): label for site, prefix, label in session.execute(known)}
    return [replace(row, label=labels.get((row.site or "", row.prefix or ""))) for row in rows]


def _columns(names: Sequence[str]) -> list[ColumnElement[str]]:
    return [getattr(UsageHourRow, name) for name in names]


def _cursor_keys(cursor: str, names: Sequence[str]) -> Sequence[str | int]:
    return decode_keys(cursor, [int if name == "hour_s" else str for name in names])
