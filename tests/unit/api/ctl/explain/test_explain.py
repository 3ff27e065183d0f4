"""explain and who, on the example policy."""

import json

import pytest

from api.ctl.explain.explain import STANDINGS
from dnsfilter.policy.decide import Standing
from tests.unit.api.ctl.conftest import Ctl, Served

pytestmark = pytest.mark.heavy

AT = "2026-09-21T16:13:20+02:00"
"""The time of the fixture's clock."""


def _lines(text: str) -> list[list[str]]:
    """Return the cells of each line."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_explain_shows_answer_range_winner_and_reason(served: Served, ctl: Ctl) -> None:
    assert _lines(ctl("explain", "127.0.5.10", "www.TikTok.com").out) == [
        ["verdict", "refuse"],
        ["answer", "REFUSED, EDE 15 (Blocked)"],
        ["text", "EXAMPLE-GNT-2023-1; ict@ghent.example; TikTok geblokkeerd door Stad Gent"],
        ["client", "127.0.5.10"],
        ["range", "127.0.5.0/24 (offices; staff users, public devices) at site default"],
        ["authority", "ghent", "Stad Gent"],
        ["name", "www.tiktok.com"],
        ["service", "tiktok", "TikTok"],
        ["at", "21 September 2026 16:13:20 CEST, revision 1"],
        ["winner", "ghent/tiktok (ban 8), Stad Gent on TikTok, its own, by the name tiktok.com"],
        ["why", "ban 8 of ghent on tiktok: the only one in force here"],
        [],
        ["considered:"],
        ["ban 8", "ghent/tiktok", "Stad Gent", "TikTok", "enforce", "own", "in force, decides"],
    ]


def test_explain_shows_both_bans_if_the_own_one_is_exempted_and_a_bound_one_refuses(served: Served, ctl: Ctl) -> None:
    added = ctl(
        "binding", "add", "ghent", "brussels-region/tiktok", "--ground", "agreement", "--instrument", "A-1",
        "--date", "2026-09-01", "--until", "2026-12-31",
    )  # fmt: skip
    assert "state       proposed" in added.out
    assert "through 31 December 2026" in added.out
    assert "state       in force" in ctl("binding", "accept", "2").out
    before = ctl("explain", "127.0.5.10", "tiktok.com").out
    assert (
        "brussels-region/tiktok  Région de Bruxelles-Capitale  TikTok  enforce  bound, binding 2  in force, outranked"
        in before
    )
    asked = ctl("exemption", "ask", "ghent/tiktok", "127.0.5.0/24", "--for", "1 month", "--reason", "information")
    assert "state         requested" in asked.out
    served.plane.done("POST", "/v1/exemptions/3/approve", {"note": "seen"}, token=served.plane.other())
    lines = _lines(ctl("explain", "127.0.5.10", "tiktok.com").out)
    assert ["answer", "REFUSED, EDE 16 (Censored)"] in lines
    winner = "brussels-region/tiktok (ban 7), Région de Bruxelles-Capitale on TikTok, through a binding"
    assert ["winner", f"{winner}, by the name tiktok.com"] in lines
    assert lines[-2:] == [
        [
            "ban 7",
            "brussels-region/tiktok",
            "Région de Bruxelles-Capitale",
            "TikTok",
            "enforce",
            "bound, binding 2",
            "in force, decides",
        ],
        ["ban 8", "ghent/tiktok", "Stad Gent", "TikTok", "enforce", "own", "removed here by exemption 3"],
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("127.0.99.1", "www.tiktok.com"), ["REFUSED, EDE 18 (Prohibited)", "the client is in no registered range"]),
        (("127.0.8.1", "www.tiktok.com"), ["answer     not refused: normal DNS answer, counted", "in force, counted"]),
        (("127.0.5.1", "www.example.org"), ["service    none", "no ban to consider", "winner     none"]),
        (("127.0.25.1", "tiktok.com"), ["does not cover this funding or audience"]),
        (
            ("127.0.5.1", "tiktok.com", "--at", "2030-01-01T12:00:00+01:00"),
            ["1 January 2030 12:00:00 CET", "no term in force"],
        ),
        (("127.0.15.1", "tiktok.com", "--at", "2026-09-22T10:00:00+02:00"), ["removed here by exemption 2"]),
        (("127.0.5.1", "tiktok.com", "--site", "depot"), ["unregistered: in no range of site depot"]),
    ],
)  # fmt: skip
def test_explain_shows_every_standing_in_words(
    served: Served, ctl: Ctl, arguments: tuple[str, ...], expected: list[str]
) -> None:
    served.plane.done("PUT", "/v1/sites/depot", {"name": "depot"})
    done = ctl("explain", *arguments)
    assert done.code == 0
    assert [words for words in expected if words not in done.out] == []


@pytest.mark.parametrize("command", [("explain", "127.0.5.10"), ("trace", "--at", AT, "127.0.5.10")])
def test_pasted_url_is_reduced_to_its_host(served: Served, ctl: Ctl, command: tuple[str, ...]) -> None:
    for typed in ("https://user:secret@www.tiktok.com/@x?lang=nl", "www.tiktok.com/", "www.TikTok.com:443"):
        done = ctl(*command, typed)
        assert done.code == 0, done.err
        assert "REFUSED, EDE 15 (Blocked)" in done.out
        assert "www.tiktok.com" in done.out
        assert "secret" not in done.out


@pytest.mark.parametrize("command", [("explain", "127.0.5.10"), ("trace", "--at", AT, "127.0.5.10")])
def test_invalid_name_is_wrong_input(served: Served, ctl: Ctl, command: tuple[str, ...]) -> None:
    done = ctl(*command, "https://192.0.2.1/@x")
    assert (done.code, done.out) == (2, "")
    assert "argument NAME: a name is required, not an address: 192.0.2.1" in done.err


def test_who_shows_range_authority_contact_and_bans(served: Served, ctl: Ctl) -> None:
    assert _lines(ctl("who", "127.0.14.7").out) == [
        ["address", "127.0.14.7"],
        ["range", "127.0.14.0/24 (offices; staff users, public devices) at site default"],
        ["authority", "police-brussels-capital-ixelles", "Zone de police Bruxelles-Capitale-Ixelles"],
        ["contact", "ict@police-zone.example"],
        ["at", "21 September 2026 16:13:20 CEST, revision 1"],
        [],
        ["contained in:"],
        [
            "127.0.14.0/24",
            "police-brussels-capital-ixelles",
            "Zone de police Bruxelles-Capitale-Ixelles",
            "(offices; staff users, public devices)",
        ],
        [],
        ["bans:"],
        [
            "ban 7",
            "brussels-region/tiktok",
            "Région de Bruxelles-Capitale",
            "TikTok",
            "enforce",
            "bound",
            "in force",
            "EXAMPLE-BCR-2023-1",
        ],
    ]


def test_who_shows_nested_ranges_and_the_space(served: Served, ctl: Ctl) -> None:
    ctl("range", "add", "diest", "127.0.5.64/26", "--funding", "private", "--audience", "pupils")
    ctl("space", "allot", "ghent", "127.0.5.0/24")
    lines = ctl("who", "127.0.5.70").out.splitlines()
    first = lines.index("contained in:")
    assert lines[first + 1 : first + 4] == [
        "  127.0.5.0/24  ghent  Stad Gent  (offices; staff users, public devices)",
        "    127.0.5.64/26  diest  Stad Diest  (pupil users, private devices)",
        "in 127.0.5.0/24, allotted to ghent  Stad Gent",
    ]


def test_who_of_an_unregistered_address(served: Served, ctl: Ctl) -> None:
    assert _lines(ctl("who", "2001:db8::1").out)[1:4] == [
        ["range", "unregistered: in no range of site default"],
        ["authority", "none"],
        ["contact", "none"],
    ]


def test_exemption_outside_its_hours_is_announced(served: Served, ctl: Ctl) -> None:
    asked = ("127.0.5.0/24", "--for", "1 month", "--hours", "Mon-Fri 09:00-12:00", "--reason", "information")
    assert ctl("exemption", "ask", "ghent/tiktok", *asked).code == 0
    served.plane.done("POST", "/v1/exemptions/3/approve", {"note": "seen"}, token=served.plane.other())
    line = "exemption 3 removes ban 8 here Mon-Fri 09:00-12:00, next 22 September 2026 09:00 CEST (tomorrow)"
    assert ctl("explain", "127.0.5.10", "tiktok.com").out.splitlines()[-1] == line
    assert ctl("who", "127.0.5.10").out.splitlines()[-1] == line
    early = ctl("explain", "127.0.5.10", "tiktok.com", "--at", "2026-09-25T08:00:00+02:00").out
    assert early.splitlines()[-1].endswith("next 25 September 2026 09:00 CEST")
    friday = ctl("explain", "127.0.5.10", "tiktok.com", "--at", "2026-09-25T12:00:00+02:00").out
    assert "next 28 September 2026 09:00 CEST" in friday
    within = ctl("explain", "127.0.5.10", "tiktok.com", "--at", "2026-09-25T09:00:00+02:00").out
    assert "next" not in within
    assert "removed here by exemption 3" in within
    shown = ctl("exemption", "show", "3").out
    assert "state         in force, but not at this hour" in shown
    assert "next          from 22 September 2026 09:00:00 CEST" in shown
    assert "in force, but not at this hour" in ctl("exemption", "list").out


def test_times_are_in_the_zone_of_the_clients_authority_and_can_be_read_back(served: Served, ctl: Ctl) -> None:
    for written in ("2026-10-25 02:30", "2026-10-25T02:30:00", "25 October 2026 02:30 CEST", "2026-10-25T00:30:00Z"):
        rows = _lines(ctl("explain", "127.0.5.10", "tiktok.com", "--at", written).out)
        printed = next(row[1] for row in rows if row[:1] == ["at"]).partition(",")[0]
        assert printed == "25 October 2026 02:30:00 CEST"
        again = ctl("explain", "127.0.5.10", "tiktok.com", "--at", printed, "--json").out
        assert json.loads(again)["at"] == "2026-10-25T00:30:00Z"
    assert ctl("authority", "set", "diest", "--time-zone", "Asia/Tokyo").code == 0
    assert "25 October 2026 02:30:00 JST" in ctl("explain", "127.0.8.1", "tiktok.com", "--at", "2026-10-25 02:30").out
    refused = ctl("explain", "127.0.5.10", "tiktok.com", "--at", "2026-07-01 09:00 CET")
    assert (refused.code, "clocks of Europe/Brussels show CEST then, not CET: write CEST" in refused.err) == (2, True)


def test_every_standing_has_words() -> None:
    assert set(STANDINGS) == set(Standing)
