"""What a new authority still needs, step by step until nothing is missing."""

from typing import Any

import pytest

from api.onboarding.schemas import Step
from tests.unit.api.conftest import Plane, authority, ban, on_both_databases

PATH = "/v1/authorities/town/onboarding"


def _missing(plane: Plane, token: str | None = None) -> list[str]:
    found = plane.done("GET", PATH, token=token)
    assert [step["step"] for step in found["steps"]] == list(map(str, Step))
    assert all(step["done"] == (step["todo"] == "") for step in found["steps"])
    missing = [step["step"] for step in found["steps"] if not step["done"]]
    assert found["complete"] == (missing == [])
    return missing


def _found(plane: Plane, step: str) -> tuple[str, str]:
    steps = {item["step"]: item for item in plane.done("GET", PATH)["steps"]}
    return steps[step]["found"], steps[step]["todo"]


def _enrol(plane: Plane, name: str, site: str) -> str:
    made = plane.done("POST", "/v1/nodes", {"name": name, "site": site})
    headers = {"Authorization": f"Bearer {made['enrolment_token']}"}
    return str(plane.done("POST", "/v1/nodes/enrol", {"version": "1"}, headers=headers)["token"])


def _seen(plane: Plane, token: str) -> None:
    """Send a node's first report."""
    load = {"queries_per_second": 0, "cpu_percent": 0, "memory_bytes": 0, "cache_entries": 0}
    body: dict[str, Any] = {
        "revision": None,
        "manifest": None,
        "age_s": None,
        "version": "1",
        "engine": "compiled",
        "workers": 1,
    }
    body |= {"clock": "2026-09-21T14:13:20Z", "uptime_s": 1, "load": load}
    plane.done("POST", "/v1/nodes/self/report", body, headers={"Authorization": f"Bearer {token}"})
    plane.app.state.fleet.reports.store_due()


@on_both_databases
def test_new_authority_completes_step_by_step(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/town", authority(names={"nl": "Stad"}))
    missing = ["names", "space", "ranges", "ban", "operator", "approver", "node"]
    assert _missing(plane) == missing
    assert _found(plane, "names")[1].startswith("give its name in fr:")
    values = {"authority": "town", "funding": "public", "audience": "staff"}
    acts: list[tuple[str, str, str, Any]] = [
        ("names", "PATCH", "/v1/authorities/town", {"names": {"nl": "Stad", "fr": "Ville"}}),
        ("space", "PUT", "/v1/spaces/default/192.0.2.0/24", {"authority": "town"}),
        ("ranges", "PUT", "/v1/ranges/default/192.0.2.0/24", values),
        ("ban", "PUT", "/v1/authorities/town/bans/alpha", ban(terms=[{"start": "2027-01-01", "for": "6 months"}])),
    ]
    for step, method, path, body in acts:
        plane.done(method, path, body)
        missing.remove(step)
        assert _missing(plane) == missing
    assert _found(plane, "ban")[0] == "alpha (planned)"
    plane.account("desk", ("operator", "town"))
    assert _missing(plane) == ["approver", "node"]
    plane.account("chief", ("approver", "town"))
    assert _missing(plane) == ["node"]
    assert _found(plane, "node")[1] == "enrol a node at default"
    node = _enrol(plane, "first", "default")
    assert _missing(plane) == ["node"]
    assert _found(plane, "node")[1].startswith("start first at default")
    _seen(plane, node)
    assert _missing(plane) == []


def test_single_person_is_not_enough(town: Plane) -> None:
    number, _ = town.account("desk", ("operator", "town"), ("approver", "town"))
    assert "approver" in _missing(town)
    assert "a second person" in _found(town, "approver")[1]
    other, _ = town.account("other", ("operator", "town"))
    assert "approver" not in _missing(town)
    town.done("POST", f"/v1/accounts/{other}/disable")
    assert "approver" in _missing(town)
    town.done("POST", f"/v1/accounts/{number}/disable")
    assert {"operator", "approver"} <= set(_missing(town))


def test_each_site_needs_a_node_that_has_enrolled(town: Plane) -> None:
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    values = {"authority": "town", "funding": "private", "audience": "public"}
    town.done("PUT", "/v1/ranges/depot/192.0.2.0/24", values)
    _seen(town, _enrol(town, "first", "default"))
    town.done("POST", "/v1/nodes", {"name": "second", "site": "depot"})
    assert _found(town, "node") == ("first at default", "enrol a node at depot")
    _seen(town, _enrol(town, "third", "depot"))
    assert _found(town, "node") == ("first at default, third at depot", "")
    assert _found(town, "ranges")[0] == "1 (public users, private devices), 1 (staff users, public devices)"


def test_lapsed_ban_does_not_count(town: Plane) -> None:
    assert "ban" not in _missing(town)
    town.clock.now += 200 * 86_400
    assert "ban" in _missing(town)


def test_ban_that_is_off_does_not_count(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    found, todo = _found(town, "ban")
    assert (found, "a ban that is off does nothing" in todo) == ("alpha (off)", True)
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"})
    assert "ban" not in _missing(town)


def test_ranges_outside_its_space_are_reported(town: Plane) -> None:
    town.done("PUT", "/v1/spaces/default/192.0.2.0/25", {"authority": "town"})
    found, todo = _found(town, "space")
    assert (found, "192.0.2.0/24 at default" in todo) == ("192.0.2.0/25", True)
    town.done("PUT", "/v1/spaces/default/192.0.2.0/24", {"authority": "town"})
    assert "space" not in _missing(town)


def test_one_that_will_be_closed_is_never_complete(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/town", authority())
    found = plane.done("GET", PATH)
    assert (found["state"], found["closes"]) == ("open", None)
    plane.done("POST", "/v1/authorities/town/close", {"at": "2026-10-01", "reason": "merged"})
    found = plane.done("GET", PATH)
    assert (found["state"], found["closes"], found["complete"]) == ("closing", "2026-09-30T22:00:00Z", False)
    plane.clock.now += 30 * 86_400
    found = plane.done("GET", PATH)
    assert (found["state"], found["steps"], found["complete"]) == ("closed", [], False)


def test_a_contact_that_no_mail_reaches_is_missing(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/town", authority(contact="the ICT desk"))
    assert "contact" in _missing(plane)
    assert "notices cannot be sent to 'the ICT desk'" in _found(plane, "contact")[1]
    plane.done("PATCH", "/v1/authorities/town", {"contact": "ict@town.example"})
    assert "contact" not in _missing(plane)


def test_logins_and_nodes_are_named_to_who_may_list_them(town: Plane) -> None:
    number, token = town.account("desk", ("operator", "town"))
    _seen(town, _enrol(town, "first", "default"))
    assert (_found(town, "operator")[0], _found(town, "node")[0]) == ("desk", "first at default")
    steps = {step["step"]: step["found"] for step in town.done("GET", PATH, token=token)["steps"]}
    assert (steps["operator"], steps["node"]) == (f"account {number}", "a node at default")


@pytest.mark.parametrize(("role", "slug", "status"), [("reader", "town", 200), ("operator", "zone", 403)])
def test_role_holders_of_the_authority_see_it(town: Plane, role: str, slug: str, status: int) -> None:
    _, token = town.account("somebody", (role, slug))
    assert town.call("GET", PATH, token=token).status_code == status


def test_unknown_authority_is_not_found(plane: Plane) -> None:
    assert plane.call("GET", PATH).status_code == 404
