"""Command suspend, and the banner while a suspension is in force."""

import json
from pathlib import Path

import pytest

from tests.unit.api.conftest import authority
from tests.unit.api.ctl.conftest import Ctl, Served
from tests.unit.api.nodes.conftest import Machine

pytestmark = pytest.mark.heavy

WHY = ("--reason", "crisis centre")
FIRST = "SUSPENDED: nothing is refused for ghent  Stad Gent until 21 September 2026 16:43:20 CEST (crisis centre)"


def test_suspension_shows_its_end_in_the_authoritys_time_zone(served: Served, ctl: Ctl) -> None:
    done = ctl("suspend", "ghent", "--for", "30m", *WHY)
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            "suspension 1: from now on NOTHING is refused for ghent  Stad Gent",
            "it ends by itself at 21 September 2026 16:43:20 CEST",
            "to undo: dnsfilterctl suspend end ghent --reason TEXT",
        ],
    )
    assert "verdict    pass" in ctl("explain", "127.0.5.10", "tiktok.com").out
    served.plane.clock.now += 60
    further = ctl("suspend", "ghent", "--until", "2026-09-21T16:00:00Z", *WHY)
    assert further.out.splitlines()[-2] == "suspended without a break since 21 September 2026 16:13:20 CEST"
    assert ctl("suspend", "ghent", "--for", "5h", *WHY).code == 2
    assert ctl("suspend", "ghent", *WHY).code == 2
    assert ctl("suspend", "ghent", "--for", "1m", "--until", "17:00", *WHY).code == 2
    assert ctl("suspend", "start", "ghent", "--for", "2h", *WHY).code == 0


def test_suspension_without_a_range_is_reported(served: Served, ctl: Ctl) -> None:
    served.plane.done("PUT", "/v1/authorities/harbour", authority(names={"nl": "Haven"}))
    done = ctl("suspend", "harbour", "--for", "30m", *WHY)
    assert (done.code, done.out.splitlines()[-2]) == (0, "harbour has no range: this affects no client")
    assert "affects no client" not in ctl("suspend", "--for", "10m", *WHY).out


@pytest.mark.parametrize(
    "command",
    [
        ("ban", "list"),
        ("ban", "list", "--authority", "ghent"),
        ("who", "127.0.5.10"),
        ("explain", "127.0.5.10", "tiktok.com"),
        ("authority", "show", "ghent"),
    ],
)
def test_banner_comes_first(served: Served, ctl: Ctl, command: tuple[str, ...]) -> None:
    before = ctl(*command).out.splitlines()
    assert "SUSPENDED" not in before[0]
    ctl("suspend", "ghent", "--for", "30m", *WHY)
    assert ctl(*command).out.splitlines()[:2] == [FIRST, ""]
    served.plane.clock.now += 1800
    assert ctl(*command).out.splitlines()[0] == before[0]


def test_banner_shows_suspensions_of_everybody_but_not_of_other_authorities(served: Served, ctl: Ctl) -> None:
    ctl("suspend", "diest", "--for", "30m", *WHY)
    assert "SUSPENDED" not in ctl("who", "127.0.5.10").out + ctl("authority", "show", "ghent").out
    done = ctl("suspend", "--for", "10m", *WHY)
    assert "NOTHING is refused for everybody" in done.out
    first = "SUSPENDED: nothing is refused for everybody until 21 September 2026 16:23:20 CEST (crisis centre)"
    for command in (("who", "127.0.5.10"), ("authority", "show", "ghent"), ("ban", "list")):
        assert ctl(*command).out.splitlines()[0] == first
    assert ctl("ban", "list").out.splitlines()[1].startswith("SUSPENDED: nothing is refused for diest")


def test_suspension_of_everybody_mentions_unregistered_clients(served: Served, ctl: Ctl) -> None:
    asked = ("explain", "203.0.113.9", "tiktok.com")
    assert "unregistered" not in ctl("suspend", "ghent", "--for", "10m", *WHY).out
    assert "SUSPENDED" not in ctl(*asked).out
    done = ctl("suspend", "--for", "10m", *WHY)
    assert done.out.splitlines()[1] == "unregistered clients also get answers"
    explained = ctl(*asked).out
    assert explained.splitlines()[0].startswith("SUSPENDED: nothing is refused for everybody until ")
    assert "the client is in no registered range, and is answered because all are suspended" in explained
    assert ctl("who", "203.0.113.9").out.splitlines()[0] == explained.splitlines()[0]


