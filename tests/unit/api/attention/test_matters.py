"""What needs attention: each matter, the first of many, and who sees it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from api.audit.checkpoint_job import INTERVAL_S
from api.db.models import CoverageRow
from api.usage.coverage_counts import KEPT_S
from dnsfilter.policy.model import DAY_S
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.updates.proposals import own_service, update_of

RANGES = {"town": "192.0.2.0/24", "zone": "198.51.100.0/24"}


def _matters(plane: Plane, token: str | None = None) -> dict[str, Any]:
    found = plane.done("GET", "/v1/attention", token=token)["matters"]
    return {each["matter"]: each for each in found}


def _objects(plane: Plane, matter: str) -> list[tuple[Any, ...]]:
    found = _matters(plane).get(matter, {"first": []})
    return [(each["object"], each["authority"], each["service"], each["number"]) for each in found["first"]]


def _ending(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"for": "10 days"}]))


def _reviewed(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"review_by": "2026-10-01"}]))


def _exemption(plane: Plane) -> None:
    asked = {"ban": "town/alpha", "ranges": [RANGES["town"]], "for": "1 month", "reason": "a campaign"}
    plane.done("POST", "/v1/exemptions", asked)


def _request(plane: Plane) -> None:
    plane.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    _, token = plane.account("desk", ("operator", "town"))
    assert plane.call("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}, token=token).status_code == 202


def _held_back(plane: Plane) -> None:
    own_service(plane, "games.example.net")
    update_of(plane, "games.example.net", "akamaiedge.net")


def _pending(plane: Plane) -> None:
    own_service(plane, "games.example.net")
    update_of(plane, "games.example.net", "play.example.net")


def _agreement(plane: Plane) -> None:
    wanted = {"ban": "zone/alpha", "authority": "town", "ground": "agreement", "instrument": "a", "date": "2026-09-01"}
    plane.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    plane.done("POST", "/v1/bindings", wanted)


def _list(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/zone/lists/apps", {"services": ["beta"]})
    plane.done("POST", "/v1/authorities/zone/lists/apps/adopt", ban())


def _proposed_link(plane: Plane) -> None:
    _list(plane)
    link = {"list": "zone/apps", "authority": "town", "ground": "agreement", "instrument": "a", "date": "2026-09-01"}
    plane.done("POST", "/v1/list-links", link)


def _followed_list(plane: Plane) -> None:
    _list(plane)
    plane.done("POST", "/v1/list-links", {"list": "zone/apps", "authority": "town", "ground": "following"})


def _stopped(plane: Plane) -> None:
    _matters(plane)
    with plane.database.writing() as session:
        session.add(
            CoverageRow(authority="town", site="default", prefix=RANGES["town"], last_asked_s=START - 8 * DAY_S)
        )
    plane.clock.now += KEPT_S


@pytest.mark.parametrize(
    ("make", "matter", "objects"),
    [
        (_ending, "ban_ending", [("ban/town/beta", "town", "beta", None)]),
        (_reviewed, "ban_ending", [("ban/town/beta", "town", "beta", None)]),
        (_exemption, "exemption_waiting", [("exemption/1", "town", "alpha", None)]),
        (_request, "request_waiting", [("request/1", "town", None, None)]),
        (_held_back, "update_held_back", [("update/1", "town", "town:games", 1)]),
        (_pending, "update_pending", [("update/1", "town", "town:games", 1)]),
        (_agreement, "binding_proposed", [("binding/1", "town", "alpha", None)]),
        (_proposed_link, "link_waiting", [("list_link/1", "town", None, 1)]),
        (_followed_list, "link_waiting", [("list_link/1", "town", None, 1)]),
        (_stopped, "ranges_stopped", [("authority/town", "town", None, 1)]),
    ],
)
def test_a_matter_is_shown_to_its_authority_alone(
    town: Plane, make: Callable[[Plane], None], matter: str, objects: list[tuple[Any, ...]]
) -> None:
    assert _matters(town) == {}
    make(town)
    assert _objects(town, matter) == objects
    _, reader = town.account("reader", ("reader", "town"))
    _, other = town.account("other", ("operator", "zone"))
    assert matter in _matters(town, reader)
    assert _matters(town, other) == {}
    _, auditor = town.account("auditor", ("auditor", None))
    assert matter in _matters(town, auditor)


def test_a_followed_list_that_was_adopted_waits_no_longer(town: Plane) -> None:
    _followed_list(town)
    token = town.account("approver", ("approver", "town"))[1]
    town.done("POST", "/v1/list-links/1/adopt", {"decision": ban()["decision"]}, token=token)
    assert "link_waiting" not in _matters(town)


def test_the_first_of_many_are_named_the_soonest_first(town: Plane) -> None:
    for number in range(12):
        slug = f"town-{number}"
        town.done("PUT", f"/v1/authorities/{slug}", authority())
        town.done("PUT", f"/v1/authorities/{slug}/bans/alpha", ban(terms=[{"for": f"{20 - number} days"}]))
    found = _matters(town)["ban_ending"]
    assert found["count"] == 12
    assert [each["authority"] for each in found["first"]] == [f"town-{number}" for number in range(11, 1, -1)]


def test_the_number_of_queries_does_not_grow_with_the_objects(town: Plane) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    def asked() -> int:
        statements.clear()
        event.listen(town.database.engine, "before_cursor_execute", note)
        _matters(town)
        event.remove(town.database.engine, "before_cursor_execute", note)
        return len(statements)

    _exemption(town)
    _followed_list(town)
    _agreement(town)
    asked()  # counts the ranges, which is kept for minutes
    before = asked()
    for number in range(5):
        slug = f"town-{number}"
        town.done("PUT", f"/v1/authorities/{slug}", authority())
        town.done("POST", "/v1/list-links", {"list": "zone/apps", "authority": slug, "ground": "following"})
        wanted = {"ban": "zone/alpha", "authority": slug, "ground": "agreement", "instrument": "a"}
        town.done("POST", "/v1/bindings", {**wanted, "date": "2026-09-01"})
    assert asked() == before


@on_both_databases
def test_nodes_are_counted_for_everybody_and_named_for_auditors(town: Plane) -> None:
    node = Machine.enrolled(town, "office-1")
    revision = town.revision()
    node.report(revision=revision)
    _, operator = town.account("desk", ("operator", "town"))

    def seen(token: str | None) -> tuple[dict[str, int], list[str]]:
        found = town.done("GET", "/v1/attention", token=token)
        named = [each["object"] for matter in found["matters"] for each in matter["first"]]
        return found["nodes"], named

    none = {"current": 0, "held": 0, "behind": 0, "silent": 0}
    assert seen(operator) == ({**none, "current": 1}, [])
    town.clock.now += DAY_S
    assert seen(operator) == ({**none, "silent": 1}, [])
    assert _matters(town, operator)["node_silent"]["count"] == 1
    assert seen(None) == ({**none, "silent": 1}, ["node/office-1"])


def test_an_old_checkpoint_is_shown_to_auditors_if_entries_have_none(town: Plane) -> None:
    job = town.app.state.checkpoint_job
    job.make()
    town.clock.now += 3 * INTERVAL_S
    assert "checkpoint_old" not in _matters(town), "no entry has been made since"
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"})
    assert "checkpoint_old" in _matters(town)
    _, operator = town.account("desk", ("operator", "town"))
    assert "checkpoint_old" not in _matters(town, operator)


def test_damage_of_the_audit_log_is_shown_to_everybody(town: Plane) -> None:
    _, operator = town.account("desk", ("operator", "town"))
    town.database.damage = "entry 3 does not follow entry 2: the hash chain is broken"
    assert next(iter(_matters(town, operator))) == "audit_damaged"


def test_lists_can_be_narrowed_to_the_caller_s_own_authorities(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    _agreement(town)
    callers = {"town": town.account("t", ("reader", "town"))[1], "zone": town.account("z", ("operator", "zone"))[1]}
    for slug, token in callers.items():
        assert [each["slug"] for each in town.done("GET", "/v1/authorities?mine=true", token=token)["items"]] == [slug]
        assert [each["authority"] for each in town.done("GET", "/v1/bans?mine=true", token=token)["items"]] == [slug]
    bound = [len(town.done("GET", "/v1/bindings?mine=true", token=token)["items"]) for token in callers.values()]
    assert bound == [1, 0]
    nobody = town.account("nobody")[1]
    assert town.done("GET", "/v1/authorities?mine=true", token=nobody)["items"] == []
    assert len(town.done("GET", "/v1/authorities?mine=true")["items"]) == 2
