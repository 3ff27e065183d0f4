"""Convert rows of exemptions to API answers and audit log entries."""

from api.db.base import Json
from api.db.models import ExemptionRow
from api.exemptions.schemas import ExemptionRead
from api.exemptions.state import exemption_state
from api.publish.policy_rows import exemption_value
from api.timestamps import optional_text, through, timestamp_text
from dnsfilter.policy.exempted_times import exemption_begins
from dnsfilter.policy.model import Instant


def read_exemption(row: ExemptionRow, reference: str, now: Instant) -> ExemptionRead:
    """Return an exemption as the API shows it; `reference` is that of its ban."""
    value = exemption_value(row)
    begins = None if value is None else exemption_begins(value, now)
    return ExemptionRead(
        number=row.number,
        ban=reference,
        ban_number=row.ban,
        site=row.site,
        ranges=row.ranges,
        start=timestamp_text(row.start_s),
        end=timestamp_text(row.end_s),
        through=through(row.end_s, row.time_zone),
        hours=row.hours,
        time_zone=row.time_zone,
        reason=row.reason,
        requested=timestamp_text(row.requested_s),
        requested_by=row.requested_by,
        approved=optional_text(row.approved_s),
        rejected=optional_text(row.rejected_s),
        revoked=optional_text(row.revoked_s),
        decided_by=row.decided_by,
        note=row.note,
        state=exemption_state(row, now),
        holds=begins == now,
        next=None if begins == now else optional_text(begins),
        revision=row.revision,
    )


def shown_exemption(row: ExemptionRow, reference: str) -> Json:
    """Return an exemption as the audit log stores it, without fields that depend on the time."""
    read = read_exemption(row, reference, row.start_s)
    return read.model_dump(mode="json", exclude={"revision", "state", "holds", "next", "notes"})
