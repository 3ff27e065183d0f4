"""What accounts, grants and tokens allow, and when they end."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.auth.roles import Role
from tests.unit.api.conftest import Plane, authority

pytestmark = pytest.mark.heavy

BAN = "/v1/authorities/town/bans/alpha"
OFF = {"mode": "off"}
EXEMPTION = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "promotion"}


def _another_range(plane: Plane, slug: str) -> None:
    """Register a further range, so that an exemption of the first does not exempt the complete authority."""
    values = {"authority": slug, "funding": "public", "audience": "staff"}
    plane.done("PUT", "/v1/ranges/default/203.0.113.0/24", values)


def _toggle(plane: Plane, token: str, ban: str = BAN) -> int:
    return plane.call("PATCH", ban, OFF, token=token).status_code


def _token(plane: Plane, account: int, token: str | None = None, **body: Any) -> str:
    made = plane.done("POST", f"/v1/accounts/{account}/tokens", {"label": "x", "for": "30 days", **body}, token=token)
    return str(made["token"])


def _grants(plane: Plane, account: int) -> list[dict[str, Any]]:
    return list(plane.done("GET", f"/v1/grants?account={account}")["items"])


def _reason(plane: Plane) -> str:
    return str(plane.done("GET", "/v1/authentication-failures?limit=1")["items"][0]["reason"])


# What ends, ends at the next request.


def test_a_stolen_token_that_is_revoked_is_refused_at_the_next_request(town: Plane) -> None:
    account, stolen = town.account("desk", ("operator", "town"))
    kept = _token(town, account)
    assert _toggle(town, stolen) == 200
    number = town.done("GET", "/v1/self", token=stolen)["token"]["number"]
    town.done("DELETE", f"/v1/accounts/{account}/tokens/{number}", token=kept)
    assert (_toggle(town, stolen), _reason(town), _toggle(town, kept)) == (401, "revoked", 200)
    town.done("DELETE", f"/v1/accounts/{account}/tokens/{number}", token=kept)
    assert len(town.done("GET", "/v1/audit?act=token.revoke")["items"]) == 1


def test_grant_ends_at_its_end(town: Plane) -> None:
    person = town.done("POST", "/v1/accounts", {"kind": "user", "login": "p", "name": "p", "authority": "zone"})
    body = {"account": person["number"], "role": "operator", "authority": "town", "reason": "stands in"}
    assert town.call("POST", "/v1/grants", body).status_code == 422
    grant = town.done("POST", "/v1/grants", {**body, "end": "2026-10-01"})
    assert (grant["state"], grant["end"]) == ("in_force", "2026-09-30T22:00:00Z")
    token = _token(town, person["number"])
    town.clock.now = datetime(2026, 9, 30, 21, 59, 59, tzinfo=UTC).timestamp()
    assert _toggle(town, token) == 200
    town.clock.now += 1
    assert _toggle(town, token) == 403
    assert [item["state"] for item in _grants(town, person["number"])] == ["ended"]
    assert town.done("GET", "/v1/self", token=token)["roles"] == []


def test_a_grant_that_has_not_begun_lets_nobody_act(town: Plane) -> None:
    number, token = town.account("desk")
    body = {"account": number, "role": "operator", "authority": "town", "reason": "from October on"}
    grant = town.done("POST", "/v1/grants", {**body, "start": "2026-10-01", "until": "2026-10-31"})
    assert (grant["state"], _toggle(town, token)) == ("planned", 403)
    town.clock.now += 10 * 86_400
    assert _toggle(town, token) == 200


def test_a_grant_that_is_ended_early_is_refused_at_the_next_request_and_on_record(town: Plane) -> None:
    number, token = town.account("desk", ("operator", "town"))
    (grant,) = _grants(town, number)
    path = f"/v1/grants/{grant['number']}/end"
    assert town.done("POST", path, {"reason": "left"})["ended_reason"] == "left"
    assert _toggle(town, token) == 403
    assert town.call("POST", path, {"reason": "left"}).status_code == 409
    entry = town.done("GET", "/v1/audit?act=grant.end")["items"][0]
    assert (entry["account"], entry["authorities"], entry["after"]["account"]) == (1, ["town"], number)


def test_a_disabled_account_is_refused_with_each_of_its_tokens_until_it_is_enabled(town: Plane) -> None:
    number, token = town.account("desk", ("operator", "town"))
    other = _token(town, number)
    town.done("POST", f"/v1/accounts/{number}/disable")
    assert [_toggle(town, text) for text in (token, other)] == [401, 401]
    assert _reason(town) == "disabled"
    assert town.call("POST", f"/v1/accounts/{number}/tokens", {"label": "x", "for": "1 day"}).status_code == 409
    town.done("POST", f"/v1/accounts/{number}/enable")
    assert [_toggle(town, text) for text in (token, other)] == [200, 200]


def test_a_token_ends_at_its_instant(town: Plane) -> None:
    number, _ = town.account("desk", ("operator", "town"))
    token = _token(town, number, **{"for": "24 hours"})
    town.clock.now += 86_399
    assert _toggle(town, token) == 200
    town.clock.now += 1
    assert (_toggle(town, token), _reason(town)) == (401, "expired")


# Narrowed tokens


CARRIED: tuple[tuple[dict[str, Any], set[str]], ...] = (
    ({}, {"town", "zone", "audit", "site"}),
    ({"authorities": ["town"]}, {"town"}),
    ({"authorities": ["zone"]}, {"zone"}),
    ({"authorities": ["third"]}, set()),
    ({"roles": ["operator"]}, {"town", "zone"}),
    ({"roles": ["reader"]}, set()),
    ({"roles": ["auditor"]}, {"audit"}),
    ({"roles": ["administrator"]}, {"town", "zone", "audit", "site"}),
    ({"roles": ["auditor"], "authorities": ["town"]}, set()),
)


def test_a_narrowed_token_carries_only_what_it_names(town: Plane) -> None:
    roles = [("operator", "town"), ("operator", "zone"), ("auditor", None), ("administrator", None)]
    account, _ = town.account("desk", *roles)
    zone = "/v1/authorities/zone/bans/alpha"
    town.done("PUT", "/v1/authorities/third", authority())
    town.done("PUT", zone, {"provisional": True})
    for narrowed, carried in CARRIED:
        token = _token(town, account, **narrowed)
        statuses = {
            "town": _toggle(town, token),
            "zone": _toggle(town, token, zone),
            "audit": town.call("GET", "/v1/authentication-failures", token=token).status_code,
            "site": town.call("PUT", "/v1/sites/hall", {}, token=token).status_code,
        }
        assert {what for what, status in statuses.items() if status < 300} == carried, narrowed
        assert {status for status in statuses.values() if status >= 300} <= {403}, narrowed


MADE: tuple[tuple[dict[str, Any], dict[str, Any], int], ...] = (
    ({"roles": ["reader"]}, {}, 403),
    ({"roles": ["reader"]}, {"roles": ["operator"]}, 403),
    ({"roles": ["reader"]}, {"roles": ["reader", "operator"]}, 403),
    ({"roles": ["reader", "operator"]}, {"roles": ["operator"]}, 201),
    ({"authorities": ["zone"]}, {}, 403),
    ({"authorities": ["zone"]}, {"authorities": ["town"]}, 403),
    ({"authorities": ["zone"]}, {"roles": ["operator"]}, 403),
    ({"authorities": ["zone"]}, {"authorities": ["zone"]}, 201),
    ({"authorities": ["zone"]}, {"authorities": ["zone"], "for": "31 days"}, 403),
    ({}, {"for": "30 days"}, 201),
    ({}, {"for": "31 days"}, 403),
)


def test_token_cannot_make_a_broader_or_longer_token(town: Plane) -> None:
    account, _ = town.account("desk", ("operator", "town"), ("operator", "zone"))
    for narrowed, wanted, status in MADE:
        token = _token(town, account, **narrowed)
        body = {"label": "x", "for": "30 days", **wanted}
        answer = town.call("POST", f"/v1/accounts/{account}/tokens", body, token=token)
        assert answer.status_code == status, (narrowed, wanted)


def test_narrowed_token_cannot_grant_a_role_that_it_lacks(town: Plane) -> None:
    account, _ = town.account("desk", ("approver", "town"), ("reader", "town"))
    other, _ = town.account("other")
    body = {"account": other, "role": "operator", "authority": "town", "reason": "helps out"}
    narrowed = _token(town, account, roles=["reader"])
    assert town.call("POST", "/v1/grants", body, token=narrowed).status_code == 403
    assert town.call("POST", "/v1/grants", body, token=_token(town, account)).status_code == 201


def test_nobody_revokes_a_token_of_another_account_under_their_own(town: Plane) -> None:
    one, token = town.account("one", ("operator", "town"), ("approver", "town"))
    other, _ = town.account("other")
    number = town.done("GET", f"/v1/accounts/{other}/tokens")["items"][0]["number"]
    assert town.call("DELETE", f"/v1/accounts/{one}/tokens/{number}", token=token).status_code == 404


# What is not allowed


def test_nobody_approves_their_own_request_with_any_of_their_tokens(town: Plane) -> None:
    roles = [("operator", "town"), ("approver", "town"), ("administrator", None)]
    account, token = town.account("desk", *roles)
    number = town.done("POST", "/v1/exemptions", EXEMPTION, token=token)["number"]
    path = f"/v1/exemptions/{number}/approve"
    for own in (token, _token(town, account), _token(town, account, roles=["approver"])):
        response = town.call("POST", path, {}, token=own)
        assert (response.status_code, "you cannot approve your own request" in response.json()["detail"]) == (403, True)
    assert town.done("GET", f"/v1/exemptions/{number}")["state"] == "requested"
    assert town.done("POST", path, {})["decided_by"] == 1


def test_an_exemption_is_asked_for_by_an_operator_of_each_of_its_ranges(town: Plane) -> None:
    town.done(
        "POST",
        "/v1/bindings",
        {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "l", "date": "2026-09-01"},
    )
    body = {**EXEMPTION, "ranges": ["192.0.2.0/24", "198.51.100.0/24"]}
    _, one = town.account("one", ("operator", "zone"))
    _, both = town.account("both", ("operator", "zone"), ("operator", "town"))
    assert [town.call("POST", "/v1/exemptions", body, token=token).status_code for token in (one, both)] == [403, 201]


def test_nobody_grants_to_themselves_or_disables_or_erases_themselves(town: Plane) -> None:
    account, token = town.account("desk", ("approver", "town"), ("administrator", None))
    body = {"account": account, "role": "operator", "authority": "town", "reason": "mine"}
    assert town.call("POST", "/v1/grants", body, token=token).status_code == 403
    assert town.call("POST", f"/v1/accounts/{account}/disable", token=token).status_code == 403
    assert town.call("DELETE", f"/v1/accounts/{account}/name", token=token).status_code == 403


def test_an_approver_grants_in_its_authority_only_and_no_role_in_the_installation(town: Plane) -> None:
    _, token = town.account("desk", ("approver", "town"))
    other, _ = town.account("other")
    seen = {
        (role, where): town.call(
            "POST", "/v1/grants", {"account": other, "role": role, "authority": where, "reason": "x y"}, token=token
        ).status_code
        for role in Role
        for where in ("town", "zone", None)
    }
    assert {key for key, status in seen.items() if status == 201} == {
        ("reader", "town"),
        ("operator", "town"),
        ("approver", "town"),
    }
    assert {status for (_, where), status in seen.items() if where != "town"} == {403}


def test_the_last_administrator_stays(plane: Plane) -> None:
    (grant,) = _grants(plane, 1)
    assert plane.call("POST", f"/v1/grants/{grant['number']}/end", {"reason": "leave"}).status_code == 409
    plane.other()
    assert plane.call("POST", f"/v1/grants/{grant['number']}/end", {"reason": "leave"}).status_code == 200
    assert plane.call("GET", "/v1/accounts").status_code == 403


# Requests about accounts


def test_accounts_are_made_listed_and_found_by_login_and_authority(town: Plane) -> None:
    body = {"kind": "user", "login": "ict-town", "name": "the desk", "authority": "town"}
    made = town.call("POST", "/v1/accounts", body)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/accounts/2")
    assert made.json() | {"number": 2, "disabled": None, **body} == made.json()
    assert town.call("POST", "/v1/accounts", body).status_code == 409
    for query in ("login=ict-town", "authority=town", "numbers=2", "numbers=2,99"):
        assert town.done("GET", f"/v1/accounts?{query}")["items"] == [made.json()]
    assert [item["login"] for item in town.done("GET", "/v1/accounts")["items"]] == ["administrator", "ict-town"]


@pytest.mark.parametrize(
    "changes", [{"login": "Has Blanks"}, {"login": ""}, {"name": ""}, {"kind": "robot"}, {"authority": "nobody"}]
)
def test_invalid_account_is_rejected(plane: Plane, changes: dict[str, str]) -> None:
    body = {"kind": "user", "login": "desk", "name": "the desk", **changes}
    assert plane.call("POST", "/v1/accounts", body).status_code == 422


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 201),
        ({"for": "1 year"}, 201),
        ({"for": "13 months"}, 422),
        ({"for": None}, 422),
        ({"for": None, "end": "2026-09-01"}, 422),
        ({"label": ""}, 422),
        ({"roles": ["king"]}, 422),
        ({"authorities": ["no slug"]}, 422),
        ({"authorities": ["nobody"]}, 422),
    ],
)
def test_a_token_has_a_label_and_an_end_within_a_year(plane: Plane, changes: dict[str, Any], status: int) -> None:
    body = {"label": "x", "for": "30 days", **changes}
    response = plane.call("POST", "/v1/accounts/1/tokens", {key: value for key, value in body.items() if value})
    assert response.status_code == status, response.text


def test_a_token_is_shown_once_and_its_last_use_by_day(plane: Plane) -> None:
    made = plane.done("POST", "/v1/accounts/1/tokens", {"label": "x", "for": "30 days"})
    shown = plane.done("GET", "/v1/accounts/1/tokens")["items"][1]
    assert shown == {key: value for key, value in made.items() if key != "token"}
    assert (shown["last_used"], shown["public"] in made["token"]) == (None, True)
    plane.done("GET", "/v1/self", token=made["token"])
    assert plane.done("GET", "/v1/accounts/1/tokens")["items"][1]["last_used"] == "2026-09-21"
    everything = plane.call("GET", "/v1/audit").text + plane.call("GET", "/v1/accounts/1/tokens").text
    assert made["token"] not in everything


def test_an_account_has_a_bounded_number_of_live_tokens(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.accounts.service.MAX_TOKENS", 3)
    path, body = "/v1/accounts/1/tokens", {"label": "x", "for": "30 days"}
    assert [plane.call("POST", path, body).status_code for _ in range(3)] == [201, 201, 409]
    plane.done("DELETE", f"{path}/2")
    assert plane.call("POST", path, body).status_code == 201


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 201),
        ({"role": "auditor"}, 422),
        ({"authority": None}, 422),
        ({"role": "auditor", "authority": None}, 201),
        ({"authority": "nobody"}, 422),
        ({"account": 99}, 404),
        ({"end": "2026-09-01"}, 422),
        ({"reason": ""}, 422),
    ],
)
def test_what_a_grant_needs(town: Plane, changes: dict[str, Any], status: int) -> None:
    number, _ = town.account("desk")
    body = {"account": number, "role": "operator", "authority": "town", "reason": "helps out", **changes}
    assert town.call("POST", "/v1/grants", body).status_code == status


def test_the_same_role_is_not_granted_twice_for_the_same_time(town: Plane) -> None:
    number, _ = town.account("desk")
    body = {"account": number, "role": "operator", "authority": "town", "reason": "helps out"}
    town.done("POST", "/v1/grants", {**body, "until": "2026-10-31"})
    assert town.call("POST", "/v1/grants", {**body, "until": "2026-09-30"}).status_code == 409
    assert town.call("POST", "/v1/grants", {**body, "start": "2026-11-01", "until": "2026-11-30"}).status_code == 201


def test_erasing_names_keeps_the_audit_log_complete_without_names(town: Plane) -> None:
    number, token = town.account("somebody", ("operator", "town"))
    assert _toggle(town, token) == 200
    town.done("DELETE", f"/v1/accounts/{number}/name")
    account = town.done("GET", f"/v1/accounts/{number}")
    assert (account["login"], account["name"], account["disabled"] is None) == (None, None, False)
    assert _toggle(town, token) == 401
    assert town.done("GET", "/v1/audit?act=ban.set_off")["items"][0]["account"] == number
    assert "somebody" not in town.call("GET", "/v1/audit?limit=200").text + town.call("GET", "/v1/accounts").text
    assert town.done("POST", "/v1/accounts", {"kind": "user", "login": "somebody", "name": "x"})["number"] == number + 1


def test_a_reader_sees_grants_audit_and_ranges_of_its_authority_only(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "zone"))
    assert {item["authority"] for item in town.done("GET", "/v1/grants", token=token)["items"]} == {"zone"}
    assert {item["authority"] for item in town.done("GET", "/v1/ranges", token=token)["items"]} == {"zone"}
    entries = town.done("GET", "/v1/audit?limit=200", token=token)["items"]
    assert entries
    assert all("zone" in item["authorities"] for item in entries)


def test_acts_on_people_make_no_revision(town: Plane) -> None:
    revision, published = town.revision(), town.publisher.stored_revision()
    number, _ = town.account("desk", ("operator", "town"))
    town.done("POST", f"/v1/accounts/{number}/disable")
    town.done("DELETE", f"/v1/accounts/{number}/name")
    assert (town.revision(), town.publisher.stored_revision()) == (revision, published)
    acts = [item["act"] for item in town.done("GET", "/v1/audit?limit=6")["items"]]
    assert acts == ["account.erase", "token.revoke", "account.disable", "token.make", "grant.make", "account.make"]


def test_an_account_is_given_a_bounded_number_of_tokens_within_a_day(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.accounts.service.MAX_TOKENS_A_DAY", 3)
    path, body = "/v1/accounts/1/tokens", {"label": "x", "for": "30 days"}
    for number in (2, 3):
        plane.done("POST", path, body)
        plane.done("DELETE", f"{path}/{number}")
    assert plane.call("POST", path, body).status_code == 409
    plane.clock.now += 86_400
    assert plane.call("POST", path, body).status_code == 201


def test_a_grant_that_would_begin_in_the_past_begins_now(town: Plane) -> None:
    number, _ = town.account("desk")
    body = {"account": number, "role": "operator", "authority": "town", "reason": "helps out", "start": "2020-01-01"}
    granted = town.done("POST", "/v1/grants", {**body, "for": "1 day"})
    assert (granted["start"], granted["end"]) == ("2026-09-21T14:13:20Z", "2026-09-22T22:00:00Z")


def test_an_account_whose_name_was_erased_stays_disabled_and_its_tokens_revoked(town: Plane) -> None:
    number, token = town.account("desk", ("operator", "town"))
    other = _token(town, number)
    town.done("DELETE", f"/v1/accounts/{number}/name")
    assert all(item["revoked"] for item in town.done("GET", f"/v1/accounts/{number}/tokens")["items"])
    refused = town.call("POST", f"/v1/accounts/{number}/enable")
    assert (refused.status_code, "was erased" in refused.json()["detail"]) == (409, True)
    assert [_toggle(town, text) for text in (token, other)] == [401, 401]


def test_forbidden_does_not_reveal_the_owner(town: Plane) -> None:
    _, token = town.account("desk", ("reader", "zone"), ("operator", "zone"))
    town.done("PUT", "/v1/spaces/default/198.51.100.0/24", {"authority": "zone"})
    town.done(
        "PUT", "/v1/ranges/default/198.51.100.0/25", {"authority": "town", "funding": "public", "audience": "staff"}
    )
    inside = {"authority": "zone", "funding": "public", "audience": "staff"}
    for method, path, body in (
        ("GET", "/v1/who?address=192.0.2.9", None),
        ("GET", "/v1/ranges/default/192.0.2.0/24", None),
        ("GET", "/v1/decision?client=192.0.2.9&name=www.example.org", None),
        ("PUT", "/v1/ranges/default/198.51.100.0/26", inside),
    ):
        refused = town.call(method, path, body, token=token)
        assert (refused.status_code, "town" in refused.json()["detail"]) == (403, False), refused.text
