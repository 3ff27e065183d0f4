"""Queries on coverage."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Row, and_, or_, select, tuple_
from sqlalchemy.orm import Session

from api.db.base import Base, Json
from api.db.bulk import raise_all, replace_all
from api.db.models import AuthorityRow, CoverageDayRow, CoverageRow, RangeRow
from api.http.pagination import equal, select_page
from api.usage.state import COVERAGE_KEPT_S, HOUR_S, LARGEST, SILENT_HOURS, WEEK_S, WEEKS_COMPARED
from dnsfilter.policy.model import DAY_S, Usage

RowOfRange = TypeVar("RowOfRange", CoverageRow, CoverageDayRow)

HOURS_OF_DAY = DAY_S // HOUR_S
AT_ONCE = 1000
"""Ranges that one query names."""


class RangeKey(NamedTuple):
    """A range of an authority. It may no longer be registered."""

    authority: str
    site: str
    prefix: str


Hours = Mapping[int, int]
"""Queries by the start of the hour."""


class Registered(NamedTuple):
    """A registered range, its authority's level, and when it last asked."""

    key: RangeKey
    usage: Usage
    last_asked_s: int | None


def page(
    session: Session, authority: str, funding: str | None, audience: str | None, limit: int, cursor: str | None
) -> tuple[Sequence[RangeRow], str | None]:
    """Return a page of an authority's ranges, in the order in which they were registered."""
    wanted = equal({RangeRow.authority: authority, RangeRow.funding: funding, RangeRow.audience: audience})
    return select_page(session, select(RangeRow).where(*wanted), RangeRow.id, int, limit, cursor)


def last_asked(session: Session, keys: Iterable[RangeKey]) -> Mapping[RangeKey, int]:
    """Return when each of some ranges last asked. One that never asked is missing."""
    return {key: row.last_asked_s for key, row in _rows(session, CoverageRow, list(keys))}


def hours(session: Session, keys: Iterable[RangeKey], now_s: int) -> Mapping[RangeKey, Hours]:
    """Return the kept hours of some ranges."""
    since = CoverageDayRow.day_s > now_s - COVERAGE_KEPT_S - DAY_S
    return _by_range(row for _, row in _rows(session, CoverageDayRow, list(keys), since))


def registered(session: Session) -> Sequence[Registered]:
    """Return all registered ranges of all authorities."""
    row, asked = RangeRow, CoverageRow
    same = and_(asked.authority == row.authority, asked.site == row.site, asked.prefix == row.prefix)
    statement = (
        select(row.authority, row.site, row.prefix, AuthorityRow.usage, asked.last_asked_s)
        .join(AuthorityRow, AuthorityRow.slug == row.authority)
        .outerjoin(asked, same)
    )
    return [Registered(RangeKey(*key), Usage(usage), last_s) for *key, usage, last_s in session.execute(statement)]


def compared_hours(session: Session, now_s: int) -> Mapping[RangeKey, Hours]:
    """Return the hours to compare the present silence of ranges with. Omit ranges whose state needs no comparison."""
    day, asked = CoverageDayRow, CoverageRow
    same = and_(asked.authority == day.authority, asked.site == day.site, asked.prefix == day.prefix)
    silent = asked.last_asked_s.between(now_s - WEEK_S, now_s - SILENT_HOURS * HOUR_S)
    weeks = (week * WEEK_S for week in range(1, WEEKS_COMPARED + 1))
    within = or_(*(and_(day.day_s > asked.last_asked_s - DAY_S - back, day.day_s <= now_s - back) for back in weeks))
    statement = select(day.authority, day.site, day.prefix, day.day_s, day.hours).join(asked, same)
    return _by_range(session.execute(statement.where(silent, within)))


def add(session: Session, asked: Mapping[RangeKey, int], counts: Mapping[RangeKey, Hours]) -> None:
    """Record when ranges last asked, and add queries to their hours."""
    tables = Base.metadata.tables
    last = [{**key._asdict(), "last_asked_s": asked_s} for key, asked_s in asked.items()]
    raise_all(session, tables[CoverageRow.__tablename__], last, "last_asked_s")
    days = {(key, hour_s - hour_s % DAY_S) for key, own in counts.items() for hour_s in own}
    named = CoverageDayRow.day_s.in_({day_s for _, day_s in days})
    known = _by_day(session, list(counts), named)
    after: list[Json] = []
    for key, day_s in days:
        before, own = known.get((key, day_s), [0] * HOURS_OF_DAY), counts[key]
        hours = [min(queries + own.get(day_s + number * HOUR_S, 0), LARGEST) for number, queries in enumerate(before)]
        after.append({**key._asdict(), "day_s": day_s, "hours": hours})
    replace_all(session, tables[CoverageDayRow.__tablename__], after, "hours")


def _by_day(
    session: Session, keys: Sequence[RangeKey], *where: ColumnElement[bool]
) -> Mapping[tuple[RangeKey, int], list[int]]:
    """Return the hours of some days of ranges, by range and day."""
    row, found = CoverageDayRow, {}
    for start in range(0, len(keys), AT_ONCE):
        named = tuple_(row.authority, row.site, row.prefix).in_(keys[start : start + AT_ONCE])
        statement = select(row.authority, row.site, row.prefix, row.day_s, row.hours).where(named, *where)
        found.update({(RangeKey(*key), day_s): hours for *key, day_s, hours in session.execute(statement)})
    return found


def _rows(
    session: Session, kind: type[RowOfRange], keys: Sequence[RangeKey], *where: ColumnElement[bool]
) -> Iterator[tuple[RangeKey, RowOfRange]]:
    for start in range(0, len(keys), AT_ONCE):
        named = tuple_(kind.authority, kind.site, kind.prefix).in_(keys[start : start + AT_ONCE])
        for row in session.scalars(select(kind).where(named, *where)):
            yield RangeKey(row.authority, row.site, row.prefix), row


def _by_range(rows: Iterable[CoverageDayRow | Row[tuple[str, str, str, int, list[int]]]]) -> Mapping[RangeKey, Hours]:
    found: defaultdict[RangeKey, dict[int, int]] = defaultdict(dict)
    for row in rows:
        own = found[RangeKey(row.authority, row.site, row.prefix)]
        own.update((row.day_s + number * HOUR_S, queries) for number, queries in enumerate(row.hours))
    return found
