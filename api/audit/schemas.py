"""Audit entries as read."""

from typing import Any

from api.db.models import AuditRow
from api.db.unit import entry_of
from api.schemas import Read


class AuditRead(Read):
    """One act: who did what to which object, and what it was before and after."""

    seq: int
    time: str
    account: int
    access: str
    request: str
    act: str
    object: str
    authorities: list[str]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    revision: int
    previous: str
    hash: str


def read_entry(row: AuditRow) -> AuditRead:
    """An entry as the API shows it, and as its hash was made of it."""
    return AuditRead(**entry_of(row))
