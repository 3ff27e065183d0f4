"""Acts on bans: adopt, change, toggle, renew, end early, remove. `authority` is the one whose ban it is.

Raise `Conflict` for a change to a term that has begun, or to the ban's formal decision once a term has begun.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from api.authorities.state import demand_open, demand_within
from api.bans import repository
from api.bans.reading import shown
from api.bans.refusable_names import demand_refusable
from api.bans.required_reasons import demand_reason
from api.bans.schemas import Ending, Renewal
from api.bans.state import ModeSetting, gapless_start, has_begun, live_terms, mode_setting_at
from api.bans.terms import (
    add_terms,
    already_adopted,
    confirm,
    decision_columns,
    demand_ahead,
    demand_basis,
    demand_new_reference,
    demand_new_term,
    demand_own_reference,
    demand_renewable,
    followed,
    provisional_term,
    renewed,
    replace_terms,
)
from api.bans.wanted_change import BanChange, Subject, formal_decision, same_term
from api.db.base import Json
from api.db.models import AuthorityRow, BanRow, TermRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid
from api.timestamps import given_timestamp
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import (
    DEFAULT_AUDIENCE,
    DEFAULT_FUNDING,
    DEFAULT_TIERS,
    FormalDecision,
    Instant,
    Mode,
    OnList,
    Reply,
    Service,
    Term,
)
from dnsfilter.policy.single_names import is_single_name
from dnsfilter.translatable import Text


def put(unit: UnitOfWork, authority: AuthorityRow, service: Service, row: BanRow | None, change: BanChange) -> BanRow:
    """Adopt a ban, or change the existing `row`. Do nothing if nothing differs."""
    if change.mode is None and change.mode_reason is not None:
        raise Invalid.at("body.mode_reason", Text("a reason needs a mode: give mode too"))
    # A confirmation includes what it takes over from the ban that it follows.
    confirms = row is None or (row.provisional and change.provisional is False)
    wanted = followed(unit.session, change, unit.now_s) if confirms else change
    if is_single_name(service.slug) and not change.loaded and _refuses_more(row, wanted):
        tiers = wanted.tiers or (DEFAULT_TIERS if row is None else row.tiers)
        demand_refusable(unit, authority.slug, service.slug, tiers)
    if row is None:
        return _adopt(unit, authority, service, wanted)
    _change(unit, authority, service, row, wanted)
    return row


def _refuses_more(row: BanRow | None, change: BanChange) -> bool:
    """Return whether a ban gets other tiers or a new term."""
    if row is None or (change.tiers is not None and change.tiers != set(row.tiers)):
        return True
    return any(not any(same_term(known, term) for known in row.terms) for term in change.terms or ())


def renew(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, body: Renewal) -> None:
    """Renew an ordinary ban by a formal decision with a reference: by a term, or by the terms of the ban it follows.

    Raise `Conflict` if the ban is provisional, was renewed so already, or if nothing is left to take over.
    """
    if is_single_name(row.service):
        demand_refusable(unit, authority.slug, row.service, row.tiers)
    written = Subject(unit, authority, row.service, row)
    if body.decision is not None and body.decision.follows is not None and body.says_no_term:
        _renew_following(unit, authority, row, written.decision(body.decision))
        return
    if body.start is None and body.decision is not None and body.decision.reference:
        demand_new_reference(row, body.decision.reference, unit.now_s)
    add_term(unit, authority, row, written.term(body, gapless_start(row.terms, unit.now_s)))


def add_term(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, term: Term, on_list: OnList | None = None) -> None:
    """Add a term to an ordinary ban, by a formal decision with a reference. With `on_list` the ban joins that list.

    Raise `Conflict` if the ban is provisional or already has that term.
    """
    demand_renewable(row, term.decision)
    demand_ahead(term, "body", unit.now_s)
    if any(same_term(known, term) for known in row.decided_terms):
        raise Conflict(
            Text("{authority}/{service} already has that term", authority=row.authority, service=row.service)
        )
    before = _shown(unit, authority, row)
    if on_list is not None:
        row.prohibited_list, row.list_version = on_list.reference, on_list.version
    add_terms(row, (term,), unit.now_s)
    _record(unit, authority, row, "ban.renew", before)


def _renew_following(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, decision: FormalDecision) -> None:
    """Renew a ban for the rest of the terms of the ban that the decision follows. Its scope is a separate act."""
    demand_renewable(row, decision)
    change = renewed(unit.session.get_one(BanRow, decision.follows), row.terms, decision, unit.now_s)
    before = _shown(unit, authority, row)
    add_terms(row, change.terms or (), unit.now_s)
    before = _record(unit, authority, row, "ban.renew", before)
    if _set_scope(row, change):
        _record(unit, authority, row, "ban.set_scope", before)


def end(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, body: Ending) -> None:
    """End the ban early: terms that have begun get that end, terms that begin later are removed.

    If no term has begun and the ban cannot be removed, keep its terms: they end when they begin. Raise `Conflict` if
    the ban can be removed.
    """
    written = Subject(unit, authority, row.service, row)
    decision = None if body.decision is None else written.decision(body.decision)
    at = given_timestamp(body.at, unit.now_s, authority.time_zone, unit.asked_s, "body.at", second=True)
    at = unit.not_past(at)
    if at < unit.now_s:
        raise Invalid.at("body.at", Text("a ban cannot end in the past: give now or a later time"))
    begun = has_begun(row, unit.now_s)
    if not begun and _why_not_removable(unit, row) is None:
        raise Conflict(Text("the ban has not begun: remove it instead"))
    if not _reaching(row, at, unit.now_s):
        raise Conflict(Text("no term of the ban lasts beyond that time: give an earlier end"))
    if decision is not None:
        demand_own_reference(decision, "body.decision")
    cut(unit, authority, row, at, body.reason, decision, keep=not begun)


def end_or_remove(
    unit: UnitOfWork, authority: AuthorityRow, row: BanRow, at: Instant, reason: str, decision: FormalDecision | None
) -> None:
    """End the ban at `at` with its list, or remove it if it begins no earlier and nothing keeps it from removal."""
    begun = has_begun(row, unit.now_s)
    planned = all(term.start_s >= at for term in row.decided_terms)
    if planned and not begun and _why_not_removable(unit, row) is None:
        remove(unit, authority, row)
    else:
        cut(unit, authority, row, at, reason, decision, keep=not begun)


def cut(
    unit: UnitOfWork,
    authority: AuthorityRow,
    row: BanRow,
    at: Instant,
    reason: str,
    decision: FormalDecision | None,
    *,
    keep: bool = True,
) -> None:
    """End every term that reaches beyond `at`, for example because the authority closes. Do nothing if there is none.

    With `keep`, terms that begin later stay, and end when they begin. Otherwise they are removed.
    """
    before = _shown(unit, authority, row)
    if cut_terms(row, at, unit.now_s, reason, decision, keep=keep):
        _record(unit, authority, row, "ban.end", before)


def cut_terms(
    row: BanRow,
    at: Instant,
    now: Instant,
    reason: str,
    decision: FormalDecision | None = None,
    *,
    keep: bool = True,
) -> bool:
    """End every term that reaches beyond `at`, as `cut` does. Return whether there was one."""
    reaching = _reaching(row, at, now)
    for term, end in reaching:
        if not keep and term.start_s > now >= term.recorded_s and term.start_s >= at:
            row.terms.remove(term)
            continue
        term.ended_s, term.ended_reason = end, reason
        term.ended_decision = decision_columns(decision) if decision is not None else {}
    return bool(reaching)


def begin_again(unit: UnitOfWork, row: BanRow, change: BanChange) -> None:
    """End what is left of a ban's terms now, and begin those of `change`, with its mode and tiers. Record nothing."""
    cut_terms(row, unit.now_s, unit.now_s, change.mode_reason or "")
    known = mode_setting_at(row, unit.now_s)
    _set_mode(row, known, _switched(unit, row, known, change))
    _set_scope(row, change)
    add_terms(row, change.terms or (), unit.now_s)
    row.revision = unit.new_revision()


