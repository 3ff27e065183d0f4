"""Captures: who may, for how long, of what, and what nodes get to know."""

from typing import Any

import pytest

from dnsfilter.policy.bounds import CAPTURE_KEPT_S, MOST_CAPTURES
from tests.unit.api.conftest import START, Plane, authority, on_both_databases
from tests.unit.api.nodes.conftest import Machine, machine, report

__all__ = ["machine"]

RANGE = "192.0.2.0/24"
DEVICES = {"funding": "public", "audience": "staff"}
ASKED = {"authority": "town", "prefix": RANGE, "for": "10m", "reason": "payroll names do not resolve"}


def started(plane: Plane, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = plane.done("POST", "/v1/captures", {**ASKED, **changes})
    return found


def refused(plane: Plane, **changes: Any) -> tuple[int, str]:
    answer = plane.call("POST", "/v1/captures", {**ASKED, **changes})
    return answer.status_code, answer.text


def ended(plane: Plane, number: int, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = plane.done("POST", f"/v1/captures/{number}/end", {"reason": "found it", **changes})
    return found


def ordered(machine: Machine) -> list[dict[str, Any]]:
    """Return the captures in the answer to a report."""
    answer = machine.call("POST", "report", report())
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["captures"]
    return found


@on_both_databases
def test_capture_is_an_act_that_makes_no_revision_and_ends_by_itself(town: Plane) -> None:
    before = town.revision()
    made = started(town)
    assert made == {
        "number": 1,
        "authority": "town",
        "site": "default",
        "prefix": RANGE,
        "start": "2026-09-21T14:13:20Z",
        "end": "2026-09-21T14:23:20Z",
        "deleted": "2026-09-22T14:23:20Z",
        "reason": ASKED["reason"],
        "recorded_by": made["recorded_by"],
        "ended_by": None,
        "ended_reason": "",
        "state": "in_force",
    }
    assert town.revision() == before
    (act,) = town.done("GET", "/v1/audit?act=capture")["items"]
    assert (act["act"], act["object"], act["authorities"]) == ("capture.start", "capture/1", ["town"])
    assert act["after"]["reason"] == ASKED["reason"]
    states = []
    for now in (START + 599, START + 600, START + 599 + CAPTURE_KEPT_S, START + 600 + CAPTURE_KEPT_S):
        town.clock.now = now
        states.append(town.done("GET", "/v1/captures")["items"][0]["state"])
    assert states == ["in_force", "kept", "kept", "deleted"]


def test_capture_is_of_one_registered_range_for_an_hour_at_most_with_a_reason(town: Plane) -> None:
    for changes, fault in (
        ({"prefix": "192.0.2.0/25"}, "town has no range 192.0.2.0/25 at site default"),
        ({"authority": "zone"}, "zone has no range"),
        ({"authority": "nowhere"}, "nowhere has no range"),
        ({"site": "depot"}, "at site depot"),
        ({"prefix": "192.0.2.1/24"}, "has host bits set"),
        ({"for": "61m"}, "longer than an hour"),
        ({"for": "0m"}, "body.for"),
        ({"for": "soon"}, "body.for"),
        ({"reason": ""}, "body.reason"),
    ):
        status, text = refused(town, **changes)
        assert (status, fault in text) == (422, True), (changes, text)
    assert refused(town, reason=None)[0] == 422
    assert town.done("GET", "/v1/captures") == {"items": [], "next": None}
    assert started(town, **{"for": "1h"})["end"] == "2026-09-21T15:13:20Z"


def test_captures_are_listed_for_roles_of_their_authority(town: Plane) -> None:
    started(town)
    roles = {
        "operator": ("operator", "town"),
        "approver": ("approver", "town"),
        "reader": ("reader", "town"),
        "auditor": ("auditor", None),
        "elsewhere": ("operator", "zone"),
    }
    tokens = {login: town.account(login, role)[1] for login, role in roles.items()}
    listed = {login: len(town.done("GET", "/v1/captures", token=token)["items"]) for login, token in tokens.items()}
    assert listed == {"operator": 1, "approver": 1, "reader": 1, "auditor": 1, "elsewhere": 0}


def test_capture_ends_early_and_its_file_is_deleted_early(town: Plane) -> None:
    number = started(town)["number"]
    town.clock.now += 60
    kept = ended(town, number)
    assert (kept["state"], kept["end"], kept["deleted"]) == ("kept", "2026-09-21T14:14:20Z", "2026-09-22T14:14:20Z")
    again = town.call("POST", f"/v1/captures/{number}/end", {"reason": "again"})
    assert (again.status_code, "has already ended" in again.text) == (409, True)
    town.clock.now += 60
    gone = ended(town, number, delete=True)
    assert (gone["state"], gone["end"], gone["deleted"]) == ("deleted", kept["end"], "2026-09-21T14:15:20Z")
    assert town.call("POST", f"/v1/captures/{number}/end", {"reason": "again", "delete": True}).status_code == 409
    assert town.call("POST", "/v1/captures/99/end", {"reason": "again"}).status_code == 404
    acts = [act["act"] for act in town.done("GET", "/v1/audit?act=capture")["items"]]
    assert acts == ["capture.end", "capture.end", "capture.start"]


def test_range_is_captured_once_at_a_time_and_few_captures_are_kept(town: Plane) -> None:
    for _ in range(MOST_CAPTURES):
        number = started(town)["number"]
        status, text = refused(town)
        assert (status, f"capture {number}" in text) == (409, True)
        ended(town, number)
        town.clock.now += 1
    status, text = refused(town)
    assert (status, f"already keep {MOST_CAPTURES}" in text) == (409, True)
    ended(town, 3, delete=True)
    assert started(town)["state"] == "in_force"


@pytest.mark.usefixtures("town")
def test_nodes_of_the_site_get_to_know_as_durations(machine: Machine) -> None:
    plane = machine.plane
    plane.done("PUT", "/v1/sites/depot", {"name": ""})
    elsewhere = Machine.enrolled(plane, "depot-1", "depot")
    assert ordered(machine) == []
    number = started(plane)["number"]
    order = {"number": number, "authority": "town", "prefix": RANGE}
    assert ordered(machine) == [{**order, "for_s": 600, "delete_s": 600 + CAPTURE_KEPT_S}]
    assert ordered(elsewhere) == []
    plane.clock.now += 700
    assert ordered(machine) == [{**order, "for_s": 0, "delete_s": CAPTURE_KEPT_S - 100}]
    ended(plane, number, delete=True)
    assert ordered(machine) == []


@pytest.mark.usefixtures("town")
def test_clock_that_was_set_back_begins_no_capture_again(machine: Machine) -> None:
    started(machine.plane)
    machine.plane.clock.now -= 1
    (order,) = ordered(machine)
    assert order["for_s"] == 0
    assert order["delete_s"] == 600 + CAPTURE_KEPT_S + 1


def test_authority_that_was_captured_cannot_be_removed_as_unused(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/hamlet", authority())
    town.done("PUT", "/v1/ranges/default/203.0.113.0/24", {"authority": "hamlet", **DEVICES})
    started(town, authority="hamlet", prefix="203.0.113.0/24")
    town.done("DELETE", "/v1/ranges/default/203.0.113.0/24")
    assert town.call("DELETE", "/v1/authorities/hamlet").status_code == 409
