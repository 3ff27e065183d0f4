"""A proposal that was worked out before its transaction: used as long as it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy.orm import Session

from api.db.models import ServiceRow
from api.db.session import Database
from api.updates.plans import Plan, Prepare
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


SLOW = (
    "updates.service.review",
    "updates.service.list_of",
    "updates.plans.review",
    "updates.plans.list_of",
    "updates.plans.enforced",
    "updates.plans.difference",
    "publish.names_files.compile_names",
    "publish.repository.service_of",
)
"""What takes seconds with a large list."""


@pytest.fixture
def slow_before_writing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fail what is slow in a writing transaction. Return what ran outside of one."""
    ran: list[str] = []
    is_writing = False
    original = Database.writing

    @contextmanager
    def writing(database: Database, **options: bool) -> Iterator[Session]:
        nonlocal is_writing
        with original(database, **options) as session:
            is_writing = True
            try:
                yield session
            finally:
                is_writing = False

    def watched(name: str, slow: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            assert not is_writing, f"{name} takes seconds with a large list, and other acts wait"
            ran.append(name)
            return slow(*arguments, **options)

        return run

    monkeypatch.setattr(Database, "writing", writing)
    for name in SLOW:
        room, _, function = f"api.{name}".rpartition(".")
        monkeypatch.setattr(f"{room}.{function}", watched(name, getattr(import_module(room), function)))
    return ran


@pytest.mark.parametrize(("query", "since"), [("?name=Shops", None), ("", PENDING)], ids=["new", "in force"])
def test_an_imported_file_is_worked_out_before_its_transaction(
    town: Plane, query: str, since: int | None, request: pytest.FixtureRequest
) -> None:
    if since is not None:
        own_service(town, OLD)
    ran = request.getfixturevalue("slow_before_writing")
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "text/plain"}
    path = f"/v1/authorities/town/services/games/import{query}"
    assert town.call("POST", path, headers=headers, content=NEW.encode()).status_code == 200
    assert {"updates.service.review", "publish.names_files.compile_names"} <= set(ran)
    assert in_force(town) == {NEW: since}


@pytest.mark.parametrize("at_once", [False, True])
def test_an_acceptance_is_worked_out_before_its_transaction(
    town: Plane, at_once: bool, request: pytest.FixtureRequest
) -> None:
    own_service(town, OLD)
    update = update_of(town, OLD, NEW, "kbc.be")
    ran = request.getfixturevalue("slow_before_writing")
    town.done("POST", f"/v1/updates/{update.number}/accept", {"at_once": at_once})
    assert {"updates.plans.review", "publish.names_files.compile_names"} <= set(ran)
    since = None if at_once else PENDING
    assert in_force(town) == {OLD: None, NEW: since, "kbc.be": since}
    if since is not None:
        town.done("POST", f"/v1/updates/{update.number}/accept", {})
        assert in_force(town) == {OLD: None, NEW: None, "kbc.be": None}


@pytest.mark.parametrize("names", [(OLD, NEW, OTHER), (OLD, NEW, OTHER, "kbc.be")], ids=["pending", "held back"])
def test_an_objection_is_worked_out_before_its_transaction(
    town: Plane, names: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    own_service(town, OLD)
    update = update_of(town, *names)
    ran = request.getfixturevalue("slow_before_writing")
    town.done("POST", f"/v1/updates/{update.number}/object", {"names": [NEW], "reason": "a test"})
    assert "updates.plans.list_of" in ran
    assert (NEW in in_force(town), update.added) == (False, len(names) - 1)


def test_a_plan_that_no_longer_holds_is_made_again(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    own_service(town, OLD)
    update = update_of(town, OLD, "kbc.be")

    def overtaken(row: ServiceRow, plan: Plan, _prepare: Prepare) -> Plan:
        monkeypatch.undo()
        update_of(town, OLD, OTHER, source=Source.EDIT)
        return plan

    monkeypatch.setattr("api.updates.router.prepare_plan", overtaken)
    answer = town.call("POST", f"/v1/updates/{update.number}/accept", {})
    assert (answer.status_code, "replaced" in answer.json()["detail"]) == (409, True)
    assert in_force(town) == {OLD: None, OTHER: None}


def test_an_act_is_done_once_also_if_it_is_planned_again(town: Plane) -> None:
    own_service(town, OLD)
    update = update_of(town, OLD, NEW)
    path, body = f"/v1/updates/{update.number}/object", {"names": [NEW], "reason": "a test"}
    key = {"Authorization": f"Bearer {town.token}", "Idempotency-Key": "one"}
    first = town.call("POST", path, body, headers=key)
    assert first.status_code == 200
    assert town.call("POST", path, body, headers=key).json() == first.json()


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
