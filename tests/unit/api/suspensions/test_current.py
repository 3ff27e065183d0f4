"""Metrics and readiness show the current suspensions."""

import pytest
from prometheus_client import generate_latest
from sqlalchemy.exc import OperationalError

from api.server.metrics.collectors import Scraped, suspensions
from api.suspensions.current import CurrentSuspensions
from tests.unit.api.conftest import Plane


def _series(plane: Plane) -> list[str]:
    text = generate_latest(plane.registry).decode()
    return [line for line in text.splitlines() if line.startswith("dnsfilter_suspended")]


def _start(plane: Plane, authority: str | None, span: str) -> None:
    plane.done("POST", "/v1/suspensions", {"authority": authority, "for": span, "reason": "for a test"})


def test_there_is_a_series_while_one_holds_and_none_otherwise(town: Plane) -> None:
    assert (_series(town), town.done("GET", "/readyz")["suspensions"]) == ([], 0)
    _start(town, "town", "1m")
    _start(town, "town", "30m")
    _start(town, None, "10m")
    assert _series(town) == ['dnsfilter_suspended{authority=""} 1.0', 'dnsfilter_suspended{authority="town"} 1.0']
    assert town.done("GET", "/readyz")["suspensions"] == 2
    town.clock.now += 600
    assert _series(town) == ['dnsfilter_suspended{authority="town"} 1.0']
    town.clock.now += 1200
    assert (_series(town), town.done("GET", "/readyz")["suspensions"]) == ([], 0)


def test_no_series_while_the_database_is_unavailable(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> object:
        raise OperationalError("", {}, Exception("away"))

    monkeypatch.setattr(town.database, "reading", away)
    current = CurrentSuspensions(town.database, town.clock)
    assert list(Scraped(lambda: suspensions(current)).collect()) == []
    answer = town.call("GET", "/readyz")
    assert (answer.status_code, answer.json()["suspensions"]) == (503, None)
