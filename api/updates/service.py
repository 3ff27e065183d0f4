"""Acts on updates: propose, accept, reject, object.

Every new content of a service goes through `propose`. It takes effect, its new names pending, or is held back. Content
that was held back or rejected before and comes again from a feed is no new update.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from api.auth.permit import Permit
from api.auth.second_person import demand_second_person
from api.db.models import AuthorityRow, FeedRow, ListRow, ObjectionRow, ServiceRow, UpdateRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, Invalid
from api.publish.service_lists import ServiceList, list_of, service_of
from api.updates import repository
from api.updates.guarding import installation_guard
from api.updates.plans import Plan, Prepare, basis_of, plan_acceptance, plan_objection
from api.updates.reading import shown_service, shown_update
from api.updates.schemas import Outcome, Source, UpdateState
from api.updates.state import update_state
from blocklists.update_review import Review, names_in, plain, review, without
from dnsfilter.policy.model import Instant, Service, Tier, WireName
from dnsfilter.wire.names import name_text, parse_name

NOTHING = ""
"""The digest of what is in force of a new service."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """New names for a service. Of the `lines` of their list, `unreadable` could not be read.

    `at_once` enforces new names without a wait; None: only those of an edit.
    """

    tiers: Sequence[Tier]
    source: Source
    at_once: bool | None = None
    unreadable: int = 0
    lines: int = 0
    rehearsed: "Rehearsed | None" = None

    @property
    def waits(self) -> bool:
        """Return whether new names are monitored first. Each name of an edit was written by a person."""
        return self.source is not Source.EDIT if self.at_once is None else not self.at_once


def begin(unit: UnitOfWork, row: ServiceRow, proposal: Proposal) -> None:
    """Give a new service its first names. They are not pending: nobody has banned it. Raise `Invalid` for bad ones.

    The caller records the act.
    """
    known = proposal.rehearsed
    if known is None or known.base != NOTHING:
        known = _first(unit.session, row, proposal, unit.now_s)
    if known.found.reasons:
        raise Invalid([Fault("body.names", f"{reason.text}: leave it out") for reason in known.found.reasons])
    row.digest = keep_list(unit.session, known.content)
    row.revision = unit.new_revision()
    unit.session.add(row)
    unit.session.flush()


def _first(session: Session, row: ServiceRow, proposal: Proposal, now: Instant) -> "Rehearsed":
    """Return what `begin` finds of a proposal."""
    found = review((), proposal.tiers, installation_guard(session), now, at_once=True)
    content = list_of(Service(row.slug, row.name, found.content))
    return Rehearsed(NOTHING, frozenset(), found, content, content)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What `propose` would find of a proposal. It holds while `base` is in force and `objected` are the objections.

    `wanted` is the proposed list, `content` the one that is in force if the proposal is taken.
    """

    base: str
    objected: frozenset[WireName]
    found: Review
    wanted: ServiceList
    content: ServiceList


def rehearse(
    session: Session, row: ServiceRow, proposal: Proposal, now: Instant, prepare: Prepare, name: str | None = None
) -> Proposal:
    """Return the proposal with what `begin` or `propose` would find of it. A new service's row is in no session.

    `name` is the name that the service gets with it.

    Call it before their transaction: a million names take seconds, and acts take turns. `prepare` gets the service and
    its list's digest.
    """
    if row not in session:
        known = _first(session, row, proposal, now)
    else:
        objected = repository.objected_names(session, row.slug)
        tiers = without(proposal.tiers, objected) if objected else proposal.tiers
        found = _review(session, row, proposal, tiers, now)
        wanted = list_of(Service(row.slug, name or row.name, plain(tiers)))
        content = list_of(Service(row.slug, name or row.name, found.content))
        known = Rehearsed(row.digest, objected, found, wanted, content)
    if not known.found.reasons:
        prepare(Service(row.slug, name or row.name, known.found.content), known.content.digest)
    return replace(proposal, rehearsed=known)


def propose(unit: UnitOfWork, row: ServiceRow, proposal: Proposal) -> UpdateRow | None:
    """Bring new names of a service into force, or hold them back. Return the update; None if nothing changes.

    A later proposal replaces one that is held back.
    """
    session = unit.session
    objected = repository.objected_names(session, row.slug)
    tiers = _without_objections(unit, row, proposal, objected)
    known = proposal.rehearsed
    if known is not None and (known.base, known.objected) != (row.digest, objected):
        known = None
    found = _review(session, row, proposal, tiers, unit.now_s) if known is None else known.found
    held = repository.held_back(session, row.slug)
    if not found.added and not found.removed:
        if held is not None:
            replace_update(unit, held, "the list is as before")
        return None
    wanted = keep_list(session, list_of(Service(row.slug, row.name, plain(tiers))) if known is None else known.wanted)
    if found.reasons:
        refused = repository.refused_before(session, row.slug, wanted)
        if refused is not None and (refused is held or proposal.source is not Source.EDIT):
            if held is not None and refused is not held:
                replace_update(unit, held, "a list that was rejected before came again")
            return refused
    if held is not None:
        replace_update(unit, held, "a later update came")
    update = _new(unit, row, proposal.source, wanted, found)
    if found.reasons:
        unit.record("update.hold_back", subject(update), None, shown_update(update), *_authorities(row))
    else:
        _take(unit, row, update, found.content, found.enforced_from, None if known is None else known.content)
    return update