def _reaching(row: BanRow, at: Instant, now: Instant) -> list[tuple[TermRow, Instant]]:
    """Return the terms that reach beyond `at`, each with the end that an act gives it.

    A term ended in its first second lasts until the next second. The same end again changes nothing.
    """
    ends = [(term, term.period.end_by_act(at, now)) for term in row.decided_terms]
    return [(term, end) for term, end in ends if until(term.period.end) > end]


def remove(unit: UnitOfWork, authority: AuthorityRow, row: BanRow) -> None:
    """Remove a ban that has not begun and that nothing refers to; raise `Conflict` if it may not be removed."""
    why = _why_not_removable(unit, row)
    if why is not None:
        raise Conflict(why)
    unit.record("ban.remove", subject(row), _shown(unit, authority, row), None, row.authority)
    unit.session.delete(row)


def _why_not_removable(unit: UnitOfWork, row: BanRow) -> str | None:
    """Return why the ban cannot be removed; None if it can."""
    if has_begun(row, unit.now_s):
        return Text("the ban has begun and stays on record: end it instead")
    if any(term.recorded_s > unit.now_s for term in row.decided_terms):
        return Text("the ban was recorded by a clock ahead of this one and may have begun: end it instead")
    if any(term.ended_s is not None for term in row.terms):
        if row.decided_terms:
            return Text("the ban was ended before it began and stays on record: end it instead")
        return Text("the ban was ended before it began and stays on record")
    if repository.referred_to(unit.session, row.number):
        return Text("a binding, an exemption or a request names the ban: end it instead")
    if repository.is_followed(unit.session, row.number):
        return Text("another ban's formal decision follows the ban: end it instead")
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
            demand_new_term(term, index, unit.now_s)
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
        prohibited_list=None if change.on_list is None else change.on_list.reference,
        list_version=None if change.on_list is None else change.on_list.version,
        revision=unit.new_revision(),
        terms=[],
    )
    # The ban has refused nothing yet, so no reason is required.
    first = mode_setting_at(row, unit.now_s)
    _set_mode(row, first, _switched(unit, row, first, replace(change, mode=change.mode or Mode.ENFORCE)))
    add_terms(row, terms, unit.now_s)
    _check(row, service)
    demand_open(authority, unit.now_s)
    _demand_within_life(authority, row.terms, unit.now_s)
    return row


