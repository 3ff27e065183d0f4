"""What has to be on record of a decision about a ban, or about a term of it; what lacks is Invalid to the caller."""

from collections.abc import Sequence

from api.errors import Fault, Invalid
from dnsfilter.policy.model import FormalDecision, Instant, Term


def demand_basis(decision: FormalDecision, terms: Sequence[Term]) -> None:
    """Raises Invalid unless there are a legal basis and a term."""
    faults = []
    if not decision.legal_basis:
        told = "a ban needs its legal basis; without one it is provisional, for 72 hours"
        faults.append(Fault("body.decision.legal_basis", told))
    if not terms:
        faults.append(Fault("body.terms", "a ban needs a term with an end or a date of review"))
    if faults:
        raise Invalid(faults)


def demand_adoption(decision: FormalDecision) -> None:
    """Raises Invalid unless the decision to adopt another's ban has what makes it one of one's own."""
    demand_formal(decision, "a ban that follows another is a decision of its own")


def demand_formal(decision: FormalDecision, why: str) -> None:
    """Raises Invalid, with the reason, unless the decision has its legal basis and its reference."""
    lacking = [field for field in ("legal_basis", "reference") if not getattr(decision, field)]
    if lacking:
        raise Invalid(
            [Fault(f"body.decision.{field}", f"{why}: give its {field.replace('_', ' ')}") for field in lacking]
        )


def demand_own(decision: FormalDecision, place: str) -> None:
    """Raises Invalid where the decision follows a ban and has no reference of its own."""
    if decision.follows is not None and not decision.reference:
        raise Invalid.at(f"{place}.reference", "what follows another ban is a decision of its own: give its reference")


def demand_own_decisions(decision: FormalDecision, terms: Sequence[Term]) -> None:
    """Raise Invalid if a decision about a new ban, or a term of it, follows another ban and is not one of its own."""
    if decision.follows is not None:
        demand_adoption(decision)
    for index, term in enumerate(terms):
        demand_own(term.decision, f"body.terms.{index}.decision")


def demand_renewal(decision: FormalDecision, place: str) -> None:
    """Raises Invalid where a term is added to a ban by a decision without a reference."""
    if not decision.reference:
        raise Invalid.at(f"{place}.reference", "a renewal is a decision of its own: give its reference")


def demand_ahead(term: Term, place: str, now: Instant) -> None:
    """Raises Invalid for a new term that is over already: it would never have had effect."""
    if term.end is not None and term.end <= now:
        raise Invalid.at(f"{place}.end", "the term is over already: it never had effect, and is not put on record")
