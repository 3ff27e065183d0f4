"""Acts on bans: adopt, change, toggle, renew, end early, remove.

No term that has begun is rewritten, and no decision once a term has begun: either is 409 to the caller.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from api.authorities.state import demand_open, demand_within
from api.bans import repository
from api.bans.followed_ban import followed, renewed
from api.bans.formal_requirements import demand_ahead, demand_basis, demand_own, demand_renewal
from api.bans.mode_setting import first_mode, set_mode, switched
from api.bans.reading import decision_columns, decision_record, kept, read_ban, same_span, same_term
from api.bans.schemas import BanRead
from api.bans.state import has_begun, has_lapsed, live_terms
from api.bans.wanted_change import BanChange
from api.db.models import AuthorityRow, BanRow, TermRow
from api.db.unit_of_work import UnitOfWork
from api.db.versions import columns
from api.errors import Conflict, Invalid
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import (
    DEFAULT_AUDIENCE,
    DEFAULT_FUNDING,
    DEFAULT_TIERS,
    FormalDecision,
    Instant,
    Mode,
    Reply,
    Service,
    Term,
)

PROVISIONAL_S = 72 * 3600
MAX_TERMS = 100

Step: TypeAlias = Callable[[UnitOfWork, BanRow, BanChange], None]
"""Sets one part of a ban as the change says."""


def put(
    unit: UnitOfWork, authority: AuthorityRow, service: Service, row: BanRow | None, change: BanChange
) -> tuple[BanRow, BanRead]:
    """Adopt a ban, or change `row`, the one that there is. Nothing happens if nothing differs.

    As every act here, return the ban as it is after it, read as if nobody were suspended.
    """
    if change.mode is None and change.mode_reason is not None:
        raise Invalid.at("body.mode_reason", "a reason goes with the mode that is set")
    if row is None:
        return _adopt(unit, authority, service, followed(unit.session, change, unit.now_s))
    return row, _change(unit, authority, service, row, taken_over(unit, row, change))


def taken_over(unit: UnitOfWork, row: BanRow, change: BanChange) -> BanChange:
    """Return the change of an existing ban. One that confirms it has what it takes over from the ban it follows."""
    return followed(unit.session, change, unit.now_s) if row.provisional and change.provisional is False else change


def renew(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, term: Term) -> BanRead:
    """Add a term to an ordinary ban, by a decision with a reference.

    Raises Conflict for a provisional ban, or where the ban has that term.
    """
    _renewable(row, term.decision)
    demand_ahead(term, "body", unit.now_s)
    if any(same_term(known, term) for known in row.decided_terms):
        raise Conflict("the ban has that term already")
    return _add_terms(unit, authority, row, (term,))


def demand_further(row: BanRow, reference: str, now: Instant) -> None:
    """Raises Conflict where a decision of that reference has given the ban a term that has not ended.

    For a renewal that does not say when it begins: sent again, it would be one more.
    """
    if any(known.decision.get("reference") == reference for known in live_terms(row.terms, now)):
        raise Conflict(f"the ban was renewed by {reference} already: for a further term by that, say when it begins")


def renew_following(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, decision: FormalDecision) -> BanRead:
    """Renew an ordinary ban as the ban that the decision follows: for what is left of its terms, with its scope.

    The scope is an act of its own. Raises Conflict as `renew`, or where nothing is left to take over.
    """
    _renewable(row, decision)
    change = renewed(unit.session.get_one(BanRow, decision.follows), row.terms, decision, unit.now_s)
    renewed_ban, stored = _add_terms(unit, authority, row, change.terms or ()), columns(row)
    _set_scope(unit, row, change)
    return renewed_ban if columns(row) == stored else _recorded(unit, authority, row, "ban.set_scope", renewed_ban)


def _renewable(row: BanRow, decision: FormalDecision) -> None:
    if row.provisional:
        raise Conflict("a provisional ban is not renewed: confirm it with its decision and terms")
    demand_renewal(decision, "body.decision")


def _add_terms(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, terms: Sequence[Term]) -> BanRead:
    before = _read(unit, authority, row)
    row.terms.extend(_term_row(term, unit.now_s) for term in terms)
    _bounded(row.terms)
    return _recorded(unit, authority, row, "ban.renew", before)


def end(
    unit: UnitOfWork, authority: AuthorityRow, row: BanRow, at: Instant, reason: str, decision: FormalDecision | None
) -> BanRead:
    """End the ban early at `at`: terms that have begun get that end, those that would begin later are removed.

    Where none has begun, they stay on record, ended as they begin; Conflict where nothing keeps the ban from removal.
    """
    if at < unit.now_s:
        raise Invalid.at("body.at", "an end cannot be put into the past: what was refused was refused")
    decided, begun = row.decided_terms, has_begun(row, unit.now_s)
    if not begun and _kept(unit, row) is None:
        raise Conflict("the ban has not begun: remove it instead")
    # A term ended in its first second holds until the next: the same end again changes nothing.
    ends = [(term, term.period.end_by_act(at, unit.now_s)) for term in decided]
    reaching = [(term, end) for term, end in ends if until(term.period.end) > end]
    if not reaching:
        raise Conflict("the ban has no term that reaches so far")
    if decision is not None:
        demand_own(decision, "body.decision")
    before = _read(unit, authority, row)
    for term, end in reaching:
        if begun and term.start_s > unit.now_s >= term.recorded_s and term.start_s >= at:
            row.terms.remove(term)
            continue
        term.ended_s, term.ended_reason = end, reason
        term.ended_decision = decision_columns(decision) if decision is not None else {}
    return _recorded(unit, authority, row, "ban.end", before)


def delete(unit: UnitOfWork, authority: AuthorityRow, row: BanRow) -> None:
    """Remove a ban that has not begun and to which nothing refers; raises Conflict."""
    why = _kept(unit, row)
    if why is not None:
        raise Conflict(why)
    unit.record("ban.remove", _subject(row), kept(_read(unit, authority, row)), None, row.authority)
    unit.session.delete(row)


def _kept(unit: UnitOfWork, row: BanRow) -> str | None:
    """Why the ban is not removed; None where it may be."""
    if has_begun(row, unit.now_s):
        return "the ban has begun: end it, so that its record stays"
    if any(term.recorded_s > unit.now_s for term in row.decided_terms):
        return "the ban was recorded by a clock that was ahead of this one, and may have begun: end it instead"
    if any(term.ended_s is not None for term in row.terms):
        ended = "the ban was ended before it began: that stays on record"
        return f"{ended}, so end it instead" if row.decided_terms else ended
    if repository.referred_to(unit.session, row.number):
        return "a binding, an exemption or a request names the ban: end it instead"
    if repository.is_followed(unit.session, row.number):
        return "the decision behind another ban follows the ban: end it instead"
    return None


def new_row(unit: UnitOfWork, authority: AuthorityRow, service: Service, change: BanChange) -> BanRow:
    """The row of a ban that is adopted, and in no session yet; raises Invalid and Conflict."""
    provisional = bool(change.provisional)
    terms = change.terms or ()
    decision = change.decision or FormalDecision()
    if provisional and not change.loaded:
        if terms:
            raise Invalid.at("body.terms", "a provisional ban has one term of 72 hours from now, and no other")
        terms = (Term(unit.now_s, unit.now_s + PROVISIONAL_S, None, unit.now_s),)
    elif not change.loaded:
        demand_basis(decision, terms)
        for index, term in enumerate(terms):
            _demand_term(term, index, unit.now_s)
    row = BanRow(
        authority=authority.slug,
        service=service.slug,
        # Set below. A new ban has no mode that could return.
        mode=str(Mode.OFF),
        mode_reason="",
        mode_set_s=unit.now_s,
        mode_set_by=unit.actor.account,
        off_until_s=None,
        returns_to=None,
        reply=str(change.reply or Reply.REFUSED),
        addresses=list(change.addresses or ()),
        tiers=sorted(change.tiers or DEFAULT_TIERS),
        funding=sorted(map(str, change.funding or DEFAULT_FUNDING)),
        audience=sorted(map(str, change.audience or DEFAULT_AUDIENCE)),
        provisional=provisional,
        decision=decision_columns(decision),
        revision=unit.new_revision(),
        terms=[_term_row(term, unit.now_s) for term in terms],
    )
    first_mode(unit, row, replace(change, mode=change.mode or Mode.ENFORCE))
    _bounded(row.terms)
    _checked(row, service)
    demand_open(authority, unit.now_s)
    _within_life(authority, row.terms, unit.now_s)
    return row


def _adopt(unit: UnitOfWork, authority: AuthorityRow, service: Service, change: BanChange) -> tuple[BanRow, BanRead]:
    row = new_row(unit, authority, service, change)
    unit.session.add(row)
    unit.session.flush()
    act = "ban.adopt_provisionally" if row.provisional else "ban.adopt"
    after = _read(unit, authority, row)
    unit.record(act, _subject(row), None, kept(after), row.authority)
    return row, after


def _change(unit: UnitOfWork, authority: AuthorityRow, service: Service, row: BanRow, change: BanChange) -> BanRead:
    before, stored = _read(unit, authority, row), columns(row)
    confirmed = _confirm(row, change, unit.now_s)
    if change.terms is not None:
        renews = _replace_terms(unit, row, change.terms, _omissible(unit, row, change, confirmed), confirmed)
        if renews:
            before, stored = _recorded(unit, authority, row, "ban.renew", before), columns(row)
    if change.decision is not None and change.decision != decision_record(row.decision):
        if not confirmed and has_begun(row, unit.now_s):
            raise _had_already(row, "the decision behind it is not rewritten")
        if not row.provisional:
            demand_own(change.decision, "body.decision")
        row.decision = decision_columns(change.decision)
    # Each is an act of its own, and the toggle the last one.
    steps: tuple[tuple[str, Step], ...] = (
        ("ban.change", _set_reply),
        ("ban.set_scope", _set_scope),
        (f"ban.set_{switched(unit, row, change).mode}", set_mode),
    )
    for act, step in steps:
        step(unit, row, change)
        if not confirmed and columns(row) != stored:
            before, stored = _recorded(unit, authority, row, act, before), columns(row)
    _checked(row, service)
    return _recorded(unit, authority, row, "ban.confirm", before) if confirmed else before


def _set_reply(_unit: UnitOfWork, row: BanRow, change: BanChange) -> None:
    if change.reply is not None:
        row.reply = str(change.reply)
    if change.addresses is not None:
        row.addresses = list(change.addresses)
    elif row.reply != Reply.ADDRESS:
        row.addresses = []


def _set_scope(_unit: UnitOfWork, row: BanRow, change: BanChange) -> None:
    if change.tiers:
        row.tiers = sorted(change.tiers)
    if change.funding:
        row.funding = sorted(map(str, change.funding))
    if change.audience:
        row.audience = sorted(map(str, change.audience))


def _confirm(row: BanRow, change: BanChange, now: Instant) -> bool:
    """Whether the change turns a provisional ban into an ordinary one; raises where it may not."""
    if change.provisional is None or change.provisional == row.provisional:
        if row.provisional and change.terms is not None:
            raise Invalid.at("body.provisional", "the ban is provisional: false confirms it, with decision and terms")
        if change.provisional and has_lapsed(row.terms, now):
            raise Conflict("the provisional ban has lapsed: adopt it by a decision, with provisional false")
        return False
    if change.provisional:
        raise _had_already(row, "it does not become provisional")
    fresh = tuple(term for term in change.terms or () if not any(same_span(known, term) for known in row.decided_terms))
    demand_basis(change.decision or FormalDecision(), fresh)
    row.provisional = False
    return True


def _omissible(unit: UnitOfWork, row: BanRow, change: BanChange, confirmed: bool) -> list[TermRow]:
    """The begun terms that need not be repeated: that of a provisional ban, by the change that confirms it.

    The same change sent again says once more that it confirms, and is no error. An altered term is, by then.
    """
    if confirmed:
        return list(row.terms)
    if change.provisional is not False:
        return []
    adopted = repository.provisional_since(unit.session, _subject(row))
    wanted = [term for term in change.terms or () if not any(same_term(known, term) for known in row.decided_terms)]
    return [
        term
        for term in row.terms
        if term.start_s == term.recorded_s == adopted
        and term.end_s == term.start_s + PROVISIONAL_S
        and all(term.start_s != other.start for other in wanted)
    ]


def _replace_terms(
    unit: UnitOfWork, row: BanRow, wanted: Sequence[Term], omissible: Sequence[TermRow], confirmed: bool
) -> bool:
    """Make `wanted` the terms: those that have begun must be among them as they are, others come and go.

    Says whether it is a renewal: a ban that has begun, and is not `confirmed` by it, was given a term that it did not
    have. That takes a decision.
    """
    known = row.decided_terms
    begun = not confirmed and has_begun(row, unit.now_s)
    missing = [term for term in known if not any(same_term(term, other) for other in wanted)]
    kept = [term for term in missing if term.start_s <= unit.now_s or term.recorded_s > unit.now_s]
    if any(term not in omissible for term in kept):
        raise _had_already(row, "a term of it that has begun is repeated as it is, and not left out")
    for gone in missing:
        if gone not in kept:
            row.terms.remove(gone)
    fresh = [(index, term) for index, term in enumerate(wanted) if not any(same_term(other, term) for other in known)]
    for index, term in fresh:
        if begun:
            demand_renewal(term.decision, f"body.terms.{index}.decision")
        _demand_term(term, index, unit.now_s)
    row.terms.extend(_term_row(term, unit.now_s) for _, term in fresh)
    if not row.terms:
        raise Invalid.at("body.terms", "a ban has at least one term")
    _bounded(row.terms)
    return begun and bool(fresh)


def _had_already(row: BanRow, why: str) -> Conflict:
    """What somebody is told who would adopt a ban where there is one."""
    there = f"{row.authority} has a ban on {row.service} already (ban {row.number})"
    return Conflict(f"{there}, and {why}: renew it, or end it")


def _demand_term(term: Term, index: int, now: Instant) -> None:
    place = f"body.terms.{index}"
    demand_own(term.decision, f"{place}.decision")
    demand_ahead(term, place, now)


def _checked(row: BanRow, service: Service) -> None:
    known = {tier.number for tier in service.tiers}
    unknown = set(row.tiers) - known
    if unknown and (set(row.tiers) != DEFAULT_TIERS or not known & set(row.tiers)):
        raise Invalid.at("body.tiers", f"{service.slug} has the tiers {sorted(known)}, not {sorted(unknown)}")
    if row.reply == Reply.ADDRESS and not row.addresses:
        raise Invalid.at("body.addresses", "the reply address needs at least one address")
    if row.reply != Reply.ADDRESS and row.addresses:
        raise Invalid.at("body.addresses", "addresses are only for the reply address")


def _term_row(term: Term, now: Instant) -> TermRow:
    return TermRow(
        start_s=term.start,
        end_s=term.end,
        review_by_s=term.review_by,
        recorded_s=now,
        decision=decision_columns(term.decision),
        ended_s=None,
        ended_reason="",
        ended_decision={},
    )


def _bounded(terms: Sequence[TermRow]) -> None:
    if len(terms) > MAX_TERMS:
        raise Invalid.at("body.terms", f"a ban has at most {MAX_TERMS} terms")


def _within_life(authority: AuthorityRow, terms: Sequence[TermRow], now: Instant) -> None:
    """Raises Conflict where a term reaches beyond the authority's closing."""
    for term in live_terms(terms, now):
        # One that was ended in the second of its start ends in the next: the closing may have been between.
        if term.ended_s != term.start_s + 1:
            demand_within(authority, term.period.end, now)


def _read(unit: UnitOfWork, authority: AuthorityRow, row: BanRow) -> BanRead:
    return read_ban(unit.session, row, unit.now_s, authority.time_zone, frozenset())


def _recorded(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, act: str, before: BanRead) -> BanRead:
    """Record the act; gives the ban as it is after it."""
    _within_life(authority, row.terms, unit.now_s)
    row.revision = unit.new_revision()
    unit.session.flush()
    after = _read(unit, authority, row)
    unit.record(act, _subject(row), kept(before), kept(after), row.authority)
    return after


def _subject(row: BanRow) -> str:
    return f"ban/{row.authority}/{row.service}"
