"""Merge authorities: the successor continues everything, and no client is without a ban for an instant."""

from ipaddress import ip_address
from typing import Any

import pytest
from sqlalchemy import select

from api.db.models import AuditRow, ConcernRow
from api.db.unit_of_work import LOCAL, UnitOfWork
from dnsfilter.policy.decide import Decision, Verdict, decide
from dnsfilter.policy.model import Policy
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases

pytestmark = pytest.mark.heavy

DAY_S = 86_400
OLD, NEW, THIRD = "203.0.113.9", "192.0.2.9", "198.51.100.9"
DECISION = {"organ": "parliament", "reference": "decree 2026/4", "date": "2026-06-05", "legal_basis": "decree 343"}
BODY = {"into": "town", "reason": "the two are one municipality", "decision": DECISION}
PATH = "/v1/authorities/village/merge"


@pytest.fixture
def village(town: Plane) -> Plane:
    """Add an authority without bans."""
    town.done("PUT", "/v1/authorities/village", authority())
    town.done("PUT", "/v1/spaces/default/203.0.113.0/24", {"authority": "village"})
    body = {"authority": "village", "funding": "public", "audience": "staff", "label": "hall"}
    town.done("PUT", "/v1/ranges/default/203.0.113.0/24", body)
    town.clock.now += 60
    return town


def _policy(plane: Plane) -> Policy:
    with plane.database.reading() as session:
        unit = UnitOfWork(session, LOCAL, int(plane.clock.now))
        return plane.publisher.current(unit)


def _decided(policy: Policy, client: str, service: str, at: int) -> Decision:
    return decide(policy, "default", ip_address(client), parse_name(f"{service}1.example.org"), at)


def _verdicts(policy: Policy, client: str, service: str, since: int) -> list[Verdict]:
    """Return the verdict now, in each of the next seconds, and on each day of a year."""
    instants = [*range(since, since + 5), *range(since + DAY_S, since + 370 * DAY_S, DAY_S)]
    return [_decided(policy, client, service, at).verdict for at in instants]


def _bind(plane: Plane, of: str, to: str, ground: str = "law", **more: Any) -> int:
    body = {"ban": of, "authority": to, "ground": ground, "instrument": "law 7", "date": "2026-01-02", **more}
    number = int(plane.done("POST", "/v1/bindings", body)["number"])
    if ground == "agreement":
        plane.done("POST", f"/v1/bindings/{number}/accept")
    return number


def _pairs(outcome: Any, key: str) -> list[tuple[str, str]]:
    return [(item["object"], item["by"]) for item in outcome[key]]


@on_both_databases
def test_a_ban_goes_on_as_the_successors_own_without_a_gap(village: Plane) -> None:
    terms = [{"for": "3 months"}, {"start": "2027-02-01", "for": "2 months"}, {"start": "2027-08-01", "for": "1 month"}]
    scope = {"tiers": [1], "funding": ["public"], "audience": ["staff", "pupils"], "reply": "nodata"}
    village.done("PUT", "/v1/authorities/village/bans/beta", ban(terms=terms, **scope))
    village.clock.now += DAY_S
    at = int(village.clock.now)
    before = _policy(village)
    outcome = village.done("POST", PATH, BODY)
    after = _policy(village)
    assert _decided(before, OLD, "beta", at).verdict is Verdict.REFUSE
    assert _verdicts(after, OLD, "beta", at) == _verdicts(before, OLD, "beta", at)
    assert _decided(after, OLD, "beta", at).authority == "town"
    assert not _decided(after, OLD, "beta", at).bound
    assert _pairs(outcome, "continued") == [("ban/village/beta", "ban/town/beta")]
    found = village.done("GET", "/v1/authorities/town/bans/beta")
    assert {field: found[field] for field in scope} == {**scope, "audience": ["pupils", "staff"]}
    assert (found["decision"]["reference"], found["decision"]["follows"]) == ("decree 2026/4", "village/beta")
    starts = ["2026-09-22T14:14:20Z", "2027-01-31T23:00:00Z", "2027-07-31T22:00:00Z"]
    assert [term["start"] for term in found["terms"]] == starts
    assert village.done("GET", "/v1/authorities/village/bans/beta")["state"] == "lapsed"
    assert village.revision() == before.revision + 1


