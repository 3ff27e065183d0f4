"""Usage is read with small numbers hidden, aged, and erased by an act."""

import csv
import io
from typing import Any

import pytest
from sqlalchemy import func, select

from api.db.models import UsageHourRow
from api.nodes.fleet import Fleet
from api.usage import router as module
from api.usage.reading import as_csv
from api.usage.release import Figure
from api.usage.repository import Counted
from api.usage.state import HOURS_KEPT_S
from tests.unit.api.conftest import START, Plane, on_both_databases, statements
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch, bypass, count

DAY_S = 86_400
RANGE = {"prefix": "192.0.2.0/24"}
ALL = "/v1/usage?authority=town&from=2026-01-01&to=2026-12-31"
HIDDEN = {"queries": None, "below": 5}
UNKNOWN = {"below": None, "at_least": None, "at_most": None}
WHERE = {"site": "default", "prefix": "192.0.2.0/24"}


def _fleet(plane: Plane) -> Fleet:
    fleet = plane.app.state.fleet
    assert isinstance(fleet, Fleet)
    return fleet


def _item(**changes: Any) -> dict[str, Any]:
    split = {"day": None, "hour": None, "site": None, "prefix": None, "label": None}
    ban = {"service": "alpha", "ban_authority": "town", "ground": "own", "result": "refused"}
    return {**split, **ban, **UNKNOWN, **changes}


