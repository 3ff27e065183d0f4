"""Acts on updates: propose, accept, reject, object.

Every new content of a service goes through `propose`. It takes effect, its new names pending, or is held back. Content
that was held back or rejected before and comes again from a feed is no new update.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from api.auth.permit import Permit
from api.auth.second_person import demand_second_person
from api.db.models import AuthorityRow, ListRow, ObjectionRow, ServiceRow, UpdateRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, Invalid
from api.publish.service_lists import ServiceList, list_of, service_of
from api.updates import repository
from api.updates.guarding import installation_guard
from api.updates.reading import shown_service, shown_update
from api.updates.schemas import Outcome, Source, UpdateState
from api.updates.state import update_state
from blocklists.update_review import Review, difference, enforced, names_in, plain, review, without
from dnsfilter.policy.model import Instant, Service, Tier, WireName
from dnsfilter.wire.names import name_text, parse_name


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


def begin(unit: UnitOfWork, row: ServiceRow, tiers: Sequence[Tier]) -> None:
    """Give a new service its first names. They are not pending: nobody has banned it. Raise `Invalid` for bad ones.

    The caller records the act.
    """
    found = review((), tiers, installation_guard(unit.session), unit.now_s, at_once=True)
    if found.reasons:
        raise Invalid([Fault("body.names", f"{reason.text}: leave it out") for reason in found.reasons])
    row.digest = keep_list(unit.session, list_of(Service(row.slug, row.name, found.content)))
    row.revision = unit.new_revision()
    unit.session.add(row)
    unit.session.flush()


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
    session: Session, row: ServiceRow, proposal: Proposal, now: Instant, prepare: Callable[[Service, str], None]
) -> Proposal:
    """Return the proposal with what `propose` would find of it. `prepare` gets the service and its list's digest.

    Call it before the transaction of `propose`: a million names take seconds, and acts take turns.
    """
    objected = repository.objected_names(session, row.slug)
    tiers = without(proposal.tiers, objected) if objected else proposal.tiers
    found = _review(session, row, proposal, tiers, now)
    wanted = list_of(Service(row.slug, row.name, plain(tiers)))
    service = Service(row.slug, row.name, found.content)
    content = list_of(service)
    if not found.reasons:
        prepare(service, content.digest)
    return replace(proposal, rehearsed=Rehearsed(row.digest, objected, found, wanted, content))


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


def accept(unit: UnitOfWork, permit: Permit, update: UpdateRow, at_once: bool, note: str) -> None:
    """Bring an update that was held back into force, or enforce the pending names of another at once.

    Raise `Forbidden` for the account that proposed it, if the authority requires a second person. Raise `Conflict` if
    nothing is left to decide.
    """
    row, state = _service(unit, update), update_state(update, unit.now_s)
    if state not in (UpdateState.HELD_BACK, UpdateState.PENDING):
        raise Conflict(f"Update {update.number} is {state} and can no longer be accepted.")
    _demand_other(unit, permit, update)
    before, in_force = shown_update(update), service_of(row.content.body).tiers
    if state is UpdateState.PENDING:
        assert update.enforced_from_s is not None
        for each in repository.sharing_instant(unit.session, update):
            each.pending, each.revision = 0, unit.new_revision()
        _take(unit, row, update, enforced(in_force, update.enforced_from_s), None)
    else:
        # An objection to names that were pending meanwhile holds for this update too.
        objected = repository.objected_names(unit.session, row.slug)
        wanted = without(service_of(update.wanted.body).tiers, objected)
        found = review(in_force, wanted, installation_guard(unit.session), unit.now_s, at_once=at_once)
        update.added = names_in(found.added)
        _take(unit, row, update, found.content, found.enforced_from)
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


def object_to(unit: UnitOfWork, update: UpdateRow, names: Sequence[str], reason: str) -> None:
    """Leave names out of an update, and out of all later ones that no person edits.

    Raise `Invalid` for a name that the update does not add, or that is enforced already.
    """
    row, state = _service(unit, update), update_state(update, unit.now_s)
    if state not in (UpdateState.HELD_BACK, UpdateState.PENDING):
        raise Conflict(f"Update {update.number} is {state}. To free a name now: dnsfilterctl name allow")
    in_force = service_of(row.content.body).tiers
    if state is UpdateState.HELD_BACK:
        open_to_objection = difference(service_of(update.wanted.body).tiers, in_force)
    else:
        open_to_objection = tuple(tier for tier in in_force if tier.enforced_from == update.enforced_from_s)
    wires = _demand_names(names, open_to_objection, update)
    before = shown_update(update)
    for wire in sorted(wires):
        unit.session.merge(
            ObjectionRow(
                service=row.slug,
                name=name_text(wire),
                reason=reason,
                recorded_s=unit.now_s,
                recorded_by=unit.actor.account,
            )
        )
    tiers = without(service_of(update.wanted.body).tiers, wires)
    update.digest = keep_list(unit.session, list_of(Service(row.slug, row.name, tiers)))
    update.added = names_in(difference(tiers, service_of(update.before.body).tiers))
    update.revision = unit.new_revision()
    if state is UpdateState.PENDING:
        pending = (
            without([tier], wires) if tier.enforced_from == update.enforced_from_s else (tier,) for tier in in_force
        )
        _take(unit, row, update, tuple(tier for tiers in pending for tier in tiers), update.enforced_from_s)
    after = {**shown_update(update), "objected": [name_text(wire) for wire in sorted(wires)], "reason": reason}
    unit.record("update.object", subject(update), before, after, *_authorities(row))


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
    update.pending = names_in(tier for tier in content if enforced_from and tier.enforced_from == enforced_from)
    update.enforced_from_s = enforced_from if update.pending else None
    update.revision = unit.new_revision()
    unit.session.flush()
    unit.session.expire(row, ["content"])
    unit.session.expire(update, ["wanted"])
    after = {**shown_service(row), "update": update.number, "added": update.added, "removed": update.removed}
    unit.record("service.update", subject(row), before, after, *_authorities(row))


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


def _demand_names(names: Sequence[str], tiers: Sequence[Tier], update: UpdateRow) -> frozenset[WireName]:
    known = frozenset[WireName]().union(*(tier.domains | tier.hosts for tier in tiers))
    found = set()
    for index, name in enumerate(names):
        try:
            wire = parse_name(name)
        except ValueError as error:
            raise Invalid.at(f"body.names.{index}", str(error)) from error
        if wire not in known:
            command = f"dnsfilterctl update show {update.number}"
            raise Invalid.at(f"body.names.{index}", f"{name} is no open name of update {update.number}: see {command}")
        found.add(wire)
    return frozenset(found)


def _service(unit: UnitOfWork, update: UpdateRow) -> ServiceRow:
    row = unit.session.get(ServiceRow, update.service)
    if row is None:
        raise Conflict(f"Update {update.number} is of {update.service}, which is no longer registered.")
    return row


def _authorities(row: ServiceRow | UpdateRow) -> Sequence[str]:
    return () if row.authority is None else (row.authority,)
