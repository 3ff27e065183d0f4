"""Reports of nodes: checked, shown, stored from time to time. Local acts are recorded once."""

from typing import Any

import pytest

from api.db.models import NodeRow
from api.http.pagination import encode_cursor
from api.nodes import fleet, service
from api.nodes.fleet import Fleet
from tests.unit.api.conftest import START, Plane, authority, ban, make_plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine, report

pytestmark = pytest.mark.heavy

BAN = "/v1/authorities/town/bans/alpha"
SHA = "0" * 64


def _fleet(plane: Plane) -> Fleet:
    found = plane.app.state.fleet
    assert isinstance(found, Fleet)
    return found


def _row(plane: Plane, name: str = "office-1") -> NodeRow:
    with plane.database.reading() as session:
        return session.query(NodeRow).where(NodeRow.name == name).one()


UNTIL = "2026-09-21T15:00:00Z"
FREE = {"authority": "town", "name": "cdn.example.org", "exact": False, "verdict": "allow", "until": UNTIL}


def _entry(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "number": number,
        "time": "2026-09-21T14:00:00Z",
        "uid": 0,
        "act": "suspend",
        "authority": "town",
        "until": "2026-09-21T14:30:00Z",
        "revision": None,
        "reason": "the API is away",
        "name": None,
        "exact": False,
        **changes,
    }


def test_node_is_shown_as_reported(machine: Machine) -> None:
    suspended = [{"authority": "town", "until": "2026-09-21T15:00:00Z"}, {"authority": None, "until": "2026-09-21"}]
    machine.report(revision=0, clock="2026-09-21T14:13:27.5Z", suspended=suspended, names=[FREE], trouble="no room")
    shown = machine.stands()
    assert shown == {
        "name": "office-1",
        "site": "default",
        "state": "current",
        "recorded": "2026-09-21T14:13:20Z",
        "enrolled": "2026-09-21T14:13:20Z",
        "removed": None,
        "enrolment_until": None,
        "seen": "2026-09-21T14:13:20Z",
        "revision": 0,
        "published": 0,
        "behind_by": 0,
        "behind_for_s": None,
        "age_s": 3,
        "version": "1",
        "engine": "compiled",
        "workers": 2,
        "uptime_s": 60,
        "load": {"queries_per_second": 12.5, "cpu_percent": 1.0, "memory_bytes": 2**28, "cache_entries": 9},
        "trouble": "no room",
        "held_up_to": None,
        "learning_until": None,
        "suspended": suspended,
        "names": [FREE],
        "clock_off_s": 7,
    }


