"""Queries on revisions: the acts that made them, and the versions that they stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.orm import Session

from api.db.models import AuditRow, InstallationRow, PublicationRow, VersionRow
from api.db.models.audit_log import INSTALLATION
from api.errors import NotFound
from api.http.pagination import Paging, not_ours
from dnsfilter.policy.model import Instant

SHOWN_PUBLICATIONS = 20
WITHOUT_REVISION = ("account.", "checkpoint.", "grant.", "node.", "space.", "token.")
"""Prefixes of acts that change no policy and make no revision."""


@dataclass(frozen=True, slots=True)
class RevisionActs:
    """A revision: its first and last act, and their number."""

    number: int
    first: AuditRow
    last: AuditRow
    acts: int


def page(session: Session, paging: Paging) -> tuple[Sequence[RevisionActs], str | None]:
    """Return a page of revisions, newest first."""
    statement = select(AuditRow.revision).where(AuditRow.revision > 0).distinct()
    if (last := paging.after(int)) is not None:
        statement = statement.where(AuditRow.revision < last)
    numbers = session.scalars(statement.order_by(AuditRow.revision.desc()).limit(paging.limit + 1))
    shown, following = paging.cut(numbers, lambda number: number)
    return _made(session, shown), following


def get(session: Session, number: int) -> RevisionActs:
    """Return one revision; raise `NotFound` if there is none."""
    found = _made(session, [number]) if number > 0 else []
    if not found:
        raise NotFound(f"No revision {number}. See dnsfilterctl revision list.")
    return found[0]


def demand_recorded(session: Session, number: int) -> None:
    """Raise `NotFound` if no act has made this revision or a later one."""
    if number > session.get_one(InstallationRow, INSTALLATION).revision:
        raise NotFound(f"No revision {number}. See dnsfilterctl revision list.")


def in_force(session: Session, numbers: Sequence[int]) -> Mapping[int, Instant]:
    """Return when each revision's first snapshot came into force."""
    statement = (
        select(PublicationRow.revision, func.min(PublicationRow.id).label("first"))
        .where(PublicationRow.revision.in_(numbers))
        .group_by(PublicationRow.revision)
        .subquery()
    )
    rows = session.execute(
        select(PublicationRow.revision, PublicationRow.time_s).join(statement, PublicationRow.id == statement.c.first)
    )
    return {row.revision: row.time_s for row in rows}


def publications(session: Session, number: int) -> Sequence[PublicationRow]:
    """Return the newest publications of a revision, oldest first."""
    statement = select(PublicationRow).where(PublicationRow.revision == number).order_by(PublicationRow.id.desc())
    return session.scalars(statement.limit(SHOWN_PUBLICATIONS)).all()[::-1]


def versions(session: Session, number: int, paging: Paging) -> tuple[Sequence[VersionRow], str | None]:
    """Return a page of what a revision changed, by kind and key."""
    statement = select(VersionRow).where(VersionRow.revision == number)
    if (last := paging.after(str)) is not None:
        kind, slash, key = last.partition("/")
        if not slash:
            raise not_ours()
        after = or_(VersionRow.kind > kind, and_(VersionRow.kind == kind, VersionRow.key > key))
        statement = statement.where(after)
    rows = session.scalars(statement.order_by(VersionRow.kind, VersionRow.key).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: f"{row.kind}/{row.key}")


def before(session: Session, rows: Sequence[VersionRow], number: int) -> Mapping[tuple[str, str], VersionRow]:
    """Return the versions that the revision replaced, by kind and key."""
    found: dict[tuple[str, str], VersionRow] = {}
    for kind in {row.kind for row in rows}:
        keys = [row.key for row in rows if row.kind == kind]
        latest = (
            select(VersionRow.key, func.max(VersionRow.revision).label("revision"))
            .where(VersionRow.kind == kind, VersionRow.key.in_(keys), VersionRow.revision < number)
            .group_by(VersionRow.key)
            .subquery()
        )
        same = and_(VersionRow.key == latest.c.key, VersionRow.revision == latest.c.revision)
        for row in session.scalars(select(VersionRow).join(latest, same).where(VersionRow.kind == kind)):
            found[kind, row.key] = row
    return found


def _made(session: Session, numbers: Sequence[int]) -> list[RevisionActs]:
    """Return revisions with their acts, in the order of `numbers`.

    Acts that change no policy are recorded under the current revision; they do not count as its own.
    """
    own = and_(AuditRow.revision.in_(numbers), not_(or_(*map(AuditRow.act.startswith, WITHOUT_REVISION))))
    statement = (
        select(func.min(AuditRow.seq).label("seq"), func.max(AuditRow.seq).label("last"), func.count().label("acts"))
        .where(own)
        .group_by(AuditRow.revision)
    )
    rows = session.execute(statement).all()
    wanted = {seq for row in rows for seq in (row.seq, row.last)}
    entries = {row.seq: row for row in session.scalars(select(AuditRow).where(AuditRow.seq.in_(wanted)))}
    made = {
        entries[row.seq].revision: RevisionActs(
            entries[row.seq].revision, entries[row.seq], entries[row.last], row.acts
        )
        for row in rows
    }
    return [made[number] for number in numbers if number in made]
