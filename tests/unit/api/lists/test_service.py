"""Prohibited lists: prepare, adopt, change, toggle, renew, end."""

from typing import Any

import pytest

from api.db.models import BanRow
from tests.unit.api.conftest import Plane, ban, on_both_databases
from tests.unit.api.lists.conftest import ADOPTION, DECISION, LIST, TECHNOLOGIES, acts, load_bots, verdict

FIRST, LAST = TECHNOLOGIES[0], TECHNOLOGIES[25]
ADDITION: dict[str, Any] = {
    "add": ["tech27"],
    "decision": {**DECISION, "reference": "2026/2", "date": "2026-06-01"},
    "terms": [{"for": "1 year"}],
}


def test_a_prepared_list_has_no_effect_and_can_change_and_go(federal: Plane) -> None:
    made = federal.call("PUT", LIST, {"title": "Prohibited", "services": ["tech01", "tech02"]})
    assert (made.status_code, made.json()["state"], made.json()["service_count"]) == (201, "draft", 2)
    assert verdict(federal, "tech01") == "pass"
    revision = federal.revision()
    again = federal.call("PUT", LIST, {"services": ["tech01", "tech02"]})
    assert (again.status_code, again.json()["title"], federal.revision()) == (200, "Prohibited", revision)
    changed = federal.done("PUT", LIST, {"services": ["tech03"]})
    assert [item["service"] for item in changed["services"]] == ["tech03"]
    federal.done("DELETE", LIST)
    assert federal.call("GET", LIST).status_code == 404
    assert [act for act, _ in acts(federal)][-3:] == ["list.create", "list.change", "list.remove"]


def test_one_act_adopts_a_ban_on_each_of_26_services(federal: Plane) -> None:
    federal.done("PUT", LIST, {"title": "Prohibited technologies", "services": TECHNOLOGIES[:26]})
    before = federal.revision()
    found = federal.done("POST", f"{LIST}/adopt", ADOPTION)
    assert federal.revision() == before + 1
    assert (found["state"], found["service_count"], found["kept"]) == ("adopted", 26, [])
    assert {(item["version"], item["from_list"], item["state"]) for item in found["services"]} == {
        (1, True, "in_force")
    }
    (version,) = found["versions"]
    assert (version["version"], version["adds"]) == (1, TECHNOLOGIES[:26])
    assert version["decision"] == {**DECISION, "advice": "", "link": ""}
    assert [verdict(federal, service) for service in (FIRST, LAST, "tech27")] == ["refuse", "refuse", "pass"]
    listed = acts(federal, 27)
    assert listed[0] == ("list.adopt", "list/federal/prohibited")
    assert listed[1:] == [("ban.adopt", f"ban/federal/{service}") for service in TECHNOLOGIES[:26]]
    one = federal.done("GET", "/v1/authorities/federal/bans/tech05")
    assert (one["prohibited_list"], one["list_version"]) == ("federal/prohibited", 1)
    assert one["decision"]["reference"] == "2026/1"


@on_both_databases
def test_a_list_is_kept_with_its_versions(plane: Plane) -> None:
    plane.done(
        "PUT",
        "/v1/authorities/town",
        {"kind": "agency", "names": {"nl": "T"}, "languages": ["nl"], "contact": "ict@example.org"},
    )
    path = "/v1/authorities/town/lists/prohibited"
    plane.done("PUT", path, {"services": ["alpha"]})
    plane.done("POST", f"{path}/adopt", ADOPTION)
    plane.done("POST", f"{path}/versions", {**ADDITION, "add": ["beta"]})
    found = plane.done("GET", path)
    assert [(each["version"], each["adds"]) for each in found["versions"]] == [(1, ["alpha"]), (2, ["beta"])]
    assert [item["slug"] for item in plane.done("GET", "/v1/lists?authority=town")["items"]] == ["prohibited"]
    assert plane.done("GET", "/v1/authorities/town/lists")["items"] == plane.done("GET", "/v1/lists")["items"]


def test_what_the_authority_bans_already_stays_and_is_named(federal: Plane) -> None:
    federal.done("PUT", "/v1/authorities/federal/bans/tech02", ban(mode="monitor"))
    federal.done("PUT", LIST, {"services": ["tech01", "tech02"]})
    found = federal.done("POST", f"{LIST}/adopt", ADOPTION)
    assert found["kept"] == ["tech02"]
    assert [(item["from_list"], item["mode"]) for item in found["services"]] == [(True, "enforce"), (False, "monitor")]
    federal.done("PATCH", LIST, {"mode": "off"})
    modes = [federal.done("GET", f"/v1/authorities/federal/bans/{one}")["mode"] for one in ("tech01", "tech02")]
    assert modes == ["off", "monitor"]
    assert federal.done("GET", LIST)["kept"] == []


