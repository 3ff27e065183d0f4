"""What a decision on an update does to names, worked out before its transaction.

A million names take seconds, and acts take turns. A plan holds as long as what it was worked out from is the same. Else
the act works it out again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy.orm import Session

from api.db.models import ServiceRow, UpdateRow
from api.errors import Conflict, Invalid
from api.publish.service_lists import ServiceList, list_of, service_of
from api.updates import repository
from api.updates.guarding import installation_guard
from api.updates.schemas import UpdateState
from api.updates.state import update_state
from blocklists.update_review import difference, enforced, names_in, review, without
from dnsfilter.policy.model import Instant, Service, Tier, WireName
from dnsfilter.wire.names import parse_name

Prepare: TypeAlias = Callable[[Service, str], None]
"""Gets a service that is about to come into force, and its list's digest."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan is worked out from: two digests of lists, the state of the update, and the objections."""

    in_force: str
    wanted: str
    state: UpdateState
    objected: frozenset[WireName]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a decision does. The update then adds `added` names.

    `content` is in force from then on, and `made` is its list; None: what is in force stays. `wanted` is the update's
    list without the names `left_out`.
    """

    basis: Basis
    added: int
    content: tuple[Tier, ...] = ()
    enforced_from: Instant | None = None
    made: ServiceList | None = None
    wanted: ServiceList | None = None
    left_out: frozenset[WireName] = frozenset()


def basis_of(session: Session, row: ServiceRow, update: UpdateRow, now: Instant) -> Basis:
    """Return what a plan would be worked out from now."""
    objected = repository.objected_names(session, row.slug)
    return Basis(row.digest, update.digest, update_state(update, now), objected)


def plan_acceptance(session: Session, row: ServiceRow, update: UpdateRow, now: Instant, at_once: bool) -> Plan:
    """Plan to bring an update that was held back into force, or to enforce the pending names of another."""
    basis = basis_of(session, row, update, now)
    _demand_open(basis.state, f"Update {update.number} is {basis.state} and can no longer be accepted.")
    in_force = service_of(row.content.body).tiers
    if basis.state is UpdateState.PENDING:
        assert update.enforced_from_s is not None
        content = enforced(in_force, update.enforced_from_s)
        return Plan(basis, update.added, content, None, _list(row, content))
    # An objection to names that were pending meanwhile holds for this update too.
    wanted = without(service_of(update.wanted.body).tiers, basis.objected)
    found = review(in_force, wanted, installation_guard(session), now, at_once=at_once)
    made = _list(row, found.content)
    return Plan(basis, names_in(found.added), found.content, found.enforced_from, made)


def plan_objection(session: Session, row: ServiceRow, update: UpdateRow, now: Instant, names: Sequence[str]) -> Plan:
    """Plan to leave names out of an update. Raise `Invalid` for one that it does not add, or that is enforced."""
    basis = basis_of(session, row, update, now)
    hint = "To free a name now: dnsfilterctl name allow"
    _demand_open(basis.state, f"Update {update.number} is {basis.state}. {hint}")
    in_force, added = service_of(row.content.body).tiers, service_of(update.wanted.body).tiers
    is_pending = basis.state is UpdateState.PENDING
    pending = tuple(tier for tier in in_force if tier.enforced_from == update.enforced_from_s)
    left_out = _demand_names(names, pending if is_pending else difference(added, in_force), update)
    tiers = without(added, left_out)
    count, wanted = names_in(difference(tiers, service_of(update.before.body).tiers)), _list(row, tiers)
    if not is_pending:
        return Plan(basis, count, wanted=wanted, left_out=left_out)
    kept = (without([tier], left_out) if tier in pending else (tier,) for tier in in_force)
    content = tuple(tier for some in kept for tier in some)
    return Plan(basis, count, content, update.enforced_from_s, _list(row, content), wanted, left_out)


def prepare_plan(row: ServiceRow, plan: Plan, prepare: Prepare) -> Plan:
    """Let what the plan brings into force be compiled, and return the plan."""
    if plan.made is not None:
        prepare(Service(row.slug, row.name, plan.content), plan.made.digest)
    return plan


def _list(row: ServiceRow, tiers: tuple[Tier, ...]) -> ServiceList:
    return list_of(Service(row.slug, row.name, tiers))


def _demand_open(state: UpdateState, message: str) -> None:
    if state not in (UpdateState.HELD_BACK, UpdateState.PENDING):
        raise Conflict(message)


def _demand_names(names: Sequence[str], tiers: Sequence[Tier], update: UpdateRow) -> frozenset[WireName]:
    found = set()
    for index, name in enumerate(names):
        try:
            wire = parse_name(name)
        except ValueError as error:
            raise Invalid.at(f"body.names.{index}", str(error)) from error
        if not any(wire in tier.domains or wire in tier.hosts for tier in tiers):
            command = f"dnsfilterctl update show {update.number}"
            raise Invalid.at(f"body.names.{index}", f"{name} is no open name of update {update.number}: see {command}")
        found.add(wire)
    return frozenset(found)
