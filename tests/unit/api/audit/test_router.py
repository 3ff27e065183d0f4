"""The audit log can be followed by the numbers of its entries."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.audit import following, router
from api.db.unit_of_work import head
from api.http.dependencies import Runtime
from tests.unit.api.conftest import Plane, authority


def test_entries_after_a_number_follow_each_other(town: Plane) -> None:
    last = town.done("GET", "/v1/audit?limit=1")["items"][0]["seq"]
    assert town.done("GET", f"/v1/audit?sort=seq&after={last}") == {"items": [], "next": None}
    for slug in ("one", "two", "three"):
        town.done("PUT", f"/v1/authorities/{slug}", authority())
    first = town.done("GET", f"/v1/audit?sort=seq&after={last}&limit=2")
    rest = town.done("GET", f"/v1/audit?sort=seq&after={last}&limit=2&cursor={first['next']}")
    assert [entry["seq"] for part in (first, rest) for entry in part["items"]] == [last + 1, last + 2, last + 3]
    assert rest["next"] is None
    only = town.done("GET", f"/v1/audit?after={last}&authority=two")["items"]
    assert [entry["seq"] for entry in only] == [last + 2]
    newest = town.done("GET", f"/v1/audit?after={last + 1}")["items"]
    assert [entry["seq"] for entry in newest] == [last + 3, last + 2]


@pytest.mark.parametrize("after", ["-1", "2147483648", "x"])
def test_a_wrong_number_is_refused(untouched: Plane, after: str) -> None:
    assert untouched.call("GET", f"/v1/audit?after={after}").status_code == 422


def _wait(plane: Plane, query: str, wait: str, token: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or plane.token}", "Prefer": f"wait={wait}"}
    return plane.call("GET", f"/v1/audit?sort=seq&{query}", headers=headers)


def test_the_next_entry_ends_the_wait_and_one_of_another_authority_does_not(
    town: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.02)
    last = town.done("GET", "/v1/audit?limit=1")["items"][0]["seq"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_wait, town, f"after={last}&authority=town", "30")
        town.done("PUT", "/v1/authorities/other", authority())
        town.done("PATCH", "/v1/authorities/town", {"contact": "it@example.org"})
        # It ends long before its time is over.
        answer = waiting.result(20)
    assert [entry["act"] for entry in answer.json()["items"]] == ["authority.change"]
    assert answer.headers["preference-applied"] == "wait=30"
    known = _wait(town, f"after={last}", "30")
    assert len(known.json()["items"]) == 2


def test_a_token_that_is_revoked_during_the_wait_gets_nothing(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter((False, True, False))

    def newest(held: Runtime) -> int:
        if next(looks):
            town.done("DELETE", f"/v1/accounts/{account}/tokens/{number}")
        with held.database.reading() as session:
            return head(session)[0]

    account, token = town.account("auditor", ("auditor", None))
    number = town.done("GET", f"/v1/accounts/{account}/tokens")["items"][0]["number"]
    last = town.done("GET", "/v1/audit?limit=1")["items"][0]["seq"]
    monkeypatch.setattr(following, "LOOK_S", 0.02)
    monkeypatch.setattr(router, "_newest", newest)
    answer = _wait(town, f"after={last}", "30", token)
    assert (answer.status_code, answer.json().get("type")) == (401, "/problems/not-authenticated")
    assert list(looks) == [], "the request has waited"


def test_the_time_ends_the_wait(town: Plane) -> None:
    last = town.done("GET", "/v1/audit?limit=1")["items"][0]["seq"]
    answer = _wait(town, f"after={last}", "1")
    assert (answer.json()["items"], answer.headers["preference-applied"]) == ([], "wait=1")


def test_one_account_may_wait_a_few_times_at_once(town: Plane) -> None:
    waits = town.app.state.runtime.waits
    account = town.done("GET", "/v1/self")["account"]["number"]
    with waits.held(account), waits.held(account), waits.held(account), waits.held(account):
        assert _wait(town, "after=0", "30").json()["type"] == "/problems/too-many-at-once"


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


@pytest.mark.parametrize("after", ["-1", "x", "99999999999999999999"])
def test_invalid_entry_number_is_rejected(untouched: Plane, after: str) -> None:
    assert untouched.call("GET", f"/v1/audit/export?after={after}").status_code == 422