def test_a_lapsed_ban_is_renewed_by_the_list(federal: Plane) -> None:
    federal.done("PUT", "/v1/authorities/federal/bans/tech02", ban(terms=[{"for": "1 hour"}], mode="monitor"))
    federal.done("PUT", "/v1/authorities/federal/bans/tech03", {"provisional": True})
    federal.clock.now += 73 * 3600
    federal.done("PUT", LIST, {"services": ["tech02", "tech03"]})
    found = federal.done("POST", f"{LIST}/adopt", ADOPTION)
    assert (found["kept"], {item["from_list"] for item in found["services"]}) == ([], {True})
    assert [verdict(federal, service) for service in ("tech02", "tech03")] == ["refuse", "refuse"]
    renewed = federal.done("GET", "/v1/authorities/federal/bans/tech02")
    assert [term["decision"]["reference"] for term in renewed["terms"]] == ["", "2026/1"]
    assert (renewed["prohibited_list"], renewed["list_version"]) == ("federal/prohibited", 1)


def test_an_addition_is_a_version_with_its_own_decision_and_term(adopted: Plane) -> None:
    adopted.clock.now += 86_400
    found = adopted.done("POST", f"{LIST}/versions", ADDITION)
    assert [(each["version"], each["decision"]["reference"]) for each in found["versions"]] == [
        (1, "2026/1"),
        (2, "2026/2"),
    ]
    added = adopted.done("GET", "/v1/authorities/federal/bans/tech27")
    assert (added["list_version"], added["decision"]["date"]) == (2, "2026-06-01")
    first = adopted.done("GET", f"/v1/authorities/federal/bans/{FIRST}")
    assert first["terms"][0]["end"] < added["terms"][0]["end"]
    assert verdict(adopted, "tech27") == "refuse"


def test_a_service_taken_off_loses_its_ban_and_can_come_back(adopted: Plane) -> None:
    adopted.clock.now += 60
    found = adopted.done("POST", f"{LIST}/versions", {"remove": ["tech05"], "reason": "annulled"})
    assert found["versions"][-1]["removes"] == ["tech05"]
    assert [verdict(adopted, service) for service in ("tech04", "tech05")] == ["refuse", "pass"]
    assert "tech05" not in [item["service"] for item in found["services"]]
    again = adopted.done("POST", f"{LIST}/versions", {**ADDITION, "add": ["tech05"]})
    assert [(item["service"], item["version"]) for item in again["services"]][-1] == ("tech05", 3)
    assert verdict(adopted, "tech05") == "refuse"


def test_all_bans_of_a_list_are_toggled_at_once_and_return(adopted: Plane) -> None:
    adopted.done("PATCH", "/v1/authorities/federal/bans/tech02", {"mode": "monitor"})
    before = adopted.revision()
    adopted.done("PATCH", LIST, {"mode": "off", "for": "8 hours", "mode_reason": "election night"})
    assert (adopted.revision(), verdict(adopted, FIRST), verdict(adopted, LAST)) == (before + 1, "pass", "pass")
    adopted.done("PATCH", LIST, {"mode": "off", "for": "8 hours", "mode_reason": "election night"})
    assert adopted.revision() == before + 1
    assert len([act for act, _ in acts(adopted) if act in ("ban.set_off", "list.set_off")]) == 27
    adopted.clock.now += 8 * 3600
    assert [verdict(adopted, service) for service in (FIRST, "tech02")] == ["refuse", "monitor"]
    adopted.done("PATCH", LIST, {"mode": "enforce"})
    assert verdict(adopted, "tech02") == "refuse"


def test_a_list_is_renewed_and_ended_by_one_act(adopted: Plane) -> None:
    adopted.clock.now += 60
    adopted.done("POST", "/v1/authorities/federal/bans/tech03/end", {"reason": "annulled"})
    renewal = {"for": "6 months", "decision": {"reference": "2026/9"}}
    adopted.done("POST", f"{LIST}/terms", renewal)
    assert adopted.call("POST", f"{LIST}/terms", renewal).status_code == 409
    counts = [len(adopted.done("GET", f"/v1/authorities/federal/bans/{one}")["terms"]) for one in (FIRST, "tech03")]
    assert counts == [2, 1]
    before = adopted.revision()
    ended = adopted.done("POST", f"{LIST}/end", {"reason": "repealed"})
    assert adopted.revision() == before + 1
    assert {item["state"] for item in ended["services"]} == {"lapsed"}
    assert (verdict(adopted, FIRST), adopted.call("PATCH", LIST, {"mode": "off"}).status_code) == ("pass", 409)
    adopted.done("POST", f"{LIST}/terms", {**renewal, "decision": {"reference": "2026/10"}})
    assert [verdict(adopted, service) for service in (FIRST, "tech03")] == ["refuse", "refuse"]