def accept(
    unit: UnitOfWork, permit: Permit, update: UpdateRow, at_once: bool, note: str, known: Plan | None = None
) -> None:
    """Bring an update that was held back into force, or enforce the pending names of another at once.

    `known` is the plan that was worked out before the transaction. Raise `Forbidden` for the account that proposed it,
    if the authority requires a second person. Raise `Conflict` if nothing is left to decide.
    """
    row = _service(unit, update)
    plan = _holding(unit, row, update, known) or plan_acceptance(unit.session, row, update, unit.now_s, at_once)
    _demand_other(unit, permit, update)
    before = shown_update(update)
    update.added = plan.added
    _take(unit, row, update, plan.content, plan.enforced_from, plan.made)
    _decided(unit, update, note)
    unit.record("update.accept", subject(update), before, shown_update(update), *_authorities(row))


def reject(unit: UnitOfWork, update: UpdateRow, reason: str) -> None:
    """Reject an update that is held back. What was in force stays. Raise `Conflict` for any other."""
    state = update_state(update, unit.now_s)
    if state is not UpdateState.HELD_BACK:
        hint = " Object to its names instead." if state is UpdateState.PENDING else ""
        raise Conflict(f"Update {update.number} is {state} and cannot be rejected.{hint}")
    before = shown_update(update)
    update.outcome = Outcome.REJECTED
    _decided(unit, update, reason)
    unit.record("update.reject", subject(update), before, shown_update(update), *_authorities(update))


def object_to(
    unit: UnitOfWork, update: UpdateRow, names: Sequence[str], reason: str, known: Plan | None = None
) -> None:
    """Leave names out of an update, and out of all later ones that no person edits.

    `known` is the plan that was worked out before the transaction. Raise `Invalid` for a name that the update does not
    add, or that is enforced already.
    """
    row = _service(unit, update)
    plan = _holding(unit, row, update, known) or plan_objection(unit.session, row, update, unit.now_s, names)
    assert plan.wanted is not None
    before, left_out = shown_update(update), sorted(map(name_text, plan.left_out))
    for name in left_out:
        objection = ObjectionRow(
            service=row.slug, name=name, reason=reason, recorded_s=unit.now_s, recorded_by=unit.actor.account
        )
        unit.session.merge(objection)
    update.digest, update.added = keep_list(unit.session, plan.wanted), plan.added
    update.revision = unit.new_revision()
    if plan.made is not None:
        _take(unit, row, update, plan.content, plan.enforced_from, plan.made)
    after = {**shown_update(update), "objected": left_out, "reason": reason}
    unit.record("update.object", subject(update), before, after, *_authorities(row))


def withdraw_objection(unit: UnitOfWork, row: ObjectionRow, reason: str) -> None:
    """Withdraw an objection. The name comes back by a later update that has it, as any new name does."""
    owner = repository.owner_of(unit.session, row)
    before = {"reason": row.reason, "recorded_s": row.recorded_s, "recorded_by": row.recorded_by}
    feed = unit.session.get(FeedRow, row.service)
    if feed is not None:
        # Else an unchanged list is not read again.
        feed.etag = feed.modified = ""
    unit.note("update.withdraw_objection", subject(row), before, {"reason": reason}, *([owner] if owner else []))
    unit.session.delete(row)


def forget(unit: UnitOfWork, row: ServiceRow) -> None:
    """End what is open for a service that is about to be removed: updates that are held back or pending, objections."""
    for update in repository.open_of(unit.session, row.slug, unit.now_s):
        if update.outcome == Outcome.HELD_BACK:
            replace_update(unit, update, "the service was removed")
        update.pending, update.revision = 0, unit.new_revision()
    for objection in repository.objections(unit.session, row.slug):
        unit.session.delete(objection)


def keep_list(session: Session, made: ServiceList) -> str:
    """Store the list of a service's names unless it is stored. Return its digest."""
    if session.get(ListRow, made.digest) is None:
        session.add(ListRow(digest=made.digest, service=made.service, body=made.body))
        session.flush()
    return made.digest


def _review(session: Session, row: ServiceRow, proposal: Proposal, tiers: Sequence[Tier], now: Instant) -> Review:
    """Compare the proposed tiers with those in force."""
    return review(
        service_of(row.content.body).tiers,
        tiers,
        installation_guard(session),
        now,
        at_once=not proposal.waits,
        unreadable=proposal.unreadable,
        lines=proposal.lines,
    )


