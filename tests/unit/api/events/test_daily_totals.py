"""Files and syslog servers get the totals of each day once, when they are final."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.auth.tokens import load_key
from api.db.models import UsageDayRow
from api.delivery.destinations import FileDestination
from api.events.daily_totals import due_day, due_s
from api.events.event_job import EventJob
from api.usage.repository import DayKey, add
from dnsfilter.policy.calendar import after_day
from tests.unit.api.conftest import START, Plane

DAY_S = 86_400
TODAY = date(2026, 9, 21)
"""The day of `START`."""


def _serve(plane: Plane, path: Path) -> None:
    """Serve the file until nothing is left, by a control plane that has just started."""
    key = load_key(plane.settings.token_key_path)
    job = EventJob(plane.database, key, dict, [FileDestination(path)], plane.clock, plane.clock)
    for _ in range(2):
        job.round()
        job.finish_round()
    job.stop()


def _count(plane: Plane, day: date, queries: int, authority: str = "town", **fields: str) -> None:
    key = DayKey(authority, day.isoformat(), "alpha", authority, "own", "refused")._replace(**fields)
    with plane.database.writing() as session:
        add(session, UsageDayRow, {key: queries})


def _totals(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [event for event in map(json.loads, lines) if event["type"] == "totals.day"]


def test_a_day_is_sent_once_when_it_is_final_also_after_restarts(town: Plane, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    _count(town, TODAY - timedelta(days=30), 99)
    _serve(town, path)
    _count(town, TODAY, 12)
    _count(town, TODAY, 7, result="exempted")
    _count(town, TODAY + timedelta(days=1), 3)
    town.clock.now = due_s(TODAY) - 1
    _serve(town, path)
    assert _totals(path) == [], "a report may still come"
    town.clock.now += 1
    _serve(town, path)
    (first,) = _totals(path)
    town.clock.now += 3 * DAY_S
    _serve(town, path)
    _serve(town, path)
    assert first == {
        "id": "totals/2026-09-21/town/alpha/town/own",
        "type": "totals.day",
        "time": "2026-09-21T22:00:00Z",
        "installation": town.done("GET", "/v1/snapshot-key")["installation"],
        "authorities": ["town"],
        "data": {
            "day": "2026-09-21",
            "authority": "town",
            "service": "alpha",
            "ban_authority": "town",
            "ground": "own",
            "refused": {"queries": 12, "below": None},
            "monitored": {"queries": 0, "below": None},
            "exempted": {"queries": 7, "below": None},
        },
    }
    assert [one["data"]["refused"] for one in _totals(path)] == [
        {"queries": 12, "below": None},
        {"queries": None, "below": 5},
    ]


def test_a_day_that_a_destination_missed_follows_in_order(town: Plane, tmp_path: Path) -> None:
    _serve(town, tmp_path / "events.jsonl")
    for number in range(3):
        _count(town, TODAY + timedelta(days=number), 10 + number)
    town.clock.now += 30 * DAY_S
    _serve(town, tmp_path / "none" / "events.jsonl")
    town.clock.now += DAY_S
    (tmp_path / "none").mkdir()
    _serve(town, tmp_path / "none" / "events.jsonl")
    found = _totals(tmp_path / "none" / "events.jsonl")
    assert [one["data"]["refused"]["queries"] for one in found] == [10, 11, 12]


def test_an_authority_whose_queries_are_not_counted_has_no_total(town: Plane, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    _serve(town, path)
    _count(town, TODAY, 50)
    _count(town, TODAY, 60, "zone", ban_authority="town", ground="law")
    town.done("PATCH", "/v1/authorities/town", {"usage": "none"})
    town.clock.now += 30 * DAY_S
    _serve(town, path)
    (one,) = _totals(path)
    assert (one["authorities"], one["data"]["authority"], one["data"]["ban_authority"]) == (
        ["town", "zone"],
        "zone",
        "town",
    )


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Pacific/Kiritimati", "Europe/Brussels"])
def test_a_day_is_due_after_it_ended_everywhere_and_three_days_passed(zone: str) -> None:
    at = due_s(TODAY)
    assert (due_day(at - 1), due_day(at)) == (TODAY - timedelta(days=1), TODAY)
    assert at - after_day(TODAY, zone) >= 3 * DAY_S
    assert at > START
