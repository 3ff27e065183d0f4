"""Notices about bans that end, have ended or are due for review."""

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from api.bans.state import WARNINGS_DAYS, quoted_term, reference_in, reviewed_term
from api.db.base import Json
from api.db.models import BanRow, BindingRow, TermRow
from api.notices.due.successor_bans import SuccessorBan, successor_bans
from api.notices.kinds import Due, Hour, Kind, threshold
from dnsfilter.policy.model import DAY_S, Instant
from dnsfilter.policy.single_names import is_single_name

BEFORE_END_S = tuple(days * DAY_S for days in WARNINGS_DAYS)
BEFORE_LAPSE_S = (6 * 3600, DAY_S)
"""For a provisional ban, which lasts 72 hours."""


def due_bans(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about ends and reviews of bans, to their authorities and to the bound authorities."""
    last = hour.now + BEFORE_END_S[-1]
    end = TermRow.sql_period().end
    ending = and_(end > hour.oldest, end <= last)
    reviewed = and_(TermRow.review_by_s > hour.now, TermRow.review_by_s <= last)
    rows = bans_with(session, or_(ending, reviewed))
    bindings, merged = bindings_of(session, [row.number for row in rows]), successor_bans(session, hour)
    for row in rows:
        bound = [binding for binding in bindings if binding.ban == row.number]
        for term in row.terms:
            yield from _end_notices(row, term, bound, hour, merged.get(row.number))
        yield from _review_notices(row, bound, hour)


def bans_with(session: Session, wanted: ColumnElement[bool]) -> Sequence[BanRow]:
    """Return the bans that have a term that meets the condition."""
    statement = select(BanRow).where(BanRow.number.in_(select(TermRow.ban).where(wanted)))
    return session.scalars(statement.order_by(BanRow.number)).all()


def bindings_of(session: Session, numbers: Sequence[int]) -> Sequence[BindingRow]:
    """Return the agreed bindings of these bans."""
    statement = select(BindingRow).where(BindingRow.ban.in_(numbers), BindingRow.sql_is_agreed())
    return session.scalars(statement).all() if numbers else ()


def _end_notices(
    row: BanRow, term: TermRow, bound: Sequence[BindingRow], hour: Hour, successor: SuccessorBan | None
) -> Iterator[Due]:
    end = term.period.end
    # A term that was ended before it began, or recorded after its end, never held.
    if end is None or end <= hour.oldest or term.period.begins is None or is_continued(row, term, end):
        return
    facts = {**ban_facts(row, term), "until_s": end}
    if end <= hour.now:
        begins = [other.start_s for other in row.terms if other.start_s > end]
        facts |= {"resumes_s": min(begins)} if begins else {}
        own = {**facts, "provisional": True} if row.provisional else facts
        yield Due(f"ban_lapsed/{row.number}/{end}", Kind.BAN_LAPSED, row.authority, own)
        for authority in bound_at(bound, end - 1):
            if successor is not None and successor.continues(term) and successor.applies_to(authority):
                continue
            key = f"ban_lapsed/{row.number}/{end}/{authority}"
            yield Due(key, Kind.BOUND_BAN_LAPSED, authority, facts)
        return
    # An early end is also a decision, but its time is not known here: always send the notice.
    known = term.recorded_s if term.ended_s is None else 0
    if row.provisional:
        yield from _threshold_notices(row, end, known, hour, BEFORE_LAPSE_S, (Kind.PROVISIONAL_ENDING, None), (), facts)
        return
    own_kind = Kind.NAME_ENDING if is_single_name(row.service) else Kind.BAN_ENDING
    kinds = (own_kind, Kind.BOUND_BAN_ENDING)
    yield from _threshold_notices(row, end, known, hour, BEFORE_END_S, kinds, bound_at(bound, end - 1), facts)


def _review_notices(row: BanRow, bound: Sequence[BindingRow], hour: Hour) -> Iterator[Due]:
    term = reviewed_term(row.terms, hour.now)
    review = None if term is None else term.review_by_s
    if term is None or review is None or review <= hour.now:
        return
    kinds = (Kind.NAME_REVIEW if is_single_name(row.service) else Kind.BAN_REVIEW, Kind.BOUND_BAN_REVIEW)
    facts = {**ban_facts(row, term), "review_s": review}
    yield from _threshold_notices(
        row, review, term.recorded_s, hour, BEFORE_END_S, kinds, bound_at(bound, review), facts
    )


def _threshold_notices(
    row: BanRow,
    at: Instant,
    known: Instant,
    hour: Hour,
    lengths: Sequence[int],
    kinds: tuple[Kind, Kind | None],
    bound: Sequence[str],
    facts: Json,
) -> Iterator[Due]:
    """Yield the notices of the threshold reached before `at`: the first kind to the owner, the second to the bound."""
    reached = threshold(at, known, hour.now, lengths)
    if reached is None:
        return
    own, other = kinds
    for authority in (None, *bound):
        kind = own if authority is None else other
        if kind is not None:
            key = f"{kind}/{row.number}/{at}/{authority or row.authority}"
            later_keys = tuple(f"{key}/{length}" for length in reached[1])
            yield Due(f"{key}/{reached[0]}", kind, authority or row.authority, facts, later_keys)


def ban_facts(row: BanRow, term: TermRow | None = None) -> Json:
    """Return the facts that identify a ban: its name and the reference of its decision."""
    return {"ban": reference_of(row), "reference": reference_in(row, term)}


def facts_at(row: BanRow, at: Instant) -> Json:
    """Return `ban_facts` with the decision behind the term that holds at `at`, or else the term that held last."""
    return ban_facts(row, quoted_term(row.terms, at))


def reference_of(row: BanRow) -> str:
    """Return the ban's name in commands: `authority/service`."""
    return f"{row.authority}/{row.service}"


def is_continued(row: BanRow, term: TermRow, end: Instant) -> bool:
    """Return whether another term holds at `end`."""
    return any(other.period.covers(end) for other in row.terms if other is not term)


def bound_at(bindings: Sequence[BindingRow], at: Instant) -> list[str]:
    """Return the authorities that are bound at that instant, including by bindings recorded later."""
    return sorted({row.authority for row in bindings if row.period.covers(at)})