def _items(plane: Plane, query: str = "", **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plane.done("GET", ALL + query, **options)["items"]
    return found


@pytest.fixture
def ranges(node: Machine) -> Plane:
    """Return a control plane with counts of a range on two days and in three hours. Both days are over."""
    node.plane.done("PATCH", "/v1/authorities/town", {"usage": "range"})
    for sequence, (start, queries) in enumerate(
        (("2026-09-20T12:59:00Z", 2), ("2026-09-20T13:30:00Z", 3), ("2026-09-21T13:00:00Z", 20)), 1
    ):
        counts = [count(queries, range=RANGE), count(100)]
        node.use(batch(counts, [bypass()], start, sequence=sequence))
    node.plane.clock.now += DAY_S
    return node.plane


def _hours(plane: Plane) -> int:
    """Return the number of stored counts of hours."""
    with plane.database.reading() as session:
        return session.scalar(select(func.count()).select_from(UsageHourRow)) or 0


@on_both_databases
def test_totals_below_five_are_hidden_and_zero_is_not(node: Machine) -> None:
    results = {"refused": 5, "monitored": 4, "exempted": 0}
    node.use(batch([count(queries, result=result) for result, queries in results.items()], [bypass(1)]))
    assert _items(node.plane) == [], "the day is not over"
    assert node.plane.done("GET", "/v1/usage/bypass?authority=town")["items"] == []
    node.plane.clock.now += DAY_S
    day = "2026-09-21"
    assert _items(node.plane) == [
        _item(day=day, result="exempted", queries=0),
        _item(day=day, result="monitored", **HIDDEN),
        _item(day=day, queries=5),
    ]
    attempts = node.plane.done("GET", "/v1/usage/bypass?authority=town")["items"]
    assert attempts == [{"day": day, "kind": "encrypted_dns", **HIDDEN}]


@on_both_databases
@pytest.mark.parametrize(("by", "more"), [("range", 0), ("hour", 12)])
def test_a_page_of_a_long_period_needs_few_statements(ranges: Plane, by: str, more: int) -> None:
    def read(first: str) -> None:
        ranges.done("GET", f"/v1/usage?authority=town&from={first}&to=2026-09-21&by={by}")

    few = statements(ranges, lambda: read("2026-09-20"))
    assert statements(ranges, lambda: read("2026-06-23")) <= few + more


@on_both_databases
def test_counts_are_split_by_day_hour_or_range(ranges: Plane) -> None:
    assert _items(ranges) == [_item(day="2026-09-20", queries=205), _item(day="2026-09-21", queries=120)]
    assert _items(ranges, "&by=hour") == [
        _item(hour="2026-09-20T12:00:00Z", **WHERE, **HIDDEN),
        _item(hour="2026-09-20T13:00:00Z", **WHERE, **HIDDEN),
        _item(hour="2026-09-21T13:00:00Z", **WHERE, queries=20),
    ]
    assert _items(ranges, "&by=range") == [_item(**WHERE, queries=None, at_least=22, at_most=28)]
    assert _items(ranges, "&service=beta") == []
    for day, shown in (("20", {"queries": None, "at_least": 2, "at_most": 8}), ("21", {"queries": 20})):
        query = f"authority=town&from=2026-09-{day}&to=2026-09-{day}&by=range"
        assert ranges.done("GET", f"/v1/usage?{query}")["items"] == [_item(**WHERE, **shown)]


@on_both_databases
@pytest.mark.parametrize(
    ("in_hours", "elsewhere"),
    [
        pytest.param((3, 20), 0, id="the only hidden number of the day"),
        pytest.param((4, 4), 0, id="two hidden numbers as large as possible"),
        pytest.param((20, 20), 3, id="the rest of the day is hidden"),
        pytest.param((3, 0), 4, id="a hidden number and a hidden rest"),
        pytest.param((3, 0), 0, id="the day is hidden"),
    ],
)
def test_a_day_is_not_split_if_that_reveals_a_hidden_number(
    node: Machine, in_hours: tuple[int, int], elsewhere: int
) -> None:
    node.plane.done("PATCH", "/v1/authorities/town", {"usage": "range"})
    for number, queries in enumerate(in_hours):
        counts = [count(queries, range=RANGE), count(elsewhere * number)]
        node.use(batch(counts, start=f"2026-09-20T1{number}:30:00Z", sequence=number + 1))
    node.use(batch([count(30, range=RANGE)], start="2026-09-19T13:30:00Z", sequence=3))
    assert [item["day"] for item in _items(node.plane)] == ["2026-09-19", "2026-09-20"]
    assert _items(node.plane, "&by=hour") == [_item(hour="2026-09-19T13:00:00Z", **WHERE, queries=30)]
    assert _items(node.plane, "&by=range") == [_item(**WHERE, queries=None, at_least=30)]
    csv_text = node.plane.call("GET", f"{ALL}&by=range&format=csv").text
    assert csv_text.splitlines()[1] == ",,default,192.0.2.0/24,,alpha,town,own,refused,>=30"


def test_counts_of_a_fleet_have_its_label(node: Machine) -> None:
    node.plane.done("PATCH", "/v1/authorities/town", {"usage": "range"})
    fleet = {"label": "phones", "funding": "public", "audience": "staff"}
    prefix = node.plane.done("POST", "/v1/authorities/town/fleets", fleet)["prefix"]
    node.use(batch([count(20, range={"prefix": prefix})], start="2026-09-20T13:30:00Z"))
    for by, more in (("range", {}), ("hour", {"hour": "2026-09-20T13:00:00Z"})):
        found = _item(site="default", prefix=prefix, label="phones", queries=20, **more)
        assert _items(node.plane, f"&by={by}") == [found]
    text = node.plane.call("GET", f"{ALL}&by=range&format=csv").text
    assert text.splitlines()[1] == f",,default,{prefix},phones,alpha,town,own,refused,20"


@on_both_databases
def test_pages_join_to_the_complete_list(ranges: Plane) -> None:
    for by in ("day", "hour", "range"):
        complete, joined, following = _items(ranges, f"&by={by}"), [], ""
        while following is not None:
            page = ranges.done("GET", f"{ALL}&by={by}&limit=1{following and f'&cursor={following}'}")
            joined += page["items"]
            following = page["next"]
        assert joined == complete, by
    for by, other in (("day", "hour"), ("hour", "day")):
        foreign = ranges.done("GET", f"{ALL}&by={by}&limit=1")["next"]
        assert ranges.call("GET", f"{ALL}&by={other}&cursor={foreign}").status_code == 422


def test_last_thirty_days_are_read_by_default(node: Machine) -> None:
    for sequence, start in enumerate(("2026-08-22T12:00:00Z", "2026-08-23T12:00:00Z", "2026-09-21T12:00:00Z"), 1):
        node.use(batch([count()], start=start, sequence=sequence))
    node.plane.clock.now += DAY_S
    items = node.plane.done("GET", "/v1/usage?authority=town")["items"]
    assert [item["day"] for item in items] == ["2026-08-23", "2026-09-21"]


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ("authority=nobody", "query.authority"),
        ("authority=town&service=gamma", "query.service"),
        ("authority=town&from=2026-09-22&to=2026-09-21", "query.to"),
        ("authority=town&from=2020-01-01&to=2026-09-21", "query.from"),
        ("authority=town&by=client", "query.by"),
        ("", "query.authority"),
    ],
)
def test_wrong_query_is_refused_with_its_place(untouched: Plane, query: str, location: str) -> None:
    answer = untouched.call("GET", f"/v1/usage?{query}")
    assert (answer.status_code, answer.json()["faults"][0]["location"]) == (422, location)


