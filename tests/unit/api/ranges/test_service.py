"""Register, change and remove sites and ranges, and what is rejected."""

import pytest

from tests.unit.api.conftest import Plane, ban

RANGE = {"authority": "town", "funding": "public", "audience": "staff"}


@pytest.mark.parametrize(
    ("prefix", "body", "status"),
    [
        ("203.0.113.0/24", RANGE, 201),
        ("2001:db8:1::/48", RANGE, 201),
        ("192.0.2.0/24", {**RANGE, "audience": "public"}, 200),
        ("192.0.2.0/25", {**RANGE, "authority": "zone"}, 201),
        ("192.0.2.0/24", {**RANGE, "authority": "zone"}, 409),
        ("203.0.113.1/24", RANGE, 422),
        ("::ffff:203.0.113.0/120", RANGE, 422),
        ("fe80::/64", RANGE, 422),
        ("169.254.7.0/24", RANGE, 422),
        ("203.0.113.0/33", RANGE, 422),
        ("elsewhere/24", RANGE, 422),
        ("203.0.113.0/24", {"authority": "town", "funding": "public"}, 422),
        ("203.0.113.0/24", {**RANGE, "authority": "nobody"}, 422),
    ],
)
def test_registering_a_range(town: Plane, prefix: str, body: dict[str, str], status: int) -> None:
    assert town.call("PUT", f"/v1/ranges/default/{prefix}", body).status_code == status


def test_a_prefix_is_shown_in_its_normal_form(town: Plane) -> None:
    made = town.done("PUT", "/v1/ranges/default/2001:0DB8:0001:0000::/48", RANGE)
    assert made["prefix"] == "2001:db8:1::/48"
    assert town.done("GET", "/v1/ranges/default/2001:db8:1::/48").items() <= made.items()


def test_the_same_prefix_may_stand_at_two_sites(town: Plane) -> None:
    assert town.call("PUT", "/v1/ranges/depot/192.0.2.0/24", {**RANGE, "authority": "zone"}).status_code == 404
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    town.done("PUT", "/v1/ranges/depot/192.0.2.0/24", {**RANGE, "authority": "zone"})
    listed = town.done("GET", "/v1/ranges?site=depot")["items"]
    assert [(item["site"], item["authority"]) for item in listed] == [("depot", "zone")]
    assert town.call("DELETE", "/v1/sites/depot").status_code == 409
    assert town.call("DELETE", "/v1/sites/default").status_code == 409


def test_a_range_that_an_open_exemption_names_stays(town: Plane) -> None:
    body = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "promotion"}
    number = town.done("POST", "/v1/exemptions", body)["number"]
    assert town.call("DELETE", "/v1/ranges/default/192.0.2.0/24").status_code == 409
    town.done("POST", f"/v1/exemptions/{number}/reject", {"reason": "not needed"})
    assert town.call("DELETE", "/v1/ranges/default/192.0.2.0/24").status_code == 204


def test_a_prefix_with_a_scope_id_is_refused(town: Plane) -> None:
    body = {"authority": "town", "funding": "public", "audience": "staff"}
    revision = town.revision()
    response = town.call("PUT", "/v1/ranges/default/2001:db8::%25x/32", body)
    assert (response.status_code, town.revision()) == (422, revision)
    assert "scope id" in response.json()["faults"][0]["message"]


ACTS = {
    "range.change": ("PATCH", {"funding": "private"}),
    "range.remove": ("DELETE", None),
    "range.register": ("PUT", {**RANGE, "authority": "zone"}),
}


@pytest.mark.parametrize(
    ("ground", "accepted", "ended", "concerned"),
    [
        ("law", False, False, True),
        ("agreement", True, False, True),
        ("agreement", False, False, False),
        ("law", False, True, False),
    ],
)
def test_acts_on_ranges_concern_authorities_whose_bans_are_bound(
    town: Plane, ground: str, accepted: bool, ended: bool, concerned: bool
) -> None:
    body = {"ban": "town/alpha", "authority": "zone", "ground": ground, "instrument": "law 1", "date": "2026-09-01"}
    number = town.done("POST", "/v1/bindings", body)["number"]
    if accepted:
        town.done("POST", f"/v1/bindings/{number}/accept")
    if ended:
        town.done("POST", f"/v1/bindings/{number}/end", {"reason": "repealed"})
    for act, (method, sent) in ACTS.items():
        town.done(method, "/v1/ranges/default/198.51.100.0/24", sent)
        entry = town.done("GET", "/v1/audit?limit=1")["items"][0]
        assert (entry["act"], entry["authorities"]) == (act, ["town", "zone"] if concerned else ["zone"])


def test_acts_on_ranges_of_an_unbound_authority_concern_it_alone(town: Plane) -> None:
    body = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "law 1", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", body)
    town.done("PATCH", "/v1/ranges/default/192.0.2.0/24", {"label": "hall"})
    assert town.done("GET", "/v1/audit?limit=1")["items"][0]["authorities"] == ["town"]


def test_policy_file_and_rollback_record_ranges_like_single_requests(town: Plane) -> None:
    body = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "law 1", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", body)
    revision = town.revision()
    policy = town.call("GET", "/v1/policy").text
    town.done("DELETE", "/v1/ranges/default/198.51.100.0/24")
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "application/toml"}
    town.done("POST", "/v1/policy/apply", headers=headers, content=policy)
    assert town.done("GET", "/v1/audit?act=range.register&limit=1")["items"][0]["authorities"] == ["town", "zone"]
    town.done("PATCH", "/v1/ranges/default/198.51.100.0/24", {"funding": "private"})
    town.done("POST", f"/v1/revisions/{revision}/rollback", {"reason": "as it was"})
    assert town.done("GET", "/v1/audit?act=range.change&limit=1")["items"][0]["authorities"] == ["town", "zone"]


