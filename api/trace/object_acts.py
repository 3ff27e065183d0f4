"""The acts that made an object what it was at a revision."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from api.db.models import AuditRow

RECENT = 1_000
"""Number of the newest acts that are searched for those that set a field."""
FORMAL = ("ban.adopt", "ban.adopt_provisionally", "ban.confirm", "ban.renew", "ban.end", "name.refuse", "name.end")
"""Acts that are always shown: each added a term, an end or a formal decision."""
CHANGE = "ban.change"
"""An act that is always shown if it removed a term that had not begun."""


def acts_on_ban(session: Session, subject: str, revision: int) -> list[tuple[AuditRow, list[str]]]:
    """Return the acts up to `revision` that made a ban what it was, with the fields each set last; oldest first."""
    found = _newest(session, subject, revision)
    formal = _newest(session, subject, revision, AuditRow.act.in_((*FORMAL, CHANGE)))
    made: list[tuple[AuditRow, list[str]]] = []
    claimed: set[str] = set()
    for row in sorted({row.seq: row for row in (*found, *formal)}.values(), key=lambda row: row.seq, reverse=True):
        fields = fields_set(row) - claimed
        claimed |= fields
        if fields or _is_formal(row):
            made.append((row, sorted(fields)))
        if row.before is None:
            # Earlier acts concern another ban on the same service, which was removed before it began.
            break
    return made[::-1]


def acts_on_mode(session: Session, subject: str, revision: int) -> list[tuple[AuditRow, list[str]]]:
    """Return the act that set the mode of a ban at `revision`, with the fields that it set."""
    return [(row, fields) for row, fields in acts_on_ban(session, subject, revision) if "mode" in fields]


def acts_on(session: Session, subject: str, revision: int) -> list[tuple[AuditRow, list[str]]]:
    """Return the newest acts on any object up to `revision`, each with the fields that it set; oldest first."""
    return [(row, sorted(fields_set(row))) for row in reversed(_newest(session, subject, revision))]


def _is_formal(row: AuditRow) -> bool:
    if row.act != CHANGE:
        return row.act in FORMAL
    before, after = row.before or {}, row.after or {}
    return bool(before.get("terms") != after.get("terms"))


def _newest(session: Session, subject: str, revision: int, *more: ColumnElement[bool]) -> Sequence[AuditRow]:
    statement = select(AuditRow).where(AuditRow.object == subject, AuditRow.revision <= revision, *more)
    return session.scalars(statement.order_by(AuditRow.seq.desc()).limit(RECENT)).all()


def fields_set(row: AuditRow) -> set[str]:
    """Return the fields that an act set; `number` is assigned automatically."""
    before, after = row.before or {}, row.after or {}
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} - {"number"}
