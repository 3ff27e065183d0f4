"""States of nodes: a locally selected older revision is `held`, not faulty; local suspensions are in reports."""

import pytest

from api.nodes.last_reports import ReceivedReport
from api.nodes.state import LocalSuspension, last_report, local_suspensions
from tests.unit.api.conftest import Plane
from tests.unit.api.nodes.conftest import Machine

BAN = "/v1/authorities/town/bans/alpha"
OLD = 64 * "a"
UNTIL = "2026-09-21T14:43:20Z"
UNTIL_S = 1_790_001_800


def test_locally_selected_revision_is_held_until_a_newer_one_is_published(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    newest = town.revision()
    machine.report(revision=newest - 1, manifest=OLD, held_up_to=newest)
    stands = machine.stands()
    assert [stands[key] for key in ("state", "revision", "held_up_to", "behind_by")] == [
        "held",
        newest - 1,
        newest,
        1,
    ]
    assert town.registry.get_sample_value("dnsfilter_api_nodes", {"state": "held"}) == 1
    town.clock.now += 59
    assert machine.stands()["state"] == "held"
    town.done("PATCH", BAN, {"mode": "off"})
    town.clock.now += 11
    machine.report(revision=newest - 1, manifest=OLD, held_up_to=newest)
    assert machine.stands()["state"] == "behind", "it does not apply the revision that ends the selection"
    town.clock.now += 60
    assert machine.stands()["state"] == "silent"
    machine.report(revision=town.revision())
    assert [machine.stands()[key] for key in ("state", "held_up_to")] == ["current", None]


def test_node_with_an_unpublished_revision_is_behind_by_an_unknown_number(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    machine.report(revision=2**63 - 1, manifest=OLD)
    town.clock.now += 11
    machine.report(revision=2**63 - 1, manifest=OLD)
    assert [machine.stands()[key] for key in ("state", "behind_by")] == ["behind", None]


def test_list_of_nodes_behind_includes_held_nodes(town: Plane) -> None:
    nodes = {name: Machine.enrolled(town, name) for name in ("fault", "good", "held")}
    newest = town.revision()
    town.clock.now += 11
    nodes["fault"].report(revision=newest - 1, manifest=OLD)
    nodes["good"].report(revision=newest)
    nodes["held"].report(revision=newest - 1, manifest=OLD, held_up_to=newest)
    expected = {
        "behind=true": ["fault", "held"],
        "state=behind": ["fault"],
        "state=held": ["held"],
        "behind=true&state=held": ["held"],
        "behind=true&state=current": [],
    }
    found = {query: [item["name"] for item in town.done("GET", f"/v1/nodes?{query}")["items"]] for query in expected}
    assert found == expected


def test_report_without_held_up_to_is_accepted(machine: Machine) -> None:
    machine.report()
    assert machine.stands()["held_up_to"] is None


@pytest.mark.parametrize(("now_s", "holds"), [(UNTIL_S - 1, True), (UNTIL_S, False)])
def test_suspension_holds_until_its_end(now_s: int, holds: bool) -> None:
    report = {"suspended": [{"authority": "town", "until": UNTIL}, {"authority": None, "until": UNTIL}]}
    reported = [LocalSuspension("a", "depot", whose, UNTIL_S) for whose in ("town", None)]
    assert list(local_suspensions("a", "depot", report, now_s)) == (reported if holds else [])


def test_node_without_a_report_has_no_local_suspensions() -> None:
    assert list(local_suspensions("a", "depot", {}, 0)) == []


def test_received_report_takes_precedence_over_the_stored_one() -> None:
    received = ReceivedReport({"revision": 2}, 20.5)
    assert last_report({"revision": 1}, 10, received) == ({"revision": 2}, 20)
    assert last_report({"revision": 1}, 10, None) == ({"revision": 1}, 10)
