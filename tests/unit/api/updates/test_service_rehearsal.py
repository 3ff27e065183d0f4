"""A proposal that was worked out before its transaction: used as long as it holds."""

from typing import Any

import pytest

from api.db.models import ServiceRow
from api.updates.schemas import Source
from api.updates.service import Proposal, rehearse
from dnsfilter.policy.model import Tier
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import START, Plane
from tests.unit.api.updates.proposals import GAMES, carried_out, in_force, own_service, update_of

OLD, NEW, OTHER = "games.example.org", "new.example.org", "other.example.org"
PENDING = START + 72 * 3600


def rehearsed(plane: Plane, *names: str) -> Proposal:
    proposal = Proposal((Tier(1, frozenset(map(parse_name, names))),), Source.FEED)
    with plane.database.reading() as session:
        row = session.get_one(ServiceRow, GAMES)
        return rehearse(session, row, proposal, int(plane.clock()), plane.publisher.prepare)


def test_the_act_works_nothing_out_again(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> Any:
        raise AssertionError("this takes seconds with a large list")

    own_service(town, OLD)
    proposal = rehearsed(town, OLD, NEW)
    town.clock.now += 60
    with monkeypatch.context() as patched:
        for slow in ("updates.service.review", "updates.service.list_of", "publish.names_files.compile_names"):
            patched.setattr(f"api.{slow}", fail)
        patched.setattr("api.publish.repository.service_of", fail)
        update = carried_out(town, proposal)
    assert update is not None
    assert (update.added, update.removed) == (1, 0)
    assert in_force(town) == {OLD: None, NEW: PENDING}


def test_names_that_came_meanwhile_are_compared_again(town: Plane) -> None:
    own_service(town, OLD)
    proposal = rehearsed(town, OLD, NEW)
    update_of(town, OLD, OTHER)
    update = carried_out(town, proposal)
    assert update is not None
    assert (update.added, update.removed) == (1, 1)
    assert in_force(town) == {OLD: None, NEW: PENDING}


def test_an_objection_that_came_meanwhile_holds(town: Plane) -> None:
    own_service(town, OLD)
    proposal = rehearsed(town, OLD, NEW, OTHER)
    update = update_of(town, OLD, NEW)
    town.done("POST", f"/v1/updates/{update.number}/object", {"names": [NEW], "reason": "a school needs it"})
    carried_out(town, proposal)
    assert in_force(town) == {OLD: None, OTHER: PENDING}


def test_a_proposal_that_is_held_back_prepares_nothing(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    own_service(town, OLD)
    prepared: list[object] = []
    monkeypatch.setattr(town.publisher, "prepare", lambda *given: prepared.append(given))
    proposal = rehearsed(town, OLD, "akamaiedge.net")
    update = carried_out(town, proposal)
    assert update is not None
    assert (update.state, prepared) == ("held_back", [])
    assert in_force(town) == {OLD: None}
