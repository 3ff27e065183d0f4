"""Counts are taken only for a node's own site, and belong to the hour and day in which people asked."""

from datetime import date
from typing import Any

import pytest

from api.nodes.fleet import Fleet
from api.usage import coverage_queries, rate, repository
from api.usage.coverage_queries import RangeKey
from api.usage.repository import Day
from api.usage.schemas import MAX_QUERIES
from api.usage.state import NODES_KEEP_S
from tests.unit.api.conftest import START, Plane, authority, on_both_databases
from tests.unit.api.nodes.conftest import Machine, report
from tests.unit.api.usage.conftest import batch, bypass, count, hours, refused

EVER = date(2020, 1, 1), date(2030, 1, 1)
RANGE = {"prefix": "192.0.2.0/24"}


def _days(plane: Plane, slug: str = "town") -> list[Day]:
    with plane.database.reading() as session:
        return list(repository.days(session, slug, None, *EVER))


def _everything(plane: Plane) -> tuple[int, int, int]:
    key = RangeKey("town", "depot", "192.0.2.0/24"), RangeKey("town", "default", "192.0.2.0/24")
    with plane.database.reading() as session:
        attempts = repository.bypass(session, "town", *EVER)
        return len(_days(plane)), len(attempts), len(coverage_queries.last_asked(session, key))


@pytest.fixture
def elsewhere(town: Plane) -> Machine:
    """Return a node of a site where no range is registered."""
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    return Machine.enrolled(town, "depot-1", "depot")


@on_both_databases
def test_node_counts_nothing_for_authorities_of_other_sites(elsewhere: Machine) -> None:
    plane = elsewhere.plane
    usage = batch(
        [count(10**9), count(range=RANGE)],
        [bypass()],
        ranges=[{"prefix": "192.0.2.0/24", "queries": 5}],
        clients=[refused()],
    )
    assert elsewhere.use(usage) == 0
    assert elsewhere.use(usage) == 1, "the node forgets the batch"
    assert _everything(plane) == (0, 0, 0)
    # The same prefix may be registered at another site too.
    plane.done("PUT", "/v1/spaces/depot/192.0.2.0/24", {"authority": "town"})
    plane.done("PUT", "/v1/ranges/depot/192.0.2.0/24", {"authority": "town", "funding": "public", "audience": "staff"})
    elsewhere.use({**usage, "sequence": 2})
    assert _everything(plane) == (1, 1, 1)


@on_both_databases
def test_node_counts_for_an_authority_that_has_just_lost_its_ranges(node: Machine) -> None:
    plane = node.plane
    node.use(batch([count(1)]))
    plane.done("DELETE", "/v1/ranges/default/192.0.2.0/24")
    node.use(batch([count(2)], sequence=2))
    assert [day.queries for day in _days(plane)] == [3]
    plane.clock.now += NODES_KEEP_S + 3600
    # A change of the policy, after which what is registered is read again.
    plane.done("PATCH", "/v1/authorities/zone", {"usage": "none"})
    node.use(batch([count(4)], sequence=3))
    assert [day.queries for day in _days(plane)] == [3]


def test_batch_with_more_queries_than_a_node_answers_in_an_hour_is_refused(node: Machine) -> None:
    body = report(usage=batch([count(MAX_QUERIES), count(1)]))
    answer = node.call("POST", "report", body)
    assert answer.status_code == 422
    assert f"{MAX_QUERIES + 1} queries in a batch" in answer.json()["faults"][0]["message"]
    node.plane.app.state.fleet.usage.store_held()
    assert _days(node.plane) == []


def test_node_that_reports_faster_than_it_can_answer_waits(
    node: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plane = node.plane
    plane.app.state.fleet = fleet = Fleet(plane.database, plane.publisher, plane.clock)
    monkeypatch.setattr(fleet.usage, "_rates", rate.Rates(plane.clock))
    assert node.use(batch([count(MAX_QUERIES)])) == 0
    for _ in range(2):
        assert node.use(batch([count(rate.MAX_RATE)], sequence=2)) == 1
    assert [day.queries for day in _days(plane)] == [MAX_QUERIES]
    said = [record for record in caplog.records if "more queries than a node can answer" in record.message]
    assert len(said) == 1
    plane.clock.now += 1
    assert node.use(batch([count(rate.MAX_RATE)], sequence=2)) == 1
    assert [day.queries for day in _days(plane)] == [MAX_QUERIES + rate.MAX_RATE], "nothing is lost"


@pytest.mark.parametrize(
    ("start", "until", "clock", "hour"),
    [
        ("13:59:00", "14:00:00", "14:13:20", 13),
        ("14:00:00", "14:01:00", "14:13:20", 14),
        ("14:00:00", "14:01:00", "14:13:25", 14),
        ("13:59:00", "14:00:00", "14:13:15", 13),
        ("13:00:00", "14:00:00", "14:13:40", 13),
        ("13:00:00", "13:15:00", "14:13:00", 13),
    ],
)
def test_hour_is_that_of_the_queries_though_the_clocks_differ_by_seconds(
    node: Machine, start: str, until: str, clock: str, hour: int
) -> None:
    node.plane.done("PATCH", "/v1/authorities/town", {"usage": "range"})
    usage = batch([count(range=RANGE)], start=f"2026-09-21T{start}Z", until=f"2026-09-21T{until}Z")
    body = report(usage=usage, clock=f"2026-09-21T{clock}Z")
    assert node.call("POST", "report", body).status_code == 200
    node.plane.app.state.fleet.usage.store_held()
    assert [row.hour_s for row in hours(node.plane)] == [START - START % 86_400 + hour * 3600]


@on_both_databases
@pytest.mark.parametrize(("zone", "minutes"), [("Asia/Kolkata", 30), ("Asia/Kathmandu", 15)])
def test_days_of_zones_with_parts_of_hours_lose_nothing(node: Machine, zone: str, minutes: int) -> None:
    plane = node.plane
    plane.done("PUT", "/v1/authorities/town", authority(time_zone=zone, usage="range"))
    plane.clock.now = START + 8 * 3600
    midnight = f"2026-09-21T18:{minutes}"
    for sequence, (start, queries) in enumerate(((f"2026-09-21T18:{minutes - 1}:00Z", 20), (f"{midnight}:00Z", 30)), 1):
        node.use(batch([count(queries, range=RANGE), count(100)], start=start, sequence=sequence))
    assert [(row.day.day, row.queries) for row in _days(plane)] == [(21, 120), (22, 130)]
    erasing = {"authority": "town", "from": "2026-09-22", "to": "2026-09-22", "reason": "a wrong range"}
    gone: dict[str, Any] = plane.done("POST", "/v1/usage/erase", {**erasing, "range": RANGE})
    assert gone["hours"] == 1
    assert [(row.day.day, row.queries) for row in _days(plane)] == [(21, 120), (22, 100)]
    assert [row.queries for row in hours(plane)] == [20]
