"""A node that was told on the spot to decide by an older policy: no fault, and shown as what it is."""

from tests.unit.api.conftest import Plane
from tests.unit.api.nodes.conftest import Machine

BAN = "/v1/authorities/town/bans/alpha"
OLD = 64 * "a"


def test_a_revision_chosen_by_hand_is_held_until_one_above_it_is_published(town: Plane) -> None:
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
    assert machine.stands()["state"] == "behind", "it does not take what ends the choice"
    town.clock.now += 60
    assert machine.stands()["state"] == "silent"
    machine.report(revision=town.revision())
    assert [machine.stands()[key] for key in ("state", "held_up_to")] == ["current", None]


def test_a_revision_that_was_never_published_is_behind_by_nobody_knows_how_many(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    machine.report(revision=2**63 - 1, manifest=OLD)
    town.clock.now += 11
    machine.report(revision=2**63 - 1, manifest=OLD)
    assert [machine.stands()[key] for key in ("state", "behind_by")] == ["behind", None]


def test_lists_of_those_behind_have_those_that_are_held_too(town: Plane) -> None:
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


def test_a_report_of_a_node_that_does_not_know_the_word_is_taken(machine: Machine) -> None:
    machine.report()
    assert machine.stands()["held_up_to"] is None
