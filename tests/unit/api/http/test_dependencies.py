"""Permission is checked again when an act is done. Long reads are limited."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from sqlalchemy.orm import Session

from api.http.dependencies import MAX_COSTLY, MAX_COSTLY_EACH
from tests.unit.api.conftest import Plane

BAN = "/v1/authorities/town/bans/alpha"
RANGE = "/v1/ranges/default/192.0.2.0/24"
ACTS = [("PATCH", BAN, {"mode": "off"}), ("PATCH", RANGE, {"audience": "public"})]
DAY_S = 86_400
DEVICES = {"funding": "public", "audience": "staff"}
WHY = {"reason": "a test"}
UNKNOWN = 'No authority "twon". Did you mean "town"?'


def _somebody_goes_first(plane: Plane, monkeypatch: pytest.MonkeyPatch, does: Callable[[], object]) -> None:
    """Make the next writer wait until another one, called `does`, has finished."""
    writing = plane.database.writing

    def late() -> AbstractContextManager[Session]:
        monkeypatch.setattr(plane.database, "writing", writing)
        does()
        return writing()

    monkeypatch.setattr(plane.database, "writing", late)


def _operator(plane: Plane) -> tuple[int, str]:
    """Make an operator whose token was already used today, so that requests store no use."""
    plane.done("PUT", "/v1/spaces/default/192.0.2.0/24", {"authority": "town"})
    number, token = plane.account("operator", ("operator", "town"))
    plane.done("GET", "/v1/self", token=token)
    return number, token


def _end_mandate(plane: Plane, account: int) -> None:
    grants = plane.done("GET", "/v1/grants")["items"]
    (number,) = [grant["number"] for grant in grants if grant["account"] == account]
    plane.done("POST", f"/v1/grants/{number}/end", {"reason": "another post"})


def _revoke(plane: Plane, account: int) -> None:
    (held,) = plane.done("GET", f"/v1/accounts/{account}/tokens")["items"]
    plane.done("DELETE", f"/v1/accounts/{account}/tokens/{held['number']}")


def _disable(plane: Plane, account: int) -> None:
    plane.done("POST", f"/v1/accounts/{account}/disable")


def _let_expire(plane: Plane, _account: int) -> None:
    plane.clock.now += 91 * DAY_S


def test_a_401_distinguishes_a_missing_token_but_not_the_reasons_of_a_refusal(town: Plane) -> None:
    number, ended = _operator(town)
    _revoke(town, number)

    def detail(**options: Any) -> str:
        answer = town.call("GET", "/v1/self", **options)
        assert answer.status_code == 401
        return str(answer.json()["detail"])

    assert detail(headers={}) == "Send the header Authorization: Bearer TOKEN."
    not_accepted = "Your token is not accepted: unknown, ended or revoked."
    assert (detail(token=ended), detail(token="dnsf_unknown")) == (not_accepted, not_accepted)


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
@pytest.mark.parametrize(
    ("happens", "status", "reason"),
    [
        (_revoke, 401, "revoked"),
        (_disable, 401, "disabled"),
        (_let_expire, 401, "expired"),
        (_end_mandate, 403, None),
    ],
)
def test_permission_lost_while_waiting_to_write_prevents_the_act(
    town: Plane,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: Any,
    happens: Callable[[Plane, int], None],
    status: int,
    reason: str | None,
) -> None:
    number, token = _operator(town)
    before = town.done("GET", path)
    _somebody_goes_first(town, monkeypatch, lambda: happens(town, number))
    assert town.call(method, path, body, token=token).status_code == status
    assert town.done("GET", path) == before
    assert all(entry["account"] != number for entry in town.done("GET", "/v1/audit?limit=5")["items"])
    failures = town.done("GET", "/v1/authentication-failures")["items"]
    assert [one["reason"] for one in failures] == ([reason] if reason is not None else [])


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
def test_permission_kept_while_waiting_to_write_allows_the_act(
    town: Plane, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any
) -> None:
    _, token = _operator(town)
    _somebody_goes_first(town, monkeypatch, lambda: town.account("another"))
    assert town.call(method, path, body, token=token).status_code == 200


def test_a_kept_answer_is_not_replayed_after_permission_was_lost(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    number, token = _operator(town)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "key-1"}
    assert town.call("PATCH", BAN, {"mode": "off"}, headers=headers).status_code == 200
    _somebody_goes_first(town, monkeypatch, lambda: _revoke(town, number))
    refused = town.call("PATCH", BAN, {"mode": "off"}, headers=headers)
    assert (refused.status_code, "idempotency-replayed" in refused.headers) == (401, False)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/archive",
        "/v1/policy",
        "/v1/ranges/overlaps",
        "/v1/spaces/gaps",
        "/v1/trace?client=192.0.2.1&name=example.org&at=2026-09-21T14:13:20Z",
    ],
)
def test_concurrent_long_reads_are_limited_per_account(town: Plane, path: str) -> None:
    _, auditor = town.account("auditor", ("auditor", None))
    quota = town.app.state.runtime.costly
    with ExitStack() as stack:
        for _ in range(MAX_COSTLY_EACH):
            stack.enter_context(quota.held(1))
        assert town.call("GET", path).status_code == 429
        assert town.call("GET", path, token=auditor).status_code == 200
        assert town.call("GET", "/v1/bans").status_code == 200
        for other in range(MAX_COSTLY - MAX_COSTLY_EACH):
            stack.enter_context(quota.held(1000 + other))
        assert town.call("GET", path, token=auditor).status_code == 503
    assert town.call("GET", path).status_code == 200


def test_a_refused_trace_does_not_count_as_a_long_read(town: Plane) -> None:
    number, reader = town.account("reader", ("reader", "zone"))
    asked = "/v1/trace?client=192.0.2.1&name=example.org&at=2026-09-21T14:13:20Z"
    with ExitStack() as stack:
        for _ in range(MAX_COSTLY_EACH):
            stack.enter_context(town.app.state.runtime.costly.held(number))
        assert town.call("GET", asked, token=reader).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "location"),
    [
        ("PATCH", "/v1/authorities/{}/bans/alpha", {"mode": "off"}, 404, None),
        ("POST", "/v1/authorities/{}/bans/alpha/end", WHY, 404, None),
        ("PUT", "/v1/ranges/default/192.0.2.0/26", {"authority": "{}", **DEVICES}, 422, "body.authority"),
        ("POST", "/v1/suspensions", {"authority": "{}", "for": "5m", **WHY}, 422, "body.authority"),
        ("GET", "/v1/usage?authority={}", None, 422, "query.authority"),
    ],
)
def test_a_misspelt_authority_is_named(
    town: Plane, method: str, path: str, body: dict[str, str] | None, status: int, location: str | None
) -> None:
    _, desk = town.account("desk", ("operator", "town"))
    answers = {}
    for slug in ("twon", "zone"):
        sent = body and {key: value.replace("{}", slug) for key, value in body.items()}
        answers[slug] = town.call(method, path.format(slug), sent, token=desk)
    assert answers["zone"].status_code == 403
    assert "of zone" in answers["zone"].json()["detail"]
    problem = answers["twon"].json()
    assert (answers["twon"].status_code, UNKNOWN in problem["detail"]) == (status, True)
    assert location is None or problem["faults"] == [{"location": location, "message": UNKNOWN}]
