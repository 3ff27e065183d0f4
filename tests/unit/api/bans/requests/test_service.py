"""If an authority requires an approver, switching a ban off waits for one."""

import re
from typing import Any

import httpx
import pytest

from api.timestamps import timestamp_text
from tests.unit.api.conftest import START, Clock, Plane, ban, on_both_databases
from tests.unit.api.notices.support import begun, new_kinds

pytestmark = pytest.mark.heavy

BAN, RULES = "/v1/authorities/town/bans/alpha", "/v1/authorities/town/off-rules"
UNTIL = timestamp_text(START + 3600)
SELDOM = "/v1/revisions"
DECISION = {"legal_basis": "decree 2", "reference": "C-2"}


@pytest.fixture
def desk(town: Plane) -> str:
    """Return the token of an operator in a town that requires an approver."""
    town.done("PATCH", RULES, {"off_needs_approver": True})
    return town.account("desk", ("operator", "town"))[1]


@pytest.fixture
def approver(town: Plane) -> str:
    return town.account("approver", ("approver", "town"))[1]


def _wish(town: Plane, token: str, **body: Any) -> httpx.Response:
    return town.call("PATCH", BAN, {"mode": "off", **body}, token=token)


def _act(town: Plane, token: str, number: int, act: str, **body: str) -> httpx.Response:
    return town.call("POST", f"/v1/requests/{number}/{act}", body, token=token)


def _mode(town: Plane) -> str:
    return str(town.done("GET", BAN)["mode"])


def _acts(town: Plane, count: int) -> list[str]:
    return [f"{item['act']} {item['account']}" for item in town.done("GET", f"/v1/audit?limit={count}")["items"]]


@on_both_databases
def test_switching_off_waits_until_an_approver_decides(town: Plane, desk: str, approver: str) -> None:
    town.done("PUT", "/v1/authorities/town/bans/beta", ban())
    answer = _wish(town, desk, until=UNTIL, mode_reason="election night")
    request = answer.json()
    assert (answer.status_code, request["state"], request["until"], _mode(town)) == (202, "requested", UNTIL, "enforce")
    assert _act(town, desk, request["number"], "approve").status_code == 403
    done = _act(town, approver, request["number"], "approve", note="for the night")
    assert (done.status_code, done.json()["state"], done.json()["note"]) == (200, "approved", "for the night")
    found = town.done("GET", BAN)
    assert (found["mode"], found["off_until"], found["mode_reason"]) == ("off", UNTIL, "election night")
    of_bans = {service: town.done("GET", f"/v1/requests?ban=town/{service}")["items"] for service in ("alpha", "beta")}
    assert {service: len(items) for service, items in of_bans.items()} == {"alpha": 1, "beta": 0}
    decided_by = done.json()["decided_by"]
    assert _acts(town, 3) == [
        f"ban.set_off {decided_by}", f"request.approve {decided_by}", f"request.ask {request['requested_by']}",
    ]  # fmt: skip
    assert found["mode_set_by"] == decided_by
    assert _act(town, approver, request["number"], "approve").status_code == 200
    states = {
        state: len(town.done("GET", f"/v1/requests?state={state}")["items"]) for state in ("requested", "approved")
    }
    assert states == {"requested": 0, "approved": 1}


def test_requester_cannot_approve_with_another_role_token_or_grant(town: Plane, desk: str) -> None:
    both, token = town.account("both", ("operator", "town"), ("approver", "town"))
    number = _wish(town, token).json()["number"]
    refused = _act(town, token, number, "approve")
    assert (refused.status_code, "you cannot approve your own request" in refused.text) == (403, True)
    granted, other = town.account("granted")
    body = {"account": granted, "role": "approver", "authority": "town", "reason": "for a test", "for": "1 year"}
    town.done("POST", "/v1/grants", body, token=token)
    refused = _act(town, other, number, "approve")
    assert (refused.status_code, f"account {both} granted you the role" in refused.text) == (403, True)
    assert _mode(town) == "enforce"


def test_a_request_is_rejected_or_withdrawn_and_stays_on_record(town: Plane, desk: str, approver: str) -> None:
    for token, act in ((approver, "reject"), (desk, "withdraw")):
        number = _wish(town, desk).json()["number"]
        assert _act(town, token, number, act, reason="no need").status_code == 200
        assert town.done("GET", f"/v1/requests/{number}")["state"] == {"reject": "rejected"}.get(act, "withdrawn")
        refused = _act(town, approver, number, "approve")
        assert (refused.status_code, _mode(town)) == (409, "enforce")


@on_both_databases
@pytest.mark.parametrize("mode", ["off", "monitor"])
def test_while_a_request_about_a_ban_waits_no_other_is_made(town: Plane, desk: str, mode: str) -> None:
    notices = begun(town)
    assert _wish(town, desk, mode=mode).status_code == 202
    for body in ({"mode": mode}, {"mode": "off", "until": UNTIL, "mode_reason": "election night"}):
        refused = _wish(town, desk, **body)
        message = "Request 1 about ban/town/alpha is already waiting for a decision."
        assert (refused.status_code, message in refused.text) == (409, True)
        assert "dnsfilterctl request withdraw 1 --reason" in refused.text
    assert new_kinds(town, notices.look) == [("request_waiting", "town")]
    assert _act(town, desk, 1, "withdraw", reason="another end").status_code == 200
    assert _wish(town, desk, until=UNTIL).json()["number"] == 2


