"""Queries on the audit; nothing here writes."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuditRow, MatterRow
from api.pagination import select_page


def page(
    session: Session,
    visible: frozenset[str] | None,
    act: str | None,
    subject: str | None,
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[AuditRow], str | None]:
    """A page of entries, newest first; of the matters of `visible`, unless it is None."""
    statement = select(AuditRow)
    if visible is not None:
        matters = select(MatterRow.seq).where(MatterRow.authority.in_(visible))
        statement = statement.where(AuditRow.seq.in_(matters))
    if act is not None:
        statement = statement.where(AuditRow.act == act)
    if subject is not None:
        statement = statement.where(AuditRow.object == subject)
    return select_page(session, statement, AuditRow.seq, int, limit, cursor, newest_first=True)


def of_revision(session: Session, revision: int) -> Sequence[AuditRow]:
    """The entries that made a revision, in order."""
    return session.scalars(select(AuditRow).where(AuditRow.revision == revision).order_by(AuditRow.seq)).all()
