"""Read-only queries on the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.db.models import AuditRow, MatterRow
from api.http.pagination import Paging
from api.http.parameters import demand_authority
from dnsfilter.policy.model import DAY_S, Instant

MANY = 5_000
"""Limit of counting. Checking this number of entries one by one takes about ten milliseconds."""
MAX_ACTS = 100
"""The most acts of one family."""
BEYOND = 2**31 - 1
"""Above the number of any entry. It fits the column, a 32-bit integer in PostgreSQL."""


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """A filter for entries; None leaves a field open.

    `visible` are the authorities whose entries the caller may see. `act` is a full name or, without a dot, its first
    word. The time is in `[since, until)`, and the number above `above`.
    """

    visible: frozenset[str] | None = None
    act: str | None = None
    subject: str | None = None
    account: int | None = None
    since: Instant | None = None
    until: Instant | None = None
    above: int = 0


def page(
    session: Session, wanted: EntryFilter, paging: Paging, *, newest_first: bool = True
) -> tuple[Sequence[AuditRow], str | None]:
    """Return a page of entries by number.

    Query planners lack the statistics to choose an index here. This function chooses the most selective index, reads it
    in order, and applies the other conditions to each entry.
    """
    span, exact = _number_span(session, wanted)
    span = replace(span, above=max(wanted.above, span.above))
    last = paging.after(int)
    if last is not None:
        last = max(0, min(last, BEYOND))
        span = (
            replace(span, below=min(last, span.below)) if newest_first else replace(span, above=max(last, span.above))
        )
    numbers: set[int] = set()
    for scan in _index_scans(session, wanted, exact):
        order = scan.number.desc() if newest_first else scan.number
        part = scan.statement.where(scan.number > span.above, scan.number < span.below)
        numbers |= set(session.scalars(part.order_by(order).limit(paging.limit + 1)))
    first = sorted(numbers, reverse=newest_first)[: paging.limit + 1]
    ordered = AuditRow.seq.desc() if newest_first else AuditRow.seq
    rows = session.scalars(select(AuditRow).where(AuditRow.seq.in_(first)).order_by(ordered)).all()
    return paging.cut(rows, lambda row: row.seq)


def demand_concerned(session: Session, authority: str) -> None:
    """Raise `Invalid` if the authority is not registered and no act concerns it. A removed authority passes."""
    if session.scalar(select(MatterRow.seq).where(MatterRow.authority == authority).limit(1)) is None:
        demand_authority(session, authority)


@dataclass(frozen=True, slots=True)
class _IndexScan:
    """A statement that selects entry numbers in the order of an index, and the column of the numbers."""

    statement: Select[Any]
    number: InstrumentedAttribute[int]


@dataclass(frozen=True, slots=True)
class _Span:
    """The entry numbers between two bounds, both exclusive."""

    above: int = 0
    below: int = BEYOND


def _index_scans(session: Session, wanted: EntryFilter, exact: Sequence[ColumnElement[bool]]) -> list[_IndexScan]:
    """Return statements that together select the numbers of the wanted entries."""
    acts = _acts(session, wanted.act) if wanted.act is not None else []
    entry, matter = select(AuditRow.seq), select(MatterRow.seq)
    known: dict[str, list[_IndexScan]] = {}
    # The order decides between indexes that select MANY entries or more.
    if wanted.subject is not None:
        known["object"] = [_IndexScan(entry.where(AuditRow.object == wanted.subject), AuditRow.seq)]
    if wanted.visible is not None:
        authorities = sorted(wanted.visible)
        known["matters"] = [_IndexScan(matter.where(MatterRow.authority == one), MatterRow.seq) for one in authorities]
    if wanted.account is not None:
        known["account"] = [_IndexScan(entry.where(AuditRow.account == wanted.account), AuditRow.seq)]
    if wanted.act is not None:
        known["act"] = [_IndexScan(entry.where(AuditRow.act == act), AuditRow.seq) for act in acts]
    if not known:
        return [_IndexScan(entry.where(*exact), AuditRow.seq)]
    chosen = min(known, key=lambda name: _count(session, known[name])) if len(known) > 1 else next(iter(known))
    others = [*_conditions(wanted, acts, leaving_out=chosen), *exact]
    if chosen == "matters" and others:
        others = [exists().where(AuditRow.seq == MatterRow.seq, *others).correlate(MatterRow)]
    return [_IndexScan(scan.statement.where(*others), scan.number) for scan in known[chosen]]


def _conditions(wanted: EntryFilter, acts: Sequence[str], leaving_out: str) -> list[ColumnElement[bool]]:
    """Return the conditions other than the chosen index, written so that the planner uses no other index."""
    found: dict[str, ColumnElement[bool]] = {}
    if wanted.subject is not None:
        found["object"] = AuditRow.object.concat("") == wanted.subject
    if wanted.visible is not None:
        theirs = exists().where(MatterRow.authority.in_(wanted.visible), MatterRow.seq == AuditRow.seq)
        found["matters"] = theirs.correlate(AuditRow)
    if wanted.account is not None:
        found["account"] = AuditRow.account + 0 == wanted.account
    if wanted.act is not None:
        found["act"] = AuditRow.act.concat("").in_(acts)
    return [condition for name, condition in found.items() if name != leaving_out]


def _count(session: Session, scans: Sequence[_IndexScan]) -> int:
    """Count the entries that the scans select, up to MANY."""
    total = 0
    for scan in scans:
        counted = scan.statement.limit(MANY - total).subquery()
        total += session.scalar(select(func.count()).select_from(counted)) or 0
        if total >= MANY:
            break
    return total


def _acts(session: Session, wanted: str) -> list[str]:
    """Return the act, or the recorded acts of the family, read one by one from their index."""
    if "." in wanted:
        return [wanted]
    found: list[str] = []
    last = f"{wanted}."
    while len(found) < MAX_ACTS:
        following = session.scalar(select(AuditRow.act).where(AuditRow.act > last).order_by(AuditRow.act).limit(1))
        if following is None or not following.startswith(f"{wanted}."):
            break
        found.append(following)
        last = following
    return found


def _number_span(session: Session, wanted: EntryFilter) -> tuple[_Span, list[ColumnElement[bool]]]:
    """Convert the time span to a span of entry numbers, and return the exact time conditions for each entry.

    Times ascend with the numbers unless a clock was set back. If it was set back by up to a day, no entry is missed.
    """
    span, exact = _Span(), list[ColumnElement[bool]]()
    time_s = AuditRow.time_s
    if wanted.since is not None:
        near = time_s >= wanted.since, time_s < wanted.since + DAY_S
        wide = time_s >= wanted.since, time_s < wanted.since + 2 * DAY_S
        first = _outermost(session, near, func.min(AuditRow.seq + 0), wide)
        if first is None:
            earlier = select(AuditRow.seq).where(time_s < wanted.since - DAY_S).order_by(time_s.desc())
            first = (session.scalar(earlier.limit(1)) or 0) + 1
        span = replace(span, above=first - 1)
        # The sum prevents the planner from sorting a complete time span by number.
        exact.append(time_s + 0 >= wanted.since)
    if wanted.until is not None:
        near = time_s >= wanted.until - DAY_S, time_s < wanted.until
        wide = time_s >= wanted.until - 2 * DAY_S, time_s < wanted.until
        last = _outermost(session, near, func.max(AuditRow.seq + 0), wide)
        if last is None:
            later = select(AuditRow.seq).where(time_s >= wanted.until + DAY_S).order_by(time_s)
            last = (session.scalar(later.limit(1)) or BEYOND) - 1
        span = replace(span, below=last + 1)
        exact.append(time_s + 0 < wanted.until)
    return span, exact


def _outermost(
    session: Session,
    near: tuple[ColumnElement[bool], ...],
    bound: ColumnElement[int],
    wide: tuple[ColumnElement[bool], ...],
) -> int | None:
    """Return the outermost entry number in `wide`, the two days inside an end of a span; None if `near` is empty.

    `near` is the outer one of the two days. An entry of the span beyond that number has a time that differs from the
    time of an entry in `near` by more than a day.
    """
    if session.scalar(select(AuditRow.seq).where(*near).limit(1)) is None:
        return None
    # The sum in `bound` makes the planner read the index of times instead of the entries.
    return session.scalar(select(bound).where(*wide))


def of_revision(session: Session, revision: int) -> Sequence[AuditRow]:
    """Return the entries that made a revision, in order."""
    return session.scalars(select(AuditRow).where(AuditRow.revision == revision).order_by(AuditRow.seq)).all()
