"""An act with a key is done once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from api.db.models import AuditRow, IdempotencyRow
from api.errors import NotPublished
from tests.unit.api.conftest import Plane, ban

DAY_S = 86_400
BAN = "/v1/authorities/zone/bans/alpha"
GRANT = {"role": "reader", "authority": "town", "for": "1 month", "reason": "for a test"}


def _keyed(plane: Plane, method: str, path: str, body: Any, key: str = "key-1", **headers: str) -> httpx.Response:
    given = {"Authorization": f"Bearer {headers.pop('token', plane.token)}", "Idempotency-Key": key, **headers}
    return plane.call(method, path, body, headers=given)


def _acts(plane: Plane) -> int:
    with plane.database.reading() as session:
        return session.scalar(select(func.count(AuditRow.seq))) or 0


def _kept(plane: Plane) -> list[IdempotencyRow]:
    with plane.database.reading() as session:
        return list(session.scalars(select(IdempotencyRow)))


def test_a_repeated_request_is_done_once_and_gets_the_same_answer(town: Plane) -> None:
    body = {"kind": "service", "login": "probe", "name": "a probe"}
    first = _keyed(town, "POST", "/v1/accounts", body)
    acts = _acts(town)
    again = _keyed(town, "POST", "/v1/accounts", body)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.json(), first.headers["location"], first.headers["etag"]) == (
        again.json(), again.headers["location"], again.headers["etag"],
    )  # fmt: skip
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert _acts(town) == acts


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", BAN, ban()),
        ("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}),
        ("DELETE", "/v1/ranges/default/198.51.100.0/24", None),
        ("POST", "/v1/authorities/town/bans/alpha/end", {"reason": "it is over"}),
    ],
)
def test_any_act_may_have_a_key(town: Plane, method: str, path: str, body: Any) -> None:
    first = _keyed(town, method, path, body)
    revision = town.revision()
    again = _keyed(town, method, path, body)
    assert first.status_code < 300
    assert (again.status_code, again.content, town.revision()) == (first.status_code, first.content, revision)


def test_a_key_belongs_to_one_request(town: Plane) -> None:
    assert _keyed(town, "PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}).status_code == 200
    for method, path, body in (
        ("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"}),
        ("PUT", "/v1/authorities/town/bans/alpha", {"mode": "off"}),
    ):
        refused = _keyed(town, method, path, body)
        assert (refused.status_code, refused.json()["faults"][0]["location"]) == (422, "header.Idempotency-Key")
    assert town.done("GET", "/v1/authorities/town/bans/alpha")["mode"] == "off"


def test_a_key_of_another_account_is_another_key(town: Plane) -> None:
    body = {"mode": "off"}
    _keyed(town, "PATCH", "/v1/authorities/town/bans/alpha", body)
    other = _keyed(town, "PATCH", "/v1/authorities/town/bans/alpha", body, token=town.other())
    assert (other.status_code, "idempotency-replayed" in other.headers) == (200, False)


def test_a_kept_answer_is_for_the_roles_that_got_it(town: Plane) -> None:
    path, body = "/v1/authorities/town/bans/alpha", {"mode": "off"}
    number, token = town.account("operator", ("operator", "town"), ("reader", "zone"))
    first = _keyed(town, "PATCH", path, body, token=token)
    assert _keyed(town, "PATCH", path, body, token=token).content == first.content
    grants = town.done("GET", "/v1/grants")["items"]
    (reading,) = [one["number"] for one in grants if (one["account"], one["role"]) == (number, "reader")]
    town.done("POST", f"/v1/grants/{reading}/end", {"reason": "it is over"})
    refused = _keyed(town, "PATCH", path, body, token=token)
    assert (refused.status_code, refused.json()["faults"][0]["location"]) == (422, "header.Idempotency-Key")


@pytest.mark.parametrize("narrowing", [{"roles": ["operator"]}, {"authorities": ["town"]}])
def test_a_kept_answer_is_not_for_a_narrower_token(town: Plane, narrowing: dict[str, Any]) -> None:
    path, body = "/v1/authorities/town/bans/alpha", {"mode": "off"}
    number, token = town.account("operator", ("operator", "town"))
    made = {"label": "narrow", "for": "1 day", **narrowing}
    narrow = town.done("POST", f"/v1/accounts/{number}/tokens", made, token=token)["token"]
    assert _keyed(town, "PATCH", path, body, token=token).status_code == 200
    assert _keyed(town, "PATCH", path, body, token=narrow).status_code == 422


def test_a_refused_act_may_be_retried_with_its_key(town: Plane) -> None:
    body = {"kind": "service", "login": "probe", "name": "a probe", "authority": "later"}
    assert _keyed(town, "POST", "/v1/accounts", body).status_code == 422
    town.done("PUT", "/v1/authorities/later", {"kind": "agency", "names": {"nl": "L"}, "languages": ["nl"],
                                                "contact": "ict@example.org"})  # fmt: skip
    assert _keyed(town, "POST", "/v1/accounts", body).status_code == 201


def test_a_key_is_forgotten_after_a_day(town: Plane) -> None:
    path = "/v1/authorities/town/bans/alpha"
    _keyed(town, "PATCH", path, {"mode": "off"})
    town.clock.now += DAY_S - 1
    assert _keyed(town, "PATCH", path, {"mode": "off"}).headers["idempotency-replayed"] == "true"
    town.clock.now += 1
    assert "idempotency-replayed" not in _keyed(town, "PATCH", path, {"mode": "monitor"}).headers
    town.clock.now += DAY_S
    _keyed(town, "PATCH", path, {"mode": "off"}, "key-2")
    assert [row.key for row in _kept(town)] == ["key-2"]


def test_answers_older_than_a_day_are_deleted_without_another_key(town: Plane) -> None:
    _keyed(town, "PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    town.clock.now += DAY_S
    town.done("GET", "/v1/bans")
    assert _kept(town) == []


def test_a_fresh_token_is_not_kept(town: Plane) -> None:
    account, _ = town.account("probe")
    body = {"label": "work", "for": "30 days"}
    path = f"/v1/accounts/{account}/tokens"
    first = _keyed(town, "POST", path, body)
    again = _keyed(town, "POST", path, body)
    assert (first.status_code, again.status_code, again.json()["type"]) == (201, 409, "/problems/conflict")
    (row,) = _kept(town)
    assert row.body is None
    secret = first.json()["token"].encode()
    assert all(secret not in path.read_bytes() for path in Path(town.settings.state_dir).glob("dnsfilter.sqlite3*"))


def test_an_erased_name_is_in_no_kept_answer(town: Plane) -> None:
    body = {"kind": "user", "login": "probe", "name": "a probe"}
    number = _keyed(town, "POST", "/v1/accounts", body).json()["number"]
    _keyed(town, "POST", f"/v1/accounts/{number}/disable", None, "key-2")
    _keyed(town, "PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}, "key-3")
    town.done("DELETE", f"/v1/accounts/{number}/name")
    assert {row.key: row.body is None for row in _kept(town)} == {"key-1": True, "key-2": True, "key-3": False}
    assert _keyed(town, "POST", "/v1/accounts", body).status_code == 409


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 201, "clé"])
def test_a_key_is_short_and_visible(untouched: Plane, key: str) -> None:
    headers = [(b"authorization", f"Bearer {untouched.token}".encode()), (b"idempotency-key", key.encode())]
    refused = untouched.call("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}, headers=headers)
    assert (refused.status_code, refused.json()["faults"][0]["location"]) == (422, "header.Idempotency-Key")


def test_a_rehearsal_keeps_no_answer(town: Plane) -> None:
    revision = town.revision()
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    path, body = f"/v1/revisions/{revision}/rollback?dry_run=true", {"reason": "to see"}
    assert [_keyed(town, "POST", path, body).status_code for _ in range(2)] == [200, 200]
    assert _kept(town) == []


def test_two_concurrent_equal_requests_are_done_once(town: Plane) -> None:
    body = {"kind": "service", "login": "probe", "name": "a probe"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: _keyed(town, "POST", "/v1/accounts", body), range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 3


def test_a_replayed_answer_is_sent_after_the_act_is_in_force(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_policy: object) -> None:
        raise NotPublished("recorded, but the snapshot cannot be written")

    path = "/v1/authorities/town/bans/alpha"
    with monkeypatch.context() as broken:
        broken.setattr(town.publisher, "publish", away)
        assert _keyed(town, "PATCH", path, {"mode": "off"}).status_code == 503
    assert town.publisher.status.revision != town.revision()
    again = _keyed(town, "PATCH", path, {"mode": "off"})
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert town.publisher.status.revision == town.revision()
