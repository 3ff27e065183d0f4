"""Where a ban stands at an instant, from its mode, its terms and what is suspended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from api.bans.schemas import Days, State, What
from api.db.models import BanRow, SuspensionRow, TermRow
from api.publish.source import begins, lasting_mode
from dnsfilter.policy.model import Instant, Mode

WARNINGS_DAYS: tuple[Days, ...] = (1, 7, 30)
"""So long before a ban ends, or is to be reviewed, it is worth a warning; the tightest first."""
DAY_S = 86_400
ENDING_S = WARNINGS_DAYS[-1] * DAY_S

Suspended: TypeAlias = frozenset[str | None]
"""The authorities that are suspended; with None in it, all are."""


@dataclass(frozen=True, slots=True)
class Due:
    """What a ban in force comes to, at `at`; `days` is the tightest warning that is reached."""

    at: Instant
    what: What
    days: Days


@dataclass(frozen=True, slots=True)
class Switch:
    """The mode of a ban at an instant.

    It holds since `since`, set by the account `by` for `reason`. `by` is None if it returned by itself or is not known.
    One that is off with an end has `until`, and the mode that `returns` then.
    """

    mode: Mode
    since: Instant | None
    by: int | None
    reason: str
    until: Instant | None = None
    returns: Mode | None = None


def switch_at(row: BanRow, at: Instant) -> Switch:
    """Return the mode that a ban has at an instant, by what was set last."""
    lasting, until = lasting_mode(row), row.off_until_s
    if until is not None and until <= at:
        return Switch(lasting, until, None, "")
    # What is kept from before reasons were has none.
    known = (Mode(row.mode), row.mode_set_s, row.mode_set_by, row.mode_reason or "")
    return Switch(*known) if until is None else Switch(*known, until, lasting)


def effective_end(term: TermRow) -> Instant | None:
    """The end of a term: as decided, or as an act has brought it forward."""
    return term.end_s if term.ended_s is None else term.ended_s


def standing_terms(row: BanRow) -> list[TermRow]:
    """Return the terms that were not ended before they began. Those stay on record and may be decided again."""
    return [term for term in row.terms if begins(term)]


def holds(term: TermRow, at: Instant) -> bool:
    """Whether the term has effect at that instant; nothing has before it is recorded."""
    end = effective_end(term)
    return max(term.start_s, term.recorded_s) <= at and (end is None or at < end)


def held_term(terms: Iterable[TermRow], at: Instant) -> TermRow | None:
    """The term whose decision is quoted at that instant: see the function of that name in `dnsfilter.policy.decide`."""
    held = [term for term in terms if holds(term, at)]
    return max(held, key=lambda term: (*_begun(term), term.start_s, term.id), default=None)


def quoted_term(terms: Iterable[TermRow], at: Instant) -> TermRow | None:
    """The term that holds, else the last that did; None before the first."""
    known = [term for term in terms if _begun(term)[0] <= at and not _never(term)]
    return held_term(known, at) or max(known, key=_begun, default=None)


def _never(term: TermRow) -> bool:
    """Whether the term was over before it had any effect."""
    end = effective_end(term)
    return end is not None and end <= _begun(term)[0]


def _begun(term: TermRow) -> tuple[Instant, Instant]:
    return max(term.start_s, term.recorded_s), term.recorded_s


def has_ended(term: TermRow, at: Instant) -> bool:
    """Whether the term is over by then, or never holds."""
    end = effective_end(term)
    return end is not None and (end <= at or end <= term.start_s)


def has_lapsed(terms: Iterable[TermRow], at: Instant) -> bool:
    """Return whether no term of a ban holds at that instant or later."""
    return all(has_ended(term, at) for term in terms)


def state_of(terms: Sequence[TermRow], at: Instant, *, suspended: bool, off: bool) -> State:
    """Return the state of a ban with these terms, by whether its authority is `suspended` and its mode `off`."""
    if any(holds(term, at) for term in terms):
        if off:
            return State.OFF
        if suspended:
            return State.SUSPENDED
        return State.IN_FORCE if due(terms, at) is None else State.ENDING
    if any(_ahead(term, at) for term in terms):
        return State.PLANNED
    return State.LAPSED


def due(terms: Sequence[TermRow], at: Instant) -> Due | None:
    """The end or the review of a ban in force within the next thirty days; a review may also be overdue.

    The end is that of the last term that touches or overlaps the one before it; a review counts that is before it.
    """
    live = [term for term in terms if not has_ended(term, at)]
    held = [term for term in live if holds(term, at)]
    if not held:
        return None
    reviewed = reviewed_term(terms, at)
    if reviewed is not None:
        return _due(reviewed.review_by_s, What.REVIEW, at)
    return _due(_reach(live, held), What.END, at)


def reviewed_term(terms: Sequence[TermRow], at: Instant) -> TermRow | None:
    """The term whose date of review is that of a ban in force: the latest, for a renewal is a review.

    None where no term has one within it, or the ban ends before. A date that is past counts as long as a term in force
    has no end; any other ban comes to an end whether it is reviewed or not.
    """
    live = [term for term in terms if not has_ended(term, at)]
    held = [term for term in live if holds(term, at)]
    dated = [(term.review_by_s, term) for term in live if term.review_by_s is not None and _is_within(term)]
    if not held or not dated:
        return None
    review, found = max(dated, key=lambda item: item[0])
    if review <= at:
        return found if any(effective_end(term) is None for term in held) else None
    end = _reach(live, held)
    return found if end is None or review < end else None


def goes_on_after(terms: Sequence[TermRow], at: Instant) -> Instant | None:
    """The last end of a term that is not over, where one without an end goes on after it; None where none does."""
    live = [(term.start_s, effective_end(term)) for term in terms if not has_ended(term, at)]
    last = max((end for _, end in live if end is not None), default=None)
    return last if last is not None and any(end is None and start <= last for start, end in live) else None


def goes_on_from(terms: Sequence[TermRow], at: Instant) -> Instant:
    """Where a further term begins that is to leave no gap: at the end of those in force; now without such an end."""
    live = [term for term in terms if not has_ended(term, at)]
    held = [term for term in live if holds(term, at)]
    return (_reach(live, held) or at) if held else at


def suspended_at(rows: Iterable[SuspensionRow], at: Instant) -> Suspended:
    """Who is suspended at that instant."""
    return frozenset(row.authority for row in rows if row.start_s <= at < _suspended_until(row))


def is_suspended(authority: str, suspended: Suspended) -> bool:
    """Whether the authority, or everybody, is suspended."""
    return authority in suspended or None in suspended


def _suspended_until(row: SuspensionRow) -> Instant:
    # One ended in the second of its start ends in the next; one ended before its start never holds.
    if row.ended_s is None:
        return row.end_s
    return max(min(row.end_s, row.ended_s), row.start_s + (row.ended_s >= row.start_s))


def _reach(live: Sequence[TermRow], held: Sequence[TermRow]) -> Instant | None:
    """How far terms lead from those in force on without a gap; None: to no end."""
    if any(effective_end(term) is None for term in held):
        return None
    reach = max(effective_end(term) or 0 for term in held)
    for term in sorted(live, key=lambda term: term.start_s):
        end = effective_end(term)
        if term.start_s > reach:
            break
        if end is None:
            return None
        reach = max(reach, end)
    return reach


def _is_within(term: TermRow) -> bool:
    """Whether the term's date of review is before its end."""
    end = effective_end(term)
    return end is None or (term.review_by_s is not None and term.review_by_s < end)


def _due(at: Instant | None, what: What, now: Instant) -> Due | None:
    if at is None or at > now + ENDING_S:
        return None
    return Due(at, what, next(days for days in WARNINGS_DAYS if at <= now + days * DAY_S))


def _ahead(term: TermRow, at: Instant) -> bool:
    """Whether the term will hold; one waits also that was recorded by a clock which has been set back."""
    return _begun(term)[0] > at and not _never(term)