@on_both_databases
def test_a_request_lapses_when_all_that_it_would_lift_has_ended(town: Plane, desk: str, approver: str) -> None:
    number = _wish(town, desk, until=UNTIL).json()["number"]
    town.clock.now += 3600
    listed = {state: town.done("GET", f"/v1/requests?state={state}")["items"] for state in ("requested", "lapsed")}
    assert [[item["number"] for item in items] for items in listed.values()] == [[], [number]]
    refused = _act(town, approver, number, "approve")
    assert (refused.status_code, "Ask again" in refused.text) == (409, True)
    # A lapsed request does not prevent another.
    assert _wish(town, desk).status_code == 202


@on_both_databases
def test_a_request_whose_ban_changed_meanwhile_is_judged_again(town: Plane, desk: str, approver: str) -> None:
    number = _wish(town, desk).json()["number"]
    town.done("PATCH", BAN, {"audience": ["staff", "pupils"]})
    refused = _act(town, approver, number, "approve")
    assert (refused.status_code, "the policy has changed" in refused.text, _mode(town)) == (409, True, "enforce")
    assert town.done("GET", f"/v1/requests/{number}")["state"] == "requested"
    town.done("PATCH", BAN, {"audience": ["staff"]})
    assert _act(town, approver, number, "approve").status_code == 200
    assert _mode(town) == "off"


def test_a_request_by_somebody_who_may_no_longer_ask_is_not_carried_out(town: Plane, approver: str) -> None:
    town.done("PATCH", RULES, {"off_needs_approver": True})
    account, token = town.account("desk", ("operator", "town"))
    number = _wish(town, token).json()["number"]
    grant = next(each for each in town.done("GET", "/v1/grants")["items"] if each["account"] == account)
    town.done("POST", f"/v1/grants/{grant['number']}/end", {"reason": "another post"})
    refused = _act(town, approver, number, "approve")
    assert (refused.status_code, f"account {account} may no longer do this" in refused.text) == (409, True)
    assert _mode(town) == "enforce"


def test_a_ban_that_has_lapsed_refuses_nothing_and_no_change_of_it_waits(town: Plane, desk: str) -> None:
    town.done("POST", f"{BAN}/end", {"reason": "the study is done", "at": UNTIL})
    town.clock.now += 3600
    assert _wish(town, desk).status_code == 200


def test_only_changes_that_refuse_less_wait(town: Plane, desk: str, approver: str) -> None:
    assert _act(town, desk, _wish(town, desk, mode="monitor").json()["number"], "withdraw", reason="a test").is_success
    town.done("PATCH", BAN, {"mode": "off", "until": UNTIL})
    for body, status in (
        ({"until": timestamp_text(START + 7200)}, 202),
        ({}, 202),
        ({"until": timestamp_text(START + 60)}, 200),
        ({"mode": "enforce"}, 200),
    ):
        answer = _wish(town, desk, **body)
        assert answer.status_code == status, body
        if status == 202:
            assert _act(town, desk, answer.json()["number"], "withdraw", reason="a test").status_code == 200
    town.done("PATCH", BAN, {"mode": "monitor"})
    assert _wish(town, desk).status_code == 200
    made = town.call("PUT", "/v1/authorities/town/bans/beta", ban(mode="off"), token=desk)
    assert made.status_code == 201


@pytest.mark.parametrize(
    "more",
    [
        {"tiers": [1]},
        {"reply": "nxdomain"},
        {"funding": ["private"]},
        {"terms": [{"start": "2027-06-01", "for": "1 month", "decision": DECISION}]},
    ],
)
def test_other_fields_wait_together_with_the_mode(town: Plane, desk: str, approver: str, more: dict[str, Any]) -> None:
    terms = [{"start": term["start"], "end": term["end"]} for term in town.done("GET", BAN)["terms"]]
    wanted = {**more, "terms": [*terms, *more["terms"]]} if "terms" in more else more
    waits = _wish(town, desk, **wanted).json()
    assert (waits["mode"], waits["state"]) == ("off", "requested")
    assert _act(town, approver, waits["number"], "approve").status_code == 200
    found = town.done("GET", BAN)
    assert found["mode"] == "off"
    assert len(found["terms"]) == 2 if "terms" in more else found | more == found


def test_all_fields_as_they_are_with_another_mode_wait_as_that_mode_does(town: Plane, desk: str) -> None:
    found = town.done("GET", BAN)
    terms = [{key: term[key] for key in ("start", "end", "review_by", "decision")} for term in found["terms"]]
    kept = {key: found[key] for key in ("reply", "addresses", "tiers", "funding", "audience", "decision")}
    body = {**kept, "terms": terms, "provisional": False, "mode": "off"}
    waits = town.call("PUT", BAN, body, token=desk)
    assert (waits.status_code, waits.json()["mode"]) == (202, "off")


