"""Terms of a ban, and the formal decisions behind them: which are required, added, changed, omitted or taken over.

A provisional ban has one term of 72 hours without a formal decision; a formal decision confirms it. A ban that follows
another takes over its scope and terms once. Later changes to the source ban have no effect.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from api.bans import repository
from api.bans.schemas import MAX_TERMS
from api.bans.state import has_begun, has_lapsed, live_terms
from api.bans.wanted_change import BanChange, same_span, same_term
from api.db.base import Json
from api.db.models import BanRow, TermRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, Invalid
from dnsfilter.policy.bounds import MAX_PROVISIONAL_S
from dnsfilter.policy.model import Audience, FormalDecision, Funding, Instant, Term
from dnsfilter.policy.single_names import is_single_name
from dnsfilter.translatable import Text

DECISION_FIELDS = ("organ", "reference", "date", "legal_basis", "advice", "link", "follows")


def demand_basis(decision: FormalDecision, terms: Sequence[Term]) -> None:
    """Raise `Invalid` unless there are a legal basis and a term."""
    faults = []
    if not decision.legal_basis:
        message = Text("a ban needs a legal basis: give it, or adopt the ban provisionally for 72 hours")
        faults.append(Fault("body.decision.legal_basis", message))
    if not terms:
        faults.append(Fault("body.terms", Text("a ban needs a term: give an end or a date of review")))
    if faults:
        raise Invalid(faults)


def demand_adoption(decision: FormalDecision) -> None:
    """Raise `Invalid` unless the formal decision to adopt another authority's ban is complete."""
    demand_formal(decision, Text("a ban that follows another needs its own formal decision"))


def demand_formal(decision: FormalDecision, why: str) -> None:
    """Raise `Invalid` with the reason `why` unless the formal decision has a legal basis and a reference."""
    texts = {"legal_basis": Text("{why}: give its legal basis"), "reference": Text("{why}: give its reference")}
    missing = [field for field in texts if not getattr(decision, field)]
    if missing:
        raise Invalid([Fault(f"body.decision.{field}", texts[field].filled(why=why)) for field in missing])


def demand_own_reference(decision: FormalDecision, location: str) -> None:
    """Raise `Invalid` if the formal decision follows a ban and has no reference of its own."""
    if decision.follows is not None and not decision.reference:
        raise Invalid.at(
            f"{location}.reference",
            Text("this follows another ban and needs its own formal decision: give its reference"),
        )


def demand_own_decisions(decision: FormalDecision, terms: Sequence[Term]) -> None:
    """Raise `Invalid` if a formal decision about a new ban or its terms follows another ban and is incomplete."""
    if decision.follows is not None:
        demand_adoption(decision)
    for index, term in enumerate(terms):
        demand_own_reference(term.decision, f"body.terms.{index}.decision")


def demand_renewal(decision: FormalDecision, location: str) -> None:
    """Raise `Invalid` if a term is added to a ban by a formal decision without a reference."""
    if not decision.reference:
        raise Invalid.at(f"{location}.reference", Text("a renewal needs its own formal decision: give its reference"))


def demand_ahead(term: Term, location: str, now: Instant) -> None:
    """Raise `Invalid` if a new term has already ended: it would never have an effect."""
    if term.end is not None and term.end <= now:
        raise Invalid.at(
            f"{location}.end", Text("the term has already ended and would never have an effect: give a later end")
        )


def provisional_term(given: Sequence[Term], now: Instant) -> Term:
    """Return the one term of a ban that is adopted provisionally now; raise `Invalid` if terms are given."""
    if given:
        raise Invalid.at("body.terms", Text("a provisional ban has one term of 72 hours from now: omit terms"))
    return Term(now, now + MAX_PROVISIONAL_S, None, now)


def confirm(row: BanRow, change: BanChange, now: Instant) -> bool:
    """Return whether the change confirms a provisional ban; raise `Invalid` or `Conflict` if it may not."""
    if change.provisional is None or change.provisional == row.provisional:
        if row.provisional and change.terms is not None:
            raise Invalid.at(
                "body.provisional",
                Text("the ban is provisional: to confirm it, give provisional false, a formal decision and terms"),
            )
        if change.provisional and has_lapsed(row.terms, now):
            raise Conflict(
                Text("the provisional ban has lapsed: adopt it with a formal decision and provisional false")
            )
        return False
    if change.provisional:
        raise already_adopted(row, Text("it cannot become provisional"))
    fresh = tuple(term for term in change.terms or () if not any(same_span(known, term) for known in row.decided_terms))
    demand_basis(change.decision or FormalDecision(), fresh)
    row.provisional = False
    return True


