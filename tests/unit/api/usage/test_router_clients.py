"""Refused queries of clients: kept only while an act says so, at most 30 days, for approvers of the authority."""

import csv
import io
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from api.db.models import AuthorityRow, UsageClientRow
from api.nodes.fleet import Fleet
from api.publish.policy_rows import authority_value
from api.usage.state import CLIENTS_KEPT_S
from dnsfilter.policy.calendar import parse_instant
from tests.unit.api.conftest import START, Plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch, refused

DAY_S = 86_400
LEVEL = {
    "purpose": "find devices that keep asking",
    "decision": "CBS/2026/1234",
    "legal_basis": "decree, article 56",
    "consultation": "DPO/2026/17",
    "until": "2026-09-30",
}
PATH, CLIENTS = "/v1/authorities/town/client-level", "/v1/usage/clients?authority=town"
MINUTE_S = START - 20
"""The start of the minute 14:13, in which the level begins."""


@pytest.fixture
def approver(node: Machine) -> str:
    """Return the token of an approver of town."""
    return node.plane.account("approver", ("approver", "town"))[1]


@pytest.fixture
def noting(node: Machine, approver: str) -> Machine:
    """Return a node of a control plane whose town has been at the level `client` for a minute."""
    node.plane.done("PUT", PATH, LEVEL, token=approver)
    node.plane.clock.now = START + 60
    return node


def _items(plane: Plane, token: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plane.done("GET", CLIENTS + query, token=token)["items"]
    return found


def _sweep(plane: Plane) -> int:
    fleet = plane.app.state.fleet
    assert isinstance(fleet, Fleet)
    return fleet.usage.sweep()


def test_act_sets_the_level_until_its_end_and_is_in_the_audit_log(node: Machine, approver: str) -> None:
    plane = node.plane
    revision = plane.revision()
    level = {**LEVEL, "since": "2026-09-21T14:13:20Z", "until": "2026-09-30T22:00:00Z"}
    found = plane.done("PUT", PATH, LEVEL, token=approver)
    assert (found["usage"], found["client_level"]) == ("authority", level)
    assert plane.revision() == revision + 1
    (act,) = plane.done("GET", "/v1/audit?act=authority.set_client_level", token=approver)["items"]
    assert (act["before"]["client_level"], act["after"]["client_level"]) == (None, level)
    plane.clock.now = datetime.fromisoformat("2026-09-30T22:00:00Z").timestamp()
    assert plane.done("GET", "/v1/authorities/town")["client_level"] is None


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        *(({name: None}, f"body.{name}") for name in LEVEL),
        *(({name: "  "}, f"body.{name}") for name in ("purpose", "decision", "legal_basis", "consultation")),
        ({"until": "2026-09-20"}, "body.until"),
        ({"until": "2027-03-22"}, "body.until"),
        ({"until": "soon"}, "body.until"),
    ],
)
def test_act_without_purpose_reference_or_fitting_end_is_refused(
    node: Machine, approver: str, changes: dict[str, Any], location: str
) -> None:
    body = {name: value for name, value in {**LEVEL, **changes}.items() if value is not None}
    answer = node.plane.call("PUT", PATH, body, token=approver)
    assert (answer.status_code, answer.json()["faults"][0]["location"]) == (422, location)
    assert node.plane.done("GET", "/v1/authorities/town")["client_level"] is None


def test_longest_level_lasts_six_months(node: Machine, approver: str) -> None:
    found = node.plane.done("PUT", PATH, {**LEVEL, "until": "2027-03-21"}, token=approver)
    assert found["client_level"]["until"] == "2027-03-21T23:00:00Z"


def test_authority_that_counts_nothing_cannot_have_it(node: Machine, approver: str) -> None:
    level = {"usage": "none", "reason": "nothing is counted"}
    node.plane.done("PATCH", "/v1/authorities/town/usage", level, token=approver)
    assert node.plane.call("PUT", PATH, LEVEL, token=approver).status_code == 409


def test_other_acts_neither_set_it_nor_end_it(noting: Machine, approver: str) -> None:
    plane = noting.plane
    for method, path in (("PATCH", "/v1/authorities/town"), ("PATCH", "/v1/authorities/town/usage")):
        assert plane.call(method, path, {"usage": "client", "reason": "for a test"}).status_code == 422
    plane.done("PATCH", "/v1/authorities/town", {"contact": "ict@town.example"})
    assert plane.done("GET", "/v1/authorities/town")["client_level"]["purpose"] == LEVEL["purpose"]


def test_another_level_of_an_administrator_ends_it_early_and_does_not_revive_it(noting: Machine) -> None:
    for level in ("none", "authority"):
        found = noting.plane.done("PATCH", "/v1/authorities/town", {"usage": level})
        assert (found["usage"], found["client_level"]) == (level, None)


def test_authority_that_closes_ends_it_early(noting: Machine, approver: str) -> None:
    plane, closes = noting.plane, "2026-09-24T22:00:00Z"
    plane.done("POST", "/v1/authorities/town/close", {"at": closes, "reason": "it is part of another"})
    assert plane.done("GET", "/v1/authorities/town")["client_level"]["until"] == closes
    with plane.database.reading() as session:
        assert authority_value(session.get_one(AuthorityRow, "town")).clients_until == parse_instant(closes)
    plane.clock.now = START + 3 * DAY_S + 10 * 3600
    minutes = ("2026-09-24T21:59:00Z", "2026-09-24T22:00:00Z")
    noting.use(batch(clients=[refused(minute=minute) for minute in minutes], start=minutes[0]))
    with plane.database.reading() as session:
        assert [row.minute_s for row in session.scalars(select(UsageClientRow))] == [parse_instant(minutes[0])]