def test_a_renewal_includes_bans_that_came_back_after_an_end(adopted: Plane) -> None:
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/end", {"reason": "repealed"})
    adopted.done("POST", f"{LIST}/terms", {"for": "6 months", "decision": {"reference": "2026/10"}})
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    adopted.done("POST", f"{LIST}/terms", {"for": "3 months", "decision": {"reference": "2026/11"}})
    for service in (FIRST, LAST, "tech27"):
        last = adopted.done("GET", f"/v1/authorities/federal/bans/{service}")["terms"][-1]
        assert last["decision"]["reference"] == "2026/11", service


def test_the_end_of_a_list_keeps_a_ban_that_the_authority_renewed_after_it_was_taken_off(adopted: Plane) -> None:
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", {"remove": ["tech05"], "reason": "annulled"})
    own = {"for": "6 months", "decision": {"reference": "2026/8"}}
    adopted.done("POST", "/v1/authorities/federal/bans/tech05/terms", own)
    again = adopted.done("POST", f"{LIST}/versions", {**ADDITION, "add": ["tech05"]})
    assert (again["kept"], again["services"][-1]["from_list"]) == (["tech05"], False)
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/end", {"reason": "repealed"})
    assert [verdict(adopted, service) for service in (FIRST, "tech05")] == ["pass", "refuse"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/end", {"reason": "repealed"}), ("/versions", {"remove": ["tech05", "tech06"], "reason": "annulled"})],
)
def test_a_ban_on_which_another_list_relies_does_not_end_unnoticed(
    adopted: Plane, path: str, body: dict[str, Any]
) -> None:
    other = "/v1/authorities/federal/lists/other"
    adopted.done("PUT", other, {"services": ["tech05", "tech29"]})
    assert adopted.done("POST", f"{other}/adopt", ADOPTION)["kept"] == ["tech05"]
    adopted.clock.now += 60
    refused = adopted.call("POST", f"{LIST}{path}", body)
    assert (refused.status_code, verdict(adopted, "tech05")) == (409, "refuse")
    assert "prohibited-list remove-service federal other tech05" in refused.json()["detail"]
    adopted.done("POST", f"{other}/versions", {"remove": ["tech05"], "reason": "double"})
    assert verdict(adopted, "tech05") == "refuse"
    adopted.done("POST", f"{LIST}{path}", body)
    assert [verdict(adopted, service) for service in ("tech05", "tech29")] == ["pass", "refuse"]


def test_a_list_that_has_ended_keeps_no_ban_of_another(adopted: Plane) -> None:
    other = "/v1/authorities/federal/lists/other"
    adopted.done("PUT", other, {"services": ["tech05", "tech29"]})
    adopted.done("POST", f"{other}/adopt", ADOPTION)
    adopted.clock.now += 60
    adopted.done("POST", f"{other}/end", {"reason": "repealed"})
    adopted.done("POST", f"{LIST}/end", {"reason": "repealed"})
    assert verdict(adopted, "tech05") == "pass"


def test_the_end_of_a_list_that_has_not_begun_removes_its_bans(federal: Plane) -> None:
    federal.done("PUT", LIST, {"services": ["tech01", "tech02"]})
    federal.done("POST", f"{LIST}/adopt", {**ADOPTION, "terms": [{"start": "2027-01-01", "for": "6 months"}]})
    ended = federal.done("POST", f"{LIST}/end", {"reason": "a mistake"})
    assert [item["state"] for item in ended["services"]] == [None, None]
    with federal.database.reading() as session:
        assert session.query(BanRow).count() == 0


def test_a_list_of_a_category_names_what_the_category_got_since(federal: Plane) -> None:
    found = federal.done("PUT", LIST, {"category": "ai"})
    assert (found["category"], len(found["services"]), found["proposed"]) == ("ai", 15, [])
    federal.done("PUT", LIST, {"services": ["tech01"]})
    assert federal.done("GET", LIST)["category"] is None


