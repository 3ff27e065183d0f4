"""Nobody walks around the second person: every act after which less is refused waits, and then is done exactly."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.application import routes
from api.auth.roles import ADMINISTRATORS, Role, RoleScope
from api.auth.second_person import ALONE
from api.timestamps import timestamp_text
from tests.unit.api.conftest import START, Plane, ban, on_both_databases
from tests.unit.api.notices.support import begun, new_kinds

pytestmark = pytest.mark.heavy

TOWN, ZONE = "/v1/authorities/town", "/v1/authorities/zone"
BAN, RULES, RANGE = f"{TOWN}/bans/alpha", f"{TOWN}/off-rules", "/v1/ranges/default/192.0.2.0/24"
INNER = "/v1/ranges/default/192.0.2.64/26"
STAFF = {"authority": "town", "funding": "public", "audience": "staff"}
GUESTS = {**STAFF, "audience": "public"}
AGREED = {"authority": "town", "ground": "agreement", "instrument": "A-1", "date": "2026-09-01"}
LATER = timestamp_text(START + 3600)
HEADING = "prefix,authority,label,funding,audience"
GUEST_ROW = f"{HEADING}\n192.0.2.64/26,town,,public,public\n"


@dataclass(frozen=True, slots=True)
class Walk:
    """An act that an operator may do, by which a client of the town is answered, and the address of that client."""

    method: str
    path: str
    json: Any = None
    content: str | None = None
    client: str = "192.0.2.70"
    name: str = "alpha1.example.org"
    at: int = START
    verdict: str = "pass"


WALKS = {
    "mode off": Walk("PATCH", BAN, {"mode": "off"}),
    "mode monitor": Walk("PUT", BAN, {"mode": "monitor"}, verdict="monitor"),
    "funding of the ban": Walk("PATCH", BAN, {"funding": ["private"]}),
    "audience of the ban": Walk("PATCH", BAN, {"audience": ["pupils"]}),
    "tiers of the ban": Walk("PUT", BAN, {"tiers": [1]}, name="alpha2.example.org"),
    "end now": Walk("POST", f"{BAN}/end", {"reason": "the study is done"}, at=START + 1),
    "end later": Walk("POST", f"{BAN}/end", {"reason": "the study is done", "at": LATER}, at=START + 3600),
    "funding of the range": Walk("PATCH", RANGE, {"funding": "private"}),
    "audience of the range": Walk("PUT", RANGE, GUESTS),
    "inner range": Walk("PUT", INNER, GUESTS),
    "inner range of a table": Walk(
        "POST", "/v1/ranges/import", content=f"{HEADING}\n192.0.2.64/26,town,,public,public\n"
    ),
    "inner range of rows": Walk("POST", "/v1/ranges/import", {"rows": [{**GUESTS, "prefix": "192.0.2.64/26"}]}),
    "range removed": Walk("DELETE", RANGE, verdict="unregistered"),
    "range left out of a table": Walk(
        "POST",
        "/v1/ranges/import?sync=true&authority=town&max_removals=1",
        content=f"{HEADING}\n",
        verdict="unregistered",
    ),
    "name allowed": Walk("PUT", f"{TOWN}/names/alpha1.example.org", {"verdict": "allow", "reason": "the portal"}),
    "name above allowed": Walk("PUT", f"{TOWN}/names/example.org", {"verdict": "allow", "reason": "the portal"}),
    "refused name removed": Walk("DELETE", f"{TOWN}/names/example.com", name="example.com", at=START + 1),
    "refused name ends": Walk(
        "PUT",
        f"{TOWN}/names/example.com",
        {"verdict": "refuse", "reason": "phishing", "for": "1 hour"},
        name="example.com",
        at=START + 3600,
    ),
    "refused name exactly": Walk(
        "PUT",
        f"{TOWN}/names/example.com",
        {"verdict": "refuse", "reason": "phishing", "exact": True},
        name="www.example.com",
    ),
    "part of a refused name allowed": Walk(
        "PUT", f"{TOWN}/names/www.example.com", {"verdict": "allow", "reason": "the portal"}, name="www.example.com"
    ),
    "withdrawal": Walk("POST", "/v1/bindings/1/withdraw", {"reason": "a new council"}, name="beta1.example.org"),
}
ADDRESS = {"reply": "address", "addresses": ["203.0.113.80"]}


@pytest.fixture
def desk(town: Plane) -> str:
    """Return the token of an operator in a town that requires an approver, with a bound ban on beta."""
    town.done("PUT", "/v1/spaces/default/192.0.2.0/24", {"authority": "town"})
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    town.done("POST", "/v1/bindings", {**AGREED, "ban": "zone/beta"})
    town.done("POST", "/v1/bindings/1/accept")
    town.done("PUT", f"{TOWN}/names/example.com", {"verdict": "refuse", "reason": "phishing"})
    town.done("PATCH", RULES, {"off_needs_approver": True})
    return town.account("desk", ("operator", "town"))[1]


@pytest.fixture
def approver(town: Plane) -> str:
    return town.account("approver", ("approver", "town"))[1]


def _do(town: Plane, walk: Walk, token: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", **more}
    if walk.content is not None:
        return town.call(walk.method, walk.path, headers={**headers, "Content-Type": "text/csv"}, content=walk.content)
    return town.call(walk.method, walk.path, walk.json, headers=headers)


def _verdict(town: Plane, walk: Walk) -> str:
    question = f"/v1/decision?client={walk.client}&name={walk.name}&at={timestamp_text(walk.at)}"
    found = town.done("GET", question)
    # A client in no range is refused by no ban, unless the node is configured otherwise.
    return "unregistered" if found["range"] is None else str(found["verdict"])


def _approve(town: Plane, number: int, token: str) -> httpx.Response:
    return town.call("POST", f"/v1/requests/{number}/approve", {}, token=token)


@pytest.mark.parametrize("name", WALKS)
def test_every_way_to_refuse_less_waits_and_is_then_done_exactly(
    town: Plane, desk: str, approver: str, name: str
) -> None:
    walk = WALKS[name]
    assert _verdict(town, walk) == "refuse"
    revision = town.done("GET", BAN)["revision"], town.revision()
    waits = _do(town, walk, desk)
    assert waits.status_code == 202, waits.text
    request = waits.json()
    assert (request["state"], request["authority"]) == ("requested", "town")
    assert request["lifts"]
    assert request["acts"]
    assert _verdict(town, walk) == "refuse"
    assert (town.done("GET", BAN)["revision"], town.revision()) == (revision[0], revision[1] + 1)
    assert _approve(town, request["number"], desk).status_code == 403
    approved = _approve(town, request["number"], approver)
    assert (approved.status_code, _verdict(town, walk)) == (200, walk.verdict), approved.text
    assert approved.json()["state"] == "approved"


@on_both_databases
def test_another_address_waits(town: Plane, desk: str, approver: str) -> None:
    number = town.done("PATCH", BAN, ADDRESS, token=desk)["number"]
    assert town.done("GET", BAN)["reply"] == "refused"
    assert _approve(town, number, approver).status_code == 200
    assert town.done("GET", BAN)["addresses"] == ["203.0.113.80"]
    other = {"addresses": ["203.0.113.81"]}
    assert town.call("PATCH", BAN, other, token=desk).status_code == 202
    assert town.call("PATCH", BAN, {"reply": "nxdomain"}, token=desk).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", BAN, {"audience": ["staff", "pupils"]}),
        ("PATCH", BAN, {"reply": "nodata"}),
        ("PATCH", RANGE, {"label": "town hall"}),
        ("PUT", f"{TOWN}/names/example.net", {"verdict": "refuse", "reason": "phishing"}),
        ("PUT", INNER, STAFF),
        ("POST", "/v1/suspensions", {"authority": "town", "for": "30m", "reason": "an outage"}),
    ],
)
def test_what_refuses_as_much_or_has_bounds_of_its_own_does_not_wait(
    town: Plane, desk: str, method: str, path: str, body: dict[str, Any]
) -> None:
    assert town.call(method, path, body, token=desk).status_code in (200, 201)


def test_allowing_a_name_waits_that_no_ban_refuses_as_its_answers_may_lead_to_refused_ones(
    town: Plane, desk: str, approver: str
) -> None:
    allow = {"verdict": "allow", "reason": "the portal"}
    waits = town.call("PUT", f"{TOWN}/names/alias.example.net", allow, token=desk)
    assert waits.status_code == 202, waits.text
    assert {lift["name"] for lift in waits.json()["lifts"]} == {"alias.example.net"}
    assert _approve(town, waits.json()["number"], approver).status_code == 200
    assert town.done("GET", f"{TOWN}/names/alias.example.net")["verdict"] == "allow"


def test_name_that_is_allowed_before_any_own_ban_waits_because_it_weakens_later_ones(
    town: Plane, desk: str, approver: str
) -> None:
    path, allow = f"{TOWN}/names/alpha1.example.org", {"verdict": "allow", "reason": "the portal"}
    assert town.call("DELETE", f"{TOWN}/names/example.com").status_code == 204
    town.done("POST", f"{BAN}/end", {"reason": "the study is done"})
    town.clock.now += 60
    waits = town.call("PUT", path, allow, token=desk)
    assert waits.status_code == 202, waits.text
    assert {(lift["name"], lift["service"]) for lift in waits.json()["lifts"]} == {("alpha1.example.org", "")}
    town.done("PUT", f"{TOWN}/bans/beta", ban())
    assert _approve(town, waits.json()["number"], approver).status_code == 409, "more is lifted than was asked for"
    town.done("POST", f"{TOWN}/bans/beta/end", {"reason": "the study is done"})
    town.clock.now += 60
    assert _approve(town, waits.json()["number"], approver).status_code == 200
    assert town.done("GET", path)["verdict"] == "allow"


def test_a_dry_run_does_not_wait(town: Plane, desk: str) -> None:
    walk = WALKS["inner range of rows"]
    tried = town.call("POST", f"{walk.path}?dry_run=true", walk.json, token=desk)
    assert (tried.status_code, tried.json()["registered"]) == (200, 1)
    assert town.done("GET", "/v1/requests")["items"] == []


def test_planned_ban_is_not_removed_by_one_person(town: Plane, desk: str, approver: str) -> None:
    planned = ban(terms=[{"start": "2027-01-01", "for": "6 months"}])
    town.done("PUT", f"{TOWN}/bans/beta", planned)
    town.done("POST", "/v1/bindings/1/end", {"reason": "a new council"})
    waits = town.call("DELETE", f"{TOWN}/bans/beta", token=desk)
    assert (waits.status_code, waits.json()["object"]) == (202, "ban/town/beta")
    assert _approve(town, waits.json()["number"], approver).status_code == 200
    assert town.call("GET", f"{TOWN}/bans/beta").status_code == 404


def test_rule_is_that_of_the_authority_whose_operator_acts(town: Plane, desk: str) -> None:
    other = town.account("other", ("operator", "zone"))[1]
    assert town.call("POST", "/v1/bindings/1/end", {"reason": "over"}, token=other).status_code == 200
    town.done("PATCH", "/v1/authorities/zone/off-rules", {"off_needs_approver": True})
    assert town.call("PATCH", "/v1/authorities/zone/bans/beta", {"mode": "off"}, token=other).status_code == 202


def test_a_ban_by_agreement_does_not_let_an_operator_of_both_authorities_end_the_own_ban(town: Plane) -> None:
    town.done("PATCH", RULES, {"off_needs_approver": True})
    desk = town.account("desk", ("operator", "town"), ("operator", "zone"))[1]
    town.done("PUT", f"{ZONE}/bans/alpha", ban(), token=desk)
    town.done("POST", "/v1/bindings", {**AGREED, "ban": "zone/alpha"}, token=desk)
    town.done("POST", "/v1/bindings/1/accept", token=desk)
    assert town.call("PATCH", BAN, {"mode": "off"}, token=desk).status_code == 202
    assert town.call("PATCH", f"{ZONE}/bans/alpha", {"mode": "off"}, token=desk).status_code == 200
    assert _verdict(town, Walk("PATCH", BAN)) == "refuse"


def test_an_act_during_a_suspension_waits_because_it_can_outlast_it(town: Plane, desk: str) -> None:
    outage = {"authority": "town", "for": "4h", "reason": "an outage"}
    number = town.done("POST", "/v1/suspensions", outage, token=desk)["number"]
    off = {"mode": "off", "until": timestamp_text(START + 4 * 3600)}
    assert town.call("PATCH", BAN, off, token=desk).status_code == 202
    town.done("POST", f"/v1/suspensions/{number}/end", {"reason": "it works"}, token=desk)
    assert _verdict(town, Walk("PATCH", BAN, at=START + 1)) == "refuse"


def test_approval_gives_no_address_that_was_set_after_the_request(town: Plane, desk: str, approver: str) -> None:
    own = f"{TOWN}/bans/beta"
    town.done("PUT", own, ban(mode="off", **ADDRESS), token=desk)
    # The bound ban refuses beta. The own one would give an address instead.
    request = town.done("PATCH", own, {"mode": "enforce"}, token=desk)
    assert request["lifts"][0]["addresses"] == ["203.0.113.80"]
    town.done("PATCH", own, {"addresses": ["203.0.113.66"]}, token=desk)
    refused = _approve(town, request["number"], approver)
    assert (refused.status_code, "other addresses" in refused.json()["detail"]) == (409, True)
    assert town.done("GET", own)["mode"] == "off"


def test_approval_lifts_nothing_that_approvers_of_another_authority_decide(town: Plane) -> None:
    for slug, prefix in (("town", "192.0.2.0/24"), ("zone", "198.51.100.0/24")):
        town.done("PUT", f"/v1/spaces/default/{prefix}", {"authority": slug})
        town.done("PATCH", f"/v1/authorities/{slug}/off-rules", {"off_needs_approver": True})
    desk = town.account("desk", ("operator", "town"), ("operator", "zone"))[1]
    approver = town.account("approver", ("approver", "town"))[1]
    rows = [
        {**GUESTS, "prefix": "192.0.2.64/26"},
        {**GUESTS, "authority": "zone", "prefix": "198.51.100.64/26"},
    ]
    request = town.done("POST", "/v1/ranges/import", {"rows": rows}, token=desk)
    assert {one["authority"] for one in request["lifts"]} == {"town"}
    town.done("PUT", f"{ZONE}/bans/alpha", ban())
    assert _approve(town, request["number"], approver).status_code == 409
    assert _verdict(town, Walk("POST", "", client="198.51.100.70")) == "refuse"


def test_administrator_does_not_wait(town: Plane, desk: str) -> None:
    assert _do(town, WALKS["audience of the ban"], town.token).status_code == 200


def test_a_waiting_act_sent_again_with_its_key_gets_the_same_answer(town: Plane, desk: str) -> None:
    key = {"Idempotency-Key": "k-1"}
    first, again = (_do(town, WALKS["range removed"], desk, **key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_time_that_is_said_counts_from_the_request(town: Plane, desk: str, approver: str) -> None:
    number = town.done("PATCH", BAN, {"mode": "off", "until": "tomorrow 08:00"}, token=desk)["number"]
    town.clock.now += 8 * 3600  # It is tomorrow.
    assert _approve(town, number, approver).status_code == 200
    assert town.done("GET", BAN)["off_until"] == "2026-09-22T06:00:00Z"


def test_span_counts_from_the_request_and_an_end_that_has_passed_is_now(town: Plane, desk: str, approver: str) -> None:
    number = town.done("PATCH", BAN, {"mode": "off", "for": "2 hours"}, token=desk)["number"]
    town.clock.now += 3600
    assert _approve(town, number, approver).status_code == 200
    assert town.done("GET", BAN)["off_until"] == timestamp_text(START + 7200)
    town.done("PATCH", BAN, {"mode": "enforce"})
    soon = timestamp_text(START + 3700)
    ending = town.done("POST", f"{BAN}/end", {"reason": "over", "at": soon}, token=desk)["number"]
    town.clock.now += 200
    assert _approve(town, ending, approver).status_code == 200
    assert town.done("GET", BAN)["terms"][0]["ended"] == timestamp_text(START + 3800)


def test_a_reason_is_asked_where_off_asks_one_and_stays_on_record(town: Plane, desk: str, approver: str) -> None:
    town.done("PATCH", RULES, {"off_needs_reason": True})
    for walk in (WALKS["audience of the ban"], WALKS["inner range"], WALKS["range removed"]):
        refused = _do(town, walk, desk)
        assert (refused.status_code, refused.json()["faults"][0]["location"]) == (422, "query.reason")
    # Administrators do not wait, but give a reason too.
    assert town.call("DELETE", RANGE).status_code == 422
    request = town.done("DELETE", f"{RANGE}?reason=the+hall+is+sold", token=desk)
    assert request["reason"] == "the hall is sold"
    assert _approve(town, request["number"], approver).status_code == 200
    entry = town.done("GET", "/v1/audit?act=refusals.lift")["items"][0]
    assert (entry["object"], entry["after"]["reason"]) == ("range/default/192.0.2.0/24", "the hall is sold")


def test_such_an_act_notifies(town: Plane, desk: str, approver: str) -> None:
    notices = begun(town)
    number = _do(town, WALKS["audience of the range"], desk).json()["number"]
    assert new_kinds(town, notices.look) == [("request_waiting", "town")]
    town.clock.now += 1
    assert _approve(town, number, approver).status_code == 200
    assert new_kinds(town, notices.look) == [("refusals_lifted", "town")]
    town.clock.now += 1
    town.done("DELETE", RANGE)
    assert new_kinds(town, notices.look) == []
    town.done("PATCH", BAN, {"audience": ["pupils"]})
    assert new_kinds(town, notices.look) == [("refusals_lifted", "town")]


def test_every_route_that_an_operator_may_use_is_judged_or_in_the_table() -> None:
    acting = {route.operation_id: route for route in routes() if route.methods != {"GET"}}
    assert acting.keys() >= ALONE.keys()
    unjudged = {name for name, route in acting.items() if Role.OPERATOR in route.rule.roles and not route.may_wait}
    assert unjudged <= ALONE.keys()
    assert not {name for name in ALONE if acting[name].may_wait}
    # Nobody but administrators reaches the routes of complete policies.
    for name in ("apply_policy", "roll_back", "close_authority", "merge_authority"):
        assert (acting[name].rule.where, acting[name].rule.roles) == (RoleScope.INSTALLATION, ADMINISTRATORS)
