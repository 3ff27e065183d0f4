"""Links of prohibited lists: by law, by agreement, following; and what becomes of them with an authority."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, authority
from tests.unit.api.lists.conftest import ADOPTION, LIST, RANGES, verdict
from tests.unit.api.lists.test_service import ADDITION

LINKS = "/v1/list-links"
LAW: dict[str, Any] = {
    "list": "federal/prohibited",
    "authority": "ghent",
    "ground": "law",
    "instrument": "act 1",
    "date": "2026-09-01",
}
AGREEMENT = {**LAW, "ground": "agreement"}
FOLLOWING = {"list": "federal/prohibited", "authority": "mechelen", "ground": "following"}
OWN = {"decision": {"legal_basis": "council", "reference": "M-1"}}


def test_a_law_binds_at_once_and_so_do_additions(adopted: Plane) -> None:
    before = adopted.revision()
    made = adopted.done("POST", LINKS, LAW)
    assert (adopted.revision(), len(made["bound"]), made["waiting"]) == (before + 1, 26, [])
    assert verdict(adopted, "tech01", "ghent") == "refuse"
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    assert [verdict(adopted, "tech27", slug) for slug in ("ghent", "mechelen")] == ["refuse", "pass"]
    binding = adopted.done("GET", "/v1/bindings?authority=ghent&ban=federal/tech27")["items"][0]
    assert (binding["link"], binding["ground"], binding["instrument"]) == (made["number"], "law", "act 1")
    assert adopted.call("POST", f"{LINKS}/{made['number']}/withdraw", {"reason": "council"}).status_code == 409
    assert adopted.call("POST", f"{LINKS}/{made['number']}/accept").status_code == 409
    ended = adopted.done("POST", f"{LINKS}/{made['number']}/end", {"reason": "repealed"})
    assert (ended["state"], ended["bound"], verdict(adopted, "tech27", "ghent")) == ("ended", [], "pass")


def test_a_law_asks_for_new_names_at_once_by_its_link_and_so_for_all_its_bans(adopted: Plane) -> None:
    made = adopted.done("POST", LINKS, {**LAW, "new_names_at_once": True})
    path, bound = f"{LINKS}/{made['number']}", "/v1/bindings?authority=ghent&limit=100"
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    assert made["new_names_at_once"] is True
    assert [one["new_names_at_once"] for one in adopted.done("GET", bound)["items"]] == [True] * 27
    before = adopted.revision()
    changed = adopted.done("PATCH", path, {"new_names_at_once": False})
    assert (adopted.revision(), changed["new_names_at_once"]) == (before + 1, False)
    assert [one["new_names_at_once"] for one in adopted.done("GET", bound)["items"]] == [False] * 27
    adopted.done("PATCH", path, {"new_names_at_once": False})
    assert adopted.revision() == before + 1
    adopted.done("POST", f"{path}/end", {"reason": "repealed"})
    assert adopted.call("PATCH", path, {"new_names_at_once": True}).status_code == 409
    for other in (AGREEMENT, FOLLOWING):
        refused = adopted.call("POST", LINKS, {**other, "new_names_at_once": True})
        assert (refused.status_code, refused.json()["faults"][0]["location"]) == (422, "body.new_names_at_once")


def test_an_agreement_proposes_and_the_bound_authority_accepts_all_at_once(adopted: Plane) -> None:
    _, desk = adopted.account("desk", ("operator", "federal"))
    _, other = adopted.account("other-desk", ("operator", "ghent"))
    made = adopted.done("POST", LINKS, AGREEMENT, token=desk)
    path = f"{LINKS}/{made['number']}"
    assert (made["bound"], len(made["waiting"]), verdict(adopted, "tech01", "ghent")) == ([], 26, "pass")
    before = adopted.revision()
    accepted = adopted.done("POST", f"{path}/accept", token=other)
    assert (adopted.revision(), len(accepted["bound"])) == (before + 1, 26)
    assert verdict(adopted, "tech26", "ghent") == "refuse"
    adopted.done("POST", f"{path}/accept", token=other)
    assert adopted.revision() == before + 1
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    assert adopted.done("GET", path)["waiting"] == ["tech27"]
    assert verdict(adopted, "tech27", "ghent") == "pass"
    number = adopted.done("GET", "/v1/bindings?authority=ghent&ban=federal/tech27")["items"][0]["number"]
    adopted.done("POST", f"/v1/bindings/{number}/accept", token=other)
    assert verdict(adopted, "tech27", "ghent") == "refuse"
    left = adopted.done("POST", f"{path}/withdraw", {"reason": "council", "reference": "G-1"}, token=other)
    assert (left["state"], left["ended_by"], left["bound"]) == ("ended", "withdrawal", [])
    assert [verdict(adopted, service, "ghent") for service in ("tech01", "tech27")] == ["pass", "pass"]
    adopted.done("POST", f"{LIST}/versions", {**ADDITION, "add": ["tech28"]})
    assert adopted.done("GET", "/v1/bindings?authority=ghent&ban=federal/tech28")["items"] == []


def test_a_follower_adopts_by_its_own_decision_what_the_list_has_and_adds(adopted: Plane) -> None:
    _, desk = adopted.account("desk", ("operator", "mechelen"))
    _, chief = adopted.account("chief", ("approver", "mechelen"))
    path = f"{LINKS}/{adopted.done('POST', LINKS, FOLLOWING, token=desk)['number']}"
    assert len(adopted.done("GET", path)["waiting"]) == 26
    assert adopted.call("POST", f"{path}/adopt", OWN, token=desk).status_code == 403
    before = adopted.revision()
    done = adopted.done("POST", f"{path}/adopt", OWN, token=chief)
    assert (adopted.revision(), done["waiting"], verdict(adopted, "tech26", "mechelen")) == (before + 1, [], "refuse")
    own = adopted.done("GET", "/v1/authorities/mechelen/bans/tech26")
    assert (own["decision"]["follows"], own["decision"]["reference"]) == ("federal/tech26", "M-1")
    assert (own["prohibited_list"], own["list_version"]) == ("federal/prohibited", 1)
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    assert (adopted.done("GET", path)["waiting"], verdict(adopted, "tech27", "mechelen")) == (["tech27"], "pass")
    further = {"decision": {**OWN["decision"], "reference": "M-2"}}
    adopted.done("POST", f"{path}/adopt", further, token=chief)
    taken = adopted.done("GET", "/v1/authorities/mechelen/bans/tech27")
    assert (taken["list_version"], taken["decision"]["reference"]) == (2, "M-2")
    assert taken["terms"][0]["end"] == adopted.done("GET", "/v1/authorities/federal/bans/tech27")["terms"][0]["end"]
    # What the follower has ended is not proposed again, and acts on the list do not concern its bans.
    adopted.clock.now += 60
    adopted.done("POST", "/v1/authorities/mechelen/bans/tech27/end", {"reason": "council"})
    adopted.done("PATCH", LIST, {"mode": "off"})
    assert (adopted.done("GET", path)["waiting"], verdict(adopted, "tech01", "mechelen")) == ([], "refuse")
    before = adopted.revision()
    adopted.done("POST", f"{path}/adopt", further, token=chief)
    assert adopted.revision() == before
    left = adopted.done("POST", f"{path}/withdraw", {"reason": "council"}, token=desk)
    assert (left["state"], verdict(adopted, "tech01", "mechelen")) == ("ended", "refuse")


def test_an_addition_before_an_announced_end_binds_no_longer_than_the_link(adopted: Plane) -> None:
    path = f"{LINKS}/{adopted.done('POST', LINKS, LAW)['number']}"
    adopted.clock.now += 60
    adopted.done("POST", f"{path}/end", {"reason": "repealed", "at": "2026-09-28T10:00:00Z"})
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    assert verdict(adopted, "tech27", "ghent") == "refuse"
    adopted.clock.now += 14 * 86_400
    assert [verdict(adopted, service, "ghent") for service in ("tech01", "tech27")] == ["pass", "pass"]


def test_a_renewed_list_binds_an_authority_that_was_linked_when_it_had_lapsed(adopted: Plane) -> None:
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/end", {"reason": "repealed"})
    number = adopted.done("POST", LINKS, LAW)["number"]
    assert adopted.done("GET", f"{LINKS}/{number}")["bound"] == []
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/terms", {"for": "6 months", "decision": {"reference": "2026/10"}})
    assert verdict(adopted, "tech01", "ghent") == "refuse"


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"decision": {"legal_basis": "council"}}, "body.decision.reference"),
        ({"decision": {"reference": "M-1"}}, "body.decision.legal_basis"),
        ({"decision": {**OWN["decision"], "follows": "ghent/tech01"}}, "body.decision.follows"),
    ],
)
def test_a_follower_needs_its_own_decision(adopted: Plane, changes: dict[str, Any], location: str) -> None:
    number = adopted.done("POST", LINKS, FOLLOWING)["number"]
    refused = adopted.call("POST", f"{LINKS}/{number}/adopt", changes)
    assert (refused.status_code, refused.json()["faults"][0]["location"]) == (422, location)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**LAW, "list": "federal/prohibitd"}, 422),
        ({**LAW, "authority": "federal"}, 422),
        ({**LAW, "authority": "gent"}, 422),
        ({**LAW, "instrument": ""}, 422),
        ({**LAW, "date": ""}, 422),
        ({**FOLLOWING, "instrument": "act 1"}, 422),
        ({**LAW, "until": "2020-01-01"}, 422),
        ({**LAW, "ground": "habit"}, 422),
        ({**LAW, "start": "2027-01-01", "for": "1 year"}, 201),
    ],
)
def test_what_a_link_needs(adopted: Plane, body: dict[str, Any], status: int) -> None:
    made = adopted.call("POST", LINKS, body)
    assert made.status_code == status, made.text
    if status == 201:
        assert (made.json()["state"], verdict(adopted, "tech01", "ghent")) == ("planned", "pass")


def test_a_list_can_be_linked_before_its_adoption_and_then_stays(federal: Plane) -> None:
    federal.done("PUT", LIST, {"services": ["tech01"]})
    number = federal.done("POST", LINKS, LAW)["number"]
    assert federal.call("DELETE", LIST).status_code == 409
    federal.clock.now += 60
    federal.done("POST", f"{LIST}/adopt", ADOPTION)
    assert (federal.done("GET", f"{LINKS}/{number}")["bound"], verdict(federal, "tech01", "ghent")) == (
        ["tech01"],
        "refuse",
    )


def test_an_authority_has_one_link_to_a_list(adopted: Plane) -> None:
    number = adopted.done("POST", LINKS, LAW)["number"]
    assert adopted.call("POST", LINKS, AGREEMENT).status_code == 409
    adopted.clock.now += 60
    adopted.done("POST", f"{LINKS}/{number}/end", {"reason": "repealed"})
    assert adopted.call("POST", LINKS, AGREEMENT).status_code == 201


@pytest.mark.parametrize(
    ("body", "who"),
    [(LAW, "federal"), (AGREEMENT, "ghent"), (AGREEMENT, "mechelen"), (FOLLOWING, "federal"), (FOLLOWING, "ghent")],
)
def test_who_may_not_make_or_end_a_link(adopted: Plane, body: dict[str, Any], who: str) -> None:
    _, token = adopted.account("desk", ("operator", who), ("approver", who))
    assert adopted.call("POST", LINKS, body, token=token).status_code == 403
    number = adopted.done("POST", LINKS, body)["number"]
    adopted.clock.now += 1
    assert adopted.call("POST", f"{LINKS}/{number}/end", {"reason": "over"}, token=token).status_code == 403


def test_closing_the_lists_authority_ends_its_links_and_their_bindings(adopted: Plane) -> None:
    law, following = (adopted.done("POST", LINKS, body)["number"] for body in (LAW, FOLLOWING))
    adopted.done("POST", f"{LINKS}/{following}/adopt", OWN)
    adopted.clock.now += 60
    adopted.done("POST", "/v1/authorities/federal/close", {"reason": "it is no more"})
    assert [adopted.done("GET", f"{LINKS}/{number}")["state"] for number in (law, following)] == ["ended", "ended"]
    assert [verdict(adopted, "tech01", slug) for slug in ("ghent", "mechelen")] == ["pass", "refuse"]
    assert adopted.call("POST", f"{LIST}/versions", ADDITION).status_code == 409


def test_a_merger_links_the_successor_and_keeps_what_is_refused(adopted: Plane) -> None:
    adopted.done("PUT", "/v1/authorities/coast", authority())
    number = adopted.done("POST", LINKS, LAW)["number"]
    body = {"into": "coast", "reason": "they are one", "decision": {"legal_basis": "decree 2", "reference": "C-2"}}
    adopted.clock.now += 60
    done = adopted.done("POST", "/v1/authorities/ghent/merge", body)
    assert f"list_link/{number + 1}" in [item["by"] for item in done["continued"]], done
    assert verdict(adopted, "tech26", "ghent") == "refuse"
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    assert verdict(adopted, "tech27", "ghent") == "refuse"
    link = adopted.done("GET", f"{LINKS}/{number + 1}")
    assert (link["authority"], len(link["bound"])) == ("coast", 27)


def test_explain_says_the_list_and_its_version(adopted: Plane) -> None:
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    client = RANGES["federal"].replace(".0/24", ".10")
    question = f"client={client}&name=www.tech27-1.example.org"
    winner = adopted.done("GET", f"/v1/decision?{question}")["winner"]
    assert (winner["service"], winner["prohibited_list"], winner["list_version"]) == ("tech27", "federal/prohibited", 2)
    assert winner["reference"] == "2026/2"
    adopted.publisher.store_in_force()
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", {"remove": ["tech27"], "reason": "annulled"})
    at = "2026-09-21T14:14:50Z"
    traced = adopted.done("GET", f"/v1/trace?{question}&at={at}")
    assert (traced["ban"]["prohibited_list"], traced["ban"]["list_version"]) == ("federal/prohibited", 2)
    assert traced["decision"]["winner"]["prohibited_list"] == "federal/prohibited"


def test_links_with_something_that_waits_are_listed_in_pages(adopted: Plane) -> None:
    numbers = [adopted.done("POST", LINKS, each)["number"] for each in (FOLLOWING, {**FOLLOWING, "authority": "ghent"})]
    first = adopted.done("GET", f"{LINKS}?waiting=true&limit=1")
    then = adopted.done("GET", f"{LINKS}?waiting=true&limit=1&cursor={first['next']}")
    assert [[item["number"] for item in page["items"]] for page in (first, then)] == [[each] for each in numbers]
    assert then["next"] is None
    adopted.done("POST", f"{LINKS}/{numbers[0]}/adopt", OWN)
    assert [item["number"] for item in adopted.done("GET", f"{LINKS}?waiting=true")["items"]] == numbers[1:]
    assert adopted.done("GET", f"{LINKS}?waiting=true&authority=mechelen")["items"] == []
