"""Convert notices to API schemas."""

from api.db.models import NoticeRow
from api.notices.repository import state_of
from api.notices.schemas import NoticeRead
from api.timestamps import optional_text, timestamp_text


def read_notice(row: NoticeRow) -> NoticeRead:
    """Return a notice as the API shows it."""
    return NoticeRead(
        number=row.number,
        kind=row.kind,
        authority=row.authority,
        ban=row.facts.get("ban"),
        state=state_of(row),
        recorded=timestamp_text(row.made_s),
        sent=optional_text(row.sent_s),
        next_try=optional_text(row.next_try_s),
        tries=row.tries,
        failure=row.failure,
    )
