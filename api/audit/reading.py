"""Convert audit entries and checkpoints to API schemas."""

from api.audit.schemas import AuditRead, CheckpointRead
from api.audit.service import checkpoint_of
from api.db.models import AuditRow, CheckpointRow
from api.db.unit_of_work import entry_of


def read_entry(row: AuditRow) -> AuditRead:
    """Return an entry as the API shows it. Its hash covers the same fields, without a `token` that is null."""
    return AuditRead(**entry_of(row))


def read_checkpoint(row: CheckpointRow, installation: str) -> CheckpointRead:
    """Return a checkpoint as the API shows it."""
    return CheckpointRead(**checkpoint_of(row, installation).fields, delivered=row.delivered)