def already_adopted(row: BanRow, why: str) -> Conflict:
    """Return the error for a change that would rewrite an existing ban."""
    return Conflict(
        Text(
            "{authority} already has a ban on {service} (ban {number}), and {why}. Renew it, or end it.",
            authority=row.authority,
            service=row.service,
            number=row.number,
            why=why,
        )
    )


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
        raise Conflict(
            Text(
                "the ban already lasts as long as {authority}/{service}. Give a term.",
                authority=source.authority,
                service=source.service,
            )
        )
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
            Text(
                "{authority}/{service} has lapsed and has no term left to take over. Give a term.",
                authority=source.authority,
                service=source.service,
            )
        )
    rows = sorted(left, key=lambda term: (term.start_s, term.id))
    return tuple(Term(term.start_s, term.period.end, term.review_by_s, now) for term in rows)


def replace_terms(
    unit: UnitOfWork, row: BanRow, change: BanChange, wanted: Sequence[Term], confirmed: bool
) -> tuple[bool, bool]:
    """Replace the terms by `wanted`. Terms that have begun must be repeated unchanged; others may be added or removed.

    Return whether anything changed, and whether that is a renewal, which needs a formal decision: the ban has begun,
    gets a new term, and is not `confirmed` by this change.
    """
    known = row.decided_terms
    begun = not confirmed and has_begun(row, unit.now_s)
    missing = [term for term in known if not any(same_term(term, other) for other in wanted)]
    kept = [term for term in missing if term.start_s <= unit.now_s or term.recorded_s > unit.now_s]
    fresh = [(index, term) for index, term in enumerate(wanted) if not any(same_term(other, term) for other in known)]
    if kept and not confirmed and not _may_omit(unit, row, change, kept, [term for _, term in fresh]):
        raise already_adopted(row, Text("a term that has begun must be repeated unchanged"))
    removed = [term for term in missing if term not in kept]
    for gone in removed:
        row.terms.remove(gone)
    for index, term in fresh:
        if begun and not is_single_name(row.service):
            demand_renewal(term.decision, f"body.terms.{index}.decision")
        demand_new_term(term, index, unit.now_s)
    add_terms(row, [term for _, term in fresh], unit.now_s)
    if not row.terms:
        raise Invalid.at("body.terms", Text("a ban needs at least one term: give one"))
    return bool(removed or fresh), bool(begun and fresh)


def _may_omit(
    unit: UnitOfWork, row: BanRow, change: BanChange, omitted: Sequence[TermRow], fresh: Sequence[Term]
) -> bool:
    """Return whether a change may omit begun terms: only the provisional term, as the change that confirmed the ban.

    The same change may be sent again. A changed term is an error then.
    """
    if change.provisional is not False:
        return False
    adopted = repository.provisional_since(unit.session, row)
    return all(
        term.start_s == term.recorded_s == adopted
        and term.end_s == term.start_s + MAX_PROVISIONAL_S
        and all(term.start_s != other.start for other in fresh)
        for term in omitted
    )


def add_terms(row: BanRow, terms: Iterable[Term], now: Instant) -> None:
    """Add terms to a ban, recorded now. Raise `Invalid` if it gets too many."""
    row.terms.extend(
        TermRow(
            start_s=term.start,
            end_s=term.end,
            review_by_s=term.review_by,
            recorded_s=now,
            decision=decision_columns(term.decision),
            ended_s=None,
            ended_reason="",
            ended_decision={},
        )
        for term in terms
    )
    if len(row.terms) > MAX_TERMS:
        raise Invalid.at(
            "body.terms",
            Text("a ban has at most {most} terms, not {terms}", most=MAX_TERMS, terms=len(row.terms)),
        )


def demand_new_term(term: Term, index: int, now: Instant) -> None:
    """Raise `Invalid` if a new term has ended, or its formal decision lacks its own reference."""
    location = f"body.terms.{index}"
    demand_own_reference(term.decision, f"{location}.decision")
    demand_ahead(term, location, now)


def demand_new_reference(row: BanRow, reference: str, now: Instant) -> None:
    """Raise `Conflict` if a term that has not ended already has this reference.

    Used for a renewal without a start: sent again, it would add another term.
    """
    if any(known.decision.get("reference") == reference for known in live_terms(row.terms, now)):
        raise Conflict(
            Text(
                "the ban was already renewed by {reference}. For a further term by it, give its start.",
                reference=reference,
            )
        )


def demand_renewable(row: BanRow, decision: FormalDecision) -> None:
    """Raise `Conflict` if the ban is provisional, and `Invalid` if the formal decision to renew it has no reference."""
    if row.provisional:
        raise Conflict(Text("a provisional ban cannot be renewed: confirm it with its formal decision and terms"))
    demand_renewal(decision, "body.decision")


def decision_columns(record: FormalDecision) -> Json:
    """Return a formal decision as stored."""
    return {field: getattr(record, field) for field in DECISION_FIELDS}
