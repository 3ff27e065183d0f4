"""Authentication failures are stored for a time and limited per address. They do not affect valid tokens."""

import pytest
from prometheus_client import generate_latest
from sqlalchemy import event, func, select

from api.auth import authentication_failures
from api.auth.authentication_failures import BURST, INTERVAL_S, KEPT_S, Limits, address_of
from api.auth.tokens import new_token
from api.db.models import AuthenticationFailureRow
from api.server.metrics.metric_table import API_LABEL_VALUES, REFUSED_TOKENS
from dnsfilter.policy.model import DAY_S
from tests.unit.api.conftest import START, Plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine

UNKNOWN = new_token(bytes(32)).text
SELF = "/v1/self"
FAILURES = "/v1/authentication-failures"


def _fail(plane: Plane, address: str = "192.0.2.1", token: str = UNKNOWN) -> int:
    return plane.call("GET", SELF, token=token, address=address).status_code


def _kept(plane: Plane) -> int:
    with plane.database.reading() as session:
        return session.scalar(select(func.count(AuthenticationFailureRow.id))) or 0


def test_an_authentication_failure_is_stored_with_address_reason_and_token(plane: Plane) -> None:
    account, token = plane.account("desk")
    assert _fail(plane) == 401
    plane.done("DELETE", f"/v1/accounts/{account}/tokens/2")
    plane.clock.now += 1
    assert _fail(plane, "2001:db8::1", token) == 401
    newest, first = plane.done("GET", FAILURES)["items"]
    assert (first["address"], first["reason"], first["token"], first["account"]) == ("192.0.2.1", "unknown", None, None)
    assert (newest["address"], newest["reason"], newest["token"]) == ("2001:db8::1", "revoked", 2)
    assert (newest["account"], newest["time"]) == (account, "2026-09-21T14:13:21Z")
    assert token not in str(newest)
    page = plane.done("GET", f"{FAILURES}?limit=1")
    assert page["items"] == [newest]
    assert plane.done("GET", f"{FAILURES}?limit=1&cursor={page['next']}")["items"] == [first]


def test_a_request_without_a_token_is_not_a_failure(plane: Plane) -> None:
    assert plane.call("GET", SELF, headers={}).status_code == 401
    assert plane.call("GET", SELF, headers={"Authorization": "Basic dTpw"}).status_code == 401
    assert _kept(plane) == 0


def test_an_act_with_an_unknown_token_is_only_stored_as_a_failure(plane: Plane) -> None:
    revision = plane.revision()
    assert plane.call("DELETE", "/v1/authorities/town", token=UNKNOWN).status_code == 401
    assert (_kept(plane), plane.revision()) == (1, revision)
    assert len(plane.done("GET", "/v1/audit")["items"]) == 3


def test_a_large_body_with_an_unknown_token_is_an_authentication_failure(plane: Plane) -> None:
    headers = {"Authorization": f"Bearer {UNKNOWN}", "Content-Type": "application/toml"}
    statuses = [
        plane.call("POST", "/v1/policy/diff", headers=headers, content=b"#" * 100_000, address="192.0.2.1").status_code
        for _ in range(BURST + 1)
    ]
    assert (statuses, _kept(plane)) == ([401] * BURST + [429], BURST)


def test_beyond_the_burst_an_address_must_wait_and_nothing_is_stored(plane: Plane) -> None:
    assert [_fail(plane) for _ in range(BURST)] == [401] * BURST
    written: list[object] = []
    event.listen(plane.database.engine, "commit", written.append)
    response = plane.call("GET", SELF, token=UNKNOWN, address="192.0.2.1")
    assert (response.status_code, response.headers["retry-after"]) == (429, "6")
    assert (response.json()["type"], written, _kept(plane)) == ("/problems/too-many-failures", [], BURST)
    plane.clock.now += INTERVAL_S
    assert [_fail(plane), _fail(plane)] == [401, 429]


def test_a_valid_token_is_accepted_from_an_address_that_must_wait(plane: Plane) -> None:
    for _ in range(BURST + 1):
        _fail(plane, "192.0.2.1")
    assert plane.call("GET", SELF, address="192.0.2.1").status_code == 200


