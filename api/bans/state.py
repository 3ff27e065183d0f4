"""When a ban is in force, and its state from its mode, its terms and suspensions; also as SQL.

The `period` of a term says when the term is in force.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never, get_args

from sqlalchemy import ColumnElement, and_, case, exists, not_, or_, select
from sqlalchemy.orm import aliased

from api.bans.schemas import Days, DueKind, State
from api.db.models import BanRow, SuspensionRow, TermRow
from dnsfilter.policy.decide import held_term, latest_term
from dnsfilter.policy.intervals import FOREVER, until
from dnsfilter.policy.model import DAY_S, Instant, Mode, Period

WARNINGS_DAYS: tuple[Days, ...] = get_args(Days)
"""Days before the end or review of a ban at which a warning is due, shortest first."""
ENDING_S = WARNINGS_DAYS[-1] * DAY_S
# Expressions of SQL take long to build, so those without an instant are built once.
_TERM, _OTHER = aliased(TermRow), aliased(TermRow)
_PERIOD = _TERM.sql_period()
_OWN = _TERM.ban == BanRow.number
_COVERED = exists().where(_OTHER.ban == _TERM.ban, _OTHER.sql_period().covers(_PERIOD.end))
_SUSPENSION = SuspensionRow.sql_period()


@dataclass(frozen=True, slots=True)
class Due:
    """The next end or review of a ban in force, at `at`. `days` is the shortest warning that is due."""

    at: Instant
    what: DueKind
    days: Days


@dataclass(frozen=True, slots=True)
class ModeSetting:
    """The mode of a ban at an instant.

    It applies from `since`, set by the account `by` for `reason`. `by` is None if the mode returned by itself or the
    account is unknown. A mode off with an end has `until`, and the mode that `returns` then.
    """

    mode: Mode
    since: Instant | None
    by: int | None
    reason: str
    until: Instant | None = None
    returns: Mode | None = None


def mode_setting_at(row: BanRow, at: Instant) -> ModeSetting:
    """Return the mode that a ban has at an instant, from what was set last."""
    lasting, until = row.lasting_mode, row.off_until_s
    if until is not None and until <= at:
        return ModeSetting(lasting, until, None, "")
    known = (Mode(row.mode), row.mode_set_s, row.mode_set_by, row.mode_reason)
    return ModeSetting(*known) if until is None else ModeSetting(*known, until, lasting)


def quoted_term(terms: Iterable[TermRow], at: Instant) -> TermRow | None:
    """Return the term in force, or the last that was in force; None before the first."""
    begun = [term for term in terms if term.period.begins is not None and not term.period.is_ahead(at)]
    # As in a policy, which has terms in this order.
    begun.sort(key=lambda term: (term.start_s, term.id))
    return held_term(begun, at) or latest_term(begun)


def reference_in(row: BanRow, term: TermRow | None) -> str:
    """Return the reference of the decision behind the term, or else behind the ban."""
    own = term.decision.get("reference") if term is not None else None
    return str(own or row.decision.get("reference") or "")


def has_begun(row: BanRow, at: Instant) -> bool:
    """Return whether a term has started by that instant. From then on the ban stays on record."""
    return any(term.start_s <= at for term in row.decided_terms)


def has_lapsed(terms: Iterable[TermRow], at: Instant) -> bool:
    """Return whether no term of a ban is in force at that instant or later."""
    return not live_terms(terms, at)


def live_terms(terms: Iterable[TermRow], at: Instant) -> list[TermRow]:
    """Return the terms that are in force at that instant, or may come into force later."""
    return [term for term in terms if not term.period.has_ended(at)]


def is_held(terms: Iterable[TermRow], at: Instant) -> bool:
    """Return whether a term is in force at that instant. The ban is in force then, unless it is off or suspended."""
    return any(term.period.holds(at) for term in terms)


def state_of(terms: Sequence[TermRow], at: Instant, *, suspended: bool, off: bool) -> State:
    """Return the state of a ban with these terms, by whether its authority is `suspended` and its mode `off`."""
    return state_and_due(terms, at, suspended=suspended, off=off)[0]


def state_and_due(terms: Sequence[TermRow], at: Instant, *, suspended: bool, off: bool) -> tuple[State, Due | None]:
    """Return what `state_of` and `due` return, in half the time: each term's period is made once."""
    live = _live(terms, at)
    near = _due_of(live, at)
    if any(period.holds(at) for _, period in live):
        if off:
            return State.OFF, near
        return apply_suspension(State.IN_FORCE if near is None else State.ENDING, suspended=suspended), near
    return State.PLANNED if any(period.is_ahead(at) for _, period in live) else State.LAPSED, near


def apply_suspension(state: State, *, suspended: bool) -> State:
    """Return the state of a ban if its authority is `suspended`. A suspension affects only a ban in force."""
    return State.SUSPENDED if suspended and state in (State.IN_FORCE, State.ENDING) else state


def due(terms: Sequence[TermRow], at: Instant) -> Due | None:
    """Return the end or review of a ban in force within the next thirty days; a review may be overdue.

    The end is that of the last term that touches or overlaps the one before it. A review counts if it is before that
    end.
    """
    return _due_of(_live(terms, at), at)


def _due_of(live: Sequence[tuple[TermRow, Period]], at: Instant) -> Due | None:
    """Return `due` of live terms."""
    if not any(period.holds(at) for _, period in live):
        return None
    reviewed = _reviewed_of(live, at)
    if reviewed is not None:
        return _due(reviewed.review_by_s, DueKind.REVIEW, at)
    return _due(_reach(live, at), DueKind.END, at)


