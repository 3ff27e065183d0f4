"""The index of the audit log by authority. Checks compare it with the entries, whose hashes cover their authorities."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from api.db.base import Base, Json
from api.db.bulk import BATCH, insert_all
from api.db.models.audit_log import AuditRow, MatterRow

_MATTERS = Base.metadata.tables[MatterRow.__tablename__]
_SLUG = re.compile(r"[a-z0-9-]{1,63}")


def add(session: Session, seq: int, authorities: Iterable[str]) -> None:
    """Index a new entry."""
    session.add_all(MatterRow(authority=authority, seq=seq) for authority in authorities)


def add_all(session: Session, entries: Iterable[Json]) -> None:
    """Index many entries, given by column."""
    rows = [{"authority": authority, "seq": entry["seq"]} for entry in entries for authority in entry["authorities"]]
    insert_all(session, _MATTERS, rows)


def derive(session: Session) -> None:
    """Index all entries. The index must be empty."""
    entries = session.execute(
        select(AuditRow.seq, AuditRow.authorities).order_by(AuditRow.seq), execution_options={"yield_per": BATCH}
    )
    for part in entries.partitions():
        add_all(session, [{"seq": seq, "authorities": _slugs(authorities)} for seq, authorities in part])


def _slugs(authorities: object) -> set[str]:
    """Return the valid slugs in a column's value. A damaged audit log may hold anything there."""
    listed = authorities if isinstance(authorities, list) else []
    return {each for each in listed if isinstance(each, str) and _SLUG.fullmatch(each)}


def first_fault(session: Session, entries: Sequence[AuditRow]) -> str | None:
    """Return the first difference between the index and these consecutive entries, or None."""
    if not entries:
        return None
    found = defaultdict[int, set[str]](set)
    between = MatterRow.seq.between(entries[0].seq, entries[-1].seq)
    for seq, authority in session.execute(select(MatterRow.seq, MatterRow.authority).where(between)):
        found[seq].add(authority)
    for entry in entries:
        if found[entry.seq] != set(entry.authorities):
            wanted, held = (", ".join(sorted(some)) or "no authority" for some in (entry.authorities, found[entry.seq]))
            return f"entry {entry.seq} concerns {wanted}, but its rows in the table matters name {held}"
    return None


def surplus_fault(session: Session) -> str | None:
    """Return a message about an entry that only the index has, or None."""
    last = select(func.coalesce(func.max(AuditRow.seq), 0)).scalar_subquery()
    seq = session.scalar(select(MatterRow.seq).where(or_(MatterRow.seq < 1, MatterRow.seq > last)).limit(1))
    return None if seq is None else f"the table matters names entry {seq}, which the audit log does not have"
