"""Adopt, toggle, renew and end bans, and what is rejected."""

from typing import Any

import pytest

from api.bans import repository
from api.bans.reading import read_ban
from tests.unit.api.conftest import START, Plane, ban

PATH = "/v1/authorities/town/bans/alpha"
DAY = 86_400
LAPSES = 1805670000
"""2027-03-21 23:00:00 UTC: the end of the last day of six months from the clock's start, in Brussels."""


def _act(plane: Plane) -> str:
    entry = plane.done("GET", "/v1/audit?limit=1")["items"][0]
    return f"{entry['act']} {entry['object']}"


def test_an_adopted_ban_has_the_defaults_and_is_in_force(town: Plane) -> None:
    found = town.done("GET", PATH)
    assert {key: found[key] for key in ("mode", "reply", "tiers", "funding", "audience", "state", "provisional")} == {
        "mode": "enforce",
        "reply": "refused",
        "tiers": [1, 2],
        "funding": ["partly_public", "public"],
        "audience": ["staff"],
        "state": "in_force",
        "provisional": False,
    }
    assert found["terms"][0]["start"] == "2026-09-21T14:13:20Z"
    assert found["terms"][0]["end"] == "2027-03-21T23:00:00Z"
    assert _act(town) == "ban.adopt ban/town/alpha"


@pytest.mark.parametrize(
    ("body", "locations"),
    [
        ({}, ["body.decision.legal_basis", "body.terms"]),
        ({"mode": "off"}, ["body.decision.legal_basis", "body.terms"]),
        (ban(decision={"organ": "council"}), ["body.decision.legal_basis"]),
        (ban(terms=[]), ["body.terms"]),
        (ban(terms=[{}]), ["body.terms.0"]),
        (ban(terms=[{"for": "6 months", "until": "2027-01-01"}]), ["body.terms.0"]),
        (ban(terms=[{"start": "2027-01-02", "until": "2027-01-01"}]), ["body.terms.0"]),
        (ban(terms=[{"start": "2027-01-02T00", "for": "1 day"}]), ["body.terms.0.start"]),
        (ban(terms=[{"for": "6 parsecs"}]), ["body.terms.0.for"]),
        (ban(terms=[{"for": "9999 years"}]), ["body.terms.0"]),
        (ban(terms=[{"end": "9999-12-31"}]), ["body.terms.0.end"]),
        (ban(tiers=[]), ["body.tiers"]),
        (ban(tiers=[3]), ["body.tiers"]),
        (ban(funding=[]), ["body.funding"]),
        (ban(reply="address"), ["body.addresses"]),
        (ban(addresses=["192.0.2.1"]), ["body.addresses"]),
        (ban(reply="address", addresses=["example.org"]), ["body.addresses"]),
        (ban(decision={"legal_basis": "x", "follows": "nobody/alpha"}), ["body.decision.follows"]),
        (ban(decision={"legal_basis": "x", "link": "javascript:alert(1)"}), ["body.decision.link"]),
        (ban(decision={"legal_basis": "x", "date": "2026-02-30"}), ["body.decision.date"]),
        (ban(colour="red"), ["body.colour"]),
        (ban(provisional=True), ["body.terms"]),
    ],
)
def test_incomplete_ban_is_rejected_with_every_location(town: Plane, body: Any, locations: list[str]) -> None:
    revision = town.revision()
    response = town.call("PUT", "/v1/authorities/zone/bans/alpha", body)
    assert response.status_code == 422, response.text
    assert [fault["location"] for fault in response.json()["faults"]] == locations
    assert town.revision() == revision


@pytest.mark.parametrize("path", ["/v1/authorities/nobody/bans/alpha", "/v1/authorities/town/bans/gamma"])
def test_ban_of_unknown_authority_or_service_is_not_found(town: Plane, path: str) -> None:
    assert town.call("PUT", path, ban()).status_code == 404


def test_a_toggle_is_a_put_or_a_patch_of_the_mode(town: Plane) -> None:
    revision = town.revision()
    assert town.done("PUT", PATH, {"mode": "off"})["mode"] == "off"
    assert _act(town) == "ban.set_off ban/town/alpha"
    assert town.done("PATCH", PATH, {"mode": "enforce"})["mode"] == "enforce"
    assert town.done("PATCH", PATH, {"mode": "enforce"})["revision"] == revision + 2
    assert town.revision() == revision + 2


def test_patch_does_not_create(town: Plane) -> None:
    assert town.call("PATCH", "/v1/authorities/town/bans/beta", ban()).status_code == 404


