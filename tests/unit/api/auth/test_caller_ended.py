"""A refusal names the caller's own ended role with its last day, and no roles of others."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.api.conftest import Plane, authority, on_both_databases

BAN = "/v1/authorities/town/bans/alpha"
ENDED = "your role operator in town ended on 2026-09-30"


def _mandate(plane: Plane, role: str = "operator", authority: str | None = "town") -> tuple[int, str]:
    """Make an account whose role in `authority` ends, and that is a reader of zone. Return it and its token."""
    number, token = plane.account("mandate", ("reader", "zone"))
    grant = {"account": number, "role": role, "authority": authority, "reason": "stands in", "until": "2026-09-30"}
    plane.done("POST", "/v1/grants", grant)
    return number, token


def _later(plane: Plane) -> None:
    plane.clock.now = datetime(2026, 10, 2, tzinfo=UTC).timestamp()


def _detail(plane: Plane, method: str, path: str, token: str, body: Any = None) -> str:
    refused = plane.call(method, path, body, token=token)
    assert refused.status_code == 403, refused.text
    return str(refused.json()["detail"])


@on_both_databases
def test_an_ended_mandate_is_named_with_its_last_day_in_the_authoritys_time_zone(town: Plane) -> None:
    # The last day ends in Brussels two hours before it ends in UTC.
    _, token = _mandate(town)
    assert town.call("PATCH", BAN, {"mode": "off"}, token=token).status_code == 200
    town.clock.now = datetime(2026, 9, 30, 22, tzinfo=UTC).timestamp()
    assert _detail(town, "PATCH", BAN, token, {"mode": "enforce"}) == (
        f"this needs the role operator of town; {ENDED}. Ask an approver or an administrator to grant it again"
    )


def test_a_grant_that_was_ended_early_is_named_with_that_day(town: Plane) -> None:
    number, token = _mandate(town)
    grant = town.done("GET", f"/v1/grants?account={number}&authority=town")["items"][0]["number"]
    town.clock.now += 86_400
    town.done("POST", f"/v1/grants/{grant}/end", {"reason": "left"})
    town.clock.now += 5 * 86_400
    assert "operator in town ended on 2026-09-22" in _detail(town, "PATCH", BAN, token, {"mode": "off"})


def test_a_refusal_reveals_nothing_about_other_authorities_and_accounts(town: Plane) -> None:
    _, token = _mandate(town)
    _, other = town.account("other", ("reader", "zone"))
    town.done("PUT", "/v1/authorities/zone/bans/alpha", {"provisional": True})
    _later(town)
    detail = _detail(town, "PATCH", "/v1/authorities/zone/bans/alpha", token, {"mode": "off"})
    assert detail == "this needs the role operator of zone"
    assert _detail(town, "PATCH", BAN, other, {"mode": "off"}) == "this needs the role operator of town"


def test_a_refusal_without_an_authority_is_the_same_for_every_object(town: Plane) -> None:
    _, token = _mandate(town, "reader")
    town.done("PUT", "/v1/authorities/third", authority())
    town.done(
        "PUT", "/v1/ranges/default/203.0.113.0/24", {"authority": "third", "funding": "public", "audience": "staff"}
    )
    _later(town)
    own, other = (_detail(town, "GET", f"/v1/who?address={it}", token) for it in ("192.0.2.9", "203.0.113.9"))
    assert own.replace("192.0.2.9", "203.0.113.9") == other
    assert "your role reader in town ended on 2026-09-30" in own


def test_a_role_that_is_held_again_or_not_sufficient_is_not_named(town: Plane) -> None:
    number, token = _mandate(town)
    _later(town)
    grant = {"account": number, "role": "operator", "authority": "town", "reason": "once more", "for": "1 year"}
    town.done("POST", "/v1/grants", grant)
    assert town.call("PATCH", BAN, {"mode": "off"}, token=token).status_code == 200
    exemption = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "promotion"}
    asked = town.done("POST", "/v1/exemptions", exemption)["number"]
    assert "ended on" not in _detail(town, "POST", f"/v1/exemptions/{asked}/approve", token, {})


@pytest.mark.parametrize("roles", [["reader"], []])
def test_a_refusal_of_a_narrowed_token_names_no_role_that_it_never_had(town: Plane, roles: list[str]) -> None:
    number, _ = _mandate(town)
    made = town.done("POST", f"/v1/accounts/{number}/tokens", {"label": "x", "for": "30 days", "roles": roles})
    _later(town)
    assert (ENDED in _detail(town, "PATCH", BAN, made["token"], {"mode": "off"})) is (roles == [])


def test_a_role_in_the_installation_that_has_ended_is_named_too(town: Plane) -> None:
    _, token = _mandate(town, "auditor", None)
    _later(town)
    detail = _detail(town, "GET", "/v1/nodes", token)
    assert "your role auditor in this installation ended on 2026-09-30" in detail


def test_an_import_for_an_authority_where_the_role_has_ended_says_so(town: Plane) -> None:
    number, token = _mandate(town)
    grant = {"account": number, "role": "operator", "authority": "zone", "reason": "for a test", "for": "1 year"}
    town.done("POST", "/v1/grants", grant)
    _later(town)
    rows = b"prefix,authority,funding,audience\n203.0.113.0/24,town,public,staff\n"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    refused = town.call("POST", "/v1/ranges/import", content=rows, headers=headers)
    assert (refused.status_code, ENDED in refused.json()["detail"]) == (403, True)
