"""Metrics show nodes, bans with their dates, exemptions, receivers of events, and the state of the machine."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Table, insert, select, update
from sqlalchemy.exc import OperationalError

from api.bans.ban_summaries import BanSummaries
from api.db.base import Base
from api.db.models import AuthorityRow
from api.events.event_job import ReceiverFigures
from api.exemptions.exemption_counts import ExemptionCounts
from api.feeds.failures import Failure
from api.feeds.feed_job import FeedFigures
from api.server.metrics.collectors import BanFamilies, Scraped, exemptions, feeds, process, receivers, state_dir
from dnsfilter.telemetry.exposition import write_page
from dnsfilter.telemetry.process_times import process_start_s
from dnsfilter.telemetry.scraped import Samples, parse_samples
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases, statements
from tests.unit.api.nodes.conftest import Machine

DAY_S = 86_400
AUTHORITIES, BANS, TERMS = (Base.metadata.tables[name] for name in ("authorities", "bans", "terms"))
BAN = {"authority": "town", "service": "alpha"}


def _value(plane: Plane, name: str, **labels: str) -> float | None:
    return _shown(plane).value(f"dnsfilter_ban_{name}", **{**BAN, **labels})


def _text(plane: Plane) -> str:
    return write_page(plane.registry.collect(), "", "").body.decode()


def _shown(plane: Plane) -> Samples:
    return parse_samples(_text(plane))


def _modes(plane: Plane) -> dict[str, float | None]:
    return {mode: _value(plane, "mode", mode=mode) for mode in ("enforce", "monitor", "off")}


def _timestamps(plane: Plane) -> list[float | None]:
    return [_value(plane, f"{name}_timestamp_seconds") for name in ("end", "review", "off_since")]


def test_a_ban_that_is_switched_off_keeps_its_series(town: Plane) -> None:
    assert _value(town, "info", reply="refused", reference="C-1") == 1
    assert _modes(town) == {"enforce": 1, "monitor": 0, "off": 0}
    assert _timestamps(town)[2] is None
    town.clock.now += 60
    body = {"mode": "off", "mode_reason": "for a test", "for": "2 days"}
    town.done("PATCH", "/v1/authorities/town/bans/alpha", body)
    assert _modes(town) == {"enforce": 0, "monitor": 0, "off": 1}
    assert (_value(town, "in_force"), _timestamps(town)[2]) == (1, START + 60)
    town.clock.now += 4 * DAY_S
    # The mode returns by itself.
    assert _modes(town) == {"enforce": 1, "monitor": 0, "off": 0}
    assert _timestamps(town)[2] is None


def test_a_ban_ends_with_the_last_term_that_continues_it(town: Plane) -> None:
    def term(first: int, last: int) -> dict[str, str]:
        days = ["2026-10-01", "2026-11-01", "2026-12-01", "2027-02-01", "2027-03-01"]
        return {"start": f"{days[first]}T00:00:00Z", "end": f"{days[last]}T00:00:00Z"}

    terms = [term(0, 1), term(1, 2), term(3, 4)]
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=terms))
    labels = {**BAN, "service": "beta"}

    def values() -> list[float | None]:
        names = ("dnsfilter_ban_in_force", "dnsfilter_ban_end_timestamp_seconds")
        shown = _shown(town)
        return [shown.value(name, **labels) for name in names]

    assert values() == [0, None]
    town.clock.now = 1_791_000_000
    assert values() == [1, 1_796_083_200]  # 2026-12-01
    town.clock.now = 1_796_083_200
    assert values() == [0, None]


def test_an_open_ban_has_a_review_and_no_end(town: Plane) -> None:
    review = "2027-01-01T00:00:00Z"
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"review_by": review}]))
    labels = {**BAN, "service": "beta"}
    shown = _shown(town)
    values = [shown.value(f"dnsfilter_ban_{name}_timestamp_seconds", **labels) for name in ("end", "review")]
    assert values == [None, 1_798_761_600]


def test_exemptions_count_by_the_authority_of_the_ban(town: Plane) -> None:
    def values() -> list[float | None]:
        counts = [
            town.registry.get_sample_value("dnsfilter_exemptions", {"authority": "town", "state": state})
            for state in ("in_force", "waiting")
        ]
        waiting = town.registry.get_sample_value("dnsfilter_exemption_waiting_seconds", {"authority": "town"})
        return [*counts, waiting]

    assert values() == [None, None, None]
    body = {"ban": "town/alpha", "site": "default", "ranges": ["192.0.2.0/24"], "for": "7 days", "reason": "for a test"}
    number = town.done("POST", "/v1/exemptions", body)["number"]
    town.clock.now += 3600
    assert values() == [None, 1, 3600]
    town.done("POST", f"/v1/exemptions/{number}/approve", {"note": "for a test"}, token=town.other())
    assert values() == [1, None, None]
    town.clock.now += 8 * DAY_S
    assert values() == [None, None, None]


def test_no_series_while_the_database_is_unavailable(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> object:
        raise OperationalError("", {}, Exception("away"))

    monkeypatch.setattr(town.database, "reading", away)
    assert list(Scraped(BanFamilies(BanSummaries(town.database, town.clock))).collect()) == []
    counts = ExemptionCounts(town.database, town.clock)
    assert list(Scraped(lambda: exemptions(counts)).collect()) == []


@on_both_databases
def test_a_scrape_of_a_thousand_bans_needs_few_statements(town: Plane) -> None:
    def scrape() -> str:
        return _text(town)

    few = statements(town, scrape)
    _fill(town, authorities=100, bans=10)
    text = ""

    def read() -> None:
        nonlocal text
        text = scrape()

    # The terms of five hundred bans are one statement.
    assert statements(town, read) <= few + 2
    assert text.count("dnsfilter_ban_info{") == 1001


@on_both_databases
def test_a_second_scrape_reads_only_bans_that_have_changed(town: Plane) -> None:
    _fill(town, authorities=10, bans=2)
    bans = BanSummaries(town.database, town.clock)
    of_first = statements(town, bans.summaries)
    first = bans.summaries()
    of_next = statements(town, bans.summaries)
    assert of_next == of_first - 2, "neither bans nor terms"
    assert bans.summaries() is first
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor", "mode_reason": "for a test"})
    assert [one.mode for one in bans.summaries()] == ["monitor", *["enforce"] * 20]
    assert statements(town, bans.summaries) == of_next
    end = first[0].end
    assert end is not None
    for at, expected in ((end - 1, True), (end, False), (end - 1, True)):
        town.clock.now = at
        assert {one.in_force for one in bans.summaries()} == {expected}


def _fill(plane: Plane, *, authorities: int, bans: int) -> None:
    """Add bans of many authorities, copied from the one of `town`."""
    numbers = range(1000, 1000 + authorities * bans)
    with plane.database.engine.begin() as connection:

        def first(table: Table) -> dict[str, Any]:
            return dict(connection.execute(select(table).limit(1)).mappings().one())

        def add(table: Table, rows: Iterable[dict[str, Any]]) -> None:
            connection.execute(insert(table), list(rows))

        town, model, term = first(AUTHORITIES), first(BANS), first(TERMS)
        add(AUTHORITIES, ({**town, "slug": f"a{number}"} for number in range(authorities)))
        numbered = ({"number": n, "authority": f"a{n % authorities}", "service": f"s{n}"} for n in numbers)
        add(BANS, ({**model, **changes} for changes in numbered))
        add(TERMS, ({**term, "id": number, "ban": number} for number in numbers))


def test_a_closed_authority_has_no_series(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/other", authority())
    town.done("PUT", "/v1/authorities/other/bans/beta", ban(terms=[{"for": "1 day"}]))
    of_other = re.compile(r'^dnsfilter_(ban|exemption|range)\w+{authority="other"', re.MULTILINE)
    assert of_other.search(_text(town))
    with town.database.engine.begin() as connection:
        closing = update(AuthorityRow).where(AuthorityRow.slug == "other").values(closes_s=int(town.clock.now))
        connection.execute(closing)
    assert not of_other.search(_text(town))


def test_each_enrolled_node_has_its_revision_and_the_age_of_its_report(town: Plane) -> None:
    def values(name: str) -> list[float | None]:
        labels = {"node": name, "site": "default"}
        metrics = ("dnsfilter_api_node_revision", "dnsfilter_api_node_report_age_seconds")
        return [town.registry.get_sample_value(metric, labels) for metric in metrics]

    def is_in(state: str) -> bool:
        labels = {"node": "office-1", "site": "default", "state": state}
        return town.registry.get_sample_value("dnsfilter_api_node_state", labels) == 1

    machine = Machine.enrolled(town, "office-1")
    assert values("office-1") == [None, None]
    assert is_in("waiting")
    machine.report(revision=town.revision())
    assert is_in("current")
    assert not is_in("waiting")
    town.clock.now += 70
    assert is_in("silent")
    assert values("office-1") == [town.revision(), 70]
    town.done("DELETE", "/v1/nodes/office-1")
    assert values("office-1") == [None, None]


def test_receivers_are_counted_by_state_and_each_has_its_waiting_time() -> None:
    registry = CollectorRegistry()
    found = [ReceiverFigures("file", False, 0), ReceiverFigures("webhook/3", True, 940, 2)]
    registry.register(Scraped(lambda: receivers(found)))
    samples = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert samples == [
        'dnsfilter_api_event_receivers{state="receives"} 1.0',
        'dnsfilter_api_event_receivers{state="fails"} 1.0',
        'dnsfilter_api_event_waiting_seconds{receiver="file"} 0.0',
        'dnsfilter_api_event_waiting_seconds{receiver="webhook/3"} 940.0',
        'dnsfilter_api_events_parked_total{receiver="file"} 0.0',
        'dnsfilter_api_events_parked_total{receiver="webhook/3"} 2.0',
    ]


def test_each_feed_has_its_age_and_failures_are_counted_by_reason() -> None:
    registry = CollectorRegistry()
    found = [FeedFigures("town", "town:games", 60, False), FeedFigures("zone", "zone:shops", 90_000, True)]
    registry.register(Scraped(lambda: feeds({Failure.STATUS: 3, Failure.TIMEOUT: 0}, found)))
    samples = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert samples == [
        'dnsfilter_api_feed_failures_total{reason="status"} 3.0',
        'dnsfilter_api_feed_failures_total{reason="timeout"} 0.0',
        'dnsfilter_api_feed_age_seconds{authority="town",service="town:games"} 60.0',
        'dnsfilter_api_feed_age_seconds{authority="zone",service="zone:shops"} 90000.0',
        'dnsfilter_api_feed_failing{authority="town",service="town:games"} 0.0',
        'dnsfilter_api_feed_failing{authority="zone",service="zone:shops"} 1.0',
    ]


@pytest.mark.parametrize("age_s", [None, 0, 90_000])
def test_the_disk_and_the_last_backup_are_shown(tmp_path: Path, age_s: int | None) -> None:
    registry = CollectorRegistry()
    registry.register(Scraped(lambda: state_dir(tmp_path, lambda: age_s)))
    assert registry.get_sample_value("dnsfilter_api_backup_age_seconds") == age_s
    free, size = (registry.get_sample_value(f"dnsfilter_api_state_disk_{name}_bytes") for name in ("free", "size"))
    assert free is not None
    assert size is not None
    assert 0 < free <= size


def test_a_directory_that_is_gone_leaves_the_other_metrics(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(Scraped(lambda: state_dir(tmp_path / "gone", lambda: 5)))
    assert registry.get_sample_value("dnsfilter_api_backup_age_seconds") == 5
    assert registry.get_sample_value("dnsfilter_api_state_disk_free_bytes") is None


def test_start_of_the_process_is_shown() -> None:
    registry = CollectorRegistry()
    registry.register(Scraped(process))
    assert registry.get_sample_value("process_start_time_seconds") == process_start_s()
