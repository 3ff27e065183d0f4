"""Convert rows of bindings to API answers."""

from api.bindings.schemas import BindingRead
from api.bindings.state import binding_state
from api.db.models import BindingRow
from api.http.formal_decisions import future_note
from api.timestamps import optional_text, through, timestamp_text
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.model import Ground, Instant

NOT_STORED = {"revision", "state", "recorded_by", "accepted_by", "notes"}
"""Fields that the audit log omits: they depend on the time, or repeat the account of an act."""


def read_binding(
    row: BindingRow,
    reference: str,
    now: Instant,
    time_zone: str,
    recorded_by: int | None = None,
    accepted_by: int | None = None,
) -> BindingRead:
    """Return a binding as the API shows it.

    `reference` is that of its ban, `time_zone` that of the bound authority. The accounts are those of its acts.
    """
    notes = future_note(f"the {row.ground} {row.instrument}", row.date, local_day(now, time_zone))
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
        recorded_by=recorded_by,
        accepted=optional_text(row.accepted_s),
        accepted_by=accepted_by,
        ended=optional_text(row.ended_s),
        ended_by=row.ended_by,
        ended_reason=row.ended_reason,
        ended_reference=row.ended_reference,
        link=row.link,
        new_names_at_once=row.new_names_at_once,
        state=binding_state(row, now),
        notes=notes,
        revision=row.revision,
    )