def test_refusal_says_until_when_an_operator_may_suspend_and_whom_to_ask(served: Served, ctl: Ctl) -> None:
    _, token = served.plane.account("desk", ("operator", "diest"), ("operator", "ghent"))
    Path("desk-token").write_text(token)
    Path("desk-token").chmod(0o600)
    ctl("suspend", "diest", "--for", "3h", *WHY, "--token-file", "desk-token")
    served.plane.clock.now += 4 * 3600
    refused = ctl("suspend", "diest", "--for", "2h", *WHY, "--token-file", "desk-token")
    assert refused.code == 3
    assert "diest is suspended for 3 h in the 24 hours before 22:13 CEST, without this request." in refused.err
    assert "An operator may suspend it for 4 h in 24: until 21:13 CEST at most." in refused.err
    assert "ask an approver of diest or an administrator of the installation" in refused.err
    assert ctl("suspend", "diest", "--for", "1h", *WHY, "--token-file", "desk-token").code == 0


def test_status_names_the_suspended_authority_if_there_is_a_token(
    served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "SUSPENDED" not in ctl("status").out
    ctl("suspend", "ghent", "--for", "30m", *WHY)
    assert ctl("status").out.splitlines()[:2] == [FIRST, ""]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    line = "SUSPENDED: 1 in force. Type: dnsfilterctl suspend list"
    assert ctl("status").out.splitlines()[:2] == [line, ""]
    Path("wrong").write_text("dnsf_0123456789ab_" + "x" * 43)
    Path("wrong").chmod(0o600)
    assert ctl("status", "--token-file", "wrong").out.splitlines()[0] == line
    assert ctl("status", "--token-file", "missing").code == 3


LOCAL = "LOCAL: node office-2 refuses nothing for ghent  Stad Gent until 21 September 2026 16:43:20 CEST"


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("ban", "list"),
        ("who", "127.0.5.10"),
        ("explain", "127.0.5.10", "tiktok.com"),
        ("authority", "show", "ghent"),
        ("suspend", "list"),
    ],
)
def test_banner_shows_local_suspensions(served: Served, ctl: Ctl, command: tuple[str, ...]) -> None:
    machine = Machine.enrolled(served.plane, "office-2")
    assert "LOCAL" not in ctl(*command).out
    machine.report(suspended=[{"authority": "ghent", "until": "2026-09-21T14:43:20Z"}])
    assert ctl(*command).out.splitlines()[:2] == [LOCAL, ""]
    machine.report(suspended=[{"authority": "diest", "until": "2026-09-21T14:43:20Z"}])
    of_ghent = command[0] in ("who", "explain", "authority")
    assert ("LOCAL" in ctl(*command).out) == (not of_ghent)


@pytest.mark.parametrize("command", [("who", "203.0.113.9"), ("explain", "203.0.113.9", "tiktok.com")])
def test_banner_of_an_unregistered_client_shows_only_local_suspensions_of_everybody(
    served: Served, ctl: Ctl, command: tuple[str, ...]
) -> None:
    machine = Machine.enrolled(served.plane, "office-2")
    machine.report(suspended=[{"authority": "ghent", "until": "2026-09-21T14:43:20Z"}])
    assert "LOCAL" not in ctl(*command).out
    machine.report(suspended=[{"authority": None, "until": "2026-09-21T14:43:20Z"}])
    assert ctl(*command).out.startswith("LOCAL: node office-2 refuses nothing for everybody until ")


def test_local_suspension_is_ended_on_its_node(served: Served, ctl: Ctl) -> None:
    machine = Machine.enrolled(served.plane, "office-2")
    machine.report(suspended=[{"authority": "ghent", "until": "2026-09-21T14:43:20Z"}])
    done = ctl("suspend", "end", "ghent", *WHY)
    assert (done.code, "node office-2 has a local suspension" in done.err) == (2, True)
    listed = json.loads(ctl("suspend", "list", "--json").out)
    assert [one["node"] for one in listed["local"]] == ["office-2"]


