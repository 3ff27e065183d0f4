"""A ban that follows another: what it takes over when it is adopted. Whatever becomes of the other changes it never."""

from dataclasses import replace

from sqlalchemy.orm import Session

from api.bans.change import BanChange
from api.bans.standing import effective_end, has_ended
from api.db.models import BanRow
from api.errors import Conflict, Fault, Invalid
from dnsfilter.policy.model import Audience, DecisionRecord, Funding, Instant, Term


def followed(session: Session, change: BanChange, now: Instant) -> BanChange:
    """The change of a ban that is adopted, with what it takes over from the ban that its decision follows.

    Those are the scope, as far as the change says none, and the terms that have not ended; the change itself where it
    follows none, or has terms of its own. Raises Invalid without a decision of one's own, and Conflict where no term is
    left. A provisional ban has its own term, and no decision yet.
    """
    number = None if change.decision is None else change.decision.follows
    if number is None or change.decision is None or change.terms is not None or change.loaded:
        return change
    source = session.get_one(BanRow, number)
    scoped = replace(
        change,
        tiers=change.tiers or frozenset(source.tiers),
        funding=change.funding or frozenset(map(Funding, source.funding)),
        audience=change.audience or frozenset(map(Audience, source.audience)),
    )
    if change.provisional:
        return scoped
    _own(change.decision)
    return replace(scoped, terms=_terms(source, now))


def _own(decision: DecisionRecord) -> None:
    lacking = [field for field in ("legal_basis", "reference") if not getattr(decision, field)]
    if lacking:
        what = "a ban that follows another is a decision of its own: give its"
        raise Invalid([Fault(f"body.decision.{field}", f"{what} {field.replace('_', ' ')}") for field in lacking])


def _terms(source: BanRow, now: Instant) -> tuple[Term, ...]:
    """The terms that have not ended, as decided or as brought forward; the decision behind them is the follower's."""
    left = [term for term in source.terms if not has_ended(term, now)]
    if not left:
        raise Conflict(
            f"{source.authority}/{source.service} has lapsed: no term of it is left to take over, so give one"
        )
    rows = sorted(left, key=lambda term: (term.start_s, term.id))
    return tuple(Term(term.start_s, effective_end(term), term.review_by_s, now) for term in rows)