def test_states_depend_on_time_and_on_publications(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    assert machine.stands()["state"] == "waiting"
    old = machine.manifest()
    machine.report(revision=town.revision())
    town.done("PATCH", BAN, {"mode": "off"})
    town.done("PATCH", BAN, {"mode": "enforce"})
    town.clock.now += 10
    machine.report(revision=town.revision() - 2, manifest=old)
    assert [machine.stands()[key] for key in ("state", "behind_by", "behind_for_s")] == ["current", 2, 10]
    town.clock.now += 1
    assert [machine.stands()[key] for key in ("state", "behind_by", "behind_for_s")] == ["behind", 2, 11]
    machine.report(revision=town.revision())
    assert [machine.stands()[key] for key in ("state", "behind_by", "behind_for_s")] == ["current", 0, None]
    town.clock.now += 59
    assert machine.stands()["state"] == "current"
    town.clock.now += 1
    assert machine.stands()["state"] == "silent"
    machine.report(revision=town.revision())
    assert machine.stands()["state"] == "current"


def test_node_that_never_reports_is_silent_a_minute_after_enrolment(machine: Machine) -> None:
    machine.plane.clock.now += 60
    assert machine.stands()["state"] == "silent"


@on_both_databases
def test_lists_are_filtered_and_paginated(town: Plane) -> None:
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    nodes = {name: Machine.enrolled(town, name) for name in ("a", "b", "c", "d")}
    nodes["e"] = Machine.enrolled(town, "e", "depot")
    town.done("POST", "/v1/nodes", {"name": "f"})
    town.done("DELETE", "/v1/nodes/d")
    town.clock.now += 70
    nodes["a"].report(revision=town.revision())
    nodes["b"].report(revision=0, manifest=SHA)
    nodes["e"].report(revision=0, manifest=SHA)

    def names(query: str) -> list[str]:
        return [item["name"] for item in town.done("GET", f"/v1/nodes{query}")["items"]]

    assert names("") == ["a", "b", "c", "d", "e", "f"]
    by_state = {"current": ["a"], "behind": ["b", "e"], "silent": ["c"], "removed": ["d"], "waiting": ["f"]}
    assert {state: names(f"?state={state}") for state in by_state} == by_state
    assert names("?behind=true") == ["b", "e"]
    assert names("?behind=true&state=silent") == []
    assert names("?behind=true&site=depot") == ["e"]
    first = town.done("GET", "/v1/nodes?behind=true&limit=1")
    assert [item["name"] for item in first["items"]] == ["b"]
    rest = town.done("GET", f"/v1/nodes?behind=true&limit=1&cursor={first['next']}")
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["e"], None)
    assert _fleet(town).counts() == {"current": 1, "held": 0, "behind": 2, "silent": 1, "waiting": 1, "removed": 1}
    assert town.registry.get_sample_value("dnsfilter_api_nodes", {"state": "behind"}) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": -1},
        {"revision": 2**63},
        {"manifest": "x"},
        {"manifest": SHA.replace("0", "A")},
        {"clock": "yesterday"},
        {"clock": "2026-09-21T14:13:20"},
        {"workers": 5000},
        {"version": "v" * 65},
        {"trouble": "two\nlines"},
        {"trouble": "t" * 1001},
        {"load": {}},
        {"load": {"queries_per_second": -1, "cpu_percent": 0, "memory_bytes": 0, "cache_entries": 0}},
        {"suspended": [{"authority": "Town", "until": "2026-09-21T15:00:00Z"}]},
        {"suspended": [{"authority": "town", "until": "2026-09-21T15:00:00Z"}] * 2},
        {"suspended": [{"authority": f"b-{number}", "until": "2026-09-21T15:00:00Z"} for number in range(202)]},
        {"suspended": [{"authority": None, "until": "2026-09-21T18:18:21Z"}]},
        {"names": [{**FREE, "until": "2026-09-28T14:18:21Z"}]},
        {"names": [{**FREE, "verdict": "block"}]},
        {"names": [{**FREE, "name": "an example..org"}]},
        {"names": [FREE] * 201},
        {"unregistered": [{"prefix": "192.0.2.0/25", "queries": 1, "seen_s_ago": 1}]},
        {"unregistered": [{"prefix": "2001:db8::/49", "queries": 1, "seen_s_ago": 1}]},
        {"unregistered": [{"prefix": "192.0.2.1/24", "queries": 1, "seen_s_ago": 1}]},
        {"unregistered": [{"prefix": "0.0.0.0/0", "queries": 1, "seen_s_ago": 1}]},
        {"unregistered": [{"prefix": "2001:db8::/47", "queries": 1, "seen_s_ago": 1}]},
        {"unregistered": [{"prefix": "2001:db8::%\x1b]0;x\x07\r\n/48", "queries": 1, "seen_s_ago": 1}]},
        {"unregistered": [{"prefix": "2001:db8::%a/48", "queries": 1, "seen_s_ago": 1}]},
        {"unregistered": [{"prefix": "192.0.2.0/24", "queries": 10**15 + 1, "seen_s_ago": 1}]},
        {"unregistered": [{"prefix": "192.0.2.0/24", "queries": 1, "seen_s_ago": 1}] * 257},
        {"journal": [_entry(1)] * 101},
        {"journal": [_entry(0)]},
        {"journal": [_entry(2**53)]},
        {"journal": [_entry(2**53 - 1)]},
        {"journal": [_entry(service.MOST_AHEAD + 1)]},
        {"journal": [_entry(1), _entry(service.MOST_AHEAD + 2)]},
        {"journal": [_entry(1, act="remove")]},
        {"journal": [_entry(1, reason="r" * 1001)]},
        {"journal": [_entry(1, uid=-1)]},
    ],
)
def test_invalid_report_is_rejected_completely(unheard: Machine, changes: dict[str, Any]) -> None:
    assert unheard.call("POST", "report", report(**changes)).status_code == 422
    assert unheard.stands()["seen"] is None
    assert unheard.plane.done("GET", "/v1/audit?act=node.suspend")["items"] == []


