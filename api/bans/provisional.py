"""Provisional bans: 72 hours without a formal decision, not renewed, confirmed by one."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from api.bans import repository
from api.bans.formal_requirements import demand_basis
from api.bans.reading import audit_subject, same_span, same_term
from api.bans.state import has_lapsed
from api.bans.wanted_change import BanChange
from api.db.models import BanRow, TermRow
from api.errors import Conflict, Invalid
from dnsfilter.policy.bounds import MAX_PROVISIONAL_S
from dnsfilter.policy.model import FormalDecision, Instant, Term


def provisional_term(given: Sequence[Term], now: Instant) -> Term:
    """Return the one term of a ban that is adopted provisionally now; raise `Invalid` if terms are given."""
    if given:
        raise Invalid.at("body.terms", "a provisional ban has one term of 72 hours from now: omit terms")
    return Term(now, now + MAX_PROVISIONAL_S, None, now)


def demand_not_provisional(row: BanRow) -> None:
    """Raise `Conflict` if the ban is provisional, because such a ban is not renewed."""
    if row.provisional:
        raise Conflict("a provisional ban cannot be renewed: confirm it with its formal decision and terms")


def confirm(row: BanRow, change: BanChange, now: Instant) -> bool:
    """Return whether the change confirms a provisional ban; raise `Invalid` or `Conflict` if it may not."""
    if change.provisional is None or change.provisional == row.provisional:
        if row.provisional and change.terms is not None:
            raise Invalid.at(
                "body.provisional",
                "the ban is provisional: to confirm it, give provisional false, a formal decision and terms",
            )
        if change.provisional and has_lapsed(row.terms, now):
            raise Conflict("the provisional ban has lapsed: adopt it with a formal decision and provisional false")
        return False
    if change.provisional:
        raise already_adopted(row, "it cannot become provisional")
    fresh = tuple(term for term in change.terms or () if not any(same_span(known, term) for known in row.decided_terms))
    demand_basis(change.decision or FormalDecision(), fresh)
    row.provisional = False
    return True


def terms_to_omit(session: Session, row: BanRow, change: BanChange, confirmed: bool) -> list[TermRow]:
    """Return the begun terms that a change may omit: the provisional term, by the change that confirms the ban.

    The same change may be sent again. A changed term is an error then.
    """
    if confirmed:
        return list(row.terms)
    if change.provisional is not False:
        return []
    adopted = repository.provisional_since(session, audit_subject(row))
    wanted = [term for term in change.terms or () if not any(same_term(known, term) for known in row.decided_terms)]
    return [
        term
        for term in row.terms
        if term.start_s == term.recorded_s == adopted
        and term.end_s == term.start_s + MAX_PROVISIONAL_S
        and all(term.start_s != other.start for other in wanted)
    ]


def already_adopted(row: BanRow, why: str) -> Conflict:
    """Return the error for a change that would rewrite an existing ban."""
    there = f"{row.authority} already has a ban on {row.service} (ban {row.number})"
    return Conflict(f"{there}, and {why}. Renew it, or end it.")
