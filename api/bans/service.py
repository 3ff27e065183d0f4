"""Acts on bans: adopt, change, toggle, renew, end early, remove.

Raise `Conflict` for a change to a term that has begun, or to the ban's formal decision once a term has begun.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from api.authorities.state import demand_open, demand_within
from api.bans import repository
from api.bans.followed_ban import followed, renewed
from api.bans.formal_requirements import demand_ahead, demand_basis, demand_own_reference, demand_renewal
from api.bans.mode_setting import first_mode, set_mode, switched
from api.bans.provisional import already_adopted, confirm, demand_not_provisional, provisional_term, terms_to_omit
from api.bans.reading import audit_fields, audit_subject, decision_columns, formal_decision, read_ban, same_term
from api.bans.schemas import BanRead
from api.bans.state import has_begun, live_terms
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

MAX_TERMS = 100

Step: TypeAlias = Callable[[UnitOfWork, BanRow, BanChange], None]
"""A function that sets one part of a ban as the change says."""


def put(
    unit: UnitOfWork, authority: AuthorityRow, service: Service, row: BanRow | None, change: BanChange
) -> tuple[BanRow, BanRead]:
    """Adopt a ban, or change the existing `row`. Do nothing if nothing differs.

    As every act here, return the ban as it is afterwards, without suspensions.
    """
    if change.mode is None and change.mode_reason is not None:
        raise Invalid.at("body.mode_reason", "a reason needs a mode: give mode too")
    if row is None:
        return _adopt(unit, authority, service, followed(unit.session, change, unit.now_s))
    # A confirmation includes what it takes over from the ban that it follows.
    confirms = row.provisional and change.provisional is False
    wanted = followed(unit.session, change, unit.now_s) if confirms else change
    return row, _change(unit, authority, service, row, wanted)


def renew(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, term: Term) -> BanRead:
    """Add a term to an ordinary ban, by a formal decision with a reference.

    Raise `Conflict` if the ban is provisional or already has that term.
    """
    _demand_renewable(row, term.decision)
    demand_ahead(term, "body", unit.now_s)
    if any(same_term(known, term) for known in row.decided_terms):
        raise Conflict(f"{row.authority}/{row.service} already has that term")
    return _add_terms(unit, authority, row, (term,))


def demand_new_reference(row: BanRow, reference: str, now: Instant) -> None:
    """Raise `Conflict` if a term that has not ended already has this reference.

    Used for a renewal without a start: sent again, it would add another term.
    """
    if any(known.decision.get("reference") == reference for known in live_terms(row.terms, now)):
        raise Conflict(f"the ban was already renewed by {reference}. For a further term by it, give its start.")


def renew_following(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, decision: FormalDecision) -> BanRead:
    """Renew an ordinary ban for the rest of the terms of the ban that the formal decision follows, with its scope.

    The scope is a separate act. Raise `Conflict` as `renew` does, or if nothing is left to take over.
    """
    _demand_renewable(row, decision)
    change = renewed(unit.session.get_one(BanRow, decision.follows), row.terms, decision, unit.now_s)
    renewed_ban, stored = _add_terms(unit, authority, row, change.terms or ()), columns(row)
    _set_scope(unit, row, change)
    return renewed_ban if columns(row) == stored else _recorded(unit, authority, row, "ban.set_scope", renewed_ban)


def _demand_renewable(row: BanRow, decision: FormalDecision) -> None:
    demand_not_provisional(row)
    demand_renewal(decision, "body.decision")


def _add_terms(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, terms: Sequence[Term]) -> BanRead:
    before = _read(unit, authority, row)
    row.terms.extend(_term_row(term, unit.now_s) for term in terms)
    _check_count(row.terms)
    return _recorded(unit, authority, row, "ban.renew", before)


def end(
    unit: UnitOfWork, authority: AuthorityRow, row: BanRow, at: Instant, reason: str, decision: FormalDecision | None
) -> BanRead:
    """End the ban early at `at`: terms that have begun get that end, terms that begin later are removed.

    If no term has begun and the ban cannot be removed, keep its terms: they end when they begin. Raise `Conflict` if
    the ban can be removed.
    """
    if at < unit.now_s:
        raise Invalid.at("body.at", "a ban cannot end in the past: give now or a later time")
    decided, begun = row.decided_terms, has_begun(row, unit.now_s)
    if not begun and _why_not_removable(unit, row) is None:
        raise Conflict("the ban has not begun: remove it instead")
    # A term ended in its first second lasts until the next second. The same end again changes nothing.
    ends = [(term, term.period.end_by_act(at, unit.now_s)) for term in decided]
    reaching = [(term, end) for term, end in ends if until(term.period.end) > end]
    if not reaching:
        raise Conflict("no term of the ban lasts beyond that time: give an earlier end")
    if decision is not None:
        demand_own_reference(decision, "body.decision")
    before = _read(unit, authority, row)
    for term, end in reaching:
        if begun and term.start_s > unit.now_s >= term.recorded_s and term.start_s >= at:
            row.terms.remove(term)
            continue
        term.ended_s, term.ended_reason = end, reason
        term.ended_decision = decision_columns(decision) if decision is not None else {}
    return _recorded(unit, authority, row, "ban.end", before)


def delete(unit: UnitOfWork, authority: AuthorityRow, row: BanRow) -> None:
    """Remove a ban that has not begun and that nothing refers to; raise `Conflict` if it may not be removed."""
    why = _why_not_removable(unit, row)
    if why is not None:
        raise Conflict(why)
    unit.record("ban.remove", audit_subject(row), audit_fields(_read(unit, authority, row)), None, row.authority)
    unit.session.delete(row)


def _why_not_removable(unit: UnitOfWork, row: BanRow) -> str | None:
    """Return why the ban cannot be removed; None if it can."""
    if has_begun(row, unit.now_s):
        return "the ban has begun and stays on record: end it instead"
    if any(term.recorded_s > unit.now_s for term in row.decided_terms):
        return "the ban was recorded by a clock ahead of this one and may have begun: end it instead"
    if any(term.ended_s is not None for term in row.terms):
        ended = "the ban was ended before it began and stays on record"
        return f"{ended}: end it instead" if row.decided_terms else ended
    if repository.referred_to(unit.session, row.number):
        return "a binding, an exemption or a request names the ban: end it instead"
    if repository.is_followed(unit.session, row.number):
        return "another ban's formal decision follows the ban: end it instead"
    return None


def new_row(unit: UnitOfWork, authority: AuthorityRow, service: Service, change: BanChange) -> BanRow:
    """Return the row of a new ban, not yet in a session; raise `Invalid` or `Conflict` if it cannot be adopted."""
    provisional = bool(change.provisional)
    terms = change.terms or ()
    decision = change.decision or FormalDecision()
    if provisional and not change.loaded:
        terms = (provisional_term(terms, unit.now_s),)
    elif not change.loaded:
        demand_basis(decision, terms)
        for index, term in enumerate(terms):
            _demand_term(term, index, unit.now_s)
    row = BanRow(
        authority=authority.slug,
        service=service.slug,
        # Set below. A new ban has no earlier mode.
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
    _check_count(row.terms)
    _check(row, service)
    demand_open(authority, unit.now_s)
    _demand_within_life(authority, row.terms, unit.now_s)
    return row


def _adopt(unit: UnitOfWork, authority: AuthorityRow, service: Service, change: BanChange) -> tuple[BanRow, BanRead]:
    row = new_row(unit, authority, service, change)
    unit.session.add(row)
    unit.session.flush()
    act = "ban.adopt_provisionally" if row.provisional else "ban.adopt"
    after = _read(unit, authority, row)
    unit.record(act, audit_subject(row), None, audit_fields(after), row.authority)
    return row, after


def _change(unit: UnitOfWork, authority: AuthorityRow, service: Service, row: BanRow, change: BanChange) -> BanRead:
    before, stored = _read(unit, authority, row), columns(row)
    confirmed = confirm(row, change, unit.now_s)
    if change.terms is not None:
        renews = _replace_terms(unit, row, change.terms, terms_to_omit(unit.session, row, change, confirmed), confirmed)
        if renews:
            before, stored = _recorded(unit, authority, row, "ban.renew", before), columns(row)
    if change.decision is not None and change.decision != formal_decision(row.decision):
        if not confirmed and has_begun(row, unit.now_s):
            raise already_adopted(row, "its formal decision cannot change")
        if not row.provisional:
            demand_own_reference(change.decision, "body.decision")
        row.decision = decision_columns(change.decision)
    # Each step is a separate act; the toggle is the last.
    steps: tuple[tuple[str, Step], ...] = (
        ("ban.change", _set_reply),
        ("ban.set_scope", _set_scope),
        (f"ban.set_{switched(unit, row, change).mode}", set_mode),
    )
    for act, step in steps:
        step(unit, row, change)
        if not confirmed and columns(row) != stored:
            before, stored = _recorded(unit, authority, row, act, before), columns(row)
    _check(row, service)
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


def _replace_terms(
    unit: UnitOfWork, row: BanRow, wanted: Sequence[Term], may_omit: Sequence[TermRow], confirmed: bool
) -> bool:
    """Replace the terms by `wanted`. Terms that have begun must be repeated unchanged; others may be added or removed.

    Return whether it is a renewal, which needs a formal decision: the ban has begun, gets a new term, and is not
    `confirmed` by this change.
    """
    known = row.decided_terms
    begun = not confirmed and has_begun(row, unit.now_s)
    missing = [term for term in known if not any(same_term(term, other) for other in wanted)]
    kept = [term for term in missing if term.start_s <= unit.now_s or term.recorded_s > unit.now_s]
    if any(term not in may_omit for term in kept):
        raise already_adopted(row, "a term that has begun must be repeated unchanged")
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
        raise Invalid.at("body.terms", "a ban needs at least one term: give one")
    _check_count(row.terms)
    return begun and bool(fresh)


def _demand_term(term: Term, index: int, now: Instant) -> None:
    place = f"body.terms.{index}"
    demand_own_reference(term.decision, f"{place}.decision")
    demand_ahead(term, place, now)


def _check(row: BanRow, service: Service) -> None:
    known = {tier.number for tier in service.tiers}
    unknown = set(row.tiers) - known
    if unknown and (set(row.tiers) != DEFAULT_TIERS or not known & set(row.tiers)):
        raise Invalid.at("body.tiers", f"{service.slug} has no tiers {sorted(unknown)}: choose from {sorted(known)}")
    if row.reply == Reply.ADDRESS and not row.addresses:
        raise Invalid.at("body.addresses", "the reply address needs an address: give addresses")
    if row.reply != Reply.ADDRESS and row.addresses:
        raise Invalid.at("body.addresses", "addresses need the reply address: set reply to address, or omit addresses")


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


def _check_count(terms: Sequence[TermRow]) -> None:
    if len(terms) > MAX_TERMS:
        raise Invalid.at("body.terms", f"a ban has at most {MAX_TERMS} terms, not {len(terms)}")


def _demand_within_life(authority: AuthorityRow, terms: Sequence[TermRow], now: Instant) -> None:
    """Raise `Conflict` if a term lasts beyond the closing of the authority."""
    for term in live_terms(terms, now):
        # A term that was ended in its first second lasts until the next; the authority may have closed between.
        if term.ended_s != term.start_s + 1:
            demand_within(authority, term.period.end, now)


def _read(unit: UnitOfWork, authority: AuthorityRow, row: BanRow) -> BanRead:
    return read_ban(unit.session, row, unit.now_s, authority.time_zone, frozenset())


def _recorded(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, act: str, before: BanRead) -> BanRead:
    """Record the act and return the ban as it is afterwards."""
    _demand_within_life(authority, row.terms, unit.now_s)
    row.revision = unit.new_revision()
    unit.session.flush()
    after = _read(unit, authority, row)
    unit.record(act, audit_subject(row), audit_fields(before), audit_fields(after), row.authority)
    return after