def test_unknown_fields_of_a_newer_node_are_ignored(machine: Machine) -> None:
    suspended = {"authority": None, "until": "2026-09-21T18:18:20Z", "other": 1}
    entry = _entry(1, authority=None, other=1)
    load = {**report()["load"], "other": 1}
    assert machine.report(other=1, suspended=[suspended], journal=[entry], load=load) == 1
    assert machine.stands()["suspended"] == [{"authority": None, "until": "2026-09-21T18:18:20Z"}]
    (act,) = machine.plane.done("GET", "/v1/audit?act=node.suspend")["items"]
    assert "other" not in act["after"]


def test_infinite_load_is_rejected(machine: Machine) -> None:
    text = '{"queries_per_second": 1e999, "cpu_percent": 0, "memory_bytes": 0, "cache_entries": 0}'
    body = str(report(load="LOAD")).replace("'LOAD'", text).replace("'", '"').replace("None", "null")
    headers = {"Authorization": f"Bearer {machine.token}", "Content-Type": "application/json"}
    answer = machine.plane.call("POST", "/v1/nodes/self/report", headers=headers, content=body.encode())
    assert (answer.status_code, answer.json()["faults"][0]["location"]) == (422, "body.load.queries_per_second")


def test_size_of_a_report_is_limited(machine: Machine) -> None:
    prefixes = [f"198.{18 + number // 250}.{number % 250}.0/24" for number in range(256)]
    unregistered = [{"prefix": prefix, "queries": 2**40, "seen_s_ago": 86_400} for prefix in prefixes]
    journal = [_entry(number, reason="r" * 1000) for number in range(1, 101)]
    assert machine.report(unregistered=unregistered, journal=journal) == 100
    machine.plane.clock.now += 60
    assert machine.call("POST", "report", report(trouble="t" * 1_100_000)).status_code == 413


