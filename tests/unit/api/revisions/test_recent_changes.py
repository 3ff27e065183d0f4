"""The newest changes of bans and suspensions: acts, and what happens at an instant without an act."""

from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from api.audit.acts import ACTS
from api.db.base import Base
from api.revisions.recent_changes import NEWEST, OF_ACTS, RecentChanges
from api.server.metrics.collectors import Scraped, changes
from tests.unit.api.conftest import START, Plane, ban, on_both_databases

ALPHA = "/v1/authorities/town/bans/alpha"
BETA = "/v1/authorities/town/bans/beta"
HOUR_S, DAY_S = 3600, 86_400


def _changes(plane: Plane) -> list[tuple[int, str, str, str]]:
    """Return the changes, newest first: seconds since the start, authority, service and change."""
    found = RecentChanges(plane.database, plane.clock).changes()
    return [(one.at - START, one.authority, one.service, str(one.change)) for one in found]


def test_every_act_on_a_ban_or_a_single_name_is_a_change() -> None:
    assert OF_ACTS.keys() == {act for act in ACTS if act.startswith(("ban.", "name."))}


@on_both_databases
def test_acts_are_changes_of_their_ban(town: Plane) -> None:
    assert _changes(town) == [(0, "town", "alpha", "adopted")]
    for body in ({"mode": "monitor"}, {"mode": "off"}, {"mode": "monitor"}):
        town.clock.now += 60
        town.done("PATCH", ALPHA, {**body, "mode_reason": "for a test"})
    town.clock.now += 60
    town.done("POST", f"{ALPHA}/end", {"reason": "lifted", "decision": {"reference": "C-9"}})
    # Of the two changes to monitor, the later one is left.
    expected = [(240, "ended"), (180, "monitor"), (120, "off"), (0, "adopted")]
    assert _changes(town) == [(at, "town", "alpha", change) for at, change in expected]


def test_acts_on_single_names_are_changes(town: Plane) -> None:
    names = "/v1/authorities/town/names"
    town.done("PUT", f"{names}/example.com", {"verdict": "refuse", "reason": "phishing"})
    town.clock.now += 60
    town.done("PUT", f"{names}/alpha1.example.org", {"verdict": "allow", "reason": "the portal"})
    town.clock.now += 60
    town.done("DELETE", f"{names}/alpha1.example.org")
    expected = [
        (120, "alpha1.example.org", "ended"),
        (60, "alpha1.example.org", "allowed"),
        (0, "example.com", "refused"),
    ]
    assert [(at, name, change) for at, _, name, change in _changes(town)[:3]] == expected


@on_both_databases
def test_a_mode_that_returns_and_a_suspension_change_something_without_an_act(town: Plane) -> None:
    town.done("PATCH", ALPHA, {"mode": "off", "mode_reason": "for a test", "for": "1 hour"})
    town.clock.now += 60
    town.done("POST", "/v1/suspensions", {"authority": "town", "for": "30m", "reason": "for a test"})
    town.clock.now += 60
    town.done("POST", "/v1/suspensions", {"authority": None, "for": "30m", "reason": "for a test"})
    town.clock.now = START + HOUR_S - 1
    suspensions = [(120 + 1800, "", "", "resumed"), (60 + 1800, "town", "", "resumed")]
    suspensions += [(120, "", "", "suspended"), (60, "town", "", "suspended")]
    assert _changes(town)[:4] == suspensions
    town.clock.now += 1
    assert _changes(town)[0] == (HOUR_S, "town", "alpha", "enforce")


@on_both_databases
def test_a_ban_begins_and_lapses_and_a_renewal_without_a_gap_does_neither(town: Plane) -> None:
    days = ("2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01")
    spans = [(0, 1), (1, 2), (3, 4)]
    terms = [{"start": f"{days[first]}T00:00:00Z", "end": f"{days[last]}T00:00:00Z"} for first, last in spans]
    town.done("PUT", BETA, ban(terms=terms))
    seen: set[Any] = set()
    for day in (1_790_812_800, 1_793_491_200, 1_796_083_200, 1_798_761_600, 1_801_440_000):
        for town.clock.now in (day - 1, day):
            seen |= {(at + START, change) for at, _, service, change in _changes(town) if service == "beta"}
    began, lapsed = (1_790_812_800, 1_798_761_600), (1_796_083_200, 1_801_440_000)
    assert seen == {(START, "adopted"), *((at, "began") for at in began), *((at, "lapsed") for at in lapsed)}


def test_only_the_newest_have_a_series(town: Plane) -> None:
    authorities, suspensions = (Base.metadata.tables[name] for name in ("authorities", "suspensions"))
    starts = {f"a{number}": START + number for number in range(NEWEST + 1)}
    fixed = {"reason": "", "recorded_by": 0, "revision": 1}
    with town.database.engine.begin() as connection:
        model = dict(connection.execute(select(authorities).limit(1)).mappings().one())
        connection.execute(insert(authorities), [{**model, "slug": slug} for slug in starts])
        rows = ({**fixed, "authority": slug, "start_s": at, "end_s": START + DAY_S} for slug, at in starts.items())
        connection.execute(insert(suspensions), list(rows))
    town.clock.now += 10 * NEWEST
    text = generate_latest(town.registry).decode()
    assert text.count("dnsfilter_change_timestamp_seconds{") == NEWEST
    # The first suspension is as old as the adoption of a ban, and both are older than the others.
    shown = [(authority, change) for _, authority, _, change in _changes(town)]
    assert shown == [(slug, "suspended") for slug in reversed([*starts][1:])]


def test_the_policy_changed_with_the_last_act_that_made_a_revision(town: Plane) -> None:
    def changed() -> float | None:
        return town.registry.get_sample_value("dnsfilter_api_policy_changed_timestamp_seconds")

    assert changed() == START
    town.clock.now += 60
    town.done("PATCH", ALPHA, {"mode": "monitor", "mode_reason": "for a test"})
    town.clock.now += 60
    town.account("someone")
    assert changed() == START + 60


def test_an_empty_installation_has_no_change(plane: Plane) -> None:
    found = RecentChanges(plane.database, plane.clock)
    assert (found.changes(), found.policy_changed_s()) == ([], None)


def test_no_series_while_the_database_is_unavailable(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> object:
        raise OperationalError("", {}, Exception("away"))

    monkeypatch.setattr(town.database, "reading", away)
    recent = RecentChanges(town.database, town.clock)
    assert list(Scraped(lambda: changes(recent)).collect()) == []
