"""Queries on the audit; nothing here writes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.db.models import AuditRow, MatterRow
from api.http.pagination import cut_page, decode_cursor
from api.http.parameters import demand_authority
from dnsfilter.policy.model import Instant

DAY_S = 86_400
MANY = 5_000
"""So many entries are looked at one by one within some ten milliseconds."""
MAX_ACTS = 100
BEYOND = 2**31 - 1
"""No entry has that number: PostgreSQL compares it as what the column is, an integer of 32 bits."""


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
    """A page of entries by number.

    Planners know too little of a record to choose: the index that most narrows it is gone through in its order, and
    what else is wanted is asked of each entry.
    """
    span, exact = _spanned(session, wanted)
    last = decode_cursor(cursor, int) if cursor is not None else None
    if last is not None:
        last = max(0, min(last, BEYOND))
        span = (
            replace(span, below=min(last, span.below)) if newest_first else replace(span, above=max(last, span.above))
        )
    numbers: set[int] = set()
    for way in _ways(session, wanted, exact):
        order = way.number.desc() if newest_first else way.number
        part = way.statement.where(way.number > span.above, way.number < span.below)
        numbers |= set(session.scalars(part.order_by(order).limit(limit + 1)))
    first = sorted(numbers, reverse=newest_first)[: limit + 1]
    ordered = AuditRow.seq.desc() if newest_first else AuditRow.seq
    rows = session.scalars(select(AuditRow).where(AuditRow.seq.in_(first)).order_by(ordered)).all()
    return cut_page(rows, limit, lambda row: row.seq)


def demand_concerned(session: Session, authority: str) -> None:
    """Raise Invalid if the authority is neither registered nor, as one that was removed, concerned by an act."""
    if session.scalar(select(MatterRow.seq).where(MatterRow.authority == authority).limit(1)) is None:
        demand_authority(session, authority)


@dataclass(frozen=True, slots=True)
class _Way:
    """A statement that gives numbers of entries in the order of an index, and the column that holds them."""

    statement: Select[Any]
    number: InstrumentedAttribute[int]


@dataclass(frozen=True, slots=True)
class _Span:
    """Numbers of entries between two, neither of which is meant."""

    above: int = 0
    below: int = BEYOND


def _ways(session: Session, wanted: Wanted, exact: Sequence[ColumnElement[bool]]) -> list[_Way]:
    """Statements that together give the numbers of what is wanted."""
    acts = _acts(session, wanted.act) if wanted.act is not None else []
    entry, matter = select(AuditRow.seq), select(MatterRow.seq)
    known: dict[str, list[_Way]] = {}
    # The order decides between those that narrow little.
    if wanted.subject is not None:
        known["object"] = [_Way(entry.where(AuditRow.object == wanted.subject), AuditRow.seq)]
    if wanted.visible is not None:
        whose = sorted(wanted.visible)
        known["matters"] = [_Way(matter.where(MatterRow.authority == one), MatterRow.seq) for one in whose]
    if wanted.account is not None:
        known["account"] = [_Way(entry.where(AuditRow.account == wanted.account), AuditRow.seq)]
    if wanted.act is not None:
        known["act"] = [_Way(entry.where(AuditRow.act == act), AuditRow.seq) for act in acts]
    if not known:
        return [_Way(entry.where(*exact), AuditRow.seq)]
    chosen = min(known, key=lambda name: _count(session, known[name])) if len(known) > 1 else next(iter(known))
    others = [*_conditions(wanted, acts, leaving_out=chosen), *exact]
    if chosen == "matters" and others:
        others = [exists().where(AuditRow.seq == MatterRow.seq, *others).correlate(MatterRow)]
    return [_Way(way.statement.where(*others), way.number) for way in known[chosen]]


def _conditions(wanted: Wanted, acts: Sequence[str], leaving_out: str) -> list[ColumnElement[bool]]:
    """What is wanted besides the index that is gone through, said so that no other index is tried."""
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


def _count(session: Session, ways: Sequence[_Way]) -> int:
    """How many entries the ways lead to; many are not told from very many."""
    total = 0
    for way in ways:
        counted = way.statement.limit(MANY - total).subquery()
        total += session.scalar(select(func.count()).select_from(counted)) or 0
        if total >= MANY:
            break
    return total


def _acts(session: Session, wanted: str) -> list[str]:
    """The act, or the acts on record that begin with the word; from one to the next by their index."""
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


def _spanned(session: Session, wanted: Wanted) -> tuple[_Span, list[ColumnElement[bool]]]:
    """The span of time as one of numbers, by which the list is read, and as what is then asked of each entry.

    Times follow the numbers but for a clock that was set back: by up to a day, nothing is missed.
    """
    span, exact = _Span(), list[ColumnElement[bool]]()
    time_s = AuditRow.time_s
    if wanted.since is not None:
        near = time_s >= wanted.since, time_s < wanted.since + DAY_S
        wide = time_s >= wanted.since, time_s < wanted.since + 2 * DAY_S
        first = _told(session, near, func.min(AuditRow.seq + 0), wide)
        if first is None:
            earlier = select(AuditRow.seq).where(time_s < wanted.since - DAY_S).order_by(time_s.desc())
            first = (session.scalar(earlier.limit(1)) or 0) + 1
        span = replace(span, above=first - 1)
        # The sum keeps the planner from sorting a whole span of times by number.
        exact.append(time_s + 0 >= wanted.since)
    if wanted.until is not None:
        near = time_s >= wanted.until - DAY_S, time_s < wanted.until
        wide = time_s >= wanted.until - 2 * DAY_S, time_s < wanted.until
        last = _told(session, near, func.max(AuditRow.seq + 0), wide)
        if last is None:
            later = select(AuditRow.seq).where(time_s >= wanted.until + DAY_S).order_by(time_s)
            last = (session.scalar(later.limit(1)) or BEYOND) - 1
        span = replace(span, below=last + 1)
        exact.append(time_s + 0 < wanted.until)
    return span, exact


def _told(
    session: Session,
    near: tuple[ColumnElement[bool], ...],
    bound: ColumnElement[int],
    wide: tuple[ColumnElement[bool], ...],
) -> int | None:
    """The outermost number of two days inside an end of a span, if there is an entry in the outer one of them.

    What lies beyond that number, and in the span, has a time that differs from that entry's by more than a day.
    """
    if session.scalar(select(AuditRow.seq).where(*near).limit(1)) is None:
        return None
    # The sum in `bound` keeps the planner from going through the entries for it, instead of through their times.
    return session.scalar(select(bound).where(*wide))


def actors(authorities: Collection[str]) -> Select[int]:
    """Select the accounts that made an act that is a matter of one of `authorities`."""
    # Distinct: without statistics, PostgreSQL would go through all these entries again for each account.
    theirs = select(AuditRow.account).distinct().join(MatterRow, MatterRow.seq == AuditRow.seq)
    return theirs.where(MatterRow.authority.in_(authorities))


def has_acted(session: Session, account: int, authorities: frozenset[str]) -> bool:
    """Whether an account made an act that is a matter of one of `authorities`."""
    rows, _ = page(session, Wanted(authorities, account=account), 1, None)
    return bool(rows)


def of_revision(session: Session, revision: int) -> Sequence[AuditRow]:
    """The entries that made a revision, in order."""
    return session.scalars(select(AuditRow).where(AuditRow.revision == revision).order_by(AuditRow.seq)).all()
