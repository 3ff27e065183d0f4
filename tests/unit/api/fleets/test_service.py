"""Fleets: add, rotate, end; who sees tokens; what nodes and the audit log get."""

from ipaddress import IPv6Address, ip_network
from typing import Any

import pytest

from dnsfilter.policy.fleets import default_number, fleet_prefix, is_fleet, token_fault
from dnsfilter.policy.model import DAY_S
from dnsfilter.snapshot.reader import Snapshot
from tests.unit.api.conftest import START, Plane, on_both_databases

FLEETS = "/v1/authorities/town/fleets"
PHONES = {"label": "phones of staff", "funding": "partly_public", "audience": "staff"}


def added(plane: Plane, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = plane.done("POST", FLEETS, {**PHONES, **changes})
    return found


def rotated(plane: Plane, fleet: dict[str, Any], days: int | None = None) -> dict[str, Any]:
    body = {} if days is None else {"overlap_days": days}
    found: dict[str, Any] = plane.done("POST", f"{FLEETS}/{fleet['number']}/rotate", body)
    return found


def tokens(fleet: dict[str, Any]) -> list[str]:
    return [name["token"] for name in fleet["names"] if name["in_force"]]


def snapshot(plane: Plane) -> Snapshot:
    """Return what nodes of the site `default` get."""
    files = plane.store.read_best()[0]
    return Snapshot.open(files.manifest, files.names, files.ranges, files.rules, "default")


@on_both_databases
def test_fleet_is_a_range_with_a_name_that_nodes_know(town: Plane) -> None:
    made = added(town)
    prefix = fleet_prefix(default_number("default", "town", PHONES["label"]))
    assert (made["prefix"], made["authority"], made["site"]) == (str(prefix), "town", "default")
    (token,) = tokens(made)
    assert token.startswith("town-partly-staff-")
    assert token_fault(token) is None
    found = snapshot(town)
    assert found.fleet_prefix(token.encode(), START) == prefix.network_address.packed[:12]
    described = found.describe(IPv6Address(prefix.network_address + 7).packed)
    assert described == (prefix, PHONES["label"])
    assert town.done("GET", f"/v1/ranges/default/{prefix}")["label"] == PHONES["label"]
    assert town.done("GET", FLEETS)["items"] == [made]


@on_both_databases
def test_rotation_keeps_the_name_of_before_for_a_while(town: Plane) -> None:
    made = added(town)
    town.clock.now = START + 60
    after = rotated(town, made)
    old, new = tokens(after)
    assert [old] == tokens(made)
    assert after["names"][0]["end"] == "2026-10-05T14:14:20Z"
    found, end = snapshot(town), START + 60 + 14 * DAY_S
    assert [found.fleet_prefix(old.encode(), at) is not None for at in (end - 1, end)] == [True, False]
    assert found.fleet_prefix(new.encode(), end) is not None


def test_lost_phone_ends_the_names_of_before_at_once(town: Plane) -> None:
    made = added(town)
    town.clock.now = START + 60
    after = rotated(town, rotated(town, made, 90), 0)
    town.clock.now = START + 61
    shown = town.done("GET", f"{FLEETS}/{made['number']}")
    (token,) = tokens(shown)
    assert token == after["names"][-1]["token"]
    assert snapshot(town).fleet_prefix(tokens(made)[0].encode(), START + 60) is None


def test_names_that_ended_are_forgotten_at_a_later_rotation(town: Plane) -> None:
    made = added(town)
    town.clock.now = START + 60
    rotated(town, made, 1)
    town.clock.now = START + 3 * DAY_S
    assert len(rotated(town, made)["names"]) == 2


def test_ended_fleet_keeps_its_range_and_can_begin_again(town: Plane) -> None:
    made = added(town)
    town.clock.now = START + 60
    ended = town.done("POST", f"{FLEETS}/{made['number']}/end")
    assert tokens(ended) == []
    assert snapshot(town).fleet_prefix(tokens(made)[0].encode(), START + 60) is None
    assert town.call("POST", f"{FLEETS}/{made['number']}/end").status_code == 409
    assert len(tokens(rotated(town, made))) == 1


def test_fleet_is_removed_as_a_range_after_its_end(town: Plane) -> None:
    made = added(town)
    where = f"/v1/ranges/default/{made['prefix']}"
    refused = town.call("DELETE", where)
    assert refused.status_code == 409
    assert f"dnsfilterctl fleet end town {made['number']}" in refused.text
    town.clock.now = START + 60
    town.done("POST", f"{FLEETS}/{made['number']}/end")
    assert town.call("DELETE", where).status_code == 204
    assert town.done("GET", FLEETS)["items"] == []
    assert added(town)["prefix"] == made["prefix"]


def test_label_is_unique_in_the_authority_at_a_site(town: Plane) -> None:
    added(town)
    assert town.call("POST", FLEETS, PHONES).status_code == 409
    other = town.done("POST", "/v1/authorities/zone/fleets", PHONES)
    assert other["prefix"] != str(fleet_prefix(default_number("default", "town", PHONES["label"])))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"label": ""}, 422),
        ({"label": "a\nb"}, 422),
        ({"site": "nowhere"}, 404),
        ({"audience": "everybody"}, 422),
        ({"token": "town-partly-staff-aaaaaaaa"}, 422),
    ],
)
def test_wrong_fleets_are_refused(town: Plane, changes: dict[str, str], status: int) -> None:
    assert town.call("POST", FLEETS, {**PHONES, **changes}).status_code == status


