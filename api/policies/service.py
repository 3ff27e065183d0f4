"""Parse, preview and apply a policy file."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from hashlib import sha256

from api.audit.repository import of_revision
from api.bans.repository import find_reference
from api.bans.schemas import BanWarningRead
from api.db.models import AuditRow
from api.db.time_zones import time_zone_of
from api.db.unit_of_work import Actor, UnitOfWork
from api.errors import Fault, Invalid
from api.exemptions.warnings import warnings_of
from api.http.dependencies import Runtime
from api.policies.apply import apply
from api.updates.guarding import installation_guard
from dnsfilter.config.policyfile import parse_loaded
from dnsfilter.errors import ConfigError
from dnsfilter.policy.model import Policy
from dnsfilter.policy.prohibited_lists import Lists

MAX_OBJECTS = 50_000
"""Most objects of a file, of all kinds and with terms: nobody else can act while they are compared."""
MAX_BYTES = 8 * 1024 * 1024


class _Undo(Exception):
    """Ends the transaction of a preview."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parsed policy file: its policy, the lists that bans of it come from, and the SHA-256 of its text."""

    policy: Policy
    lists: Lists
    digest: str


@dataclass(frozen=True, slots=True)
class Done:
    """What applying a file did or would do; without acts if there are faults."""

    acts: list[AuditRow] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[BanWarningRead] = field(default_factory=list)


def parse(held: Runtime, text: str) -> Wanted:
    """Parse a policy file; raise `Invalid` with every problem.

    A large file takes seconds. No lock is held meanwhile.
    """
    with held.database.reading() as session:
        guard = installation_guard(session)
    try:
        services, now = held.publishing.services(), int(held.clock())
        read = parse_loaded(text, "policy.toml", services=services, now=now, loaded={}, guard=guard.name_fault)
    except ConfigError as error:
        raise Invalid([Fault(problem.location, problem.message) for problem in error.problems]) from error
    count = _count(read.policy, read.lists)
    if count > MAX_OBJECTS:
        raise Invalid.at("policy.toml", f"has {count} objects: at most {MAX_OBJECTS} can be applied at once")
    return Wanted(read.policy, read.lists, sha256(text.encode()).hexdigest())


def act_on(unit: UnitOfWork, held: Runtime, wanted: Wanted, act: str) -> Done:
    """Do what the file asks for, and record it. Return the acts and their warnings, or the faults that prevent them."""
    faults = apply(unit, wanted.policy, wanted.lists)
    if faults or not unit.acted:
        return Done(faults=faults)
    unit.session.flush()
    acts = list(of_revision(unit.session, unit.revision))
    unit.record(act, "policy", None, {"sha256": wanted.digest, "acts": len(acts)})
    return Done(acts, warnings=_warnings(unit, acts))


def preview(held: Runtime, actor: Actor, wanted: Wanted) -> Done:
    """Return what `act_on` would do, and record nothing. It runs the same code, so that the two cannot differ."""
    done = Done()
    try:
        with held.database.writing() as session:
            unit = UnitOfWork(session, actor, int(held.clock()))
            done = act_on(unit, held, wanted, "policy.apply")
            if unit.acted and not done.faults:
                held.publishing.check(unit)
            session.expunge_all()
            raise _Undo
    except _Undo:
        return done


def _warnings(unit: UnitOfWork, acts: Sequence[AuditRow]) -> list[BanWarningRead]:
    """Return the warnings about the bans that the acts have changed."""
    references = sorted({act.object.removeprefix("ban/") for act in acts if act.object.startswith("ban/")})
    found = [row for row in (find_reference(unit.session, reference) for reference in references) if row is not None]
    return [
        warning
        for row in found
        for warning in warnings_of(unit.session, row, unit.now_s, time_zone_of(unit.session, row.authority))
    ]


def _count(policy: Policy, lists: Lists) -> int:
    tables: tuple[Sized, ...] = (policy.authorities, policy.sites, policy.ranges, policy.bans)
    tables += (policy.bindings, policy.exemptions, policy.allowed, lists.lists, lists.links)
    tables += tuple(each.versions for each in lists.lists)
    own = sum(service.authority is not None for service in policy.services)
    return own + sum(map(len, tables)) + sum(len(ban.terms) for ban in policy.bans)
