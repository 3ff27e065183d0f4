"""When a capture records, and when nodes have its file; also as SQL."""

from sqlalchemy import ColumnElement, and_

from api.captures.schemas import CaptureState
from api.db.models import CaptureRow
from api.db.period import earlier
from dnsfilter.policy.bounds import CAPTURE_KEPT_S
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant


def finish(row: CaptureRow) -> Instant:
    """Return when a capture ends, as planned or by an act."""
    return until(earlier(row.end_s, row.ended_s))


def deletion(row: CaptureRow) -> Instant:
    """Return when nodes delete its file, as planned or by an act."""
    return until(earlier(finish(row) + CAPTURE_KEPT_S, row.deleted_s))


def capture_state(row: CaptureRow, now: Instant) -> CaptureState:
    """Return the state of a capture at `now`. One that begins after `now` was made before the clock was set back."""
    if now >= deletion(row):
        return CaptureState.DELETED
    return CaptureState.IN_FORCE if row.start_s <= now < finish(row) else CaptureState.KEPT


def may_exist(now: Instant) -> ColumnElement[bool]:
    """Select the captures whose files may exist at `now`, and a few that have been deleted already."""
    return and_(CaptureRow.end_s > now - CAPTURE_KEPT_S, CaptureRow.deleted_s.is_(None))
