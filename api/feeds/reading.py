"""Convert rows of feeds to API answers."""

from api.db.models import FeedRow
from api.feeds.failures import Failure
from api.feeds.schemas import FeedRead
from api.feeds.state import HOUR_S
from api.timestamps import optional_text, timestamp_text
from blocklists.formats.known import Format


def read_feed(row: FeedRow) -> FeedRead:
    """Return a feed as the API shows it."""
    return FeedRead(
        service=row.service,
        source=row.source,
        format=Format(row.format) if row.format else None,
        exact=row.exact,
        every_hours=row.every_s // HOUR_S,
        next=timestamp_text(row.next_s),
        fetched=optional_text(row.fetched_s),
        good=optional_text(row.good_s),
        names=row.names,
        skipped=row.skipped,
        failures=row.failures,
        failure=Failure(row.failure) if row.failure else None,
        message=row.message,
        update=row.last_update,
    )
