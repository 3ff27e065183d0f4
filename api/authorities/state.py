"""State of an authority (open, closing, closed), and the checks that nothing there lasts beyond its closing."""

from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, and_

from api.authorities.schemas import AuthorityState
from api.db.models import AuthorityRow
from api.errors import Conflict
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import Text

MAX_CLIENT_MONTHS: Final = 6
"""Months that one act may set the usage level `client` for."""


def authority_state(row: AuthorityRow, now: Instant) -> AuthorityState:
    """Return the state of an authority at `now`."""
    if is_closed(row.closes_s, now):
        return AuthorityState.CLOSED
    return AuthorityState.OPEN if row.closes_s is None else AuthorityState.CLOSING


def is_closed(closes_s: Instant | None, now: Instant) -> bool:
    """Return whether an authority is closed at `now`, if it closes at `closes_s` (None: never)."""
    return closes_s is not None and closes_s <= now


def sql_is_closed(now: Instant) -> ColumnElement[bool]:
    """Select the authorities that are closed at `now`."""
    return and_(AuthorityRow.closes_s.is_not(None), AuthorityRow.closes_s <= now)


def has_client_level(row: AuthorityRow, at: Instant, for_s: int = 1) -> bool:
    """Return whether the authority's usage is at the level `client` in some of the `for_s` seconds from `at`."""
    since_s, until_s = row.client_since_s, row.client_end_s
    return since_s is not None and until_s is not None and since_s < at + for_s and at < until_s


def demand_open(row: AuthorityRow, now: Instant) -> None:
    """Raise `Conflict` if the authority is closed."""
    if authority_state(row, now) is AuthorityState.CLOSED:
        raise Conflict(Text("authority {slug} closed on {day}", slug=row.slug, day=_day(row)))


def demand_within(row: AuthorityRow, end: Instant | None, now: Instant) -> None:
    """Raise `Conflict` if the authority is closed, or closes before `end`."""
    demand_open(row, now)
    if row.closes_s is not None and (end is None or end > row.closes_s):
        at = at_words(row.closes_s, row.time_zone)
        raise Conflict(
            Text(
                "authority {slug} closes on {at}: give an end that is not later, for example {command}",
                slug=row.slug,
                at=at,
                command=f'--until "{at}"',
            )
        )


def _day(row: AuthorityRow) -> date | str:
    return "" if row.closes_s is None else local_day(row.closes_s, row.time_zone)
