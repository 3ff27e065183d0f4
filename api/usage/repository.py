"""Queries on usage."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypeVar

from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.orm import Session

from api.db.base import Base, Json
from api.db.bulk import add_to_all
from api.db.models import (
    AuditRow,
    BypassDayRow,
    PendingDayRow,
    UsageClientRow,
    UsageDayRow,
    UsageHourRow,
    UsageStreamRow,
    VersionRow,
)
from api.http.pagination import cut_page, decode_keys, equal
from api.usage.release import Figure, figure
from api.usage.state import LARGEST
from dnsfilter.policy.calendar import after_day, local_midnight

Row = UsageDayRow | UsageHourRow | BypassDayRow | PendingDayRow | UsageClientRow

BAN_NAMES = ("service", "ban_authority", "ground", "result")
DAY_NAMES = ("day", *BAN_NAMES)
STREAMS_KEPT = 20
"""Streams of one node whose batches are still recognised. A node begins one at each start."""


class Day(NamedTuple):
    """Queries of an authority on one of its days, by the ban that decided."""

    authority: str
    day: date
    service: str
    ban_authority: str
    ground: str
    result: str
    queries: int


class Bypass(NamedTuple):
    """Attempts of an authority's clients to bypass the resolver on one of its days."""

    authority: str
    day: date
    kind: str
    queries: int


class DayKey(NamedTuple):
    """The columns that identify a count of a day."""

    authority: str
    day: str
    service: str
    ban_authority: str
    ground: str
    result: str


class HourKey(NamedTuple):
    """The columns that identify a count of an hour."""

    authority: str
    site: str
    prefix: str
    hour_s: int
    service: str
    ban_authority: str
    ground: str
    result: str


class BypassKey(NamedTuple):
    """The columns that identify attempts to bypass the resolver on a day."""

    authority: str
    day: str
    kind: str


class PendingKey(NamedTuple):
    """The columns that identify queries for a pending name on a day."""

    authority: str
    day: str
    service: str
    name: str


class PendingName(NamedTuple):
    """Queries of an authority's clients for a pending name of a service. `name` is text, without a final dot."""

    authority: str
    service: str
    name: str
    queries: int


class ClientKey(NamedTuple):
    """The columns that identify refused queries of a client in one minute, in the order of lists."""

    authority: str
    minute_s: int
    service: str
    ban_authority: str
    ground: str
    client: str


Key = TypeVar("Key", DayKey, HourKey, BypassKey, PendingKey, ClientKey)


class Progress(NamedTuple):
    """How far a stream is counted: up to batch `sequence`, or the first `items` counts of that batch if not 0."""

    sequence: int
    items: int = 0

    @property
    def complete(self) -> int:
        """Return the sequence of the last batch that is counted completely, or 0."""
        return self.sequence - 1 if self.items else self.sequence

    def items_of(self, sequence: int) -> int:
        """Return how many counts of a later batch are stored."""
        return self.items if sequence == self.sequence else 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of an authority's usage: days `first` through `last`.

    The days are shown ones (`api.usage.release`).
    """

    authority: str
    service: str | None
    first: date
    last: date
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A count as it may be shown. What it is not split by is None."""

    service: str
    ban_authority: str
    ground: str
    result: str
    figure: Figure
    day: str | None = None
    hour_s: int | None = None
    site: str | None = None
    prefix: str | None = None
    label: str | None = None


def days(session: Session, authority: str, service: str | None, first: date, last: date) -> Sequence[Day]:
    """Return what was counted for the authority's clients, by day. Both days are included."""
    whose = equal({UsageDayRow.authority: authority, UsageDayRow.service: service})
    return _days(session, whose, first, last)


def days_by_ban(
    session: Session, ban_authority: str, services: Collection[str], first: date, last: date
) -> Sequence[Day]:
    """Return what the bans of `ban_authority` on these services decided, also for clients of other authorities.

    Both days are included.
    """
    whose = UsageDayRow.ban_authority == ban_authority, UsageDayRow.service.in_(services)
    return _days(session, whose, first, last)


def bypass(session: Session, authority: str, first: date, last: date) -> Sequence[Bypass]:
    """Return the attempts of the authority's clients to bypass the resolver. Both days are included."""
    row = BypassDayRow
    statement = (
        select(row.authority, row.day, row.kind, row.queries)
        .where(row.authority == authority, row.day.between(first.isoformat(), last.isoformat()))
        .order_by(row.day, row.kind)
    )
    return [Bypass(slug, date.fromisoformat(day), kind, n) for slug, day, kind, n in session.execute(statement)]


def pending_names(session: Session, service: str, since: date, authority: str | None = None) -> Sequence[PendingName]:
    """Return the queries for pending names of a service on days from `since` on, the most queried name first.

    With `authority`, return those of its clients only. Small numbers are not hidden: see `api.usage.release`.
    """
    row, total = PendingDayRow, func.sum(PendingDayRow.queries)
    statement = select(row.authority, row.service, row.name, total).where(row.service == service)
    if authority is not None:
        statement = statement.where(row.authority == authority)
    grouped = statement.where(row.day >= since.isoformat()).group_by(row.authority, row.service, row.name)
    ordered = grouped.order_by(total.desc(), row.name, row.authority)
    return [PendingName(slug, listed, name, int(n)) for slug, listed, name, n in session.execute(ordered)]