def test_ranges_and_space_move_and_the_old_authority_is_closed(village: Plane) -> None:
    outcome = village.done("POST", PATH, BODY)
    assert village.done("GET", "/v1/ranges/default/203.0.113.0/24")["authority"] == "town"
    assert village.done("GET", "/v1/ranges/default/203.0.113.0/24")["label"] == "hall"
    assert village.done("GET", "/v1/spaces/default/203.0.113.0/24")["authority"] == "town"
    found = village.done("GET", "/v1/authorities/village")
    assert (found["state"], found["successor"], found["closed_reason"]) == ("closed", "town", BODY["reason"])
    assert found["closed_decision"]["reference"] == "decree 2026/4"
    assert (outcome["authority"], outcome["into"]["slug"]) == (found, "town")
    assert [act["act"] for act in outcome["acts"]] == ["range.transfer", "space.transfer", "authority.close"]
    assert village.done("GET", f"/v1/decision?client={OLD}&name=alpha1.example.org")["verdict"] == "refuse"
    with village.database.reading() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.act.in_(("range.transfer", "authority.close"))))
        assert [row.authorities for row in rows] == [["town", "village"]] * 2
    # A transfer of space changes no policy and belongs to no revision.
    assert village.done("GET", f"/v1/revisions/{village.revision()}")["acts"] == 2


def test_where_both_have_a_ban_the_successors_applies(village: Plane) -> None:
    village.done("PUT", "/v1/authorities/village/bans/alpha", ban(mode="monitor", terms=[{"for": "3 months"}]))
    outcome = village.done("POST", PATH, BODY)
    assert (_pairs(outcome, "covered"), outcome["continued"]) == ([("ban/village/alpha", "ban/town/alpha")], [])
    found = village.done("GET", f"/v1/decision?client={OLD}&name=alpha1.example.org")
    assert (found["verdict"], found["winner"]["ban"]) == ("refuse", "town/alpha")


@pytest.mark.parametrize("provisional", [False, True])
def test_a_lapsed_ban_of_the_successors_is_renewed(village: Plane, provisional: bool) -> None:
    lapsed: dict[str, Any] = {"provisional": True} if provisional else ban(terms=[{"for": "1 day"}], mode="monitor")
    village.done("PUT", "/v1/authorities/town/bans/beta", lapsed)
    village.clock.now += 4 * DAY_S
    village.done("PUT", "/v1/authorities/village/bans/beta", ban())
    at, before = int(village.clock.now), _policy(village)
    outcome = village.done("POST", PATH, BODY)
    assert _pairs(outcome, "continued") == [("ban/village/beta", "ban/town/beta")]
    assert _verdicts(_policy(village), OLD, "beta", at) == _verdicts(before, OLD, "beta", at)
    found = village.done("GET", "/v1/authorities/town/bans/beta")
    assert (found["provisional"], found["mode"], len(found["terms"])) == (False, "enforce", 2)
    assert found["terms"][1]["decision"]["follows"] == "village/beta"


def test_a_provisional_ban_goes_on_for_what_is_left_of_it(village: Plane) -> None:
    village.done("PUT", "/v1/authorities/village/bans/beta", {"provisional": True})
    at, before = int(village.clock.now), _policy(village)
    village.clock.now += DAY_S
    village.done("POST", PATH, BODY)
    assert _verdicts(_policy(village), OLD, "beta", at + DAY_S) == _verdicts(before, OLD, "beta", at + DAY_S)


def test_bans_that_are_planned_off_or_over(village: Plane) -> None:
    planned = ban(terms=[{"start": "2027-01-01", "for": "1 month"}], mode="off", mode_reason="not yet")
    village.done("PUT", "/v1/authorities/village/bans/beta", planned)
    village.done("PUT", "/v1/authorities/village/bans/alpha", ban(terms=[{"for": "1 hour"}]))
    village.clock.now += 7200
    outcome = village.done("POST", PATH, BODY)
    assert (_pairs(outcome, "continued"), outcome["covered"]) == ([("ban/village/beta", "ban/town/beta")], [])
    found = village.done("GET", "/v1/authorities/town/bans/beta")
    assert (found["state"], found["mode"], found["mode_reason"]) == ("planned", "off", "not yet")


