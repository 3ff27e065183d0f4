"""Queries on the audit; nothing here writes."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuditRow
from api.pagination import select_page


def page(
    session: Session, act: str | None, subject: str | None, limit: int, cursor: str | None
) -> tuple[Sequence[AuditRow], str | None]:
    """A page of entries, newest first."""
    statement = select(AuditRow)
    if act is not None:
        statement = statement.where(AuditRow.act == act)
    if subject is not None:
        statement = statement.where(AuditRow.object == subject)
    return select_page(session, statement, AuditRow.seq, int, limit, cursor, newest_first=True)


def of_revision(session: Session, revision: int) -> Sequence[AuditRow]:
    """The entries that made a revision, in order."""
    return session.scalars(select(AuditRow).where(AuditRow.revision == revision).order_by(AuditRow.seq)).all()