def test_services_that_a_loaded_catalogue_brings_are_proposed_until_they_are_added_or_declined(federal: Plane) -> None:
    federal.done("PUT", LIST, {"category": "ai"})
    federal.done("POST", f"{LIST}/adopt", ADOPTION)
    load_bots(federal, "newbot", "otherbot")
    found = federal.done("GET", LIST)
    assert (found["proposed"], found["service_count"]) == (["newbot", "otherbot"], 15)
    found = federal.done("PUT", LIST, {"declined": ["otherbot"]})
    assert (found["proposed"], found["declined"]) == (["newbot"], ["otherbot"])
    found = federal.done("POST", f"{LIST}/versions", {**ADDITION, "add": ["newbot"]})
    assert (found["proposed"], found["declined"], found["service_count"]) == ([], ["otherbot"], 16)
    found = federal.done("PUT", LIST, {"declined": []})
    assert found["proposed"] == ["otherbot"]
    entries = federal.done("GET", "/v1/audit?act=list.change")["items"]
    assert [each["after"]["declined"] for each in entries] == [[], ["otherbot"]]


def test_a_list_starts_from_services_of_a_loaded_catalogue_too(federal: Plane) -> None:
    load_bots(federal, "newbot")
    found = federal.done("PUT", LIST, {"category": "ai"})
    assert "newbot" in [item["service"] for item in found["services"]]


def test_only_what_is_proposed_is_declined(federal: Plane) -> None:
    made = federal.call("PUT", LIST, {"category": "ai", "declined": ["tech01"]})
    assert (made.status_code, made.json()["faults"][0]["location"]) == (422, "body.declined")
    federal.done("PUT", LIST, {"category": "ai"})
    refused = federal.call("PUT", LIST, {"declined": ["tech02", "tech01"]})
    assert [(each["location"], each["message"]) for each in refused.json()["faults"]] == [
        ("body.declined.0", "tech02 is not proposed for federal/prohibited: leave it out"),
        ("body.declined.1", "tech01 is not proposed for federal/prohibited: leave it out"),
    ]


@pytest.mark.parametrize(
    ("body", "location", "words"),
    [
        ({}, "body.services", "at least one service"),
        ({"services": []}, "body.services", "at least one service"),
        ({"services": ["tech01", "tehc02"]}, "body.services.1", 'Did you mean "tech'),
        ({"services": ["tech01", "tech02", "tech01"]}, "body.services.2", "twice"),
        ({"services": ["tech01", "www.example.org"]}, "body.services.1", "No service"),
        ({"category": "aI"}, "body.category", "No category"),
        ({"category": "ai", "services": ["tech01"]}, "body.category", "not both"),
        ({"services": [f"s{number}" for number in range(301)]}, "body.services", "300"),
        ({"services": ["tech01"], "title": "a\nb"}, "body.title", "line break"),
    ],
)
def test_what_a_prepared_list_needs(federal: Plane, body: dict[str, Any], location: str, words: str) -> None:
    refused = federal.call("PUT", LIST, body)
    faults = refused.json()["faults"]
    assert (refused.status_code, faults[0]["location"]) == (422, location)
    assert words in faults[0]["message"]


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"terms": []}, "body.terms"),
        ({"decision": {**DECISION, "legal_basis": ""}}, "body.decision.legal_basis"),
        ({"decision": {**DECISION, "follows": "ghent/tech01"}}, "body.decision.follows"),
        ({"tiers": [2]}, "body.tiers"),
        ({"provisional": True}, "body.provisional"),
        ({"reply": "address"}, "body.addresses"),
        ({"terms": [{"until": "2020-01-01"}]}, "body.terms.0"),
    ],
)
def test_what_an_adoption_needs(federal: Plane, changes: dict[str, Any], location: str) -> None:
    federal.done("PUT", LIST, {"services": TECHNOLOGIES[:3]})
    before = federal.revision()
    refused = federal.call("POST", f"{LIST}/adopt", {**ADOPTION, **changes})
    assert (refused.status_code, refused.json()["faults"][0]["location"]) == (422, location), refused.text
    assert federal.revision() == before


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({}, "body.add"),
        ({**ADDITION, "add": ["tech01"]}, "body.add.0"),
        ({**ADDITION, "add": ["tech27", "tech99"]}, "body.add.1"),
        ({"remove": ["tech27"], "reason": "annulled"}, "body.remove.0"),
        ({"remove": ["tech01"]}, "body.reason"),
        ({**ADDITION, "decision": {"legal_basis": "law"}}, "body.decision.reference"),
        ({**ADDITION, "terms": []}, "body.terms"),
    ],
)
def test_what_a_further_decision_needs(adopted: Plane, body: dict[str, Any], location: str) -> None:
    refused = adopted.call("POST", f"{LIST}/versions", body)
    assert (refused.status_code, refused.json()["faults"][0]["location"]) == (422, location), refused.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "", {"services": ["tech27"]}),
        ("DELETE", "", None),
        ("POST", "/adopt", ADOPTION),
    ],
)
def test_an_adopted_list_changes_by_decisions_only(adopted: Plane, method: str, path: str, body: Any) -> None:
    assert adopted.call(method, f"{LIST}{path}", body).status_code == 409
    renamed = adopted.done("PUT", LIST, {"title": "Another title", "services": TECHNOLOGIES[:26]})
    assert renamed["title"] == "Another title"


