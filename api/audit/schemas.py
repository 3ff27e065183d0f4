"""Audit entries as read."""

from typing import Any

from api.db.models import AuditRow
from api.moments import moment_text
from api.schemas import Read


class AuditRead(Read):
    """One act: who did what to which object, and what it was before and after."""

    seq: int
    time: str
    actor: str
    act: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    revision: int


def read_entry(row: AuditRow) -> AuditRead:
    """An entry as the API shows it."""
    return AuditRead(
        seq=row.seq,
        time=moment_text(row.time_s),
        actor=row.actor,
        act=row.act,
        object=row.object,
        before=row.before,
        after=row.after,
        revision=row.revision,
    )