@on_both_databases
def test_local_acts_are_recorded_once(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    revision = town.revision()
    assert machine.report() == 0
    entries = [
        _entry(1),
        _entry(2, act="end_suspension", until=None),
        *(
            _entry(number, act=act, authority=None)
            for number, act in ((3, "use_revision"), (4, "unquarantine"), (5, "flush_cache"))
        ),
        *(
            _entry(number, act=act, name="cdn.example.org", exact=True)
            for number, act in ((6, "refuse_name"), (7, "allow_name"), (8, "end_name"))
        ),
    ]
    assert machine.report(journal=entries[:2]) == 2
    assert machine.report(journal=entries[::-1]) == 8
    assert machine.report(journal=entries) == 8
    assert machine.report() == 8
    acts = town.done("GET", "/v1/audit?object=node/office-1&sort=seq")["items"][2:]
    assert [(act["act"], act["after"]["number"], act["authorities"]) for act in acts] == [
        ("node.suspend", 1, ["town"]),
        ("node.end_suspension", 2, ["town"]),
        ("node.use_revision", 3, []),
        ("node.unquarantine", 4, []),
        ("node.flush_cache", 5, []),
        ("node.refuse_name", 6, ["town"]),
        ("node.allow_name", 7, ["town"]),
        ("node.end_name", 8, ["town"]),
    ]
    assert (acts[-1]["after"]["name"], acts[-1]["after"]["exact"]) == ("cdn.example.org", True)
    after = {key: value for key, value in _entry(1).items() if key != "act"}
    assert (acts[0]["after"], acts[0]["access"], acts[0]["account"]) == (after, "node", 0)
    assert town.revision() == revision
    _, reader = town.account("reader", ("reader", "town"))
    seen = town.done("GET", "/v1/audit?act=node", token=reader)["items"]
    shown = ("end_name", "allow_name", "refuse_name", "end_suspension", "suspend")
    assert [act["act"] for act in seen] == [f"node.{act}" for act in shown]


def test_journal_entries_above_the_limit_are_recorded_later(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "JOURNAL_BURST", 3)
    entries = [_entry(number, authority=None) for number in range(6, 0, -1)]
    assert machine.report(journal=entries) == 3
    assert machine.report(journal=entries[:3]) == 3
    machine.plane.clock.now += fleet.JOURNAL_INTERVAL_S
    assert machine.report(journal=entries[:3]) == 4
    assert machine.report(journal=entries) == 0, "entries that cannot be compared now must be sent again"
    machine.plane.clock.now += 10 * fleet.JOURNAL_INTERVAL_S
    assert machine.report(journal=entries[:2]) == 6
    numbers = [act["after"]["number"] for act in machine.plane.done("GET", "/v1/audit?act=node.suspend")["items"]]
    assert numbers == [6, 5, 4, 3, 2, 1]


def test_journal_of_a_replaced_machine_starts_again(machine: Machine) -> None:
    plane = machine.plane
    assert machine.report(journal=[_entry(5, authority=None)]) == 5
    _fleet(plane).reports.store_due()
    assert _row(plane).report["journal"] == 5
    replaced = Machine.of(plane, plane.done("POST", "/v1/nodes/office-1/enrolment")["enrolment_token"])
    assert replaced.report(journal=[_entry(1, authority="nobody")]) == 1
    (last, *_) = plane.done("GET", "/v1/audit?act=node.suspend")["items"]
    assert (last["after"]["number"], last["authorities"]) == (1, [])


@on_both_databases
def test_local_suspension_is_recorded_for_the_authority_whose_ban_it_disables(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/federal", authority())
    town.done("PUT", "/v1/authorities/federal/bans/alpha", ban())
    body = {"ban": "federal/alpha", "authority": "town", "ground": "law", "instrument": "law 7", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", body)
    machine = Machine.enrolled(town, "office-1")
    of_all = {"authority": None}
    machine.report(journal=[_entry(1), _entry(2, **of_all), _entry(3, act="end_suspension", until=None, **of_all)])
    acts = town.done("GET", "/v1/audit?act=node&sort=seq")["items"][-3:]
    assert [act["authorities"] for act in acts] == [["federal", "town"], ["federal", "town", "zone"], ["town", "zone"]]


def _acts(plane: Plane) -> list[tuple[str, Any]]:
    items = plane.done("GET", "/v1/audit?object=node/office-1&sort=seq&limit=100")["items"]
    return [
        (item["act"], item["after"].get("number", item["after"])) for item in items if item["act"] in service.LOCAL_ACTS
    ] + [(item["act"], item["after"]) for item in items if item["act"] == "node.journal_gap"]


@on_both_databases
def test_local_act_is_recorded_although_another_act_has_its_number(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    theirs, ours = _entry(1, reason="sent by a thief"), _entry(1)
    assert machine.report(journal=[theirs]) == 1
    assert [machine.report(journal=[ours, _entry(2)]) for _ in range(2)] == [2, 2]
    assert _acts(town) == [("node.suspend", number) for number in (1, 1, 2)]


def test_journal_numbers_continue_above_any_recorded_number(machine: Machine) -> None:
    ahead = service.MOST_AHEAD
    assert machine.report(journal=[_entry(ahead)]) == ahead
    assert machine.report(journal=[_entry(1), _entry(2 * ahead)]) == 2 * ahead
    plane = machine.plane
    again = Machine.of(plane, plane.done("POST", "/v1/nodes/office-1/enrolment")["enrolment_token"])
    assert again.report(journal=[_entry(2 * ahead + 1)]) == 2 * ahead + 1


def test_gap_in_journal_numbers_is_recorded(machine: Machine) -> None:
    assert machine.report(journal=[_entry(3), _entry(4), _entry(7)]) == 7
    assert machine.report(journal=[_entry(4), _entry(8)]) == 8
    assert _acts(machine.plane) == [
        *(("node.suspend", number) for number in (3, 4, 7, 8)),
        ("node.journal_gap", {"since": 1, "through": 2}),
        ("node.journal_gap", {"since": 5, "through": 6}),
    ]


@on_both_databases
def test_entries_sent_again_after_a_new_enrolment_are_recorded_once(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    assert machine.report(journal=[_entry(number) for number in range(1, 6)]) == 5
    town.clock.now += 60
    again = Machine.of(town, town.done("POST", "/v1/nodes/office-1/enrolment")["enrolment_token"])
    later = [_entry(6), _entry(7, time="2026-09-21T15:00:00Z")]
    assert again.report(journal=[_entry(3)]) == 3
    assert again.report(journal=[_entry(4), _entry(5), *later]) == 7
    assert again.report(journal=[_entry(9, time="2026-09-21T15:00:00Z")]) == 9
    assert _acts(town) == [
        *(("node.suspend", number) for number in (1, 2, 3, 4, 5, 6, 7, 9)),
        ("node.journal_gap", {"since": 8, "through": 8}),
    ]


@on_both_databases
def test_entries_lost_by_a_restore_are_recorded_again(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    assert machine.report(journal=[_entry(1), _entry(2)]) == 2
    with town.database.writing() as session:
        row = session.query(NodeRow).one()
        row.report = {**row.report, "journal": 0}
    assert machine.report() == 0
    other = [_entry(1), _entry(2, reason="another act under that number")]
    assert machine.report(journal=other) == 2
    assert _acts(town) == [("node.suspend", number) for number in (1, 2, 2)]


def test_reports_are_stored_once_a_minute_or_after_a_change(machine: Machine) -> None:
    plane, reports = machine.plane, _fleet(machine.plane).reports

    def reported(**changes: Any) -> int | None:
        plane.clock.now += 10
        machine.report(**changes)
        reports.store_due()
        return _row(plane).seen_s

    assert reported() == START + 10
    assert [reported() for _ in range(5)] == [START + 10] * 5
    assert reported() == START + 70
    assert reported(trouble="no room") == START + 80
    assert reported(trouble="no room") == START + 80
    assert reported() == START + 100
    assert _row(plane).report["trouble"] == ""


@on_both_databases
def test_after_a_restart_stored_reports_are_shown_without_unregistered_networks(machine: Machine) -> None:
    plane = machine.plane
    unregistered = [{"prefix": "192.0.2.0/24", "queries": 4, "seen_s_ago": 20}]
    machine.report(unregistered=unregistered, journal=[_entry(1, authority=None)])
    assert len(plane.done("GET", "/v1/unregistered")["items"]) == 1
    _fleet(plane).stop()
    _fleet(plane).reports.store_due()
    assert "192.0.2" not in str(_row(plane).report)
    shown = machine.stands()
    plane.database.close()
    again = make_plane(plane.settings.state_dir, url=plane.settings.database)
    again.publisher.publish_current()
    found = again.done("GET", "/v1/nodes/office-1", token=plane.token)
    assert {**found, "behind_for_s": None} == {**shown, "behind_for_s": None}
    assert again.done("GET", "/v1/unregistered", token=plane.token)["items"] == []
    machine.plane = again
    assert machine.report() == 1
    again.database.close()


@on_both_databases
def test_unregistered_networks_are_merged_by_site_and_listed_by_address(plane: Plane) -> None:
    plane.done("PUT", "/v1/sites/depot", {"name": "depot"})
    a, b = Machine.enrolled(plane, "a"), Machine.enrolled(plane, "b")
    depot = Machine.enrolled(plane, "c", "depot")
    a.report(unregistered=[_unregistered("192.0.2.0/24", 4, 50), _unregistered("2001:db8:7::/48", 1, 90)])
    b.report(unregistered=[_unregistered("192.0.2.0/24", 3, 10)])
    depot.report(unregistered=[_unregistered("192.0.2.0/24", 9, 30)])
    found = plane.done("GET", "/v1/unregistered")["items"]
    assert [(item["site"], item["prefix"], item["queries"], item["nodes"]) for item in found] == [
        ("default", "192.0.2.0/24", 7, ["a", "b"]),
        ("default", "2001:db8:7::/48", 1, ["a"]),
        ("depot", "192.0.2.0/24", 9, ["c"]),
    ]
    assert found[0]["seen"] == "2026-09-21T14:13:10Z"
    assert [item["site"] for item in plane.done("GET", "/v1/unregistered?site=depot")["items"]] == ["depot"]
    first = plane.done("GET", "/v1/unregistered?limit=2")
    rest = plane.done("GET", f"/v1/unregistered?limit=2&cursor={first['next']}")
    assert (first["items"] + rest["items"], rest["next"]) == (found, None)
    for odd in (7, "default", "default 192.0.2.1/24"):
        assert plane.call("GET", f"/v1/unregistered?cursor={encode_cursor(odd)}").status_code == 422
    a.report()
    plane.done("DELETE", "/v1/nodes/b")
    assert [item["site"] for item in plane.done("GET", "/v1/unregistered")["items"]] == ["depot"]


def test_unregistered_networks_are_dropped_after_a_day(machine: Machine) -> None:
    plane, reports = machine.plane, _fleet(machine.plane).reports
    machine.report(unregistered=[_unregistered("192.0.2.0/24", 4, 100), _unregistered("198.51.100.0/24", 4, 0)])
    plane.clock.now += 86_400 - 50
    fresh = plane.account("auditor", ("auditor", None))[1]
    found = plane.done("GET", "/v1/unregistered", token=fresh)["items"]
    assert [item["prefix"] for item in found] == ["198.51.100.0/24"]
    plane.clock.now += 50
    reports.store_due()
    assert reports.unregistered.listed(None, None, 0, 10, lambda _number: True) == []


def _unregistered(prefix: str, queries: int, seen_s_ago: int) -> dict[str, Any]:
    return {"prefix": prefix, "queries": queries, "seen_s_ago": seen_s_ago}


@on_both_databases
def test_pages_of_a_state_include_received_and_stored_reports(plane: Plane) -> None:
    machines = [Machine.enrolled(plane, name) for name in ("a", "b", "c", "d", "e")]
    for each in machines[:4]:
        each.report()
    _fleet(plane).reports.store_due()
    # As after a restart: this process has received no reports of them.
    for number in (1, 2):
        _fleet(plane).reports.forget(number)
    plane.done("DELETE", "/v1/nodes/d")
    plane.clock.now += 30
    machines[2].report()
    for later_s, state, names in (
        (0, "current", "abc"),
        (31, "current", "c"),
        (0, "silent", "ab" + "e"),
        (0, "removed", "d"),
    ):
        plane.clock.now += later_s
        found, cursor = [], ""
        while True:
            page = plane.done("GET", f"/v1/nodes?state={state}&limit=1{cursor}")
            found += page["items"]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert "".join(item["name"] for item in found) == names, state
        assert {item["state"] for item in found} == {state}
    assert plane.done("GET", "/v1/nodes?behind=true")["items"] == []
    assert _fleet(plane).counts() == {
        "current": 1, "behind": 0, "held": 0, "silent": 3, "waiting": 0, "removed": 1,
    }  # fmt: skip
