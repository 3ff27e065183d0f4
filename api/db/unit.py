"""The unit of work: one session, and the record of the acts done in it."""

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models.record import INSTALLATION, AuditRow, InstallationRow


@dataclass(slots=True)
class UnitOfWork:
    """One transaction by one actor at one instant. Acts done in it share one new revision."""

    session: Session
    actor: str
    now_s: int
    acted: bool = field(default=False, init=False)

    @property
    def revision(self) -> int:
        """The database's revision as this transaction sees it, with its own acts."""
        return self._installation().revision

    def new_revision(self) -> int:
        """The revision that this unit's acts make, for the rows that change; raises the database's once."""
        row = self._installation()
        if not self.acted:
            row.revision += 1
            self.acted = True
        return row.revision

    def record(self, act: str, subject: str, before: Json | None, after: Json | None) -> None:
        """Add the audit entry of an act on `subject`."""
        self.session.add(
            AuditRow(
                time_s=self.now_s,
                actor=self.actor,
                act=act,
                object=subject,
                before=before,
                after=after,
                revision=self.new_revision(),
            )
        )

    def _installation(self) -> InstallationRow:
        return self.session.get_one(InstallationRow, INSTALLATION)
