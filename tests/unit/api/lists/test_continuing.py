"""Mergers of authorities that own, follow or are bound by prohibited lists, and what a follower renews."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, authority
from tests.unit.api.lists.conftest import ADOPTION, LIST, verdict
from tests.unit.api.lists.test_links import FOLLOWING, LAW, LINKS, OWN
from tests.unit.api.lists.test_service import ADDITION
from tests.unit.api.notices.support import begun, new_kinds

pytestmark = pytest.mark.heavy

COAST = "/v1/authorities/coast"
CONTINUED = f"{COAST}/lists/prohibited"
MERGER = {"reason": "they are one", "decision": {"legal_basis": "decree 2", "reference": "C-2"}}
THIRD = {"add": ["tech28"], "decision": {**ADOPTION["decision"], "reference": "C-3"}, "terms": [{"for": "1 month"}]}


def _merge(plane: Plane, old: str, new: str) -> dict[str, list[tuple[str, str]]]:
    """Merge two authorities. Return what continued and what was covered, with what stands for it."""
    plane.clock.now += 60
    done = plane.done("POST", f"/v1/authorities/{old}/merge", {**MERGER, "into": new})
    plane.clock.now += 60
    return {key: [(item["object"], item["by"]) for item in done[key]] for key in ("continued", "covered")}


@pytest.fixture
def coast(adopted: Plane) -> Plane:
    """Return the control plane with a list of two versions, linked by law to ghent, and an authority without bans."""
    adopted.done("PUT", COAST, authority())
    adopted.done("POST", LINKS, LAW)
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    return adopted


def _link(plane: Plane, to: str, of: str) -> Any:
    """Return the link of a list to an authority that is in force."""
    found = plane.done("GET", f"{LINKS}?authority={to}&list={of}")["items"]
    (only,) = [link for link in found if link["state"] == "in_force"]
    return only


def test_a_list_goes_on_as_the_successors_with_its_versions_and_links(coast: Plane) -> None:
    before = coast.done("GET", LIST)
    done = _merge(coast, "federal", "coast")
    assert [pair for pair in done["continued"] if pair[0].startswith("list")] == [
        ("list/federal/prohibited", "list/coast/prohibited"),
        ("list_link/1", "list_link/2"),
    ]
    after = coast.done("GET", CONTINUED)
    assert (after["versions"], after["formerly"]) == (before["versions"], ["federal/prohibited"])
    assert {(each["from_list"], each["mode"], each["state"]) for each in after["services"]} == {
        (True, "enforce", "in_force")
    }
    assert [verdict(coast, service, "ghent") for service in ("tech26", "tech27")] == ["refuse", "refuse"]
    held = coast.done("GET", f"{COAST}/bans/tech27")
    assert (held["prohibited_list"], held["list_version"]) == ("coast/prohibited", 2)
    link = _link(coast, "ghent", "coast/prohibited")
    assert (link["ground"], link["instrument"], len(link["bound"])) == ("law", "act 1", 27)
    assert coast.done("GET", LIST)["versions"] == before["versions"], "what was decided stays on record"
    assert coast.done("GET", f"{LINKS}/1")["state"] == "ended"


def test_later_acts_on_a_list_that_goes_on_reach_whom_it_is_linked_to(coast: Plane) -> None:
    coast.done("POST", LINKS, FOLLOWING)
    coast.done("POST", f"{LINKS}/2/adopt", OWN)
    notifier = begun(coast)
    _merge(coast, "federal", "coast")
    assert set(new_kinds(coast, notifier.look)) <= {("bound_ban_goes_on", "ghent"), ("source_goes_on", "mechelen")}
    following = _link(coast, "mechelen", "coast/prohibited")
    assert following["waiting"] == []
    coast.done("POST", f"{CONTINUED}/versions", THIRD)
    assert [verdict(coast, "tech28", slug) for slug in ("ghent", "mechelen")] == ["refuse", "pass"]
    assert _link(coast, "mechelen", "coast/prohibited")["waiting"] == ["tech28"]
    assert new_kinds(coast, notifier.look) == [("binding_by_law", "ghent"), ("list_addition", "mechelen")]
    coast.done("PATCH", CONTINUED, {"mode": "off"})
    assert [verdict(coast, "tech01", slug) for slug in ("ghent", "mechelen")] == ["pass", "refuse"]


def test_what_a_follower_has_ended_is_not_proposed_again_by_the_successors_list(coast: Plane) -> None:
    coast.done("POST", LINKS, FOLLOWING)
    coast.done("POST", f"{LINKS}/2/adopt", OWN)
    coast.clock.now += 60
    coast.done("POST", "/v1/authorities/mechelen/bans/tech26/end", {"reason": "council"})
    _merge(coast, "federal", "coast")
    assert _link(coast, "mechelen", "coast/prohibited")["waiting"] == []


def test_bans_that_the_successor_had_and_its_list_of_that_name_stay_as_they_are(coast: Plane) -> None:
    coast.done("PUT", f"{COAST}/lists/prohibited", {"services": ["tech30"]})
    coast.done("PUT", f"{COAST}/bans/tech01", ADOPTION)
    coast.done("POST", f"{COAST}/bans/tech01/terms", {"for": "2 years", "decision": {"reference": "C-9"}})
    _merge(coast, "federal", "coast")
    assert coast.done("GET", CONTINUED)["services"][0]["service"] == "tech30"
    made = coast.done("GET", f"{COAST}/lists/federal-prohibited")
    assert [each["service"] for each in made["services"] if not each["from_list"]] == ["tech01"]
    coast.done("POST", f"{COAST}/lists/federal-prohibited/end", {"reason": "over"})
    coast.clock.now += 60
    assert [verdict(coast, service, "federal") for service in ("tech01", "tech26")] == ["refuse", "pass"]


def test_a_list_that_is_over_does_not_go_on_and_a_draft_does(coast: Plane) -> None:
    coast.done("POST", f"{LIST}/end", {"reason": "repealed"})
    coast.done("PUT", "/v1/authorities/federal/lists/next", {"services": ["tech30"]})
    _merge(coast, "federal", "coast")
    found = coast.done("GET", f"{COAST}/lists")["items"]
    assert [(each["slug"], each["state"], each["formerly"]) for each in found] == [("next", "draft", ["federal/next"])]


def test_a_follower_becomes_bound_by_law_with_whom_it_merges(coast: Plane) -> None:
    coast.done("POST", LINKS, FOLLOWING)
    coast.done("PATCH", f"{LINKS}/1", {"new_names_at_once": True})
    done = _merge(coast, "ghent", "mechelen")
    assert ("list_link/1", "list_link/3") in done["continued"]
    links = coast.done("GET", f"{LINKS}?authority=mechelen")["items"]
    assert [(each["ground"], each["state"], each["new_names_at_once"]) for each in links] == [
        ("following", "in_force", False),
        ("law", "in_force", True),
    ]
    coast.done("POST", f"{LIST}/versions", THIRD)
    assert [verdict(coast, "tech28", slug) for slug in ("ghent", "mechelen")] == ["refuse", "refuse"]
    assert {one["new_names_at_once"] for one in _bindings(coast, "mechelen")} == {True}


def test_a_successor_bound_by_law_needs_no_link_of_a_follower(coast: Plane) -> None:
    coast.done("POST", LINKS, FOLLOWING)
    done = _merge(coast, "mechelen", "ghent")
    assert done["covered"] == [("list_link/2", "list_link/1")]
    assert len(coast.done("GET", f"{LINKS}?authority=ghent")["items"]) == 1


def test_a_successor_bound_for_a_shorter_time_is_linked_for_the_rest(coast: Plane) -> None:
    coast.done("POST", LINKS, {**LAW, "authority": "mechelen", "end": "2026-10-01T00:00:00Z"})
    coast.done("PATCH", f"{LINKS}/1", {"new_names_at_once": True})
    _merge(coast, "ghent", "mechelen")
    links = coast.done("GET", f"{LINKS}?authority=mechelen")["items"]
    assert [(each["start"][:10], each["end"], each["new_names_at_once"]) for each in links] == [
        ("2026-09-21", "2026-10-01T00:00:00Z", True),
        ("2026-10-01", None, True),
    ]
    coast.done("POST", f"{LIST}/versions", THIRD)
    assert verdict(coast, "tech28", "mechelen") == "refuse"
    coast.clock.now += 14 * 86_400
    assert [verdict(coast, service, "mechelen") for service in ("tech27", "tech28")] == ["refuse", "refuse"]


def _bindings(plane: Plane, to: str) -> list[Any]:
    found: list[Any] = plane.done("GET", f"/v1/bindings?authority={to}&limit=100")["items"]
    return found


def _followed(plane: Plane) -> str:
    """Let mechelen adopt the bans of the list, and the list be renewed. Return the path of the link."""
    path = f"{LINKS}/{plane.done('POST', LINKS, FOLLOWING)['number']}"
    plane.done("POST", f"{path}/adopt", OWN)
    plane.clock.now += 60
    plane.done("POST", f"{LIST}/terms", {"for": "6 months", "decision": {"reference": "2026/10"}})
    return path


def _ends(plane: Plane, authority: str, service: str) -> str:
    found: str = plane.done("GET", f"/v1/authorities/{authority}/bans/{service}")["terms"][-1]["end"]
    return found


def test_a_follower_renews_all_its_bans_of_a_list_by_one_act_of_its_own(adopted: Plane) -> None:
    path = _followed(adopted)
    _, desk = adopted.account("desk", ("operator", "mechelen"))
    adopted.done("POST", "/v1/authorities/mechelen/bans/tech05/end", {"reason": "council"})
    ended, before = _ends(adopted, "mechelen", "tech05"), adopted.revision()
    adopted.done("POST", f"{path}/renew", {"decision": {"reference": "M-2"}}, token=desk)
    assert adopted.revision() == before + 1
    own = adopted.done("GET", "/v1/authorities/mechelen/bans/tech01")["terms"][-1]
    assert (own["end"], own["decision"]["reference"]) == (_ends(adopted, "federal", "tech01"), "M-2")
    assert own["decision"]["follows"] == "federal/tech01"
    assert _ends(adopted, "mechelen", "tech05") == ended, "what was ended stays ended"
    again = adopted.call("POST", f"{path}/renew", {"decision": {"reference": "M-3"}}, token=desk)
    assert (again.status_code, "already lasts as long as" in again.json()["detail"]) == (409, True)
    further = {"for": "1 year", "decision": {"reference": "M-4"}}
    adopted.done("POST", f"{path}/renew", further, token=desk)
    assert _ends(adopted, "mechelen", "tech01") > _ends(adopted, "federal", "tech01")
    act = adopted.done("GET", "/v1/audit?act=list_link.renew&limit=1")["items"][0]
    assert (len(act["after"]["renewed"]), act["after"]["decision"]) == (25, {"reference": "M-4"})


def test_a_follower_renews_by_the_successors_list_after_a_merger(adopted: Plane) -> None:
    adopted.done("PUT", COAST, authority())
    _followed(adopted)
    _merge(adopted, "federal", "coast")
    number = _link(adopted, "mechelen", "coast/prohibited")["number"]
    adopted.done("POST", f"{LINKS}/{number}/renew", {"decision": {"reference": "M-2"}})
    assert _ends(adopted, "mechelen", "tech01") == _ends(adopted, "coast", "tech01")


@pytest.mark.parametrize("body", [LAW, {**LAW, "ground": "agreement"}, FOLLOWING])
def test_only_a_follower_with_bans_of_its_own_renews_by_its_link(adopted: Plane, body: dict[str, Any]) -> None:
    number = adopted.done("POST", LINKS, body)["number"]
    renewal = {"for": "6 months", "decision": {"reference": "M-2"}}
    assert adopted.call("POST", f"{LINKS}/{number}/renew", renewal).status_code == 409
