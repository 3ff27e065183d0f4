"""Nodes removed long ago are deleted. The audit log keeps the acts on them."""

import pytest

from api.nodes import last_reports as module
from api.nodes.fleet import Fleet
from api.nodes.last_reports import REMOVED_S, SWEEP_S, LastReports
from tests.unit.api.conftest import Plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine

DAY_S = 86_400


def _reports(plane: Plane) -> LastReports:
    fleet = plane.app.state.fleet
    assert isinstance(fleet, Fleet)
    return fleet.reports


def _names(plane: Plane) -> list[str]:
    return [item["name"] for item in plane.done("GET", "/v1/nodes")["items"]]


def _reason(machine: Machine) -> str:
    """Return the recorded reason why the node's token is refused."""
    assert machine.call("GET", "snapshot").status_code == 401
    return str(machine.plane.done("GET", "/v1/authentication-failures")["items"][0]["reason"])


@on_both_databases
def test_removed_node_is_deleted_after_90_days_but_its_acts_are_kept(plane: Plane) -> None:
    gone, stays = Machine.enrolled(plane, "gone"), Machine.enrolled(plane, "stays")
    plane.done("PUT", "/v1/sites/depot", {"name": "depot"})
    Machine.enrolled(plane, "moved", "depot")
    for name in ("gone", "moved"):
        plane.done("DELETE", f"/v1/nodes/{name}")
    assert plane.call("DELETE", "/v1/sites/depot").status_code == 409
    plane.clock.now += REMOVED_S - 1
    assert _reports(plane).sweep() == 0
    assert _reason(gone) == "revoked"
    plane.clock.now += DAY_S
    assert _reports(plane).sweep() == 2
    assert _names(plane) == ["stays"]
    assert stays.call("GET", "snapshot").status_code == 200
    assert _reason(gone) == "unknown"
    acts = plane.done("GET", "/v1/audit?object=node/gone&sort=seq")["items"]
    assert [item["act"] for item in acts] == ["node.register", "node.enrol", "node.remove"]
    assert plane.call("DELETE", "/v1/sites/depot").status_code == 204
    assert Machine.enrolled(plane, "gone").stands()["state"] == "waiting"


def test_node_registered_again_is_not_deleted(plane: Plane, machine: Machine) -> None:
    plane.done("DELETE", "/v1/nodes/office-1")
    plane.clock.now += REMOVED_S
    plane.done("POST", "/v1/nodes", {"name": machine.name})
    assert _reports(plane).sweep() == 0
    assert _names(plane) == ["office-1"]


def test_sweep_deletes_one_batch_per_hour(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    for name in ("a", "b", "c"):
        plane.done("POST", "/v1/nodes", {"name": name})
        plane.done("DELETE", f"/v1/nodes/{name}")
    plane.clock.now += REMOVED_S
    swept = []
    for after_s in (0, 0, SWEEP_S):
        plane.clock.now += after_s
        swept.append(_reports(plane).sweep())
    assert swept == [2, 0, 1]
