"""Requirements for formal decisions: a renewal, and a decision that follows another ban, need a reference."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, ban

PATH = "/v1/authorities/town/bans/alpha"
FOLLOWER = "/v1/authorities/zone/bans/alpha"
BEGUN = {"start": "2026-09-21T14:13:20Z", "for": "6 months"}
FURTHER = {"start": "2027-04-01", "for": "6 months"}
UNNAMED = {"legal_basis": "decree 2"}
FOLLOWS = {"legal_basis": "decree 3", "follows": "town/alpha"}
DAY = 86_400


@pytest.mark.parametrize(
    ("method", "path", "body", "location"),
    [
        ("POST", f"{PATH}/terms", FURTHER, "body.decision.reference"),
        ("POST", f"{PATH}/terms", {**FURTHER, "decision": UNNAMED}, "body.decision.reference"),
        ("PUT", PATH, {"terms": [BEGUN, FURTHER]}, "body.terms.1.decision.reference"),
        ("PATCH", PATH, {"terms": [{**FURTHER, "decision": UNNAMED}, BEGUN]}, "body.terms.0.decision.reference"),
        ("PUT", FOLLOWER, ban(decision=FOLLOWS), "body.decision.reference"),
        ("PUT", FOLLOWER, ban(terms=[{"for": "1 month", "decision": FOLLOWS}]), "body.terms.0.decision.reference"),
        ("POST", f"{PATH}/terms", {"start": "2026-09-01", "until": "2026-09-10", "decision": {"reference": "C-2"}},
         "body.end"),
        ("PUT", FOLLOWER, ban(terms=[{"for": "1 month"}, {"start": "2026-08-01", "for": "1 month"}]),
         "body.terms.1.end"),
    ],
    ids=["no decision", "unnamed", "put", "patch", "following", "following term", "over", "adopted and over"],
)  # fmt: skip
def test_missing_reference_or_ended_term_is_rejected(
    town: Plane, method: str, path: str, body: Any, location: str
) -> None:
    revision = town.revision()
    town.clock.now += DAY
    refused = town.call(method, path, body)
    assert (refused.status_code, [fault["location"] for fault in refused.json()["faults"]]) == (422, [location])
    assert town.revision() == revision


def test_an_end_that_follows_another_ban_has_a_reference(town: Plane) -> None:
    town.done("PUT", FOLLOWER, ban())
    town.clock.now += DAY
    refused = town.call("POST", f"{FOLLOWER}/end", {"reason": "lifted", "decision": {"follows": "town/alpha"}})
    assert [fault["location"] for fault in refused.json()["faults"]] == ["body.decision.reference"]


def test_a_planned_ban_gets_terms_by_its_own_decision_but_follows_none_without_a_reference(town: Plane) -> None:
    path = "/v1/authorities/zone/bans/alpha"
    planned = {"start": "2026-10-01", "for": "6 months"}
    town.done("PUT", path, ban(terms=[planned]))
    assert len(town.done("PUT", path, {"terms": [planned, FURTHER]})["terms"]) == 2
    refused = town.call("PUT", path, {"decision": FOLLOWS})
    assert [fault["location"] for fault in refused.json()["faults"]] == ["body.decision.reference"]


def test_a_provisional_ban_that_has_lapsed_is_not_adopted_provisionally_again(town: Plane) -> None:
    path = "/v1/authorities/town/bans/beta"
    town.done("PUT", path, {"provisional": True})
    town.clock.now += 3 * DAY
    refused = town.call("PUT", path, {"provisional": True})
    assert (refused.status_code, "has lapsed" in refused.json()["detail"]) == (409, True)
    text = town.call("GET", "/v1/policy").text
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "application/toml"}
    assert town.call("POST", "/v1/policy/apply", content=text, headers=headers).json()["acts"] == []
    assert town.done("PUT", path, ban(provisional=False))["state"] == "in_force"
