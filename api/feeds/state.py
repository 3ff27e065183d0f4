"""When a feed is fetched again, and when its failures are reported."""

from sqlalchemy import ColumnElement, or_

from api.db.models import FeedRow
from dnsfilter.policy.model import Instant

HOUR_S = 3600
REPEATED = 5
"""Failures in a row, over four hours with the pauses below, after which a feed is failing, and people are notified."""
FIRST_PAUSE_S = 15 * 60
SPREAD = 0.1
"""Part of a pause by which it may be longer or shorter, so that a source is not asked by everybody at once."""


def is_failing(row: FeedRow) -> bool:
    """Return whether a feed has failed repeatedly."""
    return row.failures >= REPEATED


def sql_is_failing() -> ColumnElement[bool]:
    """Select the feeds for which `is_failing` returns True."""
    return FeedRow.failures >= REPEATED


def sql_is_due(now: Instant) -> ColumnElement[bool]:
    """Select the feeds to fetch now. One that is due later than it can be is due too: the clock was set back."""
    return or_(FeedRow.next_s <= now, FeedRow.next_s > now + 2 * FeedRow.every_s)


def pause_s(row: FeedRow, share: float) -> int:
    """Return the seconds until the next fetch. Failures shorten the pause at first. `share` from 0 to 1 spreads it."""
    usual = row.every_s
    if row.failures:
        usual = min(usual, FIRST_PAUSE_S * 2 ** min(row.failures - 1, 16))
    return round(usual * (1 + SPREAD * (2 * share - 1)))
