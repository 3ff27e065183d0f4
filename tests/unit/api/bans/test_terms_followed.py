"""A ban that follows another takes over its terms and scope once, by its own formal decision."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, authority, ban, on_both_databases

pytestmark = pytest.mark.heavy

SOURCE, FOLLOWER = "/v1/authorities/town/bans/alpha", "/v1/authorities/zone/bans/alpha"
DECISION = {"organ": "college", "reference": "Z-9", "date": "2026-09-20", "legal_basis": "decree 3"}
FOLLOWING = {"decision": {**DECISION, "follows": "town/alpha"}}
DAY = 86_400
NO_DECISION = {"organ": "", "reference": "", "date": "", "legal_basis": "", "advice": "", "link": "", "follows": None}
SCOPE = ("tiers", "funding", "audience")


def _periods(read: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    return [(term["start"], term["end"], term["review_by"]) for term in read["terms"]]


@pytest.mark.parametrize("mode", ["enforce", "monitor", "off"])
def test_follower_takes_over_the_mode_unless_it_gives_one(town: Plane, mode: str) -> None:
    town.done("PATCH", SOURCE, {"mode": mode})
    assert town.done("PUT", FOLLOWER, FOLLOWING)["mode"] == mode
    town.done("PUT", "/v1/authorities/third", authority())
    assert town.done("PUT", "/v1/authorities/third/bans/alpha", {**FOLLOWING, "mode": "enforce"})["mode"] == "enforce"


@on_both_databases
def test_terms_that_have_not_ended_and_scope_are_taken_over(town: Plane) -> None:
    source = town.done(
        "PATCH", SOURCE, {"tiers": [1], "funding": ["private"], "audience": ["pupils", "staff"], "mode": "monitor"}
    )
    town.done("POST", f"{SOURCE}/terms", {"start": "2026-09-01", "until": "2026-09-25", "decision": DECISION})
    town.done("POST", f"{SOURCE}/terms", {"start": "2027-03-01", "review_by": "2027-06-01", "decision": DECISION})
    town.clock.now += 30 * DAY
    made = town.done("PUT", FOLLOWER, FOLLOWING)
    assert _periods(made) == [
        ("2026-09-21T14:13:20Z", "2027-03-21T23:00:00Z", None),
        ("2027-02-28T23:00:00Z", None, "2027-05-31T22:00:00Z"),
    ]
    assert [(term["recorded"], term["decision"]) for term in made["terms"]] == [
        ("2026-10-21T14:13:20Z", NO_DECISION)
    ] * 2
    assert made["decision"] == {**NO_DECISION, **FOLLOWING["decision"]}
    assert {name: made[name] for name in SCOPE} == {name: source[name] for name in SCOPE}
    assert (made["mode"], made["reply"], made["state"]) == ("monitor", "refused", "in_force")
    again = town.call("PUT", FOLLOWER, FOLLOWING)
    assert (again.status_code, again.json()) == (200, made)
    for path in ("/v1/bans", "/v1/authorities/zone/bans"):
        listed = town.done("GET", f"{path}?follows=town/alpha")["items"]
        assert [item["authority"] for item in listed] == ["zone"]
    assert town.done("GET", "/v1/bans?follows=zone/alpha")["items"] == []


def test_later_changes_to_the_source_have_no_effect(town: Plane) -> None:
    made = town.done("PUT", FOLLOWER, {**FOLLOWING, "mode": "monitor", "tiers": [1]})
    assert (made["mode"], made["tiers"]) == ("monitor", [1])
    town.done("POST", f"{SOURCE}/terms", {"start": "2027-03-21", "for": "6 months", "decision": DECISION})
    town.done("PATCH", SOURCE, {"mode": "off", "funding": ["private"]})
    town.clock.now += DAY
    town.done("POST", f"{SOURCE}/end", {"reason": "lifted"})
    assert town.done("GET", FOLLOWER) == made
    assert town.done("PUT", FOLLOWER, FOLLOWING) == made


def test_a_term_that_ends_early_is_taken_over_as_it_ends(town: Plane) -> None:
    town.done("POST", f"{SOURCE}/end", {"reason": "lifted", "at": "2026-12-01"})
    assert _periods(town.done("PUT", FOLLOWER, FOLLOWING)) == [("2026-09-21T14:13:20Z", "2026-11-30T23:00:00Z", None)]


def test_lapsed_ban_has_nothing_to_take_over(town: Plane) -> None:
    town.clock.now += DAY
    town.done("POST", f"{SOURCE}/end", {"reason": "lifted"})
    refused = town.call("PUT", FOLLOWER, FOLLOWING)
    assert (refused.status_code, "town/alpha has lapsed" in refused.json()["detail"]) == (409, True)
    assert town.done("PUT", FOLLOWER, {**FOLLOWING, "terms": [{"for": "29 days"}]})["state"] == "ending"


@pytest.mark.parametrize(
    ("path", "decision", "locations"),
    [
        (FOLLOWER, {"follows": "town/alpha"}, ["body.decision.legal_basis", "body.decision.reference"]),
        (FOLLOWER, {"follows": "town/alpha", "legal_basis": "decree"}, ["body.decision.reference"]),
        (FOLLOWER, {**DECISION, "follows": "zone/alpha"}, ["body.decision.follows"]),
        (FOLLOWER, {**DECISION, "follows": "town/beta"}, ["body.decision.follows"]),
        (FOLLOWER, {**DECISION, "follows": "nobody/alpha"}, ["body.decision.follows"]),
        (SOURCE, {**DECISION, "follows": "town/alpha"}, ["body.decision.follows"]),
    ],
)
def test_following_needs_an_own_formal_decision_and_a_valid_source(
    town: Plane, path: str, decision: dict[str, str], locations: list[str]
) -> None:
    refused = town.call("PUT", path, {"decision": decision})
    assert (refused.status_code, [fault["location"] for fault in refused.json()["faults"]]) == (422, locations)


def test_a_provisional_ban_takes_over_the_scope_and_by_its_decision_the_terms(town: Plane) -> None:
    town.done("PATCH", SOURCE, {"tiers": [1], "funding": ["private"]})
    first = town.done("PUT", FOLLOWER, {"provisional": True, "decision": {"follows": "town/alpha"}})
    assert (first["tiers"], first["funding"], first["provisional"]) == ([1], ["private"], True)
    assert _periods(first) == [("2026-09-21T14:13:20Z", "2026-09-24T14:13:20Z", None)]
    town.clock.now += DAY
    confirmed = town.done("PUT", FOLLOWER, {**FOLLOWING, "provisional": False})
    assert (confirmed["provisional"], confirmed["decision"]["reference"]) == (False, "Z-9")
    assert _periods(confirmed)[1] == ("2026-09-21T14:13:20Z", "2027-03-21T23:00:00Z", None)
    assert town.done("PUT", FOLLOWER, {**FOLLOWING, "provisional": False}) == confirmed


def test_a_term_or_an_early_end_follows_another_ban_on_the_same_service_only(town: Plane) -> None:
    town.done("PUT", FOLLOWER, ban())
    for decision in ({"follows": "zone/alpha"}, {"follows": "town/beta"}):
        renewal = town.call("POST", f"{FOLLOWER}/terms", {"for": "1 month", "decision": decision})
        ending = town.call("POST", f"{FOLLOWER}/end", {"reason": "lifted", "decision": decision})
        for refused in (renewal, ending):
            assert [fault["location"] for fault in refused.json()["faults"]] == ["body.decision.follows"]


def test_bans_do_not_follow_each_other_in_a_circle(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/village", authority())
    third = "/v1/authorities/village/bans/alpha"
    town.done("PUT", FOLLOWER, FOLLOWING)
    town.done("PUT", third, {"decision": {**DECISION, "follows": "zone/alpha"}})
    for path in (FOLLOWER, SOURCE):
        body = {"for": "1 month", "decision": {**DECISION, "follows": "village/alpha"}}
        refused = town.call("POST", f"{path}/terms", body)
        assert [fault["location"] for fault in refused.json()["faults"]] == ["body.decision.follows"]


RENEWAL = {"decision": {**DECISION, "reference": "Z-10", "follows": "town/alpha"}}


@on_both_databases
def test_a_lapsed_ban_follows_again_by_a_renewal_that_has_no_term(town: Plane) -> None:
    town.done("PUT", FOLLOWER, {**FOLLOWING, "mode": "monitor"})
    town.clock.now += DAY
    town.done("POST", f"{FOLLOWER}/end", {"reason": "lifted"})
    town.done("PATCH", SOURCE, {"tiers": [1], "funding": ["private"], "audience": ["pupils"]})
    town.done("POST", f"{SOURCE}/terms", {"start": "2027-04-01", "for": "1 month", "decision": DECISION})
    town.clock.now += DAY
    renewed = town.done("POST", f"{FOLLOWER}/terms", RENEWAL)
    assert _periods(renewed)[1:] == [
        ("2026-09-23T14:13:20Z", "2027-03-21T23:00:00Z", None),
        ("2027-03-31T22:00:00Z", "2027-04-30T22:00:00Z", None),
    ]
    assert [term["decision"]["reference"] for term in renewed["terms"]] == ["", "Z-10", "Z-10"]
    assert (renewed["state"], renewed["mode"], renewed["decision"]["reference"]) == ("in_force", "monitor", "Z-9")
    assert (renewed["tiers"], renewed["funding"], renewed["audience"]) == ([1], ["private"], ["pupils"])
    acts = [entry["act"] for entry in town.done("GET", "/v1/audit?limit=2&object=ban/zone/alpha")["items"]]
    assert acts == ["ban.set_scope", "ban.renew"]
    again = town.call("POST", f"{FOLLOWER}/terms", RENEWAL)
    assert (again.status_code, "as long as town/alpha. Give a term" in again.json()["detail"]) == (409, True)


def test_a_renewal_that_follows_with_a_term_of_its_own_takes_over_nothing(town: Plane) -> None:
    town.done("PUT", FOLLOWER, FOLLOWING)
    town.done("PATCH", SOURCE, {"tiers": [1]})
    renewed = town.done("POST", f"{FOLLOWER}/terms", {**RENEWAL, "start": "2027-04-01", "for": "1 month"})
    assert (len(renewed["terms"]), renewed["tiers"]) == (2, [1, 2])


def test_a_renewal_follows_no_lapsed_ban(town: Plane) -> None:
    town.done("PUT", FOLLOWER, FOLLOWING)
    town.clock.now += DAY
    town.done("POST", f"{SOURCE}/end", {"reason": "lifted"})
    refused = town.call("POST", f"{FOLLOWER}/terms", RENEWAL)
    assert (refused.status_code, "town/alpha has lapsed" in refused.json()["detail"]) == (409, True)
