"""Register, list, show and remove nodes; list unregistered networks."""

import json
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from api.timestamps import timestamp_text
from tests.unit.api.ctl.conftest import Ctl, Served
from tests.unit.api.nodes.conftest import Machine, report


def _cells(out: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines()]


def test_registering_prints_the_token_once_and_what_to_run(served: Served, ctl: Ctl) -> None:
    made = ctl("node", "register", "office-1", "--site", "default")
    assert made.code == 0, made.err
    lines = dict(row for row in _cells(made.out) if len(row) == 2)
    assert sum(line.startswith("token ") for line in made.out.splitlines()) == 1
    assert lines["enrolment"].startswith("token valid until ")
    assert (lines["node"], lines["site"], lines["state"], lines["enrolled"]) == (
        "office-1",
        "default",
        "waiting",
        "not yet",
    )
    assert "shown only now, and can be used once" in made.err
    enrol = next(line for line in made.out.replace("\\\n", "").splitlines() if line.startswith("  dnsfilter enrol "))
    assert made.out.splitlines()[-1].startswith("  systemctl restart dnsfilter ")
    given = shlex.split(enrol)
    assert given[:4] == ["dnsfilter", "enrol", "--config", "/etc/dnsfilter/dnsfilter.toml"]
    assert given[given.index("--key") + 1] == served.plane.done("GET", "/v1/snapshot-key")["key"]
    assert served.plane.call("POST", "/v1/nodes/enrol", {"version": "1"}, token=lines["token"]).status_code == 201
    again = ctl("node", "register", "office-1")
    assert (again.code, "registered already" in again.err) == (2, True)
    assert ctl("node", "register", "self").code == 2


def test_times_of_nodes_are_in_the_default_zone(served: Served, ctl: Ctl, zone_here: Callable[[str], None]) -> None:
    machine = Machine.enrolled(served.plane, "office-1")
    suspended = {"authority": "ghent", "until": "2026-09-21T16:00:00Z"}
    free = {**suspended, "name": "cdn.example.org", "exact": True, "verdict": "allow"}
    machine.report(revision=served.plane.revision(), suspended=[suspended], names=[free])
    zone_here("Asia/Tokyo")
    shown = dict(row for row in _cells(ctl("node", "show", "office-1").out) if len(row) == 2)
    assert shown["suspended"] == "ghent until 21 September 2026 18:00:00 CEST"
    assert shown["local name"] == "ghent allows exactly cdn.example.org until 21 September 2026 18:00:00 CEST"
    assert f"local name: {shown['local name']}" in ctl("node", "list").out
    assert shown["last seen"] == "21 September 2026 16:13:20 CEST"
    assert "21 September 2026 16:13:20 CEST" in ctl("node", "list").out
    assert '"seen": "2026-09-21T14:13:20Z"' in ctl("node", "list", "--json").out