def test_csv_has_all_rows(ranges: Plane) -> None:
    for query, accept in (("&format=csv", "*/*"), ("", "text/csv"), ("&format=csv", "application/json")):
        headers = {"Authorization": f"Bearer {ranges.token}", "Accept": accept}
        answer = ranges.call("GET", f"{ALL}&by=hour&limit=1{query}", headers=headers)
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [(row["hour"], row["queries"], row["day"]) for row in rows] == [
            ("2026-09-20T12:00:00Z", "<5", ""),
            ("2026-09-20T13:00:00Z", "<5", ""),
            ("2026-09-21T13:00:00Z", "20", ""),
        ]


def test_csv_is_bounded(ranges: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    assert ranges.call("GET", f"{ALL}&format=csv").status_code == 200
    answer = ranges.call("GET", f"{ALL}&by=hour&format=csv")
    assert (answer.status_code, answer.json()["faults"][0]["location"]) == (422, "query.from")


@on_both_databases
def test_hours_stay_in_their_days_after_92_days_and_days_go_after_three_years(ranges: Plane) -> None:
    usage = _fleet(ranges).usage
    assert usage.sweep() == 0
    ranges.clock.now = START - 3 * 3600 + HOURS_KEPT_S
    assert _items(ranges, "&by=hour") == [], "a day is shown by hour only with all its hours"
    assert usage.sweep() == 2
    assert usage.sweep() == 0, "once an hour"
    assert _hours(ranges) == 1
    ranges.clock.now += DAY_S
    assert usage.sweep() == 1
    assert (_hours(ranges), len(_items(ranges))) == (0, 2)
    ranges.clock.now = START + 1096 * DAY_S  # 2029-09-21
    assert usage.sweep() == 2
    assert [item["day"] for item in _items(ranges)] == ["2026-09-21"]
    ranges.clock.now += DAY_S
    assert usage.sweep() == 2
    assert (_items(ranges), ranges.done("GET", ALL.replace("usage", "usage/bypass"))["items"]) == ([], [])


@on_both_databases
def test_period_is_erased_by_an_act_that_says_how_much_but_not_what(ranges: Plane) -> None:
    _, approver = ranges.account("approver", ("approver", "town"))
    body = {"authority": "town", "from": "2026-09-21", "to": "2026-09-21", "reason": "counted by mistake"}
    assert ranges.done("POST", "/v1/usage/erase", body, token=approver) == {
        "days": 1,
        "hours": 1,
        "bypass": 1,
        "pending": 0,
        "coverage": 0,
        "clients": 0,
    }
    assert [item["day"] for item in _items(ranges)] == ["2026-09-20"]
    assert len(_items(ranges, "&by=hour")) == 2
    (act,) = ranges.done("GET", "/v1/audit?act=usage.erase&authority=town")["items"]
    assert act["after"] == {
        "from": "2026-09-21",
        "to": "2026-09-21",
        "range": None,
        "days": 1,
        "hours": 1,
        "bypass": 1,
        "pending": 0,
        "coverage": 0,
        "clients": 0,
        "reason": "counted by mistake",
    }
    assert (act["object"], act["before"]) == ("authority/town", None)


@on_both_databases
def test_range_is_erased_from_its_hours_and_from_the_days(ranges: Plane) -> None:
    erasing = {"authority": "town", "range": RANGE, "reason": "a wrong range"}
    assert ranges.done("POST", "/v1/usage/erase", {**erasing, "from": "2026-09-21"}) == {
        "days": 0,
        "hours": 1,
        "bypass": 0,
        "pending": 0,
        "coverage": 0,
        "clients": 0,
    }
    assert [item["queries"] for item in _items(ranges)] == [205, 100]
    gone = ranges.done("POST", "/v1/usage/erase", erasing)
    assert gone == {"days": 0, "hours": 2, "bypass": 0, "pending": 0, "coverage": 0, "clients": 0}
    assert ([item["queries"] for item in _items(ranges)], _items(ranges, "&by=hour")) == ([200, 100], [])
    assert ranges.done("POST", "/v1/usage/erase", erasing) == {
        "days": 0,
        "hours": 0,
        "bypass": 0,
        "pending": 0,
        "coverage": 0,
        "clients": 0,
    }


def test_day_with_nothing_left_is_deleted(node: Machine) -> None:
    node.plane.done("PATCH", "/v1/authorities/town", {"usage": "range"})
    node.use(batch([count(3, range=RANGE)], start="2026-09-20T13:30:00Z"))
    assert len(_items(node.plane)) == 1
    erasing = {"authority": "town", "range": RANGE, "reason": "a wrong range"}
    assert node.plane.done("POST", "/v1/usage/erase", erasing)["days"] == 1
    assert _items(node.plane) == []


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({}, "body"),
        ({"from": "2026-09-22", "to": "2026-09-21"}, "body.to"),
        ({"range": {"prefix": "192.0.2.1/24"}}, "body.range.prefix"),
        ({"to": "2026-09-21", "reason": ""}, "body.reason"),
    ],
)
def test_unclear_erasing_is_refused(untouched: Plane, changes: dict[str, Any], location: str) -> None:
    answer = untouched.call("POST", "/v1/usage/erase", {"authority": "town", "reason": "for a test", **changes})
    assert (answer.status_code, answer.json()["faults"][0]["location"]) == (422, location)


