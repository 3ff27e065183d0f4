"""Propose new names for an own service in a control plane, as edits, imports and feeds do."""

from typing import Any

from api.db.models import ServiceRow
from api.db.unit_of_work import LOCAL, Actor, UnitOfWork
from api.updates.reading import read_update
from api.updates.schemas import Source, UpdateRead
from api.updates.service import Proposal, propose
from dnsfilter.policy.model import Tier
from dnsfilter.wire.names import name_text, parse_name
from tests.unit.api.conftest import Plane
from tests.unit.api.publish.stored_services import put, service

GAMES = "town:games"


def own_service(plane: Plane, *names: str, slug: str = GAMES, authority: str | None = "town") -> None:
    """Give an authority a service of its own with these names in force."""
    put(plane, service(slug, *names), authority)


def proposed(
    plane: Plane, *names: str, slug: str = GAMES, source: Source = Source.FEED, actor: Actor = LOCAL, **options: Any
) -> UpdateRead | None:
    """Propose these names for a service, and publish. Return the update, if any."""
    tiers = (Tier(1, frozenset(map(parse_name, names))),)
    return carried_out(plane, Proposal(tiers, source, **options), slug, actor)


def carried_out(plane: Plane, proposal: Proposal, slug: str = GAMES, actor: Actor = LOCAL) -> UpdateRead | None:
    """Propose, and publish. Return the update, if any."""
    with plane.database.writing() as session:
        unit = UnitOfWork(session, actor, int(plane.clock()))
        row = propose(unit, session.get_one(ServiceRow, slug), proposal)
        found = None if row is None else read_update(row, unit.now_s)
        policy = plane.publisher.check(unit) if unit.acted else None
    if policy is not None:
        plane.publisher.publish(policy)
    return found


def update_of(plane: Plane, *names: str, **options: Any) -> UpdateRead:
    """Propose names that must make an update. Return it."""
    found = proposed(plane, *names, **options)
    assert found is not None
    return found


def in_force(plane: Plane, slug: str = GAMES) -> dict[str, int | None]:
    """Return the names of a service, and from when each is enforced."""
    return {
        name_text(name): tier.enforced_from for tier in plane.publisher.services()[slug].tiers for name in tier.domains
    }
