"""Tokens that were made with other tokens: what they allow, and who revokes them."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane

pytestmark = pytest.mark.heavy


def _token(plane: Plane, account: int, token: str | None = None, **body: Any) -> str:
    made = plane.done("POST", f"/v1/accounts/{account}/tokens", {"label": "x", "for": "30 days", **body}, token=token)
    return str(made["token"])


def _number(plane: Plane, token: str) -> int:
    return int(plane.done("GET", "/v1/self", token=token)["token"]["number"])


def test_revoking_a_token_revokes_tokens_made_with_it(town: Plane) -> None:
    account, stolen = town.account("desk", ("administrator", None))
    victim, _ = town.account("victim", ("operator", "town"))
    descendant = _token(town, account, stolen)
    others = _token(town, victim, descendant)
    spared = _token(town, account)
    shown = town.done("GET", "/v1/self", token=others)["token"]
    assert (shown["recorded_by"], shown["made_with"]) == (account, _number(town, descendant))
    numbers = [_number(town, token) for token in (stolen, descendant, others)]
    assert _revoked(town, f"/v1/accounts/{account}/tokens/{numbers[0]}", spared) == numbers
    seen = [town.call("GET", "/v1/self", token=token).status_code for token in (stolen, descendant, others, spared)]
    assert seen == [401, 401, 401, 200]
    entries = town.done("GET", "/v1/audit?act=token.revoke")["items"]
    assert sorted(entry["object"] for entry in entries) == [f"token/{number}" for number in numbers]


def test_token_cannot_approve_or_grant_for_the_account_that_made_it(town: Plane) -> None:
    # Without a further range, the exemption would cover the complete authority.
    values = {"authority": "town", "funding": "public", "audience": "staff"}
    town.done("PUT", "/v1/ranges/default/203.0.113.0/24", values)
    admin, asking = town.account("admin", ("administrator", None))
    approver, own = town.account("approver", ("approver", "town"))
    exemption = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "promotion"}
    number = town.done("POST", "/v1/exemptions", exemption, token=asking)["number"]
    path = f"/v1/exemptions/{number}/approve"
    borrowed = _token(town, approver, asking)
    grant = {"account": admin, "role": "operator", "authority": "town", "reason": "for a friend"}
    for token in (borrowed, _token(town, approver, borrowed)):
        for target, body in ((path, {}), ("/v1/grants", grant)):
            refused = town.call("POST", target, body, token=token)
            assert (refused.status_code, f"account {admin} made your token" in refused.json()["detail"]) == (403, True)
    assert town.done("POST", path, {}, token=own)["state"] == "in_force"
    assert town.call("POST", "/v1/grants", grant, token=own).status_code == 201


def test_administrator_can_disable_the_account_that_made_its_token(town: Plane) -> None:
    first, token = town.account("first", ("administrator", None))
    second, _ = town.account("second", ("administrator", None))
    made = _token(town, second, token)
    assert town.call("POST", f"/v1/accounts/{first}/disable", token=made).status_code == 200


def _revoked(town: Plane, path: str, token: str) -> list[int]:
    """Revoke a token; return the numbers of the tokens that this revokes, as the answer lists them."""
    found = town.done("DELETE", path, token=token)["tokens"]
    assert all(item["revoked"] is not None for item in found)
    return [item["number"] for item in found]


def test_narrowed_token_lists_and_revokes_only_itself_and_its_descendants(town: Plane) -> None:
    account, full = town.account("desk", ("operator", "town"))
    path = f"/v1/accounts/{account}/tokens"
    narrowed = _token(town, account, full, roles=["operator"])
    child = _token(town, account, narrowed, roles=["operator"])
    one, mid, last = (_number(town, token) for token in (full, narrowed, child))
    assert [item["number"] for item in town.done("GET", path, token=full)["items"]] == [one, mid, last]
    assert [item["number"] for item in town.done("GET", path, token=narrowed)["items"]] == [mid, last]
    assert [item["number"] for item in town.done("GET", path, token=child)["items"]] == [last]
    assert [town.call("DELETE", f"{path}/{number}", token=child).status_code for number in (one, mid)] == [403, 403]
    assert _revoked(town, f"{path}/{last}", narrowed) == [last]
    assert _revoked(town, f"{path}/{last}", narrowed) == []
    assert _revoked(town, f"{path}/{mid}", narrowed) == [mid]
    assert town.call("GET", "/v1/self", token=full).status_code == 200
