"""A ban that follows another takes over its scope and terms once. Later changes to the source ban have no effect."""

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
    """Return the change that adopts a ban, with what it takes over from the ban that its formal decision follows.

    It takes over the terms that have not ended, and the mode and the scope that the change does not give. Return the
    change itself if it follows no ban; if it has its own terms, take over nothing. Raise `Invalid` if the formal
    decision lacks a legal basis or a reference. Raise `Conflict` if no term is left. A provisional ban has its own
    term, and needs no formal decision yet.
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
    """Return the scope and the terms that a ban with the terms `known` takes over by a renewal that follows `source`.

    Terms begin now at the earliest. Skip a term if the ban has a term that lasts as long. Raise `Conflict` if none is
    left.
    """
    held = live_terms(known, now)
    terms = tuple(
        replace(term, start=max(term.start, now), decision=decision)
        for term in _terms(source, now)
        if not any(_contains(own, term, now) for own in held)
    )
    if not terms:
        raise Conflict(f"the ban already lasts as long as {source.authority}/{source.service}. Give a term.")
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
    """Return the terms of `source` that have not ended, with their effective ends and without formal decisions."""
    left = live_terms(source.terms, now)
    if not left:
        raise Conflict(
            f"{source.authority}/{source.service} has lapsed and has no term left to take over. Give a term."
        )
    rows = sorted(left, key=lambda term: (term.start_s, term.id))
    return tuple(Term(term.start_s, term.period.end, term.review_by_s, now) for term in rows)
