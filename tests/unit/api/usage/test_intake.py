"""Usage that nodes report is counted once, at the level of its authority, and nothing else is counted."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.db.models import BypassDayRow, CoverageDayRow, UsageDayRow, UsageStreamRow
from api.nodes.fleet import Fleet
from api.usage import intake, repository
from api.usage.ageing import age
from api.usage.booking import Part, Registered, Sums
from api.usage.repository import Bypass, Day, DayKey, PendingName, Progress
from api.usage.schemas import MAX_COUNTS, MAX_QUERIES
from api.usage.state import LARGEST
from dnsfilter.policy.model import DAY_S
from tests.unit.api.conftest import START, Plane, authority, on_both_databases
from tests.unit.api.nodes.conftest import Machine, report
from tests.unit.api.usage.conftest import STREAM, Hour, batch, bypass, count, hours, pending, refused

DAY = date(2026, 9, 21)
EVER = date(2020, 1, 1), date(2030, 1, 1)
RANGE = {"prefix": "192.0.2.0/24"}


def _days(plane: Plane, slug: str = "town", service: str | None = None) -> list[Day]:
    with plane.database.reading() as session:
        return list(repository.days(session, slug, service, *EVER))


def _bypass(plane: Plane, slug: str = "town") -> list[Bypass]:
    with plane.database.reading() as session:
        return list(repository.bypass(session, slug, *EVER))


def _asked(plane: Plane) -> int:
    with plane.database.reading() as session:
        return sum(sum(row.hours) for row in session.scalars(select(CoverageDayRow)))


def _level(plane: Plane, level: str, slug: str = "town") -> None:
    plane.done("PATCH", f"/v1/authorities/{slug}", {"usage": level})


@on_both_databases
def test_counts_of_all_nodes_and_batches_are_added_by_day_and_ban(node: Machine) -> None:
    plane, other = node.plane, Machine.enrolled(node.plane, "office-2")
    monitored = count(3, result="monitored", ban_authority="zone", ground="law")
    assert node.use(batch([count(), monitored], [bypass()])) == 0
    assert node.use(batch([count(5)], [bypass(1), bypass(2, kind="ddr")], sequence=2)) == 1
    assert other.use(batch([count(100, service="beta")])) == 0
    assert _days(plane) == [
        Day("town", DAY, "alpha", "town", "own", "refused", 15),
        Day("town", DAY, "alpha", "zone", "law", "monitored", 3),
        Day("town", DAY, "beta", "town", "own", "refused", 100),
    ]
    assert _days(plane, service="beta") == _days(plane)[2:]
    assert _bypass(plane) == [Bypass("town", DAY, "ddr", 2), Bypass("town", DAY, "encrypted_dns", 8)]
    assert (hours(plane), _days(plane, "zone"), _bypass(plane, "zone")) == ([], [], [])
    with plane.database.reading() as session:
        by_ban = repository.days_by_ban(session, "zone", ["alpha"], DAY, DAY)
        assert list(by_ban) == [_days(plane)[1]]
        assert repository.days(session, "town", None, date(2026, 9, 22), EVER[1]) == []


@on_both_databases
def test_batch_is_counted_once_for_each_node_stream_and_sequence(node: Machine) -> None:
    other = Machine.enrolled(node.plane, "office-2")
    for machine in (node, other):
        assert machine.use(batch([count(1)])) == 0
        assert machine.use(batch([count(1)])) == 1
    assert node.use(batch([count(1)], sequence=5)) == 1
    assert node.use(batch([count(1)], sequence=4)) == 5
    assert node.use(batch([count(1)], stream=STREAM[::-1])) == 0
    assert [row.queries for row in _days(node.plane)] == [4]


def test_batch_that_is_stored_is_known_after_a_restart(node: Machine) -> None:
    node.use(batch([count(1)]))
    again = Fleet(node.plane.database, node.plane.publisher, node.plane.clock)
    node.plane.app.state.fleet = again
    assert node.use(batch([count(1)])) == 1
    assert [row.queries for row in _days(node.plane)] == [1]


@on_both_databases
def test_large_batch_is_stored_in_parts_and_counted_once_over_a_failure_and_a_restart(
    node: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = node.plane
    monkeypatch.setattr(intake, "ITEMS", 2)
    usage = batch([count(1), count(2, service="beta"), count(4)], [bypass(8)], ranges=[{**RANGE, "queries": 16}])
    add = repository.add

    def failing(session: Session, kind: type[repository.Row], counts: Mapping[Any, int]) -> None:
        if kind is BypassDayRow and counts:
            raise OperationalError("INSERT", {}, Exception("disk full"))
        add(session, kind, counts)

    monkeypatch.setattr(repository, "add", failing)
    with pytest.raises(OperationalError):
        node.use(usage)
    assert [row.queries for row in _days(plane)] == [1, 2], "the first part is stored"
    assert node.call("POST", "report", report(usage=usage)).json()["usage"] == 0, "the batch is not complete"
    monkeypatch.setattr(repository, "add", add)
    plane.app.state.fleet = Fleet(plane.database, plane.publisher, plane.clock)
    assert node.use(usage) == 0
    assert node.use(usage) == 1
    assert [row.queries for row in _days(plane)] == [5, 2]
    assert [row.queries for row in _bypass(plane)] == [8]
    assert _asked(plane) == 16


@on_both_databases
def test_batch_that_follows_a_part_of_a_dropped_one_is_complete(node: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "ITEMS", 1)
    with node.plane.database.writing() as session:
        repository.note_progress(session, 1, STREAM, Progress(1, 2), START)
    assert node.use(batch([count(1), count(2), count(4)], sequence=2)) == 0
    assert node.use(batch(sequence=2)) == 2
    assert [row.queries for row in _days(node.plane)] == [7]


def test_several_small_batches_are_stored_in_one_transaction(node: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Machine.enrolled(node.plane, "office-2")
    for machine in (node, other):
        machine.call("POST", "report", report(usage=batch([count(1)])))
    stored: list[int] = []
    add = repository.add

    def watched(session: Session, kind: type[repository.Row], counts: Mapping[Any, int]) -> None:
        if kind is UsageDayRow:
            stored.append(sum(counts.values()))
        add(session, kind, counts)

    monkeypatch.setattr(repository, "add", watched)
    node.plane.app.state.fleet.usage.store_held()
    assert stored == [2]


# What two intakes, two threads or an act can do between the preparation of counts and their storage.


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return a function that lets something happen once, after counts are prepared and before they are stored."""

    def arrange(happen: Callable[[], object]) -> None:
        waiting = [happen]
        book = Registered.book

        def booked(self: Registered, parts: Iterable[Part]) -> Sums:
            sums = book(self, parts)
            while waiting:
                waiting.pop()()
            return sums

        monkeypatch.setattr(Registered, "book", booked)

    return arrange


