"""A ban that follows another: what it takes over when it is adopted. Whatever becomes of the other changes it never."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from api.bans.formal_requirements import demand_adoption
from api.bans.state import live_terms
from api.bans.wanted_change import BanChange
from api.db.models import BanRow, TermRow
from api.errors import Conflict
from dnsfilter.policy.model import Audience, FormalDecision, Funding, Instant, Term


def followed(session: Session, change: BanChange, now: Instant) -> BanChange:
    """The change of a ban that is adopted, with what it takes over from the ban that its decision follows.

    Those are mode and scope, as far as the change says none, and the terms that have not ended; the change itself where
    it follows none, or has terms of its own. Raises Invalid without a decision of one's own, and Conflict where no term
    is left. A provisional ban has its own term, and no decision yet.
    """
    decision = change.decision
    if decision is None or decision.follows is None or change.loaded:
        return change
    if not change.provisional:
        demand_adoption(decision)
    if change.terms is not None:
        return change
    source = session.get_one(BanRow, decision.follows)
    scoped = replace(
        change,
        # The decision is to have the ban, even if it is off for a time at its source.
        mode=change.mode or source.lasting_mode,
        tiers=change.tiers or frozenset(source.tiers),
        funding=change.funding or frozenset(map(Funding, source.funding)),
        audience=change.audience or frozenset(map(Audience, source.audience)),
    )
    return scoped if change.provisional else replace(scoped, terms=_terms(source, now))


def renewed(source: BanRow, known: Sequence[TermRow], decision: FormalDecision, now: Instant) -> BanChange:
    """What a ban with the terms `known` takes over when a renewal follows `source`: its scope, and terms from now on.

    A term by which the ban holds already is not taken. Raises Conflict where none is left.
    """
    held = live_terms(known, now)
    terms = tuple(
        replace(term, start=max(term.start, now), decision=decision)
        for term in _terms(source, now)
        if not any(_contains(own, term, now) for own in held)
    )
    if not terms:
        raise Conflict(f"the ban holds already as long as {source.authority}/{source.service}")
    return BanChange(
        tiers=frozenset(source.tiers),
        funding=frozenset(map(Funding, source.funding)),
        audience=frozenset(map(Audience, source.audience)),
        terms=terms,
    )


def _contains(own: TermRow, term: Term, now: Instant) -> bool:
    same = (own.period.end, own.review_by_s) == (term.end, term.review_by)
    return same and own.start_s <= max(term.start, now)


def _terms(source: BanRow, now: Instant) -> tuple[Term, ...]:
    """The terms that have not ended, as decided or as brought forward; the decision behind them is the follower's."""
    left = live_terms(source.terms, now)
    if not left:
        raise Conflict(
            f"{source.authority}/{source.service} has lapsed: no term of it is left to take over, so give one"
        )
    rows = sorted(left, key=lambda term: (term.start_s, term.id))
    return tuple(Term(term.start_s, term.period.end, term.review_by_s, now) for term in rows)