def test_a_provisional_ban_lasts_72_hours_unless_it_is_confirmed(town: Plane) -> None:
    path = "/v1/authorities/town/bans/beta"
    made = town.done("PUT", path, {"provisional": True})
    assert (made["provisional"], made["state"], made["terms"][0]["end"]) == (True, "ending", "2026-09-24T14:13:20Z")
    assert town.done("PUT", path, {"provisional": True})["revision"] == made["revision"]
    assert town.call("POST", f"{path}/terms", {"for": "6 months"}).status_code == 409
    assert town.call("PUT", path, {"provisional": False}).status_code == 422
    assert town.call("PUT", path, {"terms": [{"for": "6 months"}]}).status_code == 422
    town.clock.now += DAY
    confirmed = town.done("PUT", path, ban(provisional=False))
    assert (confirmed["provisional"], len(confirmed["terms"])) == (False, 2)
    town.clock.now += 3 * DAY
    assert town.done("GET", path)["state"] == "in_force"
    assert town.call("PUT", path, {"provisional": True}).status_code == 409


@pytest.mark.parametrize(
    "terms", [[], [{"start": "2026-09-21T14:13:20Z", "for": "73 hours"}]], ids=["left out", "altered"]
)
def test_a_term_of_72_hours_of_an_ordinary_ban_is_like_any_other(town: Plane, terms: list[Any]) -> None:
    path = "/v1/authorities/town/bans/beta"
    made = town.done("PUT", path, ban(terms=[{"for": "72 hours"}]))
    town.clock.now += 60
    later = {"start": "2026-10-01", "for": "6 months"}
    for extra in ({}, {"provisional": False}):
        assert town.call("PUT", path, {"terms": [*terms, later], **extra}).status_code == 409
    assert town.done("GET", path) == made


def test_a_provisional_ban_is_confirmed_from_its_beginning(town: Plane) -> None:
    path = "/v1/authorities/town/bans/beta"
    own = {"start": "2026-09-21T14:13:20Z", "for": "72 hours"}
    town.done("PUT", path, {"provisional": True})
    town.clock.now += DAY
    assert town.call("PUT", path, ban(provisional=False, terms=[own])).status_code == 422
    longer = {"start": own["start"], "for": "6 months"}
    confirmed = town.done("PUT", path, ban(provisional=False, terms=[longer]))
    assert [(term["start"], term["end"]) for term in confirmed["terms"]] == [
        (own["start"], "2026-09-24T14:13:20Z"),
        (own["start"], "2027-03-21T23:00:00Z"),
    ]
    assert _act(town) == "ban.confirm ban/town/beta"


@pytest.mark.parametrize("span", ["6 months", "72 hours"])
def test_a_confirmation_sent_again_changes_nothing_and_lets_nothing_else_change(town: Plane, span: str) -> None:
    path = "/v1/authorities/town/bans/beta"
    town.done("PUT", path, {"provisional": True})
    town.clock.now += DAY
    body = ban(provisional=False, terms=[{"for": span}])
    confirmed = town.done("PUT", path, body)
    town.clock.now += 60
    assert town.done("PUT", path, body) == confirmed
    altered = {"start": "2026-09-21T14:13:20Z", "for": "71 hours"}
    assert town.call("PUT", path, {**body, "terms": [*body["terms"], altered]}).status_code == 409
    assert town.call("PUT", path, {"terms": body["terms"]}).status_code == 409
    assert town.done("GET", path) == confirmed


@pytest.mark.parametrize(
    "term", [{"for": "6 months"}, {"until": "2027-03-01"}, {"review_by": "2027-03-01"}], ids=["for", "until", "review"]
)
def test_a_put_sent_again_later_changes_nothing(town: Plane, term: Any) -> None:
    path, body = "/v1/authorities/town/bans/beta", ban(terms=[term])
    made = town.done("PUT", path, body)
    for seconds in (1, DAY):
        town.clock.now += seconds
        assert town.done("PUT", path, body) == made
    other = {"until": "2027-04-01", "decision": {"reference": "C-2"}}
    assert town.call("PUT", path, {"terms": [other]}).status_code == 409
    renewed = {"terms": [term, other]}
    after = town.done("PUT", path, renewed)
    assert [entry["start"] for entry in after["terms"]] == ["2026-09-21T14:13:20Z", "2026-09-22T14:13:21Z"]
    town.clock.now += 1
    assert town.done("PUT", path, renewed) == after


def test_a_term_without_start_begins_now_where_the_known_one_is_repeated_or_ahead(town: Plane) -> None:
    town.clock.now += DAY
    begun = {"start": "2026-09-21T14:13:20Z", "for": "6 months"}
    after = town.done("PUT", PATH, {"terms": [{"for": "6 months", "decision": {"reference": "C-2"}}, begun]})
    assert [term["start"] for term in after["terms"]] == ["2026-09-21T14:13:20Z", "2026-09-22T14:13:20Z"]
    path = "/v1/authorities/town/bans/beta"
    town.done("PUT", path, ban(terms=[{"start": "2026-10-01", "until": "2027-03-31"}]))
    moved = town.done("PUT", path, {"terms": [{"until": "2027-03-31"}]})
    assert [term["start"] for term in moved["terms"]] == ["2026-09-22T14:13:20Z"]


