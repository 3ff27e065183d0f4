"""Request ids: in the answer, the problem, the log and the audit log."""

import logging

import pytest

from dnsfilter.telemetry.logs import KeyValueFormatter
from tests.unit.api.conftest import Plane


def test_every_answer_has_its_own_id_and_not_the_client_s(plane: Plane) -> None:
    headers = {"Authorization": f"Bearer {plane.token}", "X-Request-ID": "f" * 24}
    paths = ["/healthz", "/v1/authorities", "/nothing", "/v1/bindings/0"]
    ids = [plane.call("GET", path, headers=headers).headers.get_list("x-request-id") for path in paths * 2]
    assert all(len(found) == 1 and len(found[0]) == 24 and int(found[0], 16) for found in ids)
    assert len({found[0] for found in ids} | {"f" * 24}) == len(ids) + 1


def test_an_act_is_recorded_with_the_id_of_its_request(town: Plane) -> None:
    done = town.call("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    (entry,) = town.done("GET", "/v1/audit?limit=1")["items"]
    assert entry["request"] == done.headers["x-request-id"]


def test_a_failure_is_logged_with_the_id_of_its_answer(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_unit: object) -> None:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(plane.publisher, "current", broken)
    with caplog.at_level(logging.INFO, logger="dnsfilter.api"):
        response = plane.call("GET", "/v1/who?address=192.0.2.1")
    known = response.headers["x-request-id"]
    assert (response.status_code, response.json()["request"]) == (500, known)
    assert response.headers["cache-control"] == "no-store"
    lines = [KeyValueFormatter().format(record) for record in caplog.records]
    assert all(f" request={known}" in line for line in lines)
    assert sum("the disk is on fire" in line for line in lines) == 1
    assert any("logger=dnsfilter.api.access" in line and "status=500" in line for line in lines)
