"""Convert rows of captures to API answers."""

from api.captures.schemas import CaptureOrder, CaptureRead, CaptureState
from api.captures.state import capture_state, deletion, finish
from api.db.models import CaptureRow
from api.timestamps import timestamp_text
from dnsfilter.policy.bounds import CAPTURE_KEPT_S, MAX_CAPTURE_S
from dnsfilter.policy.model import Instant


def read_capture(row: CaptureRow, now: Instant) -> CaptureRead:
    """Return a capture as the API shows it."""
    return CaptureRead(
        number=row.number,
        authority=row.authority,
        site=row.site,
        prefix=row.prefix,
        start=timestamp_text(row.start_s),
        end=timestamp_text(finish(row)),
        deleted=timestamp_text(deletion(row)),
        reason=row.reason,
        recorded_by=row.recorded_by,
        ended_by=row.ended_by,
        ended_reason=row.ended_reason,
        state=capture_state(row, now),
    )


def read_order(row: CaptureRow, now: Instant) -> CaptureOrder:
    """Return a capture as nodes get it. Durations need no agreement of clocks."""
    for_s = finish(row) - now if capture_state(row, now) is CaptureState.IN_FORCE else 0
    delete_s = min(max(0, deletion(row) - now), MAX_CAPTURE_S + CAPTURE_KEPT_S)
    return CaptureOrder(number=row.number, authority=row.authority, prefix=row.prefix, for_s=for_s, delete_s=delete_s)
