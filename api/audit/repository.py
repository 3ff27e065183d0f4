"""Queries on the audit; nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from api.db.models import AuditRow, MatterRow
from api.pagination import select_page
from dnsfilter.policy.model import Instant

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; None leaves a field open.

    `visible` are the authorities whose matters may be told, `act` is a whole act or, without a dot, its first word;
    the time is in `[since, until)`.
    """

    visible: frozenset[str] | None = None
    act: str | None = None
    subject: str | None = None
    account: int | None = None
    since: Instant | None = None
    until: Instant | None = None


def page(
    session: Session, wanted: Wanted, limit: int, cursor: str | None, *, newest_first: bool = True
) -> tuple[Sequence[AuditRow], str | None]:
    """A page of entries by number."""
    statement = select(AuditRow).where(*_spanned(session, wanted))
    if wanted.visible is not None:
        matters = select(MatterRow.seq).where(MatterRow.authority.in_(wanted.visible))
        statement = statement.where(AuditRow.seq.in_(matters))
    if wanted.act is not None:
        whole = "." in wanted.act
        named = AuditRow.act == wanted.act if whole else AuditRow.act.startswith(f"{wanted.act}.", autoescape=True)
        statement = statement.where(named)
    if wanted.subject is not None:
        statement = statement.where(AuditRow.object == wanted.subject)
    if wanted.account is not None:
        statement = statement.where(AuditRow.account == wanted.account)
    return select_page(session, statement, AuditRow.seq, int, limit, cursor, newest_first=newest_first)


def _spanned(session: Session, wanted: Wanted) -> list[ColumnElement[bool]]:
    """The span of time as one of numbers, by which the list is read, and then exactly.

    Times follow the numbers but for a clock that was set back: a day on both sides is looked through.
    """
    found = []
    if wanted.since is not None:
        earlier = select(AuditRow.seq).where(AuditRow.time_s < wanted.since - DAY_S).order_by(AuditRow.time_s.desc())
        last = session.scalar(earlier.limit(1))
        # The sum keeps the planner from sorting a whole span of times by number.
        found += [AuditRow.seq > (last or 0), AuditRow.time_s + 0 >= wanted.since]
    if wanted.until is not None:
        later = select(AuditRow.seq).where(AuditRow.time_s >= wanted.until + DAY_S).order_by(AuditRow.time_s)
        first = session.scalar(later.limit(1))
        found += [AuditRow.time_s + 0 < wanted.until]
        if first is not None:
            found += [AuditRow.seq < first]
    return found


def of_revision(session: Session, revision: int) -> Sequence[AuditRow]:
    """The entries that made a revision, in order."""
    return session.scalars(select(AuditRow).where(AuditRow.revision == revision).order_by(AuditRow.seq)).all()
