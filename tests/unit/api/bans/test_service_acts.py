"""Separate acts of a ban: a mode with its reason, the scope, a renewal."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, authority, ban, on_both_databases

pytestmark = pytest.mark.heavy

PATH = "/v1/authorities/town/bans/alpha"
DAY = 86_400
END = "2027-03-21T23:00:00Z"
"""End of the first term of the ban."""


def _acts(plane: Plane, many: int) -> list[Any]:
    """Return the newest acts, oldest first."""
    entries: list[Any] = plane.done("GET", f"/v1/audit?limit={many}")["items"]
    return entries[::-1]


@on_both_databases
def test_a_mode_is_set_with_a_reason_or_without_and_once(town: Plane) -> None:
    adopted = town.done("GET", PATH)
    assert (adopted["mode_reason"], adopted["mode_set"]) == ("", "2026-09-21T14:13:20Z")
    town.clock.now += 60
    off = town.done("PATCH", PATH, {"mode": "off", "mode_reason": "election night"})
    assert (off["mode_reason"], off["mode_set"]) == ("election night", "2026-09-21T14:14:20Z")
    town.clock.now += 60
    for body in ({"mode": "off", "mode_reason": "election night"}, {"mode": "off"}):
        assert town.done("PATCH", PATH, body) == off
    corrected = town.done("PATCH", PATH, {"mode": "off", "mode_reason": "night of the election"})
    assert corrected["mode_set"] == off["mode_set"], "the start of being off stays"
    town.done("PUT", PATH, {"mode": "enforce"})
    reasons = [
        (entry["act"], entry["before"]["mode_reason"], entry["after"]["mode_reason"]) for entry in _acts(town, 3)
    ]
    assert reasons == [
        ("ban.set_off", "", "election night"),
        ("ban.set_off", "election night", "night of the election"),
        ("ban.set_enforce", "night of the election", ""),
    ]


def test_a_reason_goes_with_a_mode(town: Plane) -> None:
    refused = town.call("PATCH", PATH, {"mode_reason": "for no mode"})
    assert (refused.status_code, refused.json()["faults"][0]["location"]) == (422, "body.mode_reason")


@pytest.mark.parametrize(
    "change", [{"tiers": [1]}, {"funding": ["private"]}, {"audience": ["pupils"], "tiers": [2]}], ids=str
)
def test_the_scope_of_a_ban_that_has_begun_is_changed_by_an_act_of_its_own(town: Plane, change: Any) -> None:
    before = town.done("GET", PATH)
    town.done("PATCH", PATH, change)
    (act,) = _acts(town, 1)
    assert (act["act"], act["object"]) == ("ban.set_scope", "ban/town/alpha")
    changed = {name for name in act["after"] if act["after"][name] != act["before"][name]}
    assert (changed, {name: act["before"][name] for name in changed}) == (
        set(change), {name: before[name] for name in change},
    )  # fmt: skip
    revision = town.revision()
    town.done("PATCH", PATH, change)
    assert town.revision() == revision


def test_one_request_with_several_changes_is_several_acts_of_one_revision(town: Plane) -> None:
    body = {"mode": "monitor", "mode_reason": "a study", "tiers": [1], "reply": "nxdomain"}
    done = town.done("PATCH", PATH, body)
    acts = _acts(town, 3)
    assert [act["act"] for act in acts] == ["ban.change", "ban.set_scope", "ban.set_monitor"]
    assert {act["revision"] for act in acts} == {done["revision"]}
    assert [acts[0]["after"], acts[1]["after"]] == [acts[1]["before"], acts[2]["before"]]


def test_a_renewal_without_a_start_begins_where_the_terms_in_force_end(town: Plane) -> None:
    renewal = {"for": "1 month", "decision": {"reference": "C-2"}}
    both = (renewal, {**renewal, "decision": {"reference": "C-3"}})
    starts = [town.done("POST", f"{PATH}/terms", one)["terms"][-1]["start"] for one in both]
    assert starts == [END, "2027-04-21T22:00:00Z"]
    town.clock.now += 365 * DAY
    assert town.done("GET", PATH)["state"] == "lapsed"
    late = town.done("POST", f"{PATH}/terms", renewal)
    assert (late["terms"][-1]["start"], late["state"]) == ("2027-09-21T14:13:20Z", "in_force")


@pytest.mark.parametrize("term", [{"for": "6 months"}, {"until": "2027-12-31"}, {"review_by": "2027-12-31"}])
@on_both_databases
def test_a_renewal_that_is_sent_again_is_no_further_term(town: Plane, term: dict[str, Any]) -> None:
    renewal = {**term, "decision": {"reference": "C-2", "organ": "council"}}
    terms = town.done("POST", f"{PATH}/terms", renewal)["terms"]
    town.clock.now += 5
    for again in (renewal, {**renewal, "decision": {"reference": "C-2"}}):
        refused = town.call("POST", f"{PATH}/terms", again)
        assert (refused.status_code, "already renewed by C-2" in refused.json()["detail"]) == (409, True)
    assert town.done("GET", PATH)["terms"] == terms
    second = {"start": "2028-09-01", "until": "2028-12-31", "decision": {"reference": "C-2"}}
    assert len(town.done("POST", f"{PATH}/terms", second)["terms"]) == 3, "one formal decision may give two terms"
    assert town.call("POST", f"{PATH}/terms", second).status_code == 409


def test_a_renewal_that_touches_leaves_no_gap_and_rewrites_nothing(town: Plane) -> None:
    first = town.done("GET", PATH)["terms"][0]
    question = "/v1/decision?client=192.0.2.10&name=alpha1.example.org&at="
    town.clock.now += 160 * DAY
    assert town.done("GET", PATH)["ending"] == {"at": END, "what": "end", "days": 30, "days_left": 22}
    renewed = town.done("POST", f"{PATH}/terms", {"start": END, "for": "6 months", "decision": {"reference": "C-2"}})
    assert (renewed["terms"][0], renewed["state"], renewed["ending"]) == (first, "in_force", None)
    verdicts = [town.done("GET", question + at)["verdict"] for at in ("2027-03-21T15:13:19Z", END)]
    assert verdicts == ["refuse", "refuse"]


def test_a_ban_that_has_lapsed_is_renewed_and_what_was_between_stays_open(town: Plane) -> None:
    first = town.done("GET", PATH)["terms"][0]
    town.clock.now += 200 * DAY
    assert town.done("GET", PATH)["state"] == "lapsed"
    renewed = town.done("POST", f"{PATH}/terms", {"for": "3 months", "decision": {"reference": "C-2"}})
    assert (renewed["terms"][0], renewed["state"]) == (first, "in_force")
    assert renewed["terms"][1]["start"] == "2027-04-09T14:13:20Z"


def test_early_end_stays_when_terms_are_added(town: Plane) -> None:
    town.clock.now += DAY
    ended = town.done("POST", f"{PATH}/end", {"reason": "lifted", "at": "2026-12-01"})["terms"][0]
    renewed = town.done(
        "POST", f"{PATH}/terms", {"start": "2027-01-01", "for": "3 months", "decision": {"reference": "C-2"}}
    )
    assert renewed["terms"][0] == ended
    own = {"start": ended["start"], "end": ended["end"]}
    later = {"start": "2027-01-01", "for": "3 months"}
    for terms in ([own, later], [{**own, "end": ended["ended"]}, later]):
        assert town.done("PUT", PATH, {"terms": terms})["terms"][0] == ended
    assert town.call("POST", f"{PATH}/end", {"reason": "later", "at": "2027-06-01"}).status_code == 409


@pytest.mark.parametrize(
    ("day", "notes"),
    [
        ("2026-09-21", []),
        ("", []),
        ("2027-03-23", ["the formal decision C-1 is dated 2027-03-23, in the future: check the date."]),
    ],
)
def test_a_formal_decision_dated_in_the_future_is_noted_until_then(town: Plane, day: str, notes: list[str]) -> None:
    body = ban(terms=[{"for": "1 year"}])
    body["decision"]["date"] = day
    path = "/v1/authorities/zone/bans/alpha"
    assert town.done("PUT", path, body)["notes"] == notes
    town.clock.now += 183 * 86_400
    assert town.done("GET", path)["notes"] == []


def test_renewal_with_an_end_notes_that_a_term_without_end_continues(town: Plane) -> None:
    path = "/v1/authorities/zone/bans/beta"
    town.done("PUT", path, ban(terms=[{"review_by": "2027-06-01"}]))
    assert town.done("GET", path)["notes"] == []
    renewal = {"until": "2027-03-31", "decision": {"reference": "C-2"}}
    (note,) = town.done("POST", f"{path}/terms", renewal)["notes"]
    assert note.startswith("the ban continues after 2027-03-31 inclusive")
    assert "notes" not in _acts(town, 1)[0]["after"]
    ended = town.done("POST", f"{path}/end", {"at": "2027-04-01", "reason": "as decided"})
    assert ended["notes"] == []


@on_both_databases
def test_planned_ban_can_be_ended_even_if_others_refer_to_it(town: Plane) -> None:
    planned = [{"start": "2026-11-01", "for": "6 months"}, {"start": "2027-06-01", "for": "1 month"}]
    path = "/v1/authorities/zone/bans/beta"
    town.done("PUT", path, ban(terms=planned))
    binding = {"ban": "zone/beta", "authority": "town", "ground": "law", "instrument": "law 7", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", binding)
    assert town.call("DELETE", path).status_code == 409
    ended = town.done("POST", f"{path}/end", {"reason": "it was a mistake"})
    assert [term["ended"] for term in ended["terms"]] == [term["start"] for term in ended["terms"]]
    assert ended["state"] == "lapsed"
    assert town.call("POST", f"{path}/end", {"reason": "once more"}).status_code == 409
    for at in ("2026-12-01T12:00:00Z", "2027-06-10T12:00:00Z"):
        asked = {"client": "192.0.2.9", "name": "beta1.example.org", "at": at}
        assert town.done("GET", "/v1/decision", params=asked)["verdict"] == "pass"
    listed = town.done("GET", "/v1/bans?state=lapsed")["items"]
    assert [(item["authority"], item["service"]) for item in listed] == [("zone", "beta")]
    renewal = {"start": "2026-12-01", "for": "1 month", "decision": {"reference": "C-2"}}
    assert town.done("POST", f"{path}/terms", renewal)["state"] == "planned"


@pytest.mark.parametrize("renewed", [False, True], ids=["adopted", "renewed"])
def test_a_ban_that_was_called_off_is_decided_again_for_the_same_time(town: Plane, renewed: bool) -> None:
    path, term = "/v1/authorities/zone/bans/beta", {"start": "2027-01-01", "until": "2027-06-30"}
    town.done("PUT", path, ban(terms=[term]))
    binding = {"ban": "zone/beta", "authority": "town", "ground": "law", "instrument": "law 7", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", binding)
    town.done("POST", f"{path}/end", {"reason": "to be heard first"})
    decision = {"organ": "council", "reference": "C-77", "date": "2026-09-30", "legal_basis": "decree 1"}
    again = ("POST", f"{path}/terms", {**term, "decision": decision})
    if not renewed:
        again = ("PUT", path, ban(decision=decision, terms=[term]))
    renewed_ban = town.done(*again)
    assert (renewed_ban["state"], [found["ended"] is None for found in renewed_ban["terms"]]) == (
        "planned",
        [False, True],
    )
    assert _acts(town, 1)[0]["act"] == ("ban.renew" if renewed else "ban.change")
    assert (town.call(*again).status_code, len(town.done("GET", path)["terms"])) == (409 if renewed else 200, 2)
    asked = {"client": "192.0.2.9", "name": "beta1.example.org", "at": "2027-02-01T12:00:00Z"}
    assert town.done("GET", "/v1/decision", params=asked)["verdict"] == "refuse"
    assert "stays on record: end it instead" in town.call("DELETE", path).json()["detail"]
    ended = town.done("POST", f"{path}/end", {"reason": "once more"})
    assert ended["state"] == "lapsed"
    town.clock.now += 200 * DAY
    assert "ended before it began" in town.call("DELETE", path).json()["detail"]
    later = ban(decision={**decision, "reference": "C-78"}, terms=[{"start": "2027-06-01", "for": "1 month"}])
    assert town.done("PUT", path, later)["state"] == "planned", "nothing had begun that would be rewritten"


def test_a_ban_that_has_begun_by_a_clock_that_was_ahead_is_not_removed(town: Plane) -> None:
    path = "/v1/authorities/zone/bans/alpha"
    town.clock.now += 3600
    town.done("PUT", path, ban())
    town.clock.now -= 1800
    assert town.done("GET", path)["state"] == "planned"
    assert town.call("DELETE", path).status_code == 409
    assert town.call("PUT", path, {"terms": [{"start": "2027-01-01", "for": "1 month"}]}).status_code == 409
    assert town.done("POST", f"{path}/end", {"reason": "the clock was wrong"})["state"] == "lapsed"


def test_a_ban_that_has_not_begun_ends_earlier_than_decided(town: Plane) -> None:
    path = "/v1/authorities/zone/bans/alpha"
    town.done("PUT", path, ban(terms=[{"start": "2026-11-01", "for": "6 months"}]))
    following = {"reference": "own 1", "legal_basis": "decree 1", "follows": "zone/alpha"}
    town.done("PUT", "/v1/authorities/city", authority())
    town.done("PUT", "/v1/authorities/city/bans/alpha", ban(decision=following))
    ended = town.done("POST", f"{path}/end", {"at": "2026-12-01", "reason": "no longer needed"})
    assert (ended["state"], ended["terms"][0]["ended"]) == ("planned", "2026-11-30T23:00:00Z")


def test_a_ban_that_has_begun_is_never_removed(town: Plane) -> None:
    assert town.call("DELETE", PATH).status_code == 409
    town.clock.now += 200 * DAY
    refused = town.call("DELETE", PATH)
    assert (refused.status_code, "has begun" in refused.json()["detail"]) == (409, True)
    assert town.done("GET", PATH)["state"] == "lapsed"


def test_a_suspended_authoritys_ban_is_suspended_and_in_no_other_list(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban(terms=[{"for": "20 days"}]))
    town.done("POST", "/v1/suspensions", {"authority": "zone", "for": "30m", "reason": "crisis centre"})
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban(terms=[{"start": "2027-01-01", "for": "1 month"}]))

    def listed(state: str) -> list[str]:
        found = town.done("GET", f"/v1/bans?state={state}")["items"]
        return [f"{item['authority']}/{item['service']} {item['state']}" for item in found]

    assert (listed("suspended"), listed("ending")) == (["zone/alpha suspended"], [])
    assert (listed("in_force"), listed("planned")) == (["town/alpha in_force"], ["zone/beta planned"])
    assert town.done("GET", "/v1/authorities/zone/bans/alpha")["ending"]["days_left"] == 21
    town.clock.now += 1800
    assert (listed("suspended"), listed("ending")) == ([], ["zone/alpha ending"])
    assert listed("in_force") == ["town/alpha in_force", "zone/alpha ending"]


def test_a_ban_is_ended_once_also_in_the_second_of_its_start(town: Plane) -> None:
    town.done("POST", f"{PATH}/end", {"reason": "a mistake"})
    assert town.call("POST", f"{PATH}/end", {"reason": "a mistake"}).status_code == 409
    assert [entry["act"] for entry in _acts(town, 2)] == ["ban.adopt", "ban.end"]