@on_both_databases
def test_bindings_of_its_bans_go_on_elsewhere(village: Plane) -> None:
    village.done("PUT", "/v1/authorities/village/bans/beta", ban())
    law = _bind(village, "village/beta", "zone", until="2026-12-31")
    agreement = _bind(village, "village/beta", "zone", "agreement", start="2027-01-01", until="2027-02-28")
    proposal = {
        "ban": "village/beta",
        "authority": "zone",
        "ground": "agreement",
        "instrument": "x",
        "date": "2026-09-01",
        "start": "2027-03-05",
    }
    proposed = village.done("POST", "/v1/bindings", {**proposal, "for": "1 month"})["number"]
    own = _bind(village, "village/beta", "town")
    village.clock.now += 60
    at, before = int(village.clock.now), _policy(village)
    outcome = village.done("POST", PATH, BODY)
    after = _policy(village)
    for client in (OLD, THIRD):
        assert _verdicts(after, client, "beta", at) == _verdicts(before, client, "beta", at)
    continued = {of: int(by.rpartition("/")[2]) for of, by in _pairs(outcome, "continued") if of.startswith("binding/")}
    assert set(continued) == {f"binding/{number}" for number in (law, agreement, proposed)}
    found = [village.done("GET", f"/v1/bindings/{continued[f'binding/{n}']}") for n in (law, agreement, proposed)]
    assert [row["state"] for row in found] == ["in_force", "planned", "proposed"]
    assert [(row["ban"], row["ground"], row["instrument"], row["date"]) for row in found[:2]] == [
        ("town/beta", "law", "law 7", "2026-01-02"),
        ("town/beta", "agreement", "law 7", "2026-01-02"),
    ]
    assert village.done("GET", f"/v1/bindings/{own}")["state"] == "ended"
    assert _decided(after, NEW, "beta", at).bound is False


@on_both_databases
@pytest.mark.parametrize("ground", ["law", "agreement"])
def test_what_binds_it_binds_the_successor(village: Plane, ground: str) -> None:
    village.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    number = _bind(village, "zone/beta", "village", ground, until="2026-12-31")
    own = _bind(village, "town/alpha", "village", ground)
    village.clock.now += 60
    at, before = int(village.clock.now), _policy(village)
    outcome = village.done("POST", PATH, BODY)
    after = _policy(village)
    for service in ("alpha", "beta"):
        assert _verdicts(after, OLD, service, at) == _verdicts(before, OLD, service, at)
    assert _decided(after, OLD, "alpha", at).bound is False
    assert _pairs(outcome, "covered") == [(f"binding/{own}", "ban/town/alpha")]
    assert [of for of, _ in _pairs(outcome, "continued")] == [f"binding/{number}"]


def test_a_successor_that_is_bound_for_a_part_is_bound_for_the_rest_too(village: Plane) -> None:
    village.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    law = _bind(village, "zone/beta", "village")
    _bind(village, "zone/beta", "town", start="2026-10-01", until="2026-11-30")
    proposal = {"ban": "zone/beta", "authority": "town", "ground": "agreement", "instrument": "x", "date": "2026-09-01"}
    proposed = village.done("POST", "/v1/bindings", proposal)["number"]
    at, before = int(village.clock.now), _policy(village)
    outcome = village.done("POST", PATH, BODY)
    assert _verdicts(_policy(village), OLD, "beta", at) == _verdicts(before, OLD, "beta", at)
    assert [of for of, _ in _pairs(outcome, "continued")] == [f"binding/{law}"] * 2
    assert village.done("GET", f"/v1/bindings/{proposed}")["state"] == "ended"