def test_time_of_day_is_in_the_authoritys_time_zone(served: Served, ctl: Ctl) -> None:
    done = ctl("suspend", "ghent", "--until", "17:30", *WHY)
    assert done.out.splitlines()[-2] == "it ends by itself at 21 September 2026 17:30:00 CEST"
    late = ctl("suspend", "ghent", "--until", "tomorrow 08:00", *WHY)
    said = "--until: a suspension ends after now and within 4 hours, not at 22 September 2026 08:00:00 CEST"
    assert (late.code, said in late.err) == (2, True)
    wrong = ctl("suspend", "ghent", "--until", "24:30", *WHY)
    assert (wrong.code, "--until: '24:30' is not a date or time: write for example" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--for", "30m"), "required: --reason"), (("--for", "30m", "--reason", "no"), "at least 3 characters")],
)
def test_suspension_needs_a_reason(served: Served, ctl: Ctl, arguments: tuple[str, ...], message: str) -> None:
    done = ctl("suspend", "ghent", *arguments)
    assert (done.code, message in done.err) == (2, True)


def test_suspension_is_ended_by_authority_and_others_in_force_are_shown(served: Served, ctl: Ctl) -> None:
    ctl("suspend", "ghent", "--for", "30m", *WHY)
    ctl("suspend", "--for", "10m", *WHY)
    served.plane.clock.now += 60
    ended = ctl("suspend", "end", "ghent", "--reason", "it is over")
    assert ended.out.splitlines() == [
        "SUSPENDED: nothing is refused for everybody until 21 September 2026 16:23:20 CEST (crisis centre)",
        "",
        "suspension 1 has ended, but all are still suspended: nothing is refused for ghent  Stad Gent",
    ]
    ctl("suspend", "--for", "20m", *WHY)
    served.plane.clock.now += 60
    line = "suspensions 2, 3 have ended: bans apply again for everybody\n"
    assert ctl("suspend", "end", "--reason", "it is over").out == line
    for command in (("suspend", "end", "ghent"), ("suspend", "end")):
        again = ctl(*command, "--reason", "once more")
        assert (again.code, again.out) == (2, "")
    hint = (
        "no suspension of everybody is in force. Type `dnsfilterctl suspend list --state in_force` to see which are\n"
    )
    assert again.err == f"dnsfilterctl: {hint}"


def test_suspensions_are_listed_and_shown(served: Served, ctl: Ctl) -> None:
    assert ctl("suspend", "list").err == "no suspensions\n"
    ctl("suspend", "ghent", "--for", "30m", *WHY)
    ctl("suspend", "--for", "1m", *WHY)
    served.plane.clock.now += 90
    lines = ctl("suspend", "list").out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["2", "everybody", "ended"], ["1", "ghent", "in"]]
    assert [
        found["number"] for found in json.loads(ctl("suspend", "list", "--state", "in_force", "--json").out)["items"]
    ] == [1]
    shown = ctl("suspend", "show", "1").out
    assert "unbroken since  21 September 2026 16:13:20 CEST" in shown
    assert "reason          crisis centre" in shown


def test_audit_log_shows_authority_end_and_reason_of_suspensions(served: Served, ctl: Ctl) -> None:
    ctl("suspend", "ghent", "--for", "30m", *WHY)
    ctl("suspend", "--for", "10m", *WHY)
    entry = {"number": 1, "time": "2026-09-21T14:00:00Z", "uid": 0, "act": "suspend", "authority": "ghent"}
    entry |= {"until": "2026-09-21T14:30:00Z", "revision": None, "reason": "the API is away"}
    chosen = {**entry, "number": 2, "act": "use_revision", "authority": None, "until": None, "revision": 1}
    ended = {**entry, "number": 3, "uid": 1000, "act": "end_suspension", "until": None, "reason": ""}
    free = {**entry, "number": 4, "act": "allow_name", "name": "cdn.example.org", "exact": True, "reason": "payroll"}
    Machine.enrolled(served.plane, "office-2").report(journal=[entry, chosen, ended, free])
    lines = ctl("audit", "list", "--limit", "8").out.splitlines()
    assert [line.strip() for line in lines if line.startswith("    ")] == [
        "exactly cdn.example.org for ghent until 21 September 2026 16:30:00 CEST "
        "(done 21 September 2026 16:00:00 CEST): payroll",
        "for ghent (done 21 September 2026 16:00:00 CEST)",
        "revision 1 (done 21 September 2026 16:00:00 CEST): the API is away",
        "for ghent until 21 September 2026 16:30:00 CEST (done 21 September 2026 16:00:00 CEST): the API is away",
        "for everybody until 21 September 2026 16:23:20 CEST: crisis centre",
        "for ghent until 21 September 2026 16:43:20 CEST: crisis centre",
    ]
    who = [line.split("  ")[2] for line in lines if not line.startswith("    ")]
    assert who[:4] == ["user 0 on the node", "user 1000 on the node", "user 0 on the node", "user 0 on the node"]