@pytest.mark.parametrize("days", [-1, 91, 1.5])
def test_overlap_has_bounds(town: Plane, days: object) -> None:
    made = added(town)
    body = {"overlap_days": days}
    assert town.call("POST", f"{FLEETS}/{made['number']}/rotate", body).status_code == 422


def test_only_operators_of_the_authority_see_tokens_and_act(town: Plane) -> None:
    made = added(town)
    _, reader = town.account("reader", ("reader", "town"))
    _, operator = town.account("operator", ("operator", "town"))
    _, auditor = town.account("auditor", ("auditor", None))
    _, other = town.account("other", ("operator", "zone"))
    where = f"{FLEETS}/{made['number']}"
    for token, seen in ((reader, False), (auditor, False), (operator, True)):
        (name,) = town.done("GET", where, token=token)["names"]
        assert (name["token"] is not None) is seen
    assert town.call("GET", where, token=other).status_code == 403
    for path, body in ((FLEETS, {**PHONES, "label": "x"}), (f"{where}/rotate", {}), (f"{where}/end", None)):
        for token in (reader, auditor, other):
            assert town.call("POST", path, body, token=token).status_code == 403
    assert town.call("POST", f"{where}/rotate", {}, token=operator).status_code == 200
    assert town.call("GET", f"/v1/authorities/zone/fleets/{made['number']}").status_code == 404


def test_no_act_has_a_token(town: Plane) -> None:
    made = added(town)
    town.clock.now = START + 60
    after = rotated(town, made)
    town.done("POST", f"{FLEETS}/{made['number']}/end")
    acts = town.call("GET", "/v1/audit?act=fleet")
    assert [act["act"] for act in acts.json()["items"]] == ["fleet.end", "fleet.rotate", "fleet.add"]
    assert acts.json()["items"][1]["after"]["names"][1]["number"] == after["names"][1]["number"]
    changes = town.call("GET", f"/v1/revisions/{town.revision()}/diff")
    for text in (acts.text, changes.text):
        assert not any(token in text for token in (*tokens(made), *tokens(after)))


def test_fleet_cannot_be_registered_by_its_addresses(town: Plane) -> None:
    body = {"authority": "town", "funding": "public", "audience": "staff", "label": "x"}
    refused = town.call("PUT", "/v1/ranges/default/100::5:0:0/96", body)
    assert refused.status_code == 422
    assert "add a fleet instead" in refused.text
    rows = {"rows": [{**body, "prefix": "100::5:0:0/96"}]}
    imported = town.call("POST", "/v1/ranges/import", rows)
    assert imported.status_code == 422, imported.text


def test_rollback_and_a_synchronised_table_leave_fleets_alone(town: Plane) -> None:
    before = town.revision()
    made = added(town)
    town.done("POST", f"/v1/revisions/{before}/rollback", {"reason": "undo the last change"})
    assert town.done("GET", FLEETS)["items"] == [made]
    assert is_fleet(ip_network(made["prefix"]))


def test_export_has_fleets_and_applies_again(town: Plane) -> None:
    made = added(town)
    text = town.done("GET", "/v1/policy/json")["policy"]
    assert f'token = "{tokens(made)[0]}"' in text
    assert town.done("POST", "/v1/policy/diff", {"policy": text})["acts"] == []
    without = text.replace(tokens(made)[0], "town-partly-staff-bbbbbbbbbb")
    faults = town.done("POST", "/v1/policy/diff", {"policy": without})["faults"]
    assert "is not in the file" in faults[0]["message"]


def test_decision_for_a_fleet_by_its_label(town: Plane) -> None:
    made = added(town)
    for fleet in (PHONES["label"], f"town/{PHONES['label']}"):
        decided = town.done("GET", "/v1/decision", params={"fleet": fleet, "name": "www.alpha.example"})
        assert (decided["range"]["label"], decided["range"]["prefix"]) == (PHONES["label"], made["prefix"])
        assert decided["authority"] == "town"


def test_label_of_two_authorities_needs_the_authority(town: Plane) -> None:
    added(town)
    town.done("POST", "/v1/authorities/zone/fleets", PHONES)
    asked = {"fleet": PHONES["label"], "name": "www.alpha.example"}
    refused = town.call("GET", "/v1/decision", params=asked)
    assert refused.status_code == 422
    assert "town/phones of staff or zone/phones of staff" in refused.text
    _, reader = town.account("reader", ("reader", "zone"))
    assert town.done("GET", "/v1/decision", params=asked, token=reader)["authority"] == "zone"
    asked["fleet"] = f"town/{PHONES['label']}"
    assert town.call("GET", "/v1/decision", params=asked, token=reader).status_code == 422


@pytest.mark.parametrize("more", [{}, {"client": "192.0.2.1", "fleet": "phones of staff"}, {"fleet": "laptops"}])
def test_decision_needs_either_a_client_or_a_known_fleet(town: Plane, more: dict[str, str]) -> None:
    added(town)
    assert town.call("GET", "/v1/decision", params={"name": "www.alpha.example", **more}).status_code == 422
