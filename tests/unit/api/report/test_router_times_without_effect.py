"""Reports by HTTP: when a ban had no effect, for whom, and what is not known yet."""

import re
from typing import Any

import pytest

from api.db.models import UsageDayRow
from api.report.range_acts import range_acts
from api.timestamps import timestamp_text
from api.usage.repository import DayKey, add
from tests.unit.api.conftest import START, Plane
from tests.unit.api.nodes.conftest import Machine

pytestmark = pytest.mark.heavy
BAN = "/v1/authorities/town/bans/alpha"
HOUR_S = 3600
DAY_S = 24 * HOUR_S


def at(seconds: int) -> str:
    return timestamp_text(START + seconds)


def later(plane: Plane, seconds: int) -> None:
    """Set the clock to some seconds after the adoption of the ban."""
    plane.clock.now = START + seconds


def report_of(plane: Plane, first: str = "2026-09-21", last: str = "2026-09-21", service: str = "alpha") -> Any:
    return plane.done("GET", f"/v1/authorities/town/bans/{service}/report?from={first}&to={last}")


def text_of(plane: Plane, first: str = "2026-09-21", last: str = "2026-09-21", language: str = "en") -> str:
    query = f"from={first}&to={last}&format=md&language={language}"
    return plane.call("GET", f"{BAN}/report?{query}").text


def entry(number: int, made: int, until: int | None, **changes: Any) -> dict[str, Any]:
    """Return a local act in a node's journal: a suspension, or without `until` the end of one."""
    return {
        "number": number,
        "time": at(made),
        "uid": 0,
        "act": "end_suspension" if until is None else "suspend",
        "authority": "town",
        "until": None if until is None else at(until),
        "revision": None,
        "reason": "the API is away",
        **changes,
    }


def suspend_on(machine: Machine) -> None:
    """Let the node report a suspension of half an hour, from an hour after the adoption on."""
    later(machine.plane, 2 * HOUR_S)
    machine.report(journal=[entry(1, HOUR_S, HOUR_S + 1800)])


def test_a_suspension_on_the_only_node_is_a_time_without_effect(town: Plane) -> None:
    suspend_on(Machine.enrolled(town, "office-1"))
    (ban,) = report_of(town)["bans"]
    (gap,) = ban["not_in_force"]
    assert (gap["start"], gap["end"], gap["cause"]) == (at(HOUR_S), at(HOUR_S + 1800), "local")
    assert ban["partly_in_force"] == []
    text = text_of(town)
    assert "- Of which without effect: 30 min\n" in text
    assert "| 30 min | suspended on a node | all clients |" in text
    assert "never off or suspended" not in text


@pytest.mark.parametrize(("site", "is_full"), [("default", False), ("annex", True)])
def test_a_node_that_serves_the_same_clients_goes_on_refusing(town: Plane, site: str, is_full: bool) -> None:
    town.done("PUT", "/v1/sites/annex", {})
    Machine.enrolled(town, "office-2", site)
    suspend_on(Machine.enrolled(town, "office-1"))
    (ban,) = report_of(town)["bans"]
    gaps = ban["not_in_force" if is_full else "partly_in_force"]
    assert [(gap["cause"], gap["nodes"]) for gap in gaps] == [("local", [] if is_full else ["office-1"])]
    assert len(ban["not_in_force"]) + len(ban["partly_in_force"]) == 1
    assert ("clients of node office-1" in text_of(town)) != is_full


def test_nodes_that_are_suspended_together_refuse_nobody(town: Plane) -> None:
    first, second = Machine.enrolled(town, "office-1"), Machine.enrolled(town, "office-2")
    later(town, 2 * HOUR_S)
    first.report(journal=[entry(1, 600, 1800, authority=None)])
    second.report(journal=[entry(1, 1200, 2400), entry(2, 2000, None)])
    (ban,) = report_of(town)["bans"]
    assert [(gap["start"], gap["end"]) for gap in ban["not_in_force"]] == [(at(1200), at(1800))]
    assert [(gap["start"], gap["end"], gap["nodes"]) for gap in ban["partly_in_force"]] == [
        (at(600), at(1200), ["office-1"]),
        (at(1800), at(2000), ["office-2"]),
    ]