def test_token_is_written_to_a_file_that_only_its_owner_can_read(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    assert ctl("node", "register", "office-1", "--out", str(tmp_path / "first")).code == 0
    made = ctl("node", "token", "office-1", "--out", str(tmp_path / "second"), "--json")
    assert made.code == 0, made.err
    assert "enrolment_token" not in json.loads(made.out)
    assert stat.S_IMODE((tmp_path / "second").stat().st_mode) == 0o600
    first, second = ((tmp_path / name).read_text().strip() for name in ("first", "second"))
    assert first not in made.out + made.err
    assert second not in made.out + made.err
    tried = [served.plane.call("POST", "/v1/nodes/enrol", {"version": "1"}, token=token) for token in (first, second)]
    assert [answer.status_code for answer in tried] == [401, 201]


def test_lists_show_which_nodes_are_behind_and_why(served: Served, ctl: Ctl) -> None:
    late, good = Machine.enrolled(served.plane, "late"), Machine.enrolled(served.plane, "good")
    old = late.manifest()
    served.plane.done("PATCH", "/v1/authorities/ghent/bans/tiktok", {"mode": "off"})
    served.plane.clock.now += 30
    late.report(manifest=old, revision=served.plane.revision() - 1, trouble="revision 9 refused: no such key")
    suspended = {"authority": None, "until": "2026-09-21T16:00:00Z"}
    good.report(revision=served.plane.revision(), suspended=[suspended])
    rows = _cells(ctl("node", "list").out)
    assert [row[:3] for row in rows[1:]] == [["good", "default", "current"], ["late", "default", "behind"]]
    assert rows[1][-1] == "suspended: all until 21 September 2026 18:00:00 CEST"
    assert rows[2][-1] == "revision 9 refused: no such key"
    assert "1 revision, 30 s" in rows[2]
    assert [row[0] for row in _cells(ctl("node", "list", "--behind").out)[1:]] == ["late"]
    assert ctl("node", "list", "--state", "silent").err == "no nodes\n"
    shown = ctl("node", "show", "late")
    assert shown.code == 0, shown.err
    assert ["trouble", "revision 9 refused: no such key"] in _cells(shown.out)
    assert _cells(ctl("node", "show", "good").out)[0] == ["suspended", "all until 21 September 2026 18:00:00 CEST"]
    late.report(revision=served.plane.revision())
    assert ctl("node", "list", "--behind").err == "no nodes behind or held\n"


def test_revision_chosen_by_a_local_act_is_shown_and_no_trouble(served: Served, ctl: Ctl) -> None:
    machine = Machine.enrolled(served.plane, "office-1")
    newest = served.plane.revision()
    machine.report(manifest=64 * "a", revision=newest - 1, held_up_to=newest)
    rows = _cells(ctl("node", "list", "--behind").out)
    held = f"revision {newest - 1} chosen by a local act, until a revision above {newest}"
    assert [rows[1][0], rows[1][2], rows[1][-1]] == ["office-1", "held", held]
    assert _cells(ctl("node", "list", "--state", "held").out) == rows
    shown = _cells(ctl("node", "show", "office-1").out)
    assert ["held", held] in shown
    assert "trouble" not in [row[0] for row in shown]


def test_a_node_is_removed_and_the_key_is_shown(served: Served, ctl: Ctl) -> None:
    machine = Machine.enrolled(served.plane, "office-1")
    assert _cells(ctl("node", "key").out)[0] == ["key", machine.key]
    assert ctl("node", "remove", "office-1").code == 0
    assert machine.call("GET", "snapshot").status_code == 401
    assert [row[2] for row in _cells(ctl("node", "list").out)[1:]] == ["removed"]
    assert ctl("node", "show", "nobody").code == 2


def test_unregistered_networks_are_listed(served: Served, ctl: Ctl) -> None:
    assert ctl("range", "check").err.splitlines()[0] == "no unregistered networks"
    machine = Machine.enrolled(served.plane, "office-1")
    machine.call("POST", "report", report(unregistered=[{"prefix": "192.0.2.0/24", "queries": 7, "seen_s_ago": 20}]))
    found = ctl("range", "check", "--site", "default")
    assert "To register a network: dnsfilterctl range add" in found.err
    rows = _cells(found.out)
    assert rows == [
        ["unregistered", "site", "queries", "last seen", "nodes"],
        ["192.0.2.0/24", "default", "7", "21 September 2026 16:13:00 CEST", "office-1"],
    ]


def test_devices_without_a_certificate_are_not_to_be_registered(served: Served, ctl: Ctl) -> None:
    machine = Machine.enrolled(served.plane, "office-1")
    devices, office = ({"prefix": each, "queries": 7, "seen_s_ago": 20} for each in ("100::/48", "192.0.2.0/24"))
    machine.call("POST", "report", report(unregistered=[devices]))
    found = ctl("range", "check").err
    assert "100::/48: queries by a fleet's name without a certificate" in found
    assert "To register a network" not in found
    machine.call("POST", "report", report(unregistered=[devices, office]))
    found = ctl("range", "check").err
    assert "100::/48: queries" in found
    assert "To register a network" in found


def test_status_shows_on_how_many_nodes_the_published_revision_is_in_force(served: Served, ctl: Ctl) -> None:
    def last_line() -> str:
        return " ".join(ctl("status").out.splitlines()[-1].split())

    alone = "published revision 1; no node is enrolled (a node that reads snapshots from disk does not report)"
    assert last_line() == alone
    ctl("node", "register", "later")
    assert last_line() == alone
    first, second, third = (Machine.enrolled(served.plane, name) for name in ("first", "second", "third"))
    for machine in (first, second, third):
        machine.report(revision=1)
    assert last_line() == "in force revision 1 on 3 nodes"
    served.plane.done("PATCH", "/v1/authorities/ghent/bans/tiktok", {"mode": "off"})
    assert last_line() == "published revision 2, in force on 0 of 3 nodes. Type: dnsfilterctl node list"
    for machine in (first, second):
        machine.report(revision=2)
    assert last_line() == "published revision 2, in force on 2 of 3 nodes. Type: dnsfilterctl node list"
    ctl("node", "remove", "third")
    assert last_line() == "in force revision 2 on 2 nodes"
    served.plane.clock.now += 60
    first.report(revision=2)
    assert last_line() == "published revision 2, in force on 1 of 2 nodes. Type: dnsfilterctl node list"
    found = json.loads(ctl("status", "--json").out)
    assert (found["published"], found["nodes"], found["nodes_in_force"]) == (2, 2, 1)


def test_status_and_list_say_until_when_a_node_learns(served: Served, ctl: Ctl) -> None:
    machine = Machine.enrolled(served.plane, "office-1")
    ends = timestamp_text(int(served.plane.clock.now) + 30)
    machine.report(learning_until=ends)
    assert json.loads(ctl("status", "--json").out)["learning_until"] == ends
    (line,) = [line for line in ctl("status").out.splitlines() if line.startswith("learning")]
    assert "unregistered clients get answers until" in line
    assert "learning until" in ctl("node", "list").out
    served.plane.clock.now += 30
    assert "learning" not in ctl("status").out