def test_confirming_a_ban_as_one_that_only_counts_waits(town: Plane, desk: str) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban(mode="monitor"))
    town.done("PUT", "/v1/authorities/town/bans/beta", {"provisional": True})
    decision = {"legal_basis": "decree 2", "reference": "C-2", "follows": "zone/beta"}
    body = {"provisional": False, "decision": decision}
    assert town.call("PUT", "/v1/authorities/town/bans/beta", body, token=desk).status_code == 202


def test_an_administrator_needs_no_second_person_and_nobody_else_applies_or_rolls_back(
    town: Plane, desk: str, approver: str
) -> None:
    town.done("PATCH", BAN, {"mode": "off"})
    off, policy = town.revision(), town.call("GET", "/v1/policy").text
    town.done("PATCH", BAN, {"mode": "enforce"})
    for token in (desk, approver):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/toml"}
        assert town.call("POST", "/v1/policy/apply", headers=headers, content=policy).status_code == 403
        rollback = town.call("POST", f"/v1/revisions/{off}/rollback", {"reason": "a trick"}, token=token)
        assert rollback.status_code == 403
    assert _mode(town) == "enforce"


def test_approver_sets_off_rules_and_operator_cannot(town: Plane, desk: str, approver: str) -> None:
    body = {"off_needs_approver": True, "off_needs_reason": True}
    assert town.call("PATCH", RULES, body, token=desk).status_code == 403
    changed = town.done("PATCH", RULES, body, token=approver)
    assert (changed["off_needs_approver"], changed["off_needs_reason"]) == (True, True)
    assert _acts(town, 1)[0].startswith("authority.set_off_rules ")
    other = town.account("other", ("approver", "zone"))[1]
    assert town.call("PATCH", RULES, body, token=other).status_code == 403
    # Replacing the fields of the authority keeps its rules.
    town.done("PATCH", "/v1/authorities/town", {"group": "coast"})
    assert town.done("GET", "/v1/authorities/town")["off_needs_reason"] is True


def test_only_an_administrator_removes_the_need_for_an_approver(town: Plane, desk: str) -> None:
    both = town.account("both", ("operator", "town"), ("approver", "town"))[1]
    lifted = {"off_needs_approver": False}
    refused = town.call("PATCH", RULES, lifted, token=both)
    assert (
        refused.status_code,
        "Only an administrator can remove the need for an approver in town. Ask one." in refused.text,
    ) == (403, True)
    assert _wish(town, both).status_code == 202
    assert town.done("PATCH", RULES, lifted)["off_needs_approver"] is False
    assert town.done("PATCH", RULES, lifted, token=both)["off_needs_approver"] is False


@pytest.mark.parametrize(("mode", "verb"), [("off", "off"), ("monitor", "watch")])
def test_a_reason_is_needed_where_the_authority_says_so(town: Plane, mode: str, verb: str) -> None:
    off = town.done("PATCH", BAN, {"mode": mode})["revision"]
    town.done("PATCH", BAN, {"mode": "enforce"})
    on = town.call("GET", "/v1/policy").text
    town.done("PATCH", RULES, {"off_needs_reason": True})
    refused = town.call("PATCH", BAN, {"mode": mode})
    (fault,) = refused.json()["faults"]
    assert (refused.status_code, fault["location"]) == (422, "body.mode_reason")
    assert f"dnsfilterctl ban {verb} town alpha --reason" in fault["message"]
    timed = town.call("PATCH", BAN, {"mode": "off", "until": UNTIL}).json()["faults"][0]["message"]
    assert re.search(r'ban off town alpha --until "[^"]+ CES?T" --reason', timed)
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "application/toml"}
    text = on.replace('mode = "enforce"', f'mode = "{mode}"')
    applied = town.call("POST", "/v1/policy/apply", headers=headers, content=text)
    assert (applied.status_code, "town requires a reason when town/alpha stops refusing" in applied.text) == (422, True)
    town.done("POST", f"{SELDOM}/{off}/rollback", {"reason": "the filter failed"})
    assert town.done("GET", BAN)["mode_reason"] == "the filter failed"
    assert town.done("PATCH", BAN, {"mode": "enforce"})["mode"] == "enforce"
    assert town.done("PATCH", BAN, {"mode": mode, "mode_reason": "election night"})["mode"] == mode


def test_the_authority_that_decides_is_notified_of_what_waits(town: Plane, desk: str) -> None:
    notices = begun(town)
    _wish(town, desk)
    assert new_kinds(town, notices.look) == [("request_waiting", "town")]
    assert new_kinds(town, notices.look) == []


def test_a_span_counts_from_one_instant_also_if_a_second_begins_while_the_request_is_recorded(
    town: Plane, desk: str, approver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ticking(clock: Clock) -> float:
        clock.now += 1
        return clock.now

    with monkeypatch.context() as patched:
        patched.setattr(Clock, "__call__", ticking)
        number = _wish(town, desk, mode_reason="election night", **{"for": "1 hour"}).json()["number"]
    assert _act(town, approver, number, "approve").status_code == 200
    assert _mode(town) == "off"