def test_law_replaces_an_agreement_but_not_the_reverse(village: Plane) -> None:
    for service in ("alpha", "beta"):
        village.done("PUT", f"/v1/authorities/zone/bans/{service}", ban())
    _bind(village, "zone/beta", "village")
    _bind(village, "zone/beta", "town", "agreement")
    agreed = _bind(village, "zone/alpha", "village", "agreement")
    law = _bind(village, "zone/alpha", "town")
    outcome = village.done("POST", PATH, BODY)
    assert _pairs(outcome, "covered") == [(f"binding/{agreed}", f"binding/{law}")]
    live = [row for row in village.done("GET", "/v1/bindings?authority=town")["items"] if row["state"] == "in_force"]
    assert sorted((row["ban"], row["ground"]) for row in live) == [
        ("zone/alpha", "law"),
        ("zone/beta", "agreement"),
        ("zone/beta", "law"),
    ]


@on_both_databases
def test_approved_exemptions_go_on_and_requests_do_not(village: Plane) -> None:
    village.done("PUT", "/v1/authorities/village/bans/beta", ban())
    _bind(village, "village/beta", "zone")
    _bind(village, "town/alpha", "village")
    wanted = {"ban": "village/beta", "ranges": ["203.0.113.0/24"], "for": "2 months", "reason": "promotion"}
    asked = [
        wanted,
        {**wanted, "ranges": ["198.51.100.0/24"], "hours": ["Mon-Fri 09:00-12:00"], "time_zone": "Europe/Lisbon"},
        {**wanted, "ban": "town/alpha"},
        {**wanted, "reason": "research"},
    ]
    numbers = [village.done("POST", "/v1/exemptions", body)["number"] for body in asked]
    for number in numbers[:3]:
        village.done("POST", f"/v1/exemptions/{number}/approve", {}, token=village.other())
    village.clock.now += 60
    at, before = int(village.clock.now), _policy(village)
    outcome = village.done("POST", PATH, BODY)
    after = _policy(village)
    for client, service in ((OLD, "beta"), (THIRD, "beta"), (OLD, "alpha")):
        assert _verdicts(after, client, service, at) == _verdicts(before, client, service, at)
    assert _decided(after, OLD, "alpha", at).verdict is Verdict.PASS
    continued = {of: by for of, by in _pairs(outcome, "continued") if of.startswith("exemption/")}
    assert list(continued) == [f"exemption/{number}" for number in numbers[:2]]
    found = village.done("GET", f"/v1/{continued[f'exemption/{numbers[1]}'].replace('exemption', 'exemptions')}")
    assert (found["hours"], found["time_zone"], found["ban"]) == (["Mon-Fri 09:00-12:00"], "Europe/Lisbon", "town/beta")
    assert "continues exemption" in found["note"]
    states = [village.done("GET", f"/v1/exemptions/{number}")["state"] for number in numbers]
    assert states == ["revoked", "revoked", "in_force", "revoked"]
    with village.database.reading() as session:
        statement = select(ConcernRow.exemption).where(ConcernRow.authority == "town")
        assert set(numbers) - {numbers[1]} <= set(session.scalars(statement))


def test_a_request_to_switch_a_ban_off_ends_with_the_merger_and_is_listed(village: Plane) -> None:
    village.done("PUT", "/v1/authorities/village/bans/beta", ban())
    village.done("PATCH", "/v1/authorities/village/off-rules", {"off_needs_approver": True})
    _, desk = village.account("desk", ("operator", "village"))
    assert village.call("PATCH", "/v1/authorities/village/bans/beta", {"mode": "off"}, token=desk).status_code == 202
    merged = village.done("POST", PATH, BODY)
    assert merged["ended"] == ["request/1"]
    assert {"act": "request.withdraw", "object": "request/1"} in merged["acts"]
    assert village.done("GET", "/v1/requests/1")["state"] == "withdrawn"
    assert village.done("GET", "/v1/authorities/town/bans/beta")["mode"] == "enforce"


