"""suspend and suspension; and the line that stands first while one holds."""

import json

import pytest

from tests.unit.api.ctl.conftest import Ctl, Served

WHY = ("--reason", "crisis centre")
FIRST = "SUSPENDED: nothing is refused for ghent  Stad Gent until 21 September 2026 16:43:20 CEST (crisis centre)"


def test_an_authority_is_suspended_and_told_until_when_in_its_own_time(served: Served, ctl: Ctl) -> None:
    done = ctl("suspend", "ghent", "--for", "30m", *WHY)
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            "suspension 1: from now on NOTHING is refused for ghent  Stad Gent",
            "it ends by itself at 21 September 2026 16:43:20 CEST",
        ],
    )
    assert "verdict    pass" in ctl("explain", "127.0.5.10", "tiktok.com").out
    served.plane.clock.now += 60
    further = ctl("suspend", "ghent", "--until", "2026-09-21T16:00:00Z", *WHY)
    assert further.out.splitlines()[-1] == "suspended without a break since 21 September 2026 16:13:20 CEST"
    assert ctl("suspend", "ghent", "--for", "5h", *WHY).code == 2
    assert ctl("suspend", "ghent", *WHY).code == 2
    assert ctl("suspend", "ghent", "--for", "1m", "--end", *WHY).code == 2


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
def test_it_stands_first(served: Served, ctl: Ctl, command: tuple[str, ...]) -> None:
    before = ctl(*command).out.splitlines()
    assert "SUSPENDED" not in before[0]
    ctl("suspend", "ghent", "--for", "30m", *WHY)
    assert ctl(*command).out.splitlines()[:2] == [FIRST, ""]
    served.plane.clock.now += 1800
    assert ctl(*command).out.splitlines()[0] == before[0]


def test_another_authoritys_does_not_stand_first_and_one_of_all_does(served: Served, ctl: Ctl) -> None:
    ctl("suspend", "diest", "--for", "30m", *WHY)
    assert "SUSPENDED" not in ctl("who", "127.0.5.10").out + ctl("authority", "show", "ghent").out
    done = ctl("suspend", "--for", "10m", *WHY)
    assert "NOTHING is refused for everybody" in done.out
    first = "SUSPENDED: nothing is refused for everybody until 21 September 2026 14:23:20 UTC (crisis centre)"
    for command in (("who", "127.0.5.10"), ("authority", "show", "ghent"), ("ban", "list")):
        assert ctl(*command).out.splitlines()[0] == first
    assert ctl("ban", "list").out.splitlines()[1].startswith("SUSPENDED: nothing is refused for diest")


def test_status_says_so_without_a_token(served: Served, ctl: Ctl) -> None:
    assert "SUSPENDED" not in ctl("status").out
    ctl("suspend", "ghent", "--for", "30m", *WHY)
    assert ctl("status").out.splitlines()[0] == "SUSPENDED: 1 in force, see dnsfilterctl suspension list"


def test_it_is_ended_by_authority_or_by_number_and_what_still_holds_is_said(served: Served, ctl: Ctl) -> None:
    ctl("suspend", "ghent", "--for", "30m", *WHY)
    ctl("suspend", "--for", "10m", *WHY)
    served.plane.clock.now += 60
    ended = ctl("suspend", "ghent", "--end", "--reason", "it is over")
    assert ended.out.splitlines() == [
        "suspension 1 has ended: what is banned is refused again for ghent  Stad Gent",
        "SUSPENDED: nothing is refused for everybody until 21 September 2026 14:23:20 UTC (crisis centre)",
        "",
    ]
    assert "everybody" in ctl("suspension", "end", "2", "--reason", "it is over").out
    for command in (("suspension", "end", "2"), ("suspend", "ghent", "--end"), ("suspend", "--end")):
        again = ctl(*command, "--reason", "once more")
        assert (again.code, again.out) == (2, "")
    assert "no suspension of everybody is in force" in again.err


def test_suspensions_are_listed_and_shown(served: Served, ctl: Ctl) -> None:
    assert ctl("suspension", "list").err == "no suspensions\n"
    ctl("suspend", "ghent", "--for", "30m", *WHY)
    ctl("suspend", "--for", "1m", *WHY)
    served.plane.clock.now += 90
    lines = ctl("suspension", "list").out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["2", "everybody", "ended"], ["1", "ghent", "in"]]
    assert [
        found["number"] for found in json.loads(ctl("suspension", "list", "--state", "in_force", "--json").out)["items"]
    ] == [1]
    shown = ctl("suspension", "show", "1").out
    assert "unbroken since  21 September 2026 16:13:20 CEST" in shown
    assert "reason          crisis centre" in shown