@on_both_databases
def test_batch_that_two_control_planes_hold_is_counted_once(
    node: Machine, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    plane, usage = node.plane, batch([count(1)], [bypass(2)])
    first = plane.app.state.fleet
    node.call("POST", "report", report(usage=usage))
    plane.app.state.fleet = second = Fleet(plane.database, plane.publisher, plane.clock)
    node.call("POST", "report", report(usage=usage))
    meanwhile(second.usage.store_held)
    first.usage.store_held()
    assert ([row.queries for row in _days(plane)], [row.queries for row in _bypass(plane)]) == ([1], [2])
    for fleet in (first, second):
        plane.app.state.fleet = fleet
        assert node.use(usage) == 1


def test_batch_that_comes_again_while_it_is_stored_is_counted_once(
    node: Machine, meanwhile: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = node.plane.app.state.fleet.usage
    monkeypatch.setattr(usage, "_last", lambda *_: 0)  # both reports were read before the batch was stored
    meanwhile(lambda: node.call("POST", "report", report(usage=batch([count(1)]))))
    node.use(batch([count(1)]))
    node.use(batch([count(1)]))
    monkeypatch.undo()
    assert node.use(batch([count(2)], sequence=2)) == 1
    assert node.use(batch([count(2)], sequence=2)) == 2
    assert [row.queries for row in _days(node.plane)] == [3]


def test_two_threads_that_store_at_once_count_once(
    node: Machine, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    usage = node.plane.app.state.fleet.usage
    failures: list[BaseException] = []

    def store() -> None:
        try:
            usage.store_held()
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    other = Thread(target=store)
    node.call("POST", "report", report(usage=batch([count(1)])))
    meanwhile(other.start)
    usage.store_held()
    other.join()
    assert failures == []
    assert [row.queries for row in _days(node.plane)] == [1]


def test_earlier_batch_that_comes_later_is_counted(node: Machine) -> None:
    for sequence in (2, 1):
        node.call("POST", "report", report(usage=batch([count(sequence)], sequence=sequence)))
    node.plane.app.state.fleet.usage.store_held()
    assert [row.queries for row in _days(node.plane)] == [3]


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/authorities/town", {"usage": "none"}), ("/v1/authorities/town", {"usage": "authority"})]
)
def test_level_that_is_lowered_while_counts_are_stored_holds_for_them(
    node: Machine, meanwhile: Callable[[Callable[[], object]], None], path: str, body: dict[str, str]
) -> None:
    _level(node.plane, "range")
    meanwhile(lambda: node.plane.done("PATCH", path, body))
    node.use(batch([count(range=RANGE)]))
    assert hours(node.plane) == []
    assert len(_days(node.plane)) == (body["usage"] == "authority")


def test_report_does_not_wait_for_the_database(node: Machine) -> None:
    usage = batch([count()])
    with node.plane.database.writing():
        assert node.call("POST", "report", report(usage=usage)).json()["usage"] == 0
        assert node.call("POST", "report", report(usage=usage)).json()["usage"] == 0
    assert _days(node.plane) == []
    assert node.use(usage) == 0
    assert node.use(usage) == 1
    assert [row.queries for row in _days(node.plane)] == [10]


def test_held_batches_are_limited(node: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_HELD", 3)
    other = Machine.enrolled(node.plane, "office-2")
    for sequence in range(1, 4):
        node.call("POST", "report", report(usage=batch([count(1)], sequence=sequence)))
    other.use(batch([count(50)]))
    assert [row.queries for row in _days(node.plane)] == [3]
    other.use(batch([count(50)]))
    assert [row.queries for row in _days(node.plane)] == [53], "the node keeps its batch until it is stored"


def test_batches_of_one_node_are_held_in_order(node: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_HELD_EACH", 2)
    for sequence in (1, 2, 3):
        node.call("POST", "report", report(usage=batch([count(1)], sequence=sequence)))
    assert node.use(batch([count(1)], sequence=3)) == 0
    assert node.use(batch([count(1)], sequence=3)) == 2
    assert [row.queries for row in _days(node.plane)] == [3]


def test_report_without_usage_gets_no_sequence(node: Machine) -> None:
    assert node.use(None) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"authority": "nobody"},
        {"service": "gamma"},
        {"ban_authority": "nobody"},
        {"ground": "whim"},
        {"result": "answered"},
        {"authority": "zone"},
    ],
)
def test_unknown_counts_and_those_of_an_authority_at_none_are_counted_nowhere(
    node: Machine, changes: dict[str, Any]
) -> None:
    _level(node.plane, "none", "zone")
    attempts = [bypass(authority="nobody"), bypass(authority="zone"), bypass(kind="tunnel")]
    node.use(batch([count(1), count(**changes)], attempts))
    with node.plane.database.reading() as session:
        assert session.scalar(select(func.sum(UsageDayRow.queries))) == 1
    assert _bypass(node.plane) == []
    assert node.use(batch()) == 1, "the batch is stored"


def test_counts_of_a_name_that_a_node_refuses_by_itself_are_those_of_its_authority(node: Machine) -> None:
    node.use(batch([count(3, service="example.com"), count(4, service="example.com", ban_authority="zone")]))
    with node.plane.database.reading() as session:
        assert session.scalar(select(func.sum(UsageDayRow.queries)).where(UsageDayRow.service == "example.com")) == 3


def _pending(plane: Plane, service: str = "alpha", since: date = DAY, slug: str | None = None) -> list[PendingName]:
    with plane.database.reading() as session:
        return list(repository.pending_names(session, service, since, slug))


@on_both_databases
def test_queries_for_pending_names_are_added_by_authority_and_name(node: Machine) -> None:
    plane = node.plane
    early = "2026-09-20T13:30:00Z"
    node.use(batch(pending=[pending(), pending(1, authority="zone"), pending(2, name="b.example.org")]))
    node.use(batch(pending=[pending(40), pending(9, service="beta")], sequence=2))
    node.use(batch(pending=[pending(300)], sequence=3, start=early))
    assert _pending(plane) == [
        PendingName("town", "alpha", "new.example.org", 45),
        PendingName("town", "alpha", "b.example.org", 2),
        PendingName("zone", "alpha", "new.example.org", 1),
    ]
    assert _pending(plane, slug="zone") == _pending(plane)[2:]
    assert _pending(plane, "beta") == [PendingName("town", "beta", "new.example.org", 9)]
    assert _pending(plane, since=date(2026, 9, 20))[0].queries == 345


@pytest.mark.parametrize("changes", [{"authority": "nobody"}, {"service": "gamma"}, {"queries": 0}])
def test_unknown_pending_names_are_counted_nowhere(node: Machine, changes: dict[str, Any]) -> None:
    node.use(batch(pending=[pending(**changes)]))
    assert _pending(node.plane) == _pending(node.plane, "gamma") == []
    assert node.use(batch()) == 1, "the batch is stored"


def test_pending_names_of_an_authority_at_none_are_not_counted(node: Machine) -> None:
    _level(node.plane, "none")
    node.use(batch(pending=[pending()]))
    assert _pending(node.plane) == []


def test_queries_for_pending_names_go_after_a_month(node: Machine) -> None:
    plane = node.plane
    node.use(batch(pending=[pending()]))
    for days, kept in ((30, True), (31, False)):
        age(plane.database, START + days * DAY_S)
        assert bool(_pending(plane)) is kept


@on_both_databases
def test_ranges_are_counted_by_hour_at_their_level_only(node: Machine) -> None:
    plane = node.plane
    plane.done(
        "PUT", "/v1/ranges/default/192.0.2.0/29", {"authority": "town", "funding": "public", "audience": "staff"}
    )
    usage = [
        count(1, range=RANGE),
        count(2, range={"prefix": "192.0.2.0/29"}),
        count(4, range={"prefix": "198.51.100.0/24"}),
        count(8, range={"prefix": "203.0.113.0/24"}),
        count(16),
    ]
    node.use(batch(usage))
    assert hours(plane) == []
    _level(plane, "range")
    node.use(batch(usage, sequence=2))
    node.use(batch([count(1, range=RANGE)], sequence=3, start="2026-09-21T13:59:00Z"))
    hour_s = START - START % 3600
    ban = "alpha", "town", "own", "refused"
    assert hours(plane) == [
        Hour("town", "default", "192.0.2.0/24", hour_s - 3600, *ban, 1),
        Hour("town", "default", "192.0.2.0/24", hour_s, *ban, 1),
    ]
    assert [row.queries for row in _days(plane)] == [31 + 31 + 1]


@pytest.mark.parametrize(
    ("start", "clock", "day"),
    [
        ("2026-09-21T21:59:00Z", None, "2026-09-21"),
        ("2026-09-21T21:59:58Z", None, "2026-09-22"),
        ("2026-09-21T22:00:00Z", None, "2026-09-22"),
        ("2026-09-21T23:00:00Z", "2026-09-22T07:00:00Z", "2026-09-21"),
        ("2026-09-30T00:00:00Z", None, "2026-09-22"),
        ("2020-01-01T00:00:00Z", None, "2026-06-22"),
    ],
)
def test_day_is_that_of_the_authority_by_the_clock_of_the_control_plane(
    node: Machine, start: str, clock: str | None, day: str
) -> None:
    node.plane.done("PUT", "/v1/authorities/town", authority(time_zone="Europe/Brussels"))
    node.plane.clock.now = START + 8 * 3600 + 46 * 60 + 40  # 23:00 UTC
    usage = batch([count()], start=start)
    body = report(usage=usage, clock=clock or "2026-09-21T23:00:00Z")
    assert node.call("POST", "report", body).status_code == 200
    node.plane.app.state.fleet.usage.store_held()
    assert [row.day for row in _days(node.plane)] == [date.fromisoformat(day)]


@on_both_databases
def test_count_stays_at_the_largest_number(node: Machine) -> None:
    key = DayKey("town", DAY.isoformat(), "alpha", "town", "own", "refused")
    for queries in (LARGEST - 9, 10, 2 * LARGEST):
        with node.plane.database.writing() as session:
            repository.add(session, UsageDayRow, {key: queries})
    assert [row.queries for row in _days(node.plane)] == [LARGEST]


@pytest.mark.parametrize(
    "usage",
    [
        batch(stream="0"),
        batch(stream=STREAM.upper()),
        batch(sequence=0),
        batch(sequence=2**53),
        batch([count(-1)]),
        batch([count(MAX_QUERIES + 1)]),
        batch([count()] * (MAX_COUNTS + 1)),
        batch(bypass=[bypass()] * (MAX_COUNTS + 1)),
        batch([count(authority="Town")]),
        batch([count(range={"prefix": "192.0.2.1/24"})]),
        batch([count(10**12)]),
        batch(start="yesterday"),
        batch(clients=[refused(client="192.0.2.1")]),
        batch(clients=[refused(client="0" * 15)]),
        batch(clients=[refused(client="A" * 16)]),
        batch(clients=[refused(minute="now")]),
        batch(clients=[refused(-1)]),
    ],
)
def test_malformed_batch_is_refused_with_its_report(unheard: Machine, usage: dict[str, Any]) -> None:
    answer = unheard.call("POST", "report", report(usage=usage))
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["location"].startswith("body.usage.")
    assert unheard.stands()["seen"] is None


@on_both_databases
def test_old_streams_of_a_node_are_forgotten(node: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "STREAMS_KEPT", 2)
    for number in range(4):
        node.plane.clock.now += 1
        node.use(batch([count()], stream=f"{number:032x}"))
    with node.plane.database.reading() as session:
        streams = session.scalars(select(UsageStreamRow.stream).order_by(UsageStreamRow.stream)).all()
    assert streams == [f"{number:032x}" for number in (2, 3)]


def test_removed_node_takes_its_streams_along(node: Machine) -> None:
    node.use(batch([count()]))
    node.plane.done("DELETE", "/v1/nodes/office-1")
    node.plane.clock.now += 91 * 86_400
    assert node.plane.app.state.fleet.reports.sweep() == 1
    with node.plane.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(UsageStreamRow)) == 0
    assert len(_days(node.plane)) == 1
