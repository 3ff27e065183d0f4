"""Convert rows of requests to API answers and audit log entries."""

from api.db.base import Json
from api.db.models import BanRow, RequestRow
from api.requests.schemas import RequestRead
from api.requests.state import request_state
from api.timestamps import optional_text, timestamp_text
from dnsfilter.policy.model import Instant, Mode


def read_request(row: RequestRow, ban: BanRow, now: Instant) -> RequestRead:
    """Return a request about `ban` as the API shows it."""
    return RequestRead(
        number=row.number,
        ban=f"{ban.authority}/{ban.service}",
        ban_number=row.ban,
        mode=Mode(row.mode),
        until=optional_text(row.until_s),
        reason=row.reason,
        requested=timestamp_text(row.requested_s),
        requested_by=row.requested_by,
        approved=optional_text(row.approved_s),
        rejected=optional_text(row.rejected_s),
        withdrawn=optional_text(row.withdrawn_s),
        decided_by=row.decided_by,
        note=row.note,
        state=request_state(row, ban, now),
        revision=row.revision,
    )


def shown_request(row: RequestRow, ban: BanRow) -> Json:
    """Return a request as the audit log stores it, without fields that depend on the time."""
    return read_request(row, ban, 0).model_dump(mode="json", exclude={"revision", "state"})