def test_dry_run_reports_the_same_and_does_nothing(village: Plane) -> None:
    village.done("PUT", "/v1/authorities/village/bans/beta", ban())
    revision = village.revision()
    rehearsed = village.call("POST", PATH, {**BODY, "dry_run": True})
    outcome = rehearsed.json()
    assert (outcome["dry_run"], village.revision()) == (True, revision)
    found = village.call("GET", "/v1/authorities/village")
    assert rehearsed.headers["etag"].partition(".")[0] == found.headers["etag"].partition(".")[0]
    assert village.done("GET", "/v1/ranges/default/203.0.113.0/24")["authority"] == "village"
    assert village.call("GET", "/v1/authorities/town/bans/beta").status_code == 404
    done = village.done("POST", PATH, BODY)
    assert {**done, "dry_run": True} == outcome


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"into": "village"}, 422, "into itself"),
        ({"into": "nobody"}, 422, 'No authority \\"nobody\\"'),
        ({"decision": {"reference": "decree 2026/4"}}, 422, "legal basis"),
        ({"decision": {"legal_basis": "decree 343"}}, 422, "body.decision.reference"),
        ({"decision": None}, 422, "decision"),
        ({"reason": ""}, 422, "reason"),
    ],
)
def test_what_a_merger_needs(village: Plane, changes: dict[str, Any], status: int, message: str) -> None:
    answer = village.call("POST", PATH, {**BODY, **changes})
    assert (answer.status_code, message in answer.text) == (status, True)
    assert village.done("GET", "/v1/authorities/village")["state"] == "open"


@pytest.mark.parametrize("closing", ["village", "town"])
def test_closing_authority_cannot_be_merged(village: Plane, closing: str) -> None:
    village.done("POST", f"/v1/authorities/{closing}/close", {"at": "2027-01-01", "reason": "it ends"})
    answer = village.call("POST", PATH, BODY)
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        f"authority {closing} is closing: its closing is recorded and cannot change",
    )


def test_suspension_ahead_of_the_clock_does_not_prevent_a_merger(village: Plane) -> None:
    village.clock.now += 3600
    village.done("POST", "/v1/suspensions", {"authority": "village", "for": "30m", "reason": "crisis centre"})
    village.clock.now -= 3600
    village.done("POST", PATH, BODY)
    assert village.done("GET", "/v1/authorities/village")["state"] == "closed"


@pytest.mark.parametrize("suspended", ["village", "town"])
def test_suspended_authority_cannot_be_merged(village: Plane, suspended: str) -> None:
    body = {"authority": suspended, "for": "30m", "reason": "crisis centre"}
    village.done("POST", "/v1/suspensions", body)
    answer = village.call("POST", PATH, BODY)
    assert (answer.status_code, f"{suspended} is suspended (suspension 1)" in answer.text) == (409, True)
    village.done("POST", "/v1/suspensions", {**body, "authority": None})
    village.clock.now += 60
    village.done("POST", "/v1/suspensions/1/end", {"reason": "it is over"})
    village.done("POST", PATH, BODY)


def test_going_back_before_a_merger_is_refused_and_its_past_is_reproduced(village: Plane) -> None:
    village.done("PUT", "/v1/authorities/village/bans/beta", ban())
    village.publisher.store_in_force()
    before = village.revision()
    village.clock.now += 60
    village.done("POST", PATH, BODY)
    village.publisher.store_in_force()
    answer = village.call("POST", f"/v1/revisions/{before}/rollback", {"reason": "for a test"})
    assert (answer.status_code, "village closed on" in answer.text) == (409, True)
    for offset, owner in ((90, "village"), (120, "town")):
        at = f"2026-09-21T14:{(START + offset) % 3600 // 60:02}:{(START + offset) % 60:02}Z"
        outcome = village.done("GET", f"/v1/trace?client={OLD}&name=beta1.example.org&at={at}")
        assert (outcome["reproduced"], outcome["decision"]["authority"], outcome["decision"]["verdict"]) == (
            True,
            owner,
            "refuse",
        )
    exported = village.call("GET", "/v1/policy").text
    headers = {"Authorization": f"Bearer {village.token}", "Content-Type": "application/toml"}
    assert village.done("POST", "/v1/policy/diff", content=exported, headers=headers) == {
        "acts": [],
        "faults": [],
        "warnings": [],
    }
