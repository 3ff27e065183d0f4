"""Where a ban stands at an instant, from its terms alone."""

from collections.abc import Sequence
from enum import StrEnum

from api.db.models import TermRow
from dnsfilter.policy.model import Instant

ENDING_S = 30 * 86400
"""A ban that ends within this time is worth a warning."""


class State(StrEnum):
    """Whether a term holds, will hold, or no longer does."""

    PLANNED = "planned"
    IN_FORCE = "in_force"
    LAPSED = "lapsed"


def effective_end(term: TermRow) -> Instant | None:
    """The end of a term: as decided, or as an act has brought it forward."""
    return term.end_s if term.ended_s is None else term.ended_s


def holds(term: TermRow, at: Instant) -> bool:
    """Whether the term has effect at that instant; nothing has before it is recorded."""
    end = effective_end(term)
    return max(term.start_s, term.recorded_s) <= at and (end is None or at < end)


def state_of(terms: Sequence[TermRow], at: Instant) -> State:
    """The state of a ban with these terms."""
    if any(holds(term, at) for term in terms):
        return State.IN_FORCE
    if any(_ahead(term, at) for term in terms):
        return State.PLANNED
    return State.LAPSED


def is_ending(terms: Sequence[TermRow], at: Instant) -> bool:
    """Whether the ban is in force and no term of it reaches beyond the next thirty days."""
    ends = [effective_end(term) for term in terms if holds(term, at) or _ahead(term, at)]
    return state_of(terms, at) is State.IN_FORCE and all(end is not None and end <= at + ENDING_S for end in ends)


def _ahead(term: TermRow, at: Instant) -> bool:
    end = effective_end(term)
    return term.start_s > at and (end is None or end > term.start_s)
