"""A token cannot make one that outlives it, unless an administrator asks for that, which is recorded."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane

BOUND = "2026-09-21T15:13:20Z"


def _made(plane: Plane, account: int, token: str, **body: Any) -> Any:
    return plane.call("POST", f"/v1/accounts/{account}/tokens", {"label": "x", "for": "1 year", **body}, token=token)


def _short(plane: Plane, account: int) -> str:
    """Return a token of the account that ends in an hour."""
    body = {"label": "x", "end": BOUND}
    return str(plane.done("POST", f"/v1/accounts/{account}/tokens", body)["token"])


@pytest.mark.parametrize("role", [("operator", "town"), ("administrator", None)])
def test_token_of_an_hour_cannot_make_one_of_a_year(town: Plane, role: tuple[str, str | None]) -> None:
    account, _ = town.account("desk", role)
    short = _short(town, account)
    refused = _made(town, account, short)
    assert refused.status_code == 403
    detail = refused.json()["detail"]
    assert (
        "would end at 22 September 2027 00:00:00 CEST, after the token that makes it, which ends at 21 September"
        in detail
    )
    assert '--until "21 September 2026 17:13:20 CEST"; or ' in detail
    assert _made(town, account, short, **{"for": None, "end": BOUND}).json()["expires"] == BOUND


def test_administrator_needs_outlives_maker_for_a_longer_token(town: Plane) -> None:
    admin, _ = town.account("admin", ("administrator", None))
    desk, _ = town.account("desk")
    short = _short(town, admin)
    assert _made(town, desk, short).status_code == 403
    made = _made(town, desk, short, outlives_maker=True)
    assert (made.status_code, made.json()["expires"]) == (201, "2027-09-21T22:00:00Z")
    entry = town.done("GET", "/v1/audit?act=token.make")["items"][0]
    assert (entry["account"], entry["object"]) == (admin, f"token/{made.json()['number']}")
    assert entry["after"]["outlives_maker"] is True
    town.clock.now += 3600
    assert town.call("GET", "/v1/self", token=short).status_code == 401
    assert town.call("GET", "/v1/self", token=made.json()["token"]).status_code == 200


def test_only_administrators_set_outlives_maker(town: Plane) -> None:
    account, token = town.account("desk", ("operator", "town"), ("approver", "town"))
    for span in ("1 day", "1 year"):
        refused = _made(town, account, token, **{"for": span, "outlives_maker": True})
        assert (refused.status_code, "Only an administrator" in refused.json()["detail"]) == (403, True)


def test_installation_token_does_not_limit_ends(town: Plane) -> None:
    account, _ = town.account("desk")
    assert _made(town, account, town.token).status_code == 201
    assert "outlives_maker" not in town.done("GET", "/v1/audit?act=token.make")["items"][0]["after"]
