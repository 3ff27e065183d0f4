"""Totals of a day as events: what each ban refused, monitored and exempted in each authority.

A total is sent once, so it must be final: the day has ended in every time zone, and late reports have had time.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuthorityRow
from api.events.event_types import Event
from api.timestamps import timestamp_text
from api.usage import repository as usage
from api.usage.release import figure
from api.usage.repository import Day
from api.usage.state import NODES_KEEP_S, RESULTS
from dnsfilter.policy.calendar import after_day, local_day
from dnsfilter.policy.model import Usage

LAST_ZONE_S: Final = 12 * 3600
"""Seconds from the end of a day in UTC to its end in the last time zone, UTC-12."""
TYPE: Final = "totals.day"


def due_day(now_s: int) -> date:
    """Return the newest day whose totals are due."""
    return local_day(now_s - NODES_KEEP_S - LAST_ZONE_S, "UTC") - timedelta(days=1)


def due_s(day: date) -> int:
    """Return from when the totals of a day are due."""
    return after_day(day, "UTC") + LAST_ZONE_S + NODES_KEEP_S


def day_totals(session: Session, day: date) -> Iterator[Event]:
    """Yield an event for each authority, service and ban that has counts on its day. Numbers from 1 to 4 are hidden.

    Authorities at the level `none` have no events.
    """
    counted = select(AuthorityRow).where(AuthorityRow.usage != Usage.NONE).order_by(AuthorityRow.slug)
    for row in session.scalars(counted):
        end = timestamp_text(after_day(day, row.time_zone))
        for _, found in groupby(usage.days(session, row.slug, None, day, day), _ban):
            yield _event(list(found), end)


def _ban(row: Day) -> tuple[str, str, str]:
    return row.service, row.ban_authority, row.ground


def _event(rows: list[Day], end: str) -> Event:
    first = rows[0]
    queries = {row.result: row.queries for row in rows}
    figures = {result: figure(queries.get(result, 0)) for result in RESULTS}
    data = {
        "day": first.day.isoformat(),
        "authority": first.authority,
        "service": first.service,
        "ban_authority": first.ban_authority,
        "ground": first.ground,
        **{result: {"queries": found.queries, "below": found.below} for result, found in figures.items()},
    }
    identity = "/".join(("totals", first.day.isoformat(), first.authority, *_ban(first)))
    concerned = tuple(sorted({first.authority, first.ban_authority}))
    return Event(identity, "", TYPE, end, concerned, data, 0, 0)