def _adopt(unit: UnitOfWork, authority: AuthorityRow, service: Service, change: BanChange) -> BanRow:
    row = new_row(unit, authority, service, change)
    unit.session.add(row)
    unit.session.flush()
    act = "ban.adopt_provisionally" if row.provisional else "ban.adopt"
    unit.record(act, subject(row), None, _shown(unit, authority, row), row.authority)
    return row


def _change(unit: UnitOfWork, authority: AuthorityRow, service: Service, row: BanRow, change: BanChange) -> None:
    before, changed = _shown(unit, authority, row), False
    if change.on_list is not None and change.on_list != row.on_list:
        row.prohibited_list, row.list_version = change.on_list.reference, change.on_list.version
        changed = True
    confirmed = confirm(row, change, unit.now_s)
    if change.terms is not None:
        replaced, renews = replace_terms(unit, row, change, change.terms, confirmed)
        changed = changed or replaced
        if renews:
            before, changed = _record(unit, authority, row, "ban.renew", before), False
    if change.decision is not None and change.decision != formal_decision(row.decision):
        if not confirmed and has_begun(row, unit.now_s):
            raise already_adopted(row, Text("its formal decision cannot change"))
        if not row.provisional:
            demand_own_reference(change.decision, "body.decision")
        row.decision, changed = decision_columns(change.decision), True
    known = mode_setting_at(row, unit.now_s)
    wanted = _switched(unit, row, known, change)
    # Each step is a separate act; the toggle is the last.
    steps: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("ban.change", lambda: _set_reply(row, change)),
        ("ban.set_scope", lambda: _set_scope(row, change)),
        (f"ban.set_{wanted.mode}", lambda: _toggle(authority, row, known, wanted)),
    )
    for act, step in steps:
        changed = step() or changed
        if changed and not confirmed:
            before, changed = _record(unit, authority, row, act, before), False
    _check(row, service)
    if confirmed:
        _record(unit, authority, row, "ban.confirm", before)


def _set(row: BanRow, **wanted: object) -> bool:
    """Set these columns. Return whether one changes."""
    changed = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return bool(changed)


def _set_reply(row: BanRow, change: BanChange) -> bool:
    reply = row.reply if change.reply is None else str(change.reply)
    kept = row.addresses if reply == Reply.ADDRESS else []
    return _set(row, reply=reply, addresses=kept if change.addresses is None else list(change.addresses))


