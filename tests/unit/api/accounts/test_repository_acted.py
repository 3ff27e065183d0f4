"""Names of accounts are shown only to people with a role in an authority in which the account acted."""

from typing import Any

import pytest

from api.accounts import repository
from tests.unit.api.conftest import Plane, on_both_databases

BAN = "/v1/authorities/town/bans/alpha"


def _logins(plane: Plane, token: str, query: str = "") -> list[str]:
    return [item["login"] for item in plane.done("GET", f"/v1/accounts{query}", token=token)["items"]]


def _named(plane: Plane, account: int, token: str) -> Any:
    asked = plane.call("GET", f"/v1/accounts/{account}", token=token)
    return asked.json()["login"] if asked.status_code == 200 else asked.status_code


@pytest.mark.parametrize("many", [0, repository.MANY])
@on_both_databases
def test_role_holders_read_names_of_accounts_that_acted_in_their_authority(
    town: Plane, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MANY", many)
    desk, token = town.account("desk", ("operator", "town"))
    idle, _ = town.account("idle", ("operator", "town"))
    _, own = town.account("reader", ("reader", "town"))
    _, others = town.account("other", ("operator", "zone"), ("approver", "zone"))
    _, none = town.account("none")
    callers = (own, others, none)
    assert [_named(town, desk, caller) for caller in callers] == [403, 403, 403]
    town.done("PATCH", BAN, {"mode": "off"}, token=token)
    assert [_named(town, desk, caller) for caller in callers] == ["desk", 403, 403]
    assert [_named(town, idle, caller) for caller in callers] == [403, 403, 403]
    assert (_logins(town, own), _logins(town, own, "?login=desk")) == (["administrator", "desk"], ["desk"])
    assert (_logins(town, others), _logins(town, others, "?login=desk")) == (["administrator"], [])
    assert town.call("GET", "/v1/accounts", token=none).status_code == 403
    # An unknown account is rejected in the same way as one that may not be read.
    assert _named(town, 999, own) == 403


def test_role_holders_of_the_bans_authority_see_who_asked_for_an_exemption(town: Plane) -> None:
    law = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "l", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", law)
    zones, token = town.account("zones", ("operator", "zone"))
    _, approver = town.account("approver", ("approver", "town"))
    values = {"authority": "zone", "funding": "public", "audience": "staff"}
    town.done("PUT", "/v1/ranges/default/203.0.113.0/24", values)
    exemption = {"ban": "town/alpha", "ranges": ["203.0.113.0/24"], "for": "30 days", "reason": "promotion"}
    assert town.done("POST", "/v1/exemptions", exemption, token=token)["requested_by"] == zones
    assert _named(town, zones, approver) == "zones"


def test_names_are_hidden_after_the_role_ends_or_the_name_is_erased(town: Plane) -> None:
    desk, token = town.account("desk", ("operator", "town"))
    reader, own = town.account("reader", ("reader", "town"))
    town.done("PATCH", BAN, {"mode": "off"}, token=token)
    town.clock.now += 60
    grant = town.done("GET", f"/v1/grants?account={reader}")["items"][0]["number"]
    town.done("POST", f"/v1/grants/{grant}/end", {"reason": "left"})
    assert (_named(town, desk, own), _named(town, reader, own)) == (403, "reader")
    _, further = town.account("further", ("reader", "town"))
    town.done("DELETE", f"/v1/accounts/{desk}/name")
    assert _named(town, desk, further) is None


def test_audit_log_has_no_names(town: Plane) -> None:
    _, token = town.account("desk-of-the-town", ("operator", "town"))
    town.done("PATCH", BAN, {"mode": "off"}, token=token)
    for path in ("/v1/audit/export", "/v1/audit?limit=200"):
        assert "desk-of-the-town" not in town.call("GET", path).text
