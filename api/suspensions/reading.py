"""Convert rows of suspensions to API answers."""

from api.db.models import SuspensionRow
from api.suspensions.schemas import SuspensionRead
from api.suspensions.state import suspension_state
from api.timestamps import optional_text, timestamp_text
from dnsfilter.policy.model import Instant


def read_suspension(row: SuspensionRow, now: Instant, since: Instant, time_zone: str) -> SuspensionRead:
    """Return a suspension as the API shows it."""
    return SuspensionRead(
        number=row.number,
        authority=row.authority,
        time_zone=time_zone,
        start=timestamp_text(row.start_s),
        end=timestamp_text(row.end_s),
        since=timestamp_text(since),
        reason=row.reason,
        recorded_by=row.recorded_by,
        ended=optional_text(row.ended_s),
        ended_by=row.ended_by,
        ended_reason=row.ended_reason,
        state=suspension_state(row, now),
        revision=row.revision,
    )