def test_a_removed_node_does_not_go_on_refusing(town: Plane) -> None:
    Machine.enrolled(town, "office-2")
    town.done("DELETE", "/v1/nodes/office-2")
    suspend_on(Machine.enrolled(town, "office-1"))
    assert len(report_of(town)["bans"][0]["not_in_force"]) == 1


def test_a_suspension_that_a_node_reports_late_is_in_the_report_of_its_day(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    later(town, 2 * DAY_S)
    machine.report(journal=[entry(1, HOUR_S, HOUR_S + 1800)])
    (ban,) = report_of(town)["bans"]
    assert [gap["start"] for gap in ban["not_in_force"]] == [at(HOUR_S)]
    assert ban["acts"][-1]["act"] == "node.suspend"
    assert report_of(town, "2026-09-22", "2026-09-22")["bans"][0]["not_in_force"] == []


def test_what_an_act_takes_out_of_the_scope_is_shown_and_counts_for_it(town: Plane) -> None:
    later(town, HOUR_S)
    town.done("PATCH", BAN, {"funding": ["public"], "reply": "nodata"})
    later(town, 3 * HOUR_S)
    town.done("PATCH", BAN, {"funding": ["public", "partly_public"]})
    later(town, 4 * HOUR_S)
    (ban,) = report_of(town)["bans"]
    assert ban["not_in_force"] == []
    (gap,) = ban["partly_in_force"]
    assert (gap["start"], gap["end"], gap["cause"], gap["funding"]) == (
        at(HOUR_S),
        at(3 * HOUR_S),
        "scope",
        ["partly_public"],
    )
    changes = [
        (change["time"], one["name"], sorted(one["before"]), sorted(one["after"]))
        for change in ban["scope_changes"]
        for one in change["fields"]
    ]
    both = ["partly_public", "public"]
    assert sorted(changes) == [
        (at(HOUR_S), "funding", both, ["public"]),
        (at(HOUR_S), "reply", ["refused"], ["nodata"]),
        (at(3 * HOUR_S), "funding", ["public"], both),
    ]
    text = text_of(town)
    assert "- Of which without effect for some clients: 2 h 0 min\n" in text
    assert re.search(
        r"\| Devices paid for with \| (partly )?public money, (partly )?public money \| public money \|", text
    )
    assert "| taken out of the scope | Devices paid for with: partly public money |" in text


def test_acts_on_ranges_while_the_ban_was_in_force_are_in_the_annex(town: Plane) -> None:
    inner = "192.0.2.128/25"
    path = f"/v1/ranges/default/{inner}"
    later(town, HOUR_S)
    kind = {"authority": "town", "funding": "public", "audience": "staff", "label": "library"}
    town.done("PUT", path, kind)
    town.done("PUT", path, {**kind, "label": "reading room"})
    later(town, 2 * HOUR_S)
    town.done("PUT", path, {**kind, "funding": "private"})
    later(town, 3 * HOUR_S)
    town.done("DELETE", path)
    later(town, 4 * HOUR_S)
    found = report_of(town)
    assert [(act["time"], act["act"], act["prefix"]) for act in found["range_acts"]] == [
        (at(0), "range.register", "192.0.2.0/24"),
        (at(HOUR_S), "range.register", inner),
        (at(2 * HOUR_S), "range.change", inner),
        (at(3 * HOUR_S), "range.remove", inner),
    ], "a new label is left out"
    assert found["range_acts"][2]["fields"] == [{"name": "funding", "before": ["public"], "after": ["private"]}]
    with town.database.reading() as session:
        between = (START + HOUR_S, START + 2 * HOUR_S), (START + 3 * HOUR_S + 1, START + 4 * HOUR_S)
        assert [act.act for act in range_acts(session, "town", between)] == ["range.register"]
    text = text_of(town)
    assert "it was never off or suspended, and no act on it narrowed its scope. While it was in force, acts on" in text
    assert "acts on networks of the authority: 4. The annex lists them." in text
    assert "| network changed | 192.0.2.128/25 | public money | private money |" in text


def test_a_report_has_the_scope_and_the_reply_of_its_time(town: Plane) -> None:
    later(town, 2 * DAY_S)
    town.done("PATCH", BAN, {"reply": "address", "addresses": ["192.0.2.1"], "audience": ["staff", "public"]})
    (ban,) = report_of(town)["bans"]
    assert (ban["reply"], ban["addresses"], ban["audience"], ban["addressed"]) == ("refused", [], ["staff"], [])
    later(town, 2 * DAY_S + HOUR_S)
    (ban,) = report_of(town, "2026-09-23", "2026-09-23")["bans"]
    assert (ban["reply"], len(ban["addressed"])) == ("address", 1)
    assert "answered with the addresses that it gives" in text_of(town, "2026-09-23", "2026-09-23")


def test_nothing_beyond_the_instant_of_reading_is_counted(town: Plane) -> None:
    later(town, 2 * HOUR_S)
    town.done("POST", "/v1/suspensions", {"authority": "town", "for": "4h", "reason": "an exercise"})
    later(town, 3 * HOUR_S)
    found = report_of(town)
    until = at(3 * HOUR_S + 1)
    assert (found["until"], found["end"], found["counted_through"]) == (until, "2026-09-21T22:00:00Z", None)
    (ban,) = found["bans"]
    assert [one["end"] for one in (*ban["in_force"], *ban["not_in_force"], *ban["modes"])] == [until] * 3
    assert found["suspensions"][0]["end"] == until
    assert ban["total"]["refused"] == {"queries": None, "below": None, "at_least": 0, "at_most": None}
    text = text_of(town)
    assert "- Data until: 21/09/2026 19:13\n- Queries counted through: no day is over\n" in text
    assert "- Term in force: 3 h 0 min\n" in text


def test_days_before_the_ban_have_no_ban(town: Plane) -> None:
    with town.database.writing() as session:
        add(session, UsageDayRow, {DayKey("town", "2026-09-21", "alpha", "town", "own", "refused"): 70})
    later(town, DAY_S)
    found = report_of(town, "2026-09-19", "2026-09-22")
    (ban,) = found["bans"]
    assert [(bucket["first"], bucket["banned"]) for bucket in ban["buckets"]] == [
        ("2026-09-19", False),
        ("2026-09-20", False),
        ("2026-09-21", True),
    ]
    assert [(one["start"], one["end"]) for one in ban["no_ban"]] == [("2026-09-18T22:00:00Z", at(0))]
    text = text_of(town, "2026-09-19", "2026-09-22")
    assert "| 20/09/2026 | no ban |  |  |\n| 21/09/2026 | 70 | 0 | 0 |\n" in text
    assert "For 2 d 16 h 13 min there was no ban" in text


def test_a_ban_that_is_off_and_suspended_at_once_is_without_effect_once(town: Plane) -> None:
    later(town, HOUR_S)
    town.done("POST", "/v1/suspensions", {"authority": "town", "for": "2h", "reason": "an exercise"})
    later(town, 2 * HOUR_S)
    town.done("PATCH", BAN, {"mode": "off", "mode_reason": "a test"})
    later(town, 4 * HOUR_S)
    town.done("PATCH", BAN, {"mode": "enforce", "mode_reason": "the test is over"})
    later(town, 5 * HOUR_S)
    (ban,) = report_of(town)["bans"]
    assert [(gap["cause"], gap["start"], gap["end"]) for gap in ban["not_in_force"]] == [
        ("suspended", at(HOUR_S), at(2 * HOUR_S)),
        ("off", at(2 * HOUR_S), at(4 * HOUR_S)),
    ]
    assert "- Of which without effect: 3 h 0 min\n" in text_of(town)


def test_a_revoked_exemption_ends_when_it_was_revoked(town: Plane) -> None:
    wanted = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "start": "2026-09-21", "until": "2026-09-30"}
    number = town.done("POST", "/v1/exemptions", {**wanted, "reason": "a campaign"})["number"]
    town.done("POST", f"/v1/exemptions/{number}/approve", {}, token=town.other())
    later(town, 2 * DAY_S)
    town.done("POST", f"/v1/exemptions/{number}/revoke", {"reason": "the campaign is over"})
    later(town, 3 * DAY_S)
    (exemption,) = report_of(town, "2026-09-21", "2026-09-24")["bans"][0]["exemptions"]
    assert (exemption["end"], exemption["planned_end"]) == (at(2 * DAY_S), "2026-09-30T22:00:00Z")
    text = text_of(town, "2026-09-21", "2026-09-24")
    assert "| 21/09/2026 | 23/09/2026 16:13 (planned: 30/09/2026) |" in text
    assert report_of(town, "2026-09-24", "2026-09-24")["bans"][0]["exemptions"] == []
