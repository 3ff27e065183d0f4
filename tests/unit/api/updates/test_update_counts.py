"""Metrics of updates: held back and pending ones, and names that only wait, by authority."""

from blocklists.update_review import PENDING_S
from tests.unit.api.conftest import Plane
from tests.unit.api.updates.proposals import own_service, update_of


def values(plane: Plane, authority: str) -> list[float | None]:
    value = plane.registry.get_sample_value
    states = [
        value("dnsfilter_updates", {"authority": authority, "state": state}) for state in ("held_back", "pending")
    ]
    return [*states, value("dnsfilter_pending_names", {"authority": authority})]


def test_updates_count_until_they_are_decided_or_in_force(town: Plane) -> None:
    own_service(town, "a.example")
    own_service(town, "a.example", slug="alpha", authority=None)
    assert values(town, "town") == values(town, "") == [None, None, None]
    update_of(town, "a.example", "b.example", "c.example")
    held = update_of(town, "a.example", "kbc.be", slug="alpha")
    assert values(town, "town") == [None, 1, 2]
    assert values(town, "") == [1, None, None]
    town.done("POST", f"/v1/updates/{held.number}/reject", {"reason": "a bank"})
    town.clock.now += PENDING_S
    assert values(town, "town") == values(town, "") == [None, None, None]


def test_names_that_a_later_update_drops_no_longer_count_as_pending(town: Plane) -> None:
    own_service(town, "a.example")
    first = update_of(town, "a.example", "b.example", "c.example")
    town.clock.now += 60
    update_of(town, "a.example", "b.example", "d.example")
    assert values(town, "town") == [None, 2, 2]
    update_of(town, "a.example", "d.example")
    assert values(town, "town") == [None, 1, 1]
    assert town.done("GET", f"/v1/updates/{first.number}")["state"] == "in_force"