def test_a_term_added_to_a_begun_ban_is_recorded_as_a_renewal(town: Plane) -> None:
    begun = {"start": "2026-09-21T14:13:20Z", "for": "6 months"}
    further = {"start": "2027-04-01", "for": "6 months", "decision": {"reference": "C-2", "legal_basis": "decree 2"}}
    town.clock.now += DAY
    town.done("PUT", PATH, {"mode": "monitor", "terms": [begun, further]})
    changed, renewed = town.done("GET", "/v1/audit?limit=2")["items"]
    assert (renewed["act"], changed["act"]) == ("ban.renew", "ban.set_monitor")
    assert [len(renewed[when]["terms"]) for when in ("before", "after")] == [1, 2]
    assert renewed["after"]["terms"][1]["decision"]["legal_basis"] == "decree 2"
    assert (renewed["after"], renewed["after"]["mode"]) == (changed["before"], "enforce")
    assert changed["after"]["mode"] == "monitor"
    town.done("PUT", PATH, {"terms": [begun]})
    assert _act(town) == "ban.change ban/town/alpha"


def test_a_put_that_repeats_the_ban_changes_nothing(town: Plane) -> None:
    found = town.done("GET", PATH)
    term = {key: found["terms"][0][key] for key in ("start", "end")}
    again = town.done("PUT", PATH, ban(terms=[term]))
    assert again == found


@pytest.mark.parametrize(
    "body",
    [
        {"terms": [{"start": "2026-09-21T14:13:20Z", "until": "2026-12-31"}]},
        {"terms": [{"start": "2026-10-01", "for": "6 months"}]},
        {"decision": {"legal_basis": "another decree"}},
        {"terms": []},
    ],
    ids=["shortened", "left out", "decision", "none"],
)
def test_begun_terms_and_decisions_cannot_be_rewritten(town: Plane, body: Any) -> None:
    before = town.done("GET", PATH)
    town.clock.now += 60
    for method in ("PUT", "PATCH"):
        response = town.call(method, PATH, body)
        assert (response.status_code, response.json()["type"]) == (409, "/problems/conflict")
    assert town.done("GET", PATH)["terms"] == before["terms"]


def test_planned_ban_can_be_changed_and_removed(town: Plane) -> None:
    path = "/v1/authorities/town/bans/beta"
    planned = town.done("PUT", path, ban(terms=[{"start": "2026-10-01", "for": "6 months"}]))
    assert planned["state"] == "planned"
    assert planned["terms"][0]["start"] == "2026-09-30T22:00:00Z"
    moved = town.done("PUT", path, {"terms": [{"start": "2026-11-01", "until": "2027-04-30"}]})
    assert [(term["start"], term["end"], term["through"]) for term in moved["terms"]] == [
        ("2026-10-31T23:00:00Z", "2027-04-30T22:00:00Z", "2027-04-30")
    ]
    assert town.call("POST", f"{path}/end", {"reason": "reconsidered"}).status_code == 409
    assert town.call("DELETE", path).status_code == 204
    assert town.call("DELETE", PATH).status_code == 409


def test_a_renewal_adds_a_term_and_keeps_the_old(town: Plane) -> None:
    end = town.done("GET", PATH)["terms"][0]["end"]
    renewal = {"start": end, "for": "6 months", "decision": {"reference": "C-2", "legal_basis": "decree 2"}}
    renewed = town.done("POST", f"{PATH}/terms", renewal)
    assert [term["decision"]["legal_basis"] for term in renewed["terms"]] == ["", "decree 2"]
    assert town.call("POST", f"{PATH}/terms", renewal).status_code == 409
    assert _act(town) == "ban.renew ban/town/alpha"


def test_a_ban_lapses_at_its_end_and_is_listed_so(town: Plane) -> None:
    def listed(state: str) -> list[str]:
        return [item["service"] for item in town.done("GET", f"/v1/bans?authority=town&state={state}")["items"]]

    town.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"start": "2026-10-01", "review_by": "2028-01-01"}]))
    states = ("planned", "in_force", "ending", "lapsed")
    seen = []
    for instant in (START, START + 11 * DAY, LAPSES - 10 * DAY, LAPSES - 1, LAPSES):
        town.clock.now = instant
        seen.append([listed(state) for state in states])
    assert seen == [
        [["beta"], ["alpha"], [], []],
        [[], ["alpha", "beta"], [], []],
        [[], ["alpha", "beta"], ["alpha"], []],
        [[], ["alpha", "beta"], ["alpha"], []],
        [[], ["beta"], [], ["alpha"]],
    ]
    assert town.done("GET", PATH)["state"] == "lapsed"


