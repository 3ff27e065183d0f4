"""Notices about feeds that fail repeatedly."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import FeedRow
from api.feeds.state import sql_is_failing
from api.notices.kinds import Due, Hour, Kind


def due_feeds(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield a notice to the authority of each feed that is failing, once for each time that it began to."""
    kind = Kind.FEED_FAILING
    for row in session.scalars(select(FeedRow).where(sql_is_failing()).order_by(FeedRow.service)):
        since_s = row.failing_since_s
        if since_s is not None and since_s > hour.since:
            key = f"{kind}/{row.service}/{since_s}"
            yield Due(key, kind, row.authority, {"feed": row.service, "at_s": since_s})
