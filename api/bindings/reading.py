"""Convert rows of bindings to API answers."""

from api.bindings.schemas import BindingRead
from api.bindings.state import binding_state
from api.db.models import BindingRow
from api.timestamps import optional_text, through, timestamp_text
from dnsfilter.policy.model import Ground, Instant


def read_binding(row: BindingRow, reference: str, now: Instant, time_zone: str) -> BindingRead:
    """Return a binding as the API shows it.

    `reference` is that of its ban, `time_zone` that of the bound authority.
    """
    return BindingRead(
        number=row.number,
        ban=reference,
        ban_number=row.ban,
        authority=row.authority,
        ground=Ground(row.ground),
        instrument=row.instrument,
        date=row.date,
        start=timestamp_text(row.start_s),
        end=optional_text(row.end_s),
        through=through(row.end_s, time_zone),
        recorded=timestamp_text(row.recorded_s),
        accepted=optional_text(row.accepted_s),
        ended=optional_text(row.ended_s),
        ended_by=row.ended_by,
        ended_reason=row.ended_reason,
        # Versions from before references existed have none.
        ended_reference=row.ended_reference or "",
        state=binding_state(row, now),
        revision=row.revision,
    )