def test_a_ban_is_ended_early_by_an_act_that_gives_a_reason(town: Plane) -> None:
    town.done("POST", f"{PATH}/terms", {"start": "2027-06-01", "for": "6 months", "decision": {"reference": "C-2"}})
    town.clock.now += DAY
    assert town.call("POST", f"{PATH}/end", {}).status_code == 422
    assert town.call("POST", f"{PATH}/end", {"reason": "lifted", "at": "2026-09-22"}).status_code == 422
    ended = town.done("POST", f"{PATH}/end", {"reason": "lifted", "decision": {"reference": "C-9"}})
    assert len(ended["terms"]) == 1
    assert ended["terms"][0]["end"] == "2027-03-21T23:00:00Z"
    assert ended["terms"][0]["ended"] == "2026-09-22T14:13:20Z"
    assert ended["terms"][0]["ended_decision"]["reference"] == "C-9"
    assert ended["state"] == "lapsed"
    assert town.call("POST", f"{PATH}/end", {"reason": "once more"}).status_code == 409


def test_a_term_without_a_start_revives_nothing_that_has_ended(town: Plane) -> None:
    adopted = town.done("GET", PATH)
    end = adopted["terms"][0]["end"]
    town.clock.now += DAY
    town.done("POST", f"{PATH}/end", {"reason": "lifted"})
    town.clock.now += DAY
    answer = town.call("PUT", PATH, ban(terms=[{"end": end}]))
    assert answer.status_code == 409
    assert "begun" in answer.json()["detail"]
    ended = town.done("GET", PATH)["terms"][0]
    both = [{"start": ended["start"], "end": ended["ended"]}, {"end": end, "decision": {"reference": "C-2"}}]
    assert town.done("PUT", PATH, ban(terms=both))["state"] == "in_force"


def test_adopting_follows_a_ban_and_shows_it(town: Plane) -> None:
    body = ban(decision={"legal_basis": "decree 3", "reference": "Z-3", "follows": "town/alpha"})
    made = town.done("PUT", "/v1/authorities/zone/bans/alpha", body)
    assert made["decision"]["follows"] == "town/alpha"


FOLLOWING = {"legal_basis": "decree 3", "reference": "Z-3", "follows": "town/beta"}


@pytest.mark.parametrize("following", ["ban", "term", "early end"])
def test_a_ban_that_another_follows_is_not_removed(town: Plane, following: str) -> None:
    followed, follower = "/v1/authorities/town/bans/beta", "/v1/authorities/zone/bans/beta"
    term = {"start": "2026-10-01", "for": "6 months"}
    town.done("PUT", followed, ban(terms=[term]))
    match following:
        case "ban":
            town.done("PUT", follower, ban(decision=FOLLOWING))
        case "term":
            town.done("PUT", follower, ban(terms=[{**term, "decision": FOLLOWING}]))
        case _:
            town.done("PUT", follower, ban())
            town.done("POST", f"{follower}/end", {"reason": "adopted elsewhere", "decision": FOLLOWING})
    response = town.call("DELETE", followed)
    assert (response.status_code, response.json()["type"]) == (409, "/problems/conflict")
    assert "town/beta" in town.call("GET", follower).text
    assert town.done("PATCH", follower, {"mode": "off"})["mode"] == "off"


def test_a_ban_is_removed_once_no_other_follows_it(town: Plane) -> None:
    followed, follower = "/v1/authorities/town/bans/beta", "/v1/authorities/zone/bans/beta"
    body = ban(terms=[{"start": "2026-10-01", "for": "6 months"}])
    town.done("PUT", followed, body)
    town.done("PUT", follower, {**body, "decision": FOLLOWING})
    assert town.call("DELETE", followed).status_code == 409
    town.done("PUT", follower, body)
    assert town.call("DELETE", followed).status_code == 204


def test_ban_can_be_read_after_the_ban_it_follows_is_gone(town: Plane) -> None:
    decision = {"legal_basis": "x", "reference": "Z-3", "follows": "town/alpha"}
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban(decision=decision))
    with town.database.reading() as session:
        row = repository.get(session, "zone", "alpha")
        row.decision = {**row.decision, "follows": 999}
        assert read_ban(session, row, START, "UTC", frozenset()).decision.follows is None


def test_a_stale_view_does_not_toggle(town: Plane) -> None:
    tag = town.call("GET", PATH).headers["etag"]
    headers = {"Authorization": f"Bearer {town.token}", "If-Match": tag}
    assert town.call("PATCH", PATH, {"mode": "off"}, headers=headers).status_code == 200
    response = town.call("PATCH", PATH, {"mode": "enforce"}, headers=headers)
    assert (response.status_code, response.json()["type"]) == (412, "/problems/stale")
