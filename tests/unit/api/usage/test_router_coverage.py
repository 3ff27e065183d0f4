"""Coverage as nodes report it and accounts read it: counted once, aged, erased, and never for small ranges."""

from typing import Any

import pytest
from sqlalchemy import func, select

from api.db.models import CoverageDayRow, CoverageRow
from api.timestamps import timestamp_text
from api.usage import coverage_queries
from api.usage.ageing import age
from api.usage.coverage_counts import KEPT_S, CoverageCounts
from api.usage.state import COVERAGE_KEPT_S, HOUR_S
from dnsfilter.policy.model import DAY_S
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch, count

ALL = "/v1/coverage?authority=town"
TOWN, SMALL = "192.0.2.0/24", "192.0.2.0/29"
ASKED = "2026-09-21T14:00:00Z"
"""The hour in which a batch ends: no list says the second of a last query."""


def _asked(queries: int, prefix: str = TOWN) -> dict[str, Any]:
    return {"prefix": prefix, "queries": queries}


def _items(plane: Plane, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plane.done("GET", ALL + query)["items"]
    return found


def _item(**changes: Any) -> dict[str, Any]:
    kind = {"funding": "public", "audience": "staff"}
    where = {"site": "default", "prefix": TOWN, "authority": "town", **kind, "label": ""}
    unknown = {"not_counted": None, "last_asked": None, "usual_per_hour": None, "below": None}
    return {**where, "state": "never", **unknown, **changes}


def _register(plane: Plane, prefix: str, authority: str = "town") -> None:
    plane.done(
        "PUT", f"/v1/ranges/default/{prefix}", {"authority": authority, "funding": "public", "audience": "staff"}
    )


def _rows(plane: Plane) -> tuple[int, int]:
    """Return the number of ranges that have asked, and of their days."""
    with plane.database.reading() as session:
        counted = [session.scalar(select(func.count()).select_from(row)) for row in (CoverageRow, CoverageDayRow)]
    return counted[0] or 0, counted[1] or 0


@on_both_databases
def test_range_shows_when_it_last_asked_and_its_usual_number(node: Machine) -> None:
    plane, other = node.plane, Machine.enrolled(node.plane, "office-2")
    assert _items(plane) == [_item()]
    assert _items(plane, "&funding=public&audience=staff") == [_item()]
    assert _items(plane, "&audience=pupils") == []
    node.use(batch(ranges=[_asked(30)]))
    asking = _item(state="asking", last_asked=ASKED, usual_per_hour=30)
    assert _items(plane) == [asking]
    node.use(batch(ranges=[_asked(30)]))
    assert _items(plane) == [asking], "a batch counts once"
    other.use(batch(ranges=[_asked(10)]))
    node.use(batch(ranges=[_asked(21)], start="2026-09-21T13:10:00Z", until="2026-09-21T13:20:00Z", sequence=2))
    assert _items(plane) == [{**asking, "usual_per_hour": 30}], "(40 + 21) / 2, and an earlier end changes nothing"
    assert plane.done("GET", "/v1/coverage?authority=zone")["items"][0]["state"] == "never"
    assert _rows(plane) == (1, 1)


def test_coverage_does_not_depend_on_whether_bans_come_from_a_list(node: Machine) -> None:
    plane = node.plane
    path = "/v1/authorities/town/lists/apps"
    plane.done("PUT", "/v1/authorities/town/services/games", {"name": "Games", "domains": ["games.example.org"]})
    plane.done("PUT", path, {"services": ["beta", "town:games"]})
    plane.done("POST", f"{path}/adopt", ban())
    counts = [count(service="town:games", ban_authority="town"), count(service="beta", ban_authority="town")]
    node.use(batch(counts, ranges=[_asked(30)]))
    assert _items(plane) == [_item(state="asking", last_asked=ASKED, usual_per_hour=30)]
    plane.clock.now += DAY_S + HOUR_S
    used = plane.done("GET", "/v1/usage?authority=town&from=2026-09-21&to=2026-09-21")["items"]
    assert {item["service"] for item in used} == {"beta", "town:games"}
    plane.done("POST", f"{path}/end", {"reason": "it is over"})
    assert _items(plane)[0]["last_asked"] == ASKED


@on_both_databases
def test_small_numbers_are_hidden(node: Machine) -> None:
    node.use(batch(ranges=[_asked(4)]))
    assert _items(node.plane) == [_item(state="asking", last_asked=ASKED, usual_per_hour=None, below=5)]


def test_ranges_that_must_not_be_counted_are_listed_with_the_reason_and_not_stored(node: Machine) -> None:
    plane = node.plane
    _register(plane, SMALL)
    node.use(batch(ranges=[_asked(9, SMALL), _asked(9, "203.0.113.0/24")]))
    assert _items(plane) == [_item(), _item(prefix=SMALL, state="not_counted", not_counted="small")]
    node.use(batch(ranges=[_asked(9)], sequence=2))
    plane.done("PATCH", "/v1/authorities/town", {"usage": "none"})
    node.use(batch(ranges=[_asked(9)], sequence=3))
    assert [(item["state"], item["not_counted"], item["last_asked"]) for item in _items(plane)] == [
        ("not_counted", "level", None),
        ("not_counted", "level", None),
    ]
    plane.done("PATCH", "/v1/authorities/town", {"usage": "authority"})
    assert _items(plane)[0]["usual_per_hour"] == 9


@on_both_databases
def test_range_that_always_asked_and_falls_silent_has_stopped_in_list_and_metric(node: Machine) -> None:
    plane = node.plane
    _register(plane, "192.0.2.128/25")
    counts = CoverageCounts(plane.database, plane.clock)
    now_s = START - START % HOUR_S
    # Of the two weeks before, only the hours in which it falls silent matter.
    hours_ago = [*(weeks * 7 * 24 - hour for weeks in (2, 1) for hour in range(4)), 1]
    for sequence, hour in enumerate(hours_ago, 1):
        start_s = now_s - hour * HOUR_S
        plane.clock.now = start_s + HOUR_S
        usage = batch(ranges=[_asked(6)], start=timestamp_text(start_s), until=timestamp_text(start_s + HOUR_S))
        node.use({**usage, "sequence": sequence})

    def states(hours: float) -> tuple[str, int]:
        plane.clock.now = now_s + hours * HOUR_S
        found = counts.counts()
        return _items(plane)[0]["state"], found["town", "stopped"]  # type: ignore[index]

    assert states(2.9) == ("asking", 0)
    assert states(3) == ("stopped", 1)
    assert states(6 * 24 + 23) == ("stopped", 1)
    assert states(8 * 24) == ("stopped", 1)
    found = {state: number for (slug, state), number in counts.counts().items() if slug == "town"}
    assert found == {"stopped": 1, "never": 1}


def test_counts_for_metrics_are_kept_for_some_minutes(node: Machine) -> None:
    counts = CoverageCounts(node.plane.database, node.plane.clock)
    assert counts.counts()["town", "never"] == 1  # type: ignore[index]
    node.use(batch(ranges=[_asked(9)]))
    assert counts.counts()["town", "never"] == 1  # type: ignore[index]
    node.plane.clock.now += KEPT_S
    assert counts.counts()["town", "asking"] == 1  # type: ignore[index]


@on_both_databases
def test_hours_age_after_three_weeks_and_a_range_that_is_gone_at_once(node: Machine) -> None:
    plane = node.plane
    node.use(batch(ranges=[_asked(9)]))
    _register(plane, "192.0.2.128/25")
    node.use(batch(ranges=[_asked(9, "192.0.2.128/25")], sequence=2))
    plane.done("DELETE", "/v1/ranges/default/192.0.2.128/25")
    age(plane.database, START)
    assert _rows(plane) == (1, 2)
    midnight = START - START % DAY_S
    age(plane.database, midnight + DAY_S + COVERAGE_KEPT_S - 1)
    assert _rows(plane) == (1, 2)
    age(plane.database, midnight + DAY_S + COVERAGE_KEPT_S)
    assert _rows(plane) == (1, 0)


@on_both_databases
def test_authority_whose_ranges_have_asked_is_not_removed(node: Machine) -> None:
    plane = node.plane
    plane.done("PUT", "/v1/authorities/village", authority())
    plane.done("PUT", "/v1/spaces/default/203.0.113.0/24", {"authority": "village"})
    _register(plane, "203.0.113.0/24", "village")
    node.use(batch(ranges=[_asked(9, "203.0.113.0/24")]))
    plane.done("DELETE", "/v1/ranges/default/203.0.113.0/24")
    plane.done("DELETE", "/v1/spaces/default/203.0.113.0/24")
    assert plane.call("DELETE", "/v1/authorities/village").status_code == 409


@on_both_databases
@pytest.mark.parametrize(
    ("what", "left"),
    [
        ({"from": "2026-09-21"}, (0, 0)),
        ({"to": "2026-09-20"}, (2, 2)),
        ({"range": {"prefix": TOWN}}, (1, 1)),
        ({"range": {"prefix": TOWN}, "to": "2026-09-20"}, (2, 2)),
    ],
)
def test_erasing_usage_erases_coverage(node: Machine, what: dict[str, Any], left: tuple[int, int]) -> None:
    _register(node.plane, "192.0.2.128/25")
    node.use(batch(ranges=[_asked(9), _asked(9, "192.0.2.128/25")]))
    answer = node.plane.done("POST", "/v1/usage/erase", {"authority": "town", "reason": "a mistake", **what})
    assert (_rows(node.plane), answer["coverage"]) == (left, 2 - left[1])


def test_pages_follow_each_other(node: Machine) -> None:
    _register(node.plane, "192.0.2.128/25")
    page = node.plane.done("GET", f"{ALL}&limit=1")
    following = node.plane.done("GET", f"{ALL}&limit=1&cursor={page['next']}")
    assert [one["prefix"] for one in page["items"] + following["items"]] == [TOWN, "192.0.2.128/25"]
    assert following["next"] is None


def test_batch_of_an_hour_counts_until_its_end_and_never_in_the_future(node: Machine) -> None:
    node.use(batch(ranges=[_asked(9)], start="2026-09-21T12:00:00Z", until="2026-09-21T23:00:00Z"))
    assert _items(node.plane)[0]["last_asked"] == ASKED


def test_many_ranges_of_one_report_are_stored(node: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_queries, "AT_ONCE", 2)
    prefixes = [f"192.0.2.{16 * number}/28" for number in range(5)]
    for prefix in prefixes:
        _register(node.plane, prefix)
    node.use(batch(ranges=[_asked(9, prefix) for prefix in prefixes]))
    node.use(batch(ranges=[_asked(1, prefix) for prefix in prefixes], sequence=2))
    assert [item["usual_per_hour"] for item in _items(node.plane)[1:]] == [10] * 5