@pytest.mark.parametrize(("level", "changes"), [("none", 1), ("range", 1), ("authority", 0)])
def test_own_approver_sets_the_level_with_a_reason(town: Plane, level: str, changes: int) -> None:
    _, approver = town.account("approver", ("approver", "town"))
    body = {"usage": level, "reason": "the council decided it"}
    revision = town.revision()
    assert town.done("PATCH", "/v1/authorities/town/usage", body, token=approver)["usage"] == level
    assert town.revision() == revision + changes
    acts = town.done("GET", "/v1/audit?act=authority.set_usage&authority=town", token=approver)["items"]
    assert [(act["before"]["usage"], act["after"]["usage"], act["after"]["reason"]) for act in acts] == [
        ("authority", level, "the council decided it")
    ] * changes


def test_level_needs_a_reason_and_that_of_clients_another_act(town: Plane) -> None:
    path, body = "/v1/authorities/town/usage", {"usage": "range", "reason": "the council decided it"}
    _, approver = town.account("approver", ("approver", "town"))
    assert town.call("PATCH", path, {"usage": "range"}, token=approver).status_code == 422
    refused = town.call("PATCH", path, {**body, "usage": "client"}, token=approver)
    assert refused.json()["faults"][0]["message"] == (
        'usage "client" needs an act of its own, with a purpose and an end: use none, authority, range'
    )


def test_usage_of_a_merged_or_closed_authority_stays_with_its_name(node: Machine) -> None:
    plane = node.plane
    node.use(batch([count()]))
    assert plane.call("DELETE", "/v1/authorities/town").status_code == 409
    merging = {
        "into": "zone",
        "reason": "the two are one",
        "decision": {"organ": "council", "reference": "C-1", "legal_basis": "decree"},
    }
    plane.done("POST", "/v1/authorities/town/merge", merging)
    node.use(batch([count(1)], sequence=2))
    plane.clock.now += DAY_S
    assert [item["queries"] for item in _items(plane)] == [11]
    assert plane.done("GET", "/v1/usage?authority=zone")["items"] == []


@pytest.mark.parametrize(("label", "cell"), [("=1+1", "'=1+1"), ("@sum", "'@sum"), ("desk 1+1", "desk 1+1")])
def test_a_label_that_a_spreadsheet_would_run_is_a_text(label: str, cell: str) -> None:
    row = Counted(
        service="tiktok",
        ban_authority="ghent",
        ground="own",
        result="refused",
        figure=Figure(queries=40),
        prefix="192.0.2.0/24",
        label=label,
    )
    (line,) = csv.DictReader(as_csv([row]).splitlines())
    assert line["label"] == cell