def page_of_days(
    session: Session, wanted: Wanted, limit: int, cursor: str | None
) -> tuple[Sequence[Counted], str | None]:
    """Return a page of the counts of days, in their order. Raise Invalid for a foreign cursor."""
    row = UsageDayRow
    columns = [getattr(row, name) for name in DAY_NAMES]
    within = row.day.between(wanted.first.isoformat(), wanted.last.isoformat())
    statement = select(*columns, row.queries).where(row.authority == wanted.authority, within)
    if wanted.service is not None:
        statement = statement.where(row.service == wanted.service)
    if cursor is not None:
        statement = statement.where(tuple_(*columns) > tuple_(*decode_keys(cursor, [str] * len(columns))))
    ordered = statement.order_by(*columns).limit(limit + 1)
    found = [
        Counted(**dict(zip(DAY_NAMES, key, strict=True)), figure=figure(n)) for *key, n in session.execute(ordered)
    ]
    return cut_page(found, limit, lambda one: [getattr(one, name) for name in DAY_NAMES])


def clients_page(
    session: Session, authority: str, service: str | None, start_s: int, end_s: int, limit: int, cursor: str | None
) -> tuple[Sequence[tuple[ClientKey, int]], str | None]:
    """Return a page of refused queries in minutes from `[start_s, end_s)`. Raise Invalid for a foreign cursor."""
    row = UsageClientRow
    columns = [getattr(row, name) for name in ClientKey._fields]
    statement = select(*columns, row.queries).where(
        row.authority == authority, row.minute_s >= start_s, row.minute_s < end_s
    )
    if service is not None:
        statement = statement.where(row.service == service)
    if cursor is not None:
        statement = statement.where(tuple_(*columns[1:]) > tuple_(*decode_keys(cursor, (int, str, str, str, str))))
    ordered = statement.order_by(*columns[1:]).limit(limit + 1)
    found = [(ClientKey(*key), queries) for *key, queries in session.execute(ordered)]
    return cut_page(found, limit, lambda one: one[0][1:])


def day_bounds(first: date, last: date, time_zone: str) -> tuple[int, int]:
    """Return the instants `[start, end)` of the days from `first` through `last`."""
    return local_midnight(first, time_zone), after_day(last, time_zone)


def progress(session: Session, node: int, stream: str) -> Progress:
    """Return how far a node's stream is counted."""
    row = session.get(UsageStreamRow, (node, stream), populate_existing=True)
    return Progress(0) if row is None else Progress(row.sequence, row.items)


def note_progress(session: Session, node: int, stream: str, reached: Progress, taken_s: int) -> None:
    """Record how far a node's stream is counted. Forget its oldest streams."""
    row = UsageStreamRow
    session.merge(row(node=node, stream=stream, sequence=reached.sequence, items=reached.items, taken_s=taken_s))
    session.flush()
    newest = select(row.stream).where(row.node == node).order_by(row.taken_s.desc(), row.stream)
    for old in session.scalars(newest.offset(STREAMS_KEPT)).all():
        session.execute(delete(row).where(row.node == node, row.stream == old))


def former_authorities(session: Session, site: str, since_s: int) -> frozenset[str]:
    """Return the authorities of ranges at a site that have changed or gone since `since_s`, as they were then or later.

    Nodes still report what they counted for them.
    """
    row, entry = VersionRow, AuditRow
    before = select(entry.revision).where(entry.time_s < since_s).order_by(entry.seq.desc()).limit(1)
    revision = session.scalar(before) or 0
    changed = select(row.key).where(row.kind == "range", row.revision > revision)
    statement = select(row.key, row.revision, row.body).where(row.kind == "range", row.key.in_(changed))
    in_force: dict[tuple[str, int], Json | None] = {}
    for key, at, body in session.execute(statement.order_by(row.key, row.revision)):
        in_force[key, max(at, revision)] = body  # of those up to `revision`, the last one
    return frozenset(body["authority"] for body in in_force.values() if body is not None and body["site"] == site)


def _days(session: Session, whose: Iterable[ColumnElement[bool]], first: date, last: date) -> Sequence[Day]:
    row = UsageDayRow
    statement = select(*(getattr(row, name) for name in Day._fields)).where(
        *whose, row.day.between(first.isoformat(), last.isoformat())
    )
    ordered = statement.order_by(row.day, row.authority, row.service, row.ban_authority, row.ground, row.result)
    return [Day(slug, date.fromisoformat(day), *rest) for slug, day, *rest in session.execute(ordered)]


def add(session: Session, kind: type[Row], counts: Mapping[Key, int]) -> None:
    """Add to the counts of a table. A count stays at the largest number that it can hold."""
    rows = [{**key._asdict(), "queries": min(queries, LARGEST)} for key, queries in counts.items()]
    add_to_all(session, Base.metadata.tables[kind.__tablename__], rows, "queries", LARGEST)