def _set_scope(row: BanRow, change: BanChange) -> bool:
    return _set(
        row,
        tiers=sorted(change.tiers or row.tiers),
        funding=sorted(map(str, change.funding or row.funding)),
        audience=sorted(map(str, change.audience or row.audience)),
    )


def _toggle(authority: AuthorityRow, row: BanRow, known: ModeSetting, wanted: ModeSetting) -> bool:
    """Set the mode, its end and its reason. Raise `Invalid` if a required reason is missing."""
    if wanted == known:
        return False
    demand_reason(authority, row, known, wanted)
    _set_mode(row, known, wanted)
    return True


def _set_mode(row: BanRow, known: ModeSetting, wanted: ModeSetting) -> None:
    row.returns_to = None if wanted.mode is not Mode.OFF else wanted.returns or _returning(row, known)
    row.mode, row.mode_reason, row.off_until_s = str(wanted.mode), wanted.reason, wanted.until
    row.mode_set_s, row.mode_set_by = wanted.since, wanted.by


def _switched(unit: UnitOfWork, row: BanRow, known: ModeSetting, change: BanChange) -> ModeSetting:
    """Return the mode setting after the change; raise Invalid if there is no mode to return to."""
    if change.mode is None:
        return known
    # If the end has passed, as in an old policy file, the earlier mode is back.
    until = change.off_until if change.off_until is not None and change.off_until > unit.now_s else None
    returns = None
    if until is not None:
        returns = _returning(row, known) if change.mode is Mode.OFF else change.mode
        if returns is None:
            ban = f"{row.authority}/{row.service}"
            message = Text("{ban} has no earlier mode to return to: set enforce or monitor first", ban=ban)
            raise Invalid.at("body.until", message)
    mode = change.mode if until is None else Mode.OFF
    # A reason applies until the mode changes or another reason is given.
    kept = known.reason if mode is known.mode else ""
    reason = kept if change.mode_reason is None else change.mode_reason
    if (mode, until, returns, reason) == (known.mode, known.until, known.returns, known.reason):
        return known
    # A new end or reason for the same mode does not change its start.
    since = unit.now_s if mode is not known.mode or known.since is None else known.since
    return ModeSetting(mode, since, unit.actor.account, reason, until, returns)


def _returning(row: BanRow, known: ModeSetting) -> Mode | None:
    """Return the current mode, or the mode before the ban was off; None if it was never in another mode."""
    if known.mode is not Mode.OFF:
        return known.mode
    return None if row.returns_to is None else Mode(row.returns_to)


def _check(row: BanRow, service: Service) -> None:
    known = {tier.number for tier in service.tiers}
    unknown = set(row.tiers) - known
    if unknown and (set(row.tiers) != DEFAULT_TIERS or not known & set(row.tiers)):
        raise Invalid.at(
            "body.tiers",
            Text(
                "{slug} has no tiers {unknown}: choose from {known}",
                slug=service.slug,
                unknown=sorted(unknown),
                known=sorted(known),
            ),
        )
    if row.reply == Reply.ADDRESS and not row.addresses:
        raise Invalid.at("body.addresses", Text("the reply address needs an address: give addresses"))
    if row.reply != Reply.ADDRESS and row.addresses:
        raise Invalid.at(
            "body.addresses", Text("addresses need the reply address: set reply to address, or omit addresses")
        )


def _demand_within_life(authority: AuthorityRow, terms: Sequence[TermRow], now: Instant) -> None:
    """Raise `Conflict` if a term lasts beyond the closing of the authority."""
    for term in live_terms(terms, now):
        # A term that was ended in its first second lasts until the next; the authority may have closed between.
        if term.ended_s != term.start_s + 1:
            demand_within(authority, term.period.end, now)


def _shown(unit: UnitOfWork, authority: AuthorityRow, row: BanRow) -> Json:
    return shown(unit.session, row, unit.now_s, authority.time_zone)


def _record(unit: UnitOfWork, authority: AuthorityRow, row: BanRow, act: str, before: Json) -> Json:
    """Record the act. Return the ban as it is afterwards, which is what it was before the next act."""
    _demand_within_life(authority, row.terms, unit.now_s)
    row.revision = unit.new_revision()
    unit.session.flush()
    after = _shown(unit, authority, row)
    unit.record(act, subject(row), before, after, row.authority)
    return after