def _without_objections(
    unit: UnitOfWork, row: ServiceRow, proposal: Proposal, objected: frozenset[WireName]
) -> Sequence[Tier]:
    """Return the proposed names without those that were objected to. An edit withdraws objections to its names."""
    if not objected:
        return proposal.tiers
    if proposal.source is not Source.EDIT:
        return without(proposal.tiers, objected)
    wanted = frozenset[WireName]().union(*(tier.domains | tier.hosts for tier in proposal.tiers))
    for objection in repository.objections(unit.session, row.slug):
        if parse_name(objection.name) in wanted:
            unit.session.delete(objection)
    return proposal.tiers


def _new(unit: UnitOfWork, row: ServiceRow, source: Source, wanted: str, found: Review) -> UpdateRow:
    update = UpdateRow(
        service=row.slug,
        authority=row.authority,
        source=source,
        outcome=Outcome.HELD_BACK,
        digest=wanted,
        base=row.digest,
        added=names_in(found.added),
        removed=names_in(found.removed),
        pending=0,
        reasons=[{"reason": str(each.held), "text": each.text} for each in found.reasons],
        proposed_s=unit.now_s,
        proposed_by=unit.actor.account,
        enforced_from_s=None,
        decided_s=None,
        decided_by=None,
        note="",
        revision=unit.new_revision(),
    )
    unit.session.add(update)
    unit.session.flush()
    return update


def _take(
    unit: UnitOfWork,
    row: ServiceRow,
    update: UpdateRow,
    content: Sequence[Tier],
    enforced_from: Instant | None,
    made: ServiceList | None = None,
) -> None:
    """Bring content into force by an update. Record the change of the service. `made` is the content's list."""
    before = shown_service(row)
    row.digest = keep_list(unit.session, made or list_of(Service(row.slug, row.name, tuple(content))))
    row.revision = unit.new_revision()
    if update.outcome != Outcome.TAKEN:
        # Later, the service has names of other updates too.
        update.outcome, update.digest = Outcome.TAKEN, row.digest
    waiting = names_in(tier for tier in content if enforced_from and tier.enforced_from == enforced_from)
    # Updates of one second share their instant.
    update.pending = min(update.added, waiting)
    update.enforced_from_s = enforced_from if update.pending else None
    update.revision = unit.new_revision()
    unit.session.flush()
    _recount_pending(unit, row, content)
    unit.session.expire(row, ["content"])
    unit.session.expire(update, ["wanted"])
    after = {**shown_service(row), "update": update.number, "added": update.added, "removed": update.removed}
    unit.record("service.update", subject(row), before, after, *_authorities(row))


def _recount_pending(unit: UnitOfWork, row: ServiceRow, content: Sequence[Tier]) -> None:
    """Let each update of the service count only those of its names that still wait."""
    for each in repository.pending_of(unit.session, row.slug, unit.now_s):
        left = names_in(tier for tier in content if tier.enforced_from == each.enforced_from_s)
        if left < each.pending:
            each.pending, each.revision = left, unit.new_revision()


def replace_update(unit: UnitOfWork, update: UpdateRow, note: str) -> None:
    """End an update that another one replaces."""
    before = shown_update(update)
    update.outcome = Outcome.REPLACED
    _decided(unit, update, note)
    unit.record("update.replace", subject(update), before, shown_update(update), *_authorities(update))


def _decided(unit: UnitOfWork, update: UpdateRow, note: str) -> None:
    update.decided_s, update.decided_by, update.note = unit.now_s, unit.actor.account, note
    update.revision = unit.new_revision()


def _demand_other(unit: UnitOfWork, permit: Permit, update: UpdateRow) -> None:
    """Raise `Forbidden` for whoever proposed the update, if its authority requires an approver for less refusing."""
    authority = unit.session.get(AuthorityRow, update.authority) if update.authority else None
    if authority is not None and authority.off_needs_approver and not permit.caller.administers:
        demand_second_person(
            permit.caller, unit.session, update.proposed_by, permit.rule.roles, authority.slug, unit.now_s
        )


def _service(unit: UnitOfWork, update: UpdateRow) -> ServiceRow:
    row = unit.session.get(ServiceRow, update.service)
    if row is None:
        raise Conflict(f"Update {update.number} is of {update.service}, which is no longer registered.")
    return row


def _holding(unit: UnitOfWork, row: ServiceRow, update: UpdateRow, known: Plan | None) -> Plan | None:
    """Return the plan if it still holds."""
    return known if known is not None and known.basis == basis_of(unit.session, row, update, unit.now_s) else None


def _authorities(row: ServiceRow | UpdateRow) -> Sequence[str]:
    return () if row.authority is None else (row.authority,)