def test_another_level_ends_it_early(noting: Machine, approver: str) -> None:
    plane, body = noting.plane, {"usage": "authority", "reason": "found what was sought"}
    assert plane.done("PATCH", "/v1/authorities/town/usage", body, token=approver)["client_level"] is None
    revision = plane.revision()
    plane.done("PATCH", "/v1/authorities/town/usage", body, token=approver)
    assert plane.revision() == revision, "nothing is left to end"
    noting.use(batch(clients=[refused()]))
    assert _items(plane, approver) == []


@on_both_databases
def test_refused_queries_are_stored_once_and_added_by_minute_and_client(noting: Machine, approver: str) -> None:
    plane = noting.plane
    clients = [
        refused(),
        refused(2, service="beta"),
        refused(4, client="f" * 16),
        refused(minute="2026-09-21T14:14:00Z"),
    ]
    for _ in range(2):
        noting.use(batch(clients=clients))
    noting.use(batch(clients=[refused(8)], sequence=2))
    row = {"client": "0123456789abcdef", "service": "alpha", "ban_authority": "town", "ground": "own"}
    assert _items(plane, approver) == [
        {**row, "minute": "2026-09-21T14:13:00Z", "queries": 9},
        {**row, "minute": "2026-09-21T14:13:00Z", "client": "f" * 16, "queries": 4},
        {**row, "minute": "2026-09-21T14:13:00Z", "service": "beta", "queries": 2},
        {**row, "minute": "2026-09-21T14:14:00Z", "queries": 1},
    ]
    assert len(_items(plane, approver, "&service=beta")) == 1
    assert _items(plane, approver, "&to=2026-09-20") == []
    joined, following = [], ""
    while following is not None:
        page = plane.done("GET", f"{CLIENTS}&limit=1{following and f'&cursor={following}'}", token=approver)
        joined += page["items"]
        following = page["next"]
    assert joined == _items(plane, approver)


@pytest.mark.parametrize(
    "changes",
    [
        {"authority": "zone"},
        {"authority": "nobody"},
        {"service": "gamma"},
        {"ban_authority": "nobody"},
        {"ground": "whim"},
        {"minute": "2026-09-21T14:12:00Z"},
        {"minute": "2020-01-01T00:00:00Z"},
    ],
)
def test_nothing_is_stored_outside_the_level(noting: Machine, approver: str, changes: dict[str, Any]) -> None:
    noting.use(batch(clients=[refused(**changes)]))
    assert _items(noting.plane, approver) == []
    assert noting.use(batch(sequence=1)) == 1, "the batch is stored"


@pytest.mark.parametrize(("minute", "is_kept"), [("2026-09-30T21:59:00Z", True), ("2026-09-30T22:00:00Z", False)])
def test_late_report_counts_until_the_end(noting: Machine, approver: str, minute: str, is_kept: bool) -> None:
    noting.plane.clock.now = START + 11 * DAY_S
    noting.use(batch(clients=[refused(minute=minute)], start=minute))
    assert bool(_items(noting.plane, approver)) is is_kept


def test_each_reading_is_in_the_audit_log(noting: Machine, approver: str) -> None:
    plane = noting.plane
    noting.use(batch(clients=[refused(), refused(client="f" * 16)]))
    _items(plane, approver, "&from=2026-09-21")
    plane.call("GET", f"{CLIENTS}&format=csv&from=2026-09-21", token=approver)
    acts = plane.done("GET", "/v1/audit?act=usage.read_clients&authority=town")["items"]
    assert [act["after"] for act in acts] == [{"from": "2026-09-21", "to": "2026-09-21", "rows": 2}] * 2
    assert {act["object"] for act in acts} == {"authority/town"}


def test_csv_has_all_rows(noting: Machine, approver: str) -> None:
    noting.use(batch(clients=[refused(), refused(3, client="f" * 16)]))
    answer = noting.plane.call("GET", f"{CLIENTS}&format=csv&limit=1", token=approver)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["minute"], row["client"], row["queries"]) for row in rows] == [
        ("2026-09-21T14:13:00Z", "0123456789abcdef", "1"),
        ("2026-09-21T14:13:00Z", "f" * 16, "3"),
    ]


@on_both_databases
def test_refused_queries_are_deleted_before_they_are_thirty_days_old(noting: Machine, approver: str) -> None:
    plane = noting.plane
    noting.use(batch(clients=[refused(), refused(minute="2026-09-21T14:14:00Z")]))
    assert _sweep(plane) == 0
    plane.clock.now = MINUTE_S + CLIENTS_KEPT_S - 3600
    assert _sweep(plane) == 0
    plane.clock.now += 3600
    assert len(_items(plane, approver, "&from=2026-09-21")) == 2
    assert _sweep(plane) == 2
    assert _items(plane, approver, "&from=2026-09-21") == []


def test_what_is_too_old_is_not_shown_before_it_is_deleted(noting: Machine, approver: str) -> None:
    noting.use(batch(clients=[refused()]))
    noting.plane.clock.now = MINUTE_S + CLIENTS_KEPT_S + 1
    assert _items(noting.plane, approver, "&from=2026-09-21") == []


@on_both_databases
def test_period_is_erased_but_not_by_range(noting: Machine, approver: str) -> None:
    plane = noting.plane
    noting.use(batch(clients=[refused(), refused(client="f" * 16)]))
    erasing = {"authority": "town", "from": "2026-09-21", "reason": "no longer needed"}
    of_range = {**erasing, "range": {"prefix": "192.0.2.0/24"}}
    assert plane.done("POST", "/v1/usage/erase", of_range, token=approver)["clients"] == 0
    assert plane.done("POST", "/v1/usage/erase", erasing, token=approver)["clients"] == 2
    assert _items(plane, approver) == []