def test_conflict_names_the_owner_only_if_the_caller_may_know(town: Plane) -> None:
    town.done("PUT", "/v1/spaces/default/198.51.100.0/24", {"authority": "town"})
    _, desk = town.account("desk", ("operator", "town"))
    _, both = town.account("both", ("operator", "town"), ("operator", "zone"))
    path, unless = "/v1/ranges/default/198.51.100.0/24", {"If-None-Match": "*"}
    message = "198.51.100.0/24 at site default is already registered to "
    for token, status, whom in (
        (town.token, 409, "zone. To move it: dnsfilterctl range move AUTHORITY 198.51.100.0/24"),
        (both, 409, "zone. To move it: dnsfilterctl range move AUTHORITY 198.51.100.0/24"),
        (desk, 403, "another authority. Ask an administrator."),
    ):
        found = town.call("PUT", path, RANGE, headers={"Authorization": f"Bearer {token}", **unless})
        assert (found.status_code, found.json()["detail"]) == (status, message + whom)


def test_registered_prefix_is_not_registered_again(town: Plane) -> None:
    headers = {"Authorization": f"Bearer {town.token}", "If-None-Match": "*"}
    found = town.call("PUT", "/v1/ranges/default/192.0.2.0/24", RANGE, headers=headers)
    assert (found.status_code, found.json()["detail"]) == (412, "range 192.0.2.0/24 of site default already exists")


MOVE = "/v1/ranges/default/192.0.2.0/24/move"
QUESTION = "/v1/decision?client=192.0.2.10&name=alpha1.example.org"
OWN = {"ban": "town/alpha", "mode": "enforce", "bound": False}


def test_a_move_is_one_act_and_says_which_bans_change(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban(mode="monitor"))
    revision, body = town.revision(), {"authority": "zone", "label": "the depot"}
    planned = town.done("POST", f"{MOVE}?dry_run=true", body)
    assert (planned["dry_run"], town.revision(), town.done("GET", QUESTION)["verdict"]) == (True, revision, "refuse")
    moved = town.done("POST", MOVE, body)
    assert (moved["authority"], moved["label"], moved["audience"], moved["dry_run"]) == (
        "zone", "the depot", "staff", False
    )  # fmt: skip
    beta = {"ban": "zone/beta", "mode": "monitor", "bound": False}
    moved_range = {"ranges": ["range/default/192.0.2.0/24"], "count": 1, "before": "town", "after": "zone"}
    assert planned["changes"] == moved["changes"] == [{**moved_range, "begin": [beta], "end": [OWN]}]
    assert (town.revision(), town.done("GET", QUESTION)["verdict"]) == (revision + 1, "pass")
    assert town.done("GET", "/v1/who?address=192.0.2.10")["authority"] == "zone"
    (act,) = [item for item in town.done("GET", "/v1/audit?limit=9")["items"] if item["revision"] > revision]
    assert (act["act"], act["authorities"]) == ("range.transfer", ["town", "zone"])


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"authority": "town"}, 422, "192.0.2.0/24 belongs to town already: name another authority"),
        ({"authority": "zoen"}, 422, 'No authority "zoen". Did you mean "zone"?'),
        ({}, 422, "is missing"),
    ],
)
def test_a_move_names_another_authority(town: Plane, body: dict[str, str], status: int, message: str) -> None:
    answer = town.call("POST", MOVE, body)
    assert (answer.status_code, message in answer.text.replace("\\", "")) == (status, True)


def test_a_range_that_an_exemption_names_does_not_move(town: Plane) -> None:
    body = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "promotion"}
    number = town.done("POST", "/v1/exemptions", body)["number"]
    answer = town.call("POST", MOVE, {"authority": "zone"})
    assert (answer.status_code, "revoke or reject it first" in answer.json()["detail"]) == (409, True)
    town.done("POST", f"/v1/exemptions/{number}/reject", {"reason": "not needed"})
    town.done("POST", MOVE, {"authority": "zone"})


def test_a_closed_authority_gets_no_range(town: Plane) -> None:
    town.done("POST", "/v1/authorities/zone/close", {"reason": "its tasks go to others"})
    answer = town.call("POST", MOVE, {"authority": "zone"})
    assert (answer.status_code, "authority zone closed on " in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("prefix", "authority", "before", "begin", "end"),
    [
        ("192.0.2.0/26", "zone", "town", [], [OWN]),
        ("203.0.113.0/24", "town", None, [OWN], []),
    ],
)
def test_registering_says_which_bans_change_for_the_clients_there(
    town: Plane, prefix: str, authority: str, before: str | None, begin: list[object], end: list[object]
) -> None:
    path, body = f"/v1/ranges/default/{prefix}", {**RANGE, "authority": authority}
    expected = {
        "ranges": [f"range/default/{prefix}"], "count": 1, "before": before, "after": authority, "begin": begin,
        "end": end,
    }  # fmt: skip
    assert town.done("PUT", f"{path}?dry_run=true", body)["changes"] == [expected]
    assert town.call("GET", path).status_code == 404
    assert town.done("PUT", path, body)["changes"] == [expected]
    assert town.done("PUT", path, {**body, "label": "hall"})["changes"] == []