def test_a_malformed_token_of_a_limited_address_causes_no_query(plane: Plane) -> None:
    for _ in range(BURST):
        _fail(plane)
    asked: list[object] = []
    event.listen(plane.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert (_fail(plane, token="guess"), asked) == (429, [])


@pytest.mark.parametrize(
    ("other", "status"),
    [("192.0.2.2", 401), ("2001:db8:0:1::ffff", 429), ("2001:db8:0:2::1", 401), ("::ffff:192.0.2.9", 401)],
)
def test_an_ipv6_network_is_limited_as_a_unit(plane: Plane, other: str, status: int) -> None:
    for number in range(BURST):
        assert _fail(plane, f"2001:db8:0:1::{number:x}") == 401
    assert _fail(plane, other) == status


def test_all_addresses_together_are_limited_too(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits()
    admitted = [
        limits.admit(f"192.0.2.{number % 256}", START) for number in range(authentication_failures.ALL_BURST + 1)
    ]
    assert admitted[:-1] == [0] * authentication_failures.ALL_BURST
    assert admitted[-1] > 0
    assert limits.admit("192.0.2.1", START + authentication_failures.ALL_INTERVAL_S) == 0


@pytest.mark.heavy
def test_a_revoked_known_token_is_stored_during_a_flood_of_failures(plane: Plane) -> None:
    account, token = plane.account("desk")
    plane.done("DELETE", f"/v1/accounts/{account}/tokens/2")
    for number in range(authentication_failures.ALL_BURST // BURST):
        assert [_fail(plane, f"192.0.2.{number}") for _ in range(BURST)] == [401] * BURST
    assert _fail(plane, "198.51.100.1") == 429
    assert [_fail(plane, "198.51.100.2", token) for _ in range(BURST + 1)] == [401] * BURST + [429]
    assert {item["address"] for item in plane.done("GET", f"{FAILURES}?limit={BURST}")["items"]} == {"198.51.100.2"}


def test_beyond_the_limit_of_addresses_the_oldest_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication_failures, "MAX_ADDRESSES", 3)
    limits = Limits()
    for _ in range(BURST):
        limits.admit("192.0.2.1", START)
    for address in ("192.0.2.2", "192.0.2.1", "192.0.2.3"):
        limits.admit(address, START)
    assert limits.admit("192.0.2.1", START) == INTERVAL_S
    limits.admit("192.0.2.4", START)
    limits.admit("192.0.2.5", START)
    limits.admit("192.0.2.6", START)
    assert limits.admit("192.0.2.1", START) == 0


def test_setting_the_clock_back_does_not_prolong_the_wait() -> None:
    limits = Limits()
    for _ in range(BURST):
        limits.admit("192.0.2.1", START + 1e9)
    assert limits.admit("192.0.2.1", START) == INTERVAL_S
    assert limits.admit("192.0.2.1", START + INTERVAL_S) == 0


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (None, "local"),
        (("", 0), "local"),
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5), "192.0.2.1"),
        (("fe80::1%eth0", 5), "fe80::1"),
        (("testclient", 5), "testclient"),
    ],
)
def test_the_address_of_a_client(client: tuple[str, int] | None, address: str) -> None:
    assert address_of(client) == address


@on_both_databases
def test_failures_are_deleted_after_90_days(plane: Plane) -> None:
    _fail(plane)
    plane.clock.now += KEPT_S - 1
    assert len(plane.done("GET", FAILURES)["items"]) == 1 == _kept(plane)
    plane.clock.now += 1
    assert plane.done("GET", FAILURES)["items"] == []
    plane.clock.now += 86_400
    plane.done("GET", SELF)
    assert _kept(plane) == 0


@on_both_databases
def test_beyond_the_limit_the_oldest_failures_are_deleted(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication_failures, "MAX_KEPT", 3)
    for number in range(5):
        _fail(plane, f"192.0.2.{number}")
    kept = [item["address"] for item in plane.done("GET", FAILURES)["items"]]
    assert kept == ["192.0.2.4", "192.0.2.3", "192.0.2.2"]


def test_metrics_count_failures_by_reason_from_0(plane: Plane) -> None:
    reasons = API_LABEL_VALUES[REFUSED_TOKENS.name, "reason"]
    before = [plane.registry.get_sample_value(REFUSED_TOKENS.name, {"reason": reason}) for reason in reasons]
    assert before == [0] * len(reasons)
    for _ in range(BURST + 2):
        _fail(plane)
    text = generate_latest(plane.registry).decode()
    assert f'dnsfilter_api_refused_tokens_total{{reason="unknown"}} {BURST}.0' in text
    assert 'dnsfilter_api_refused_tokens_total{reason="limited"} 2.0' in text
    assert "192.0.2" not in text


def test_a_removed_node_that_keeps_asking_is_stored_once_a_day(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication_failures, "MAX_MACHINES", 1)
    one, other = (Machine.enrolled(plane, name) for name in ("office-1", "office-2"))
    for machine in (one, other):
        plane.done("DELETE", f"/v1/nodes/{machine.name}")

    def asked(machine: Machine) -> set[int]:
        return {machine.call("GET", "snapshot").status_code for _ in range(BURST + 5)}

    assert [asked(one), _kept(plane)] == [{401}, 1]
    assert plane.done("GET", FAILURES)["items"][0]["reason"] == "revoked"
    plane.clock.now += DAY_S
    plane.token = plane.account("watch", ("administrator", None))[1]
    assert [asked(one), _kept(plane)] == [{401}, 2]
    assert [asked(other), asked(one), _kept(plane)] == [{401}, {401}, 4], "only MAX_MACHINES tokens are remembered"


def test_an_address_with_many_unknown_node_tokens_must_wait(plane: Plane) -> None:
    def asked(number: int) -> int:
        token = new_token(bytes([number]) * 32).text
        return plane.call("GET", "/v1/nodes/self/snapshot", token=token).status_code

    token = UNKNOWN
    answers = [plane.call("GET", "/v1/nodes/self/snapshot", token=token).status_code for _ in range(BURST + 1)]
    assert (set(answers), _kept(plane)) == ({401}, 1)
    assert [asked(number) for number in range(BURST)] == [401] * (BURST - 1) + [429]
    assert _kept(plane) == BURST
