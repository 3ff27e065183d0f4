"""Routes of exports and checkpoints: permissions and answers."""

import pytest

from tests.unit.api.conftest import Plane


def test_checkpoint_is_made_on_request_and_listed(town: Plane) -> None:
    made = town.call("POST", "/v1/audit/checkpoints")
    again = town.call("POST", "/v1/audit/checkpoints")
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json() == again.json()
    assert made.json()["delivered"] == []
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"})
    second = town.done("POST", "/v1/audit/checkpoints")
    assert second["seq"] == made.json()["seq"] + 1
    page = town.done("GET", "/v1/audit/checkpoints?limit=1")
    assert page["items"] == [second]
    rest = town.done("GET", f"/v1/audit/checkpoints?limit=1&cursor={page['next']}")
    assert (rest["items"], rest["next"]) == ([made.json()], None)


def test_idempotency_key_is_ignored_when_a_checkpoint_is_made(town: Plane) -> None:
    headers = {"Authorization": f"Bearer {town.token}", "Idempotency-Key": "key-1"}
    assert [town.call("POST", "/v1/audit/checkpoints", headers=headers).status_code for _ in range(2)] == [201, 200]
    assert town.call("PUT", "/v1/sites/other", {"name": "Other"}, headers=headers).status_code < 300
    described = town.call("GET", "/openapi.json").json()["paths"]["/v1/audit/checkpoints"]["post"]
    assert "No Idempotency-Key" in described["description"]
    assert "IdempotencyKey" not in str(described.get("parameters", []))


def test_only_auditors_and_administrators_export_and_make_checkpoints(town: Plane) -> None:
    _, auditor = town.account("auditor", ("auditor", None))
    _, operator = town.account("operator", ("operator", "town"), ("approver", "town"), ("reader", "town"))
    for method, path in (
        ("GET", "/v1/audit/export"),
        ("GET", "/v1/audit/checkpoints"),
        ("POST", "/v1/audit/checkpoints"),
    ):
        assert town.call(method, path, token=auditor).status_code < 300
        assert town.call(method, path, token=operator).status_code == 403
        assert town.call(method, path, headers={}).status_code == 401


@pytest.mark.parametrize("after", ["-1", "x", "99999999999999999999"])
def test_invalid_entry_number_is_rejected(plane: Plane, after: str) -> None:
    assert plane.call("GET", f"/v1/audit/export?after={after}").status_code == 422