def reviewed_term(terms: Sequence[TermRow], at: Instant) -> TermRow | None:
    """Return the term with the latest date of review of a ban in force, because a renewal is a review.

    Return None if no term has a date of review before its end, or if the ban ends before the review. A past date counts
    only while a term in force has no end: any other ban ends anyway.
    """
    return _reviewed_of(_live(terms, at), at)


def gapless_end(terms: Sequence[TermRow], at: Instant) -> Instant | None:
    """Return the end of the last term that continues those in force without a gap; None if open or not in force."""
    return _reach(_live(terms, at), at)


def continues_after(terms: Sequence[TermRow], at: Instant) -> Instant | None:
    """Return the last end of a live term if a term without an end continues after it; otherwise None."""
    if len(terms) < 2:
        return None
    live = [(period.start, period.end) for _, period in _live(terms, at)]
    last = max((end for _, end in live if end is not None), default=None)
    return last if last is not None and any(end is None and start <= last for start, end in live) else None


def gapless_start(terms: Sequence[TermRow], at: Instant) -> Instant:
    """Return where a further term begins without a gap: where those in force end, or now if they have no end."""
    return _reach(_live(terms, at), at) or at


def _live(terms: Iterable[TermRow], at: Instant) -> Sequence[tuple[TermRow, Period]]:
    """Return `live_terms`, each with its period: a page of bans would take long to make each several times."""
    spans = ((term, term.period) for term in terms)
    return [(term, period) for term, period in spans if not period.has_ended(at)]


def _reach(live: Sequence[tuple[TermRow, Period]], at: Instant) -> Instant | None:
    """Return how far terms continue without a gap from those in force at `at`; None if none is, or without an end."""
    ends = [period.end for _, period in live if period.holds(at)]
    reach = max((end for end in ends if end is not None), default=None)
    if reach is None or None in ends:
        return None
    for _, period in sorted(live, key=lambda each: each[1].start):
        if period.start > reach:
            break
        if period.end is None:
            return None
        reach = max(reach, period.end)
    return reach


def _reviewed_of(live: Sequence[tuple[TermRow, Period]], at: Instant) -> TermRow | None:
    """Return `reviewed_term` of live terms."""
    held = [period for _, period in live if period.holds(at)]
    reviews = [(term.review_by_s, term, until(period.end)) for term, period in live]
    dated = [(review, term) for review, term, end in reviews if review is not None and review < end]
    if not held or not dated:
        return None
    review, found = max(dated, key=lambda item: item[0])
    if review <= at:
        return found if any(period.end is None for period in held) else None
    end = _reach(live, at)
    return found if end is None or review < end else None


def _due(at: Instant | None, what: DueKind, now: Instant) -> Due | None:
    if at is None or at > now + ENDING_S:
        return None
    return Due(at, what, next(days for days in WARNINGS_DAYS if at <= now + days * DAY_S))


def in_state(state: State, now: Instant) -> ColumnElement[bool]:
    """Select the bans for which `state_of` returns this state. `in_force` includes bans that are ending."""
    ahead = exists().where(_OWN, _PERIOD.is_ahead(now))
    held, off = exists().where(_OWN, _PERIOD.holds(now)), sql_mode_at(now) == Mode.OFF
    on = and_(held, not_(off))
    match state:
        case State.OFF:
            return and_(held, off)
        case State.SUSPENDED:
            return and_(on, _is_suspended(now))
        case State.IN_FORCE:
            return and_(on, not_(_is_suspended(now)))
        case State.ENDING:
            # Few bans have such a term, and one pass over the terms finds them.
            soon, end = now + ENDING_S, _PERIOD.end
            near = select(_TERM.ban).where(or_(and_(end > now, end <= soon), _TERM.review_by_s <= soon))
            ends = or_(_nears_end(now), _nears_review(now))
            return and_(BanRow.number.in_(near), on, not_(_is_suspended(now)), ends)
        case State.PLANNED:
            return and_(not_(held), ahead)
        case State.LAPSED:
            return and_(not_(held), not_(ahead))
        case _:
            assert_never(state)


def sql_mode_at(now: Instant) -> ColumnElement[str | None]:
    """Select the mode of a ban, as `mode_setting_at` returns it."""
    return case((BanRow.off_until_s <= now, BanRow.returns_to), else_=BanRow.mode)


def _nears_end(now: Instant) -> ColumnElement[bool]:
    """Select, among bans in force, those with a term that ends within thirty days while no other is in force."""
    end = _PERIOD.end
    return exists().where(_OWN, end > now, end <= now + ENDING_S, not_(_PERIOD.is_void), not_(_COVERED))


def _nears_review(now: Instant) -> ColumnElement[bool]:
    """Select, among bans in force, those whose latest review is within thirty days, or past if they have no end.

    A ban that ends before its review nears its end.
    """
    endless = exists().where(_OWN, _PERIOD.holds(now), _PERIOD.end >= FOREVER)
    soon, later = _reviewed(now, now, now + ENDING_S), _reviewed(now, now + ENDING_S, None)
    return and_(or_(soon, and_(_reviewed(now, None, now), endless)), not_(later))


def _reviewed(now: Instant, after: Instant | None, until: Instant | None) -> ColumnElement[bool]:
    """Select bans with a live term whose date of review is within the term, after `after` and not after `until`."""
    review = _TERM.review_by_s
    bounds = [review > after] if after is not None else []
    bounds += [review <= until] if until is not None else []
    return exists().where(_OWN, not_(_PERIOD.has_ended(now)), review < _PERIOD.end, *bounds)


def _is_suspended(now: Instant) -> ColumnElement[bool]:
    row = SuspensionRow
    whose = or_(row.authority.is_(None), row.authority == BanRow.authority)
    # Compare the column too: it has an index.
    return exists().where(whose, row.end_s > now, _SUSPENSION.holds(now))
