"""The acts that made an object what it was at a revision."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from api.db.models import AuditRow

RECENT = 1_000
"""So many of the newest acts are looked through for those that set a field."""
FORMAL = ("ban.adopt", "ban.adopt_provisionally", "ban.confirm", "ban.renew", "ban.end")
"""Acts that are shown whatever came later: each left a term, an end or a decision behind."""
CHANGE = "ban.change"
"""Shown whatever came later where it took a term away that had not begun."""


def acts_on_ban(session: Session, subject: str, revision: int) -> list[tuple[AuditRow, list[str]]]:
    """The acts on a ban up to `revision` that made it what it was, each with the fields it set last; oldest first."""
    found = _newest(session, subject, revision)
    formal = _newest(session, subject, revision, AuditRow.act.in_((*FORMAL, CHANGE)))
    made: list[tuple[AuditRow, list[str]]] = []
    claimed: set[str] = set()
    for row in sorted({row.seq: row for row in (*found, *formal)}.values(), key=lambda row: row.seq, reverse=True):
        fields = _set(row) - claimed
        claimed |= fields
        if fields or _is_formal(row):
            made.append((row, sorted(fields)))
        if row.before is None:
            # What was there before was another ban on the same service, removed before it began.
            break
    return made[::-1]


def acts_on_mode(session: Session, subject: str, revision: int) -> list[tuple[AuditRow, list[str]]]:
    """Return the act that set the mode that the ban had at `revision`, with the fields that it set."""
    return [(row, fields) for row, fields in acts_on_ban(session, subject, revision) if "mode" in fields]


def acts_on(session: Session, subject: str, revision: int) -> list[tuple[AuditRow, list[str]]]:
    """The newest acts on any object up to `revision`, each with the fields it set; oldest first."""
    return [(row, sorted(_set(row))) for row in reversed(_newest(session, subject, revision))]


def _is_formal(row: AuditRow) -> bool:
    if row.act != CHANGE:
        return row.act in FORMAL
    before, after = row.before or {}, row.after or {}
    return bool(before.get("terms") != after.get("terms"))


def _newest(session: Session, subject: str, revision: int, *more: ColumnElement[bool]) -> Sequence[AuditRow]:
    statement = select(AuditRow).where(AuditRow.object == subject, AuditRow.revision <= revision, *more)
    return session.scalars(statement.order_by(AuditRow.seq.desc()).limit(RECENT)).all()


def _set(row: AuditRow) -> set[str]:
    """The fields that an act set; `number` is no choice of anybody's."""
    before, after = row.before or {}, row.after or {}
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} - {"number"}
