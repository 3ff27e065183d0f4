"""Requirements for the formal decision behind a ban or a term. Raise `Invalid` if one is not met."""

from collections.abc import Sequence

from api.errors import Fault, Invalid
from dnsfilter.policy.model import FormalDecision, Instant, Term


def demand_basis(decision: FormalDecision, terms: Sequence[Term]) -> None:
    """Raise `Invalid` unless there are a legal basis and a term."""
    faults = []
    if not decision.legal_basis:
        message = "a ban needs a legal basis: give it, or adopt the ban provisionally for 72 hours"
        faults.append(Fault("body.decision.legal_basis", message))
    if not terms:
        faults.append(Fault("body.terms", "a ban needs a term: give an end or a date of review"))
    if faults:
        raise Invalid(faults)


def demand_adoption(decision: FormalDecision) -> None:
    """Raise `Invalid` unless the formal decision to adopt another authority's ban is complete."""
    demand_formal(decision, "a ban that follows another needs its own formal decision")


def demand_formal(decision: FormalDecision, why: str) -> None:
    """Raise `Invalid` with the reason `why` unless the formal decision has a legal basis and a reference."""
    missing = [field for field in ("legal_basis", "reference") if not getattr(decision, field)]
    if missing:
        raise Invalid(
            [Fault(f"body.decision.{field}", f"{why}: give its {field.replace('_', ' ')}") for field in missing]
        )


def demand_own_reference(decision: FormalDecision, place: str) -> None:
    """Raise `Invalid` if the formal decision follows a ban and has no reference of its own."""
    if decision.follows is not None and not decision.reference:
        raise Invalid.at(
            f"{place}.reference", "this follows another ban and needs its own formal decision: give its reference"
        )


def demand_own_decisions(decision: FormalDecision, terms: Sequence[Term]) -> None:
    """Raise `Invalid` if a formal decision about a new ban or its terms follows another ban and is incomplete."""
    if decision.follows is not None:
        demand_adoption(decision)
    for index, term in enumerate(terms):
        demand_own_reference(term.decision, f"body.terms.{index}.decision")


def demand_renewal(decision: FormalDecision, place: str) -> None:
    """Raise `Invalid` if a term is added to a ban by a formal decision without a reference."""
    if not decision.reference:
        raise Invalid.at(f"{place}.reference", "a renewal needs its own formal decision: give its reference")


def demand_ahead(term: Term, place: str, now: Instant) -> None:
    """Raise `Invalid` if a new term has already ended: it would never have an effect."""
    if term.end is not None and term.end <= now:
        raise Invalid.at(f"{place}.end", "the term has already ended and would never have an effect: give a later end")