@pytest.mark.parametrize("path", ["/versions", "", "/terms", "/end"])
def test_a_list_that_is_not_adopted_has_no_bans_to_change(federal: Plane, path: str) -> None:
    federal.done("PUT", LIST, {"services": ["tech01"]})
    method, body = {
        "/versions": ("POST", ADDITION),
        "": ("PATCH", {"mode": "off"}),
        "/terms": ("POST", {"for": "1 year", "decision": {"reference": "r"}}),
        "/end": ("POST", {"reason": "over"}),
    }[path]
    refused = federal.call(method, f"{LIST}{path}", body)
    assert (refused.status_code, "not adopted yet" in refused.json()["detail"]) == (409, True)


def test_an_unknown_list_suggests_the_nearest(adopted: Plane) -> None:
    refused = adopted.call("GET", f"{LIST}s")
    assert (refused.status_code, refused.json()["detail"]) == (
        404,
        'federal has no prohibited list prohibiteds. Did you mean "prohibited"?',
    )


ACTS: list[tuple[str, str, Any]] = [
    ("PUT", "", {"services": ["tech01"]}),
    ("DELETE", "", None),
    ("POST", "/adopt", ADOPTION),
    ("POST", "/versions", ADDITION),
    ("PATCH", "", {"mode": "off"}),
    ("POST", "/terms", {"for": "1 year", "decision": {"reference": "r"}}),
    ("POST", "/end", {"reason": "over"}),
]


def test_only_operators_of_the_authority_act_on_its_lists(adopted: Plane) -> None:
    tokens = [
        adopted.account(f"account{index}", *roles)[1]
        for index, roles in enumerate(
            [(), (("reader", "federal"),), (("approver", "federal"),), (("operator", "ghent"),), (("auditor", None),)]
        )
    ]
    before = adopted.revision()
    for token in tokens:
        for method, path, body in ACTS:
            assert adopted.call(method, f"{LIST}{path}", body, token=token).status_code == 403, (method, path)
        assert adopted.call("GET", LIST, token=token).status_code == 200
    assert adopted.revision() == before
    _, operator = adopted.account("desk", ("operator", "federal"))
    assert adopted.call("PATCH", LIST, {"mode": "off"}, token=operator).status_code == 200


def test_the_second_person_decides_on_a_list_by_one_request(adopted: Plane) -> None:
    adopted.done("PATCH", "/v1/authorities/federal/off-rules", {"off_needs_approver": True, "off_needs_reason": True})
    _, desk = adopted.account("desk", ("operator", "federal"))
    _, chief = adopted.account("chief", ("approver", "federal"))
    adopted.clock.now += 60
    refused = adopted.call("PATCH", LIST, {"mode": "off"}, token=desk)
    assert "dnsfilterctl prohibited-list off federal prohibited" in refused.json()["faults"][0]["message"]
    asked = adopted.call("PATCH", LIST, {"mode": "off", "for": "8 hours", "mode_reason": "election"}, token=desk)
    assert asked.status_code == 202
    request = asked.json()
    assert (request["object"], request["mode"], request["act_count"]) == ("list/federal/prohibited", "off", 27)
    assert (request["acts"][0]["act"], verdict(adopted, LAST)) == ("list.set_off", "refuse")
    adopted.done("POST", f"/v1/requests/{request['number']}/approve", token=chief)
    assert [verdict(adopted, service) for service in (FIRST, LAST)] == ["pass", "pass"]
    adopted.done("PATCH", LIST, {"mode": "enforce"}, token=desk)
    ending = adopted.call("POST", f"{LIST}/end", {"reason": "repealed"}, token=desk)
    assert (ending.status_code, ending.json()["object"]) == (202, "list/federal/prohibited")
    taken = adopted.call("POST", f"{LIST}/versions", {"remove": ["tech05"], "reason": "annulled"}, token=desk)
    assert taken.status_code == 409
