"""trace and revision, on the example policy."""

import json

import pytest

from tests.unit.api.conftest import START
from tests.unit.api.ctl.conftest import Ctl, Outcome, Served

pytestmark = pytest.mark.heavy

ADMINISTRATOR = "administrator (account 1)"
GHENT = ("127.0.5.10", "www.tiktok.com")


def _cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


@pytest.fixture
def toggled(served: Served, ctl: Ctl) -> Served:
    """ModeSetting Ghent's ban off an hour after the start, and on again a minute later."""
    for seconds, mode in ((3600, "off"), (3660, "enforce")):
        served.plane.clock.now = START + seconds
        assert ctl("ban", "set", "ghent", "tiktok", "--mode", mode).code == 0
    served.plane.clock.now = START + 7200
    return served


def test_trace_shows_a_past_suspension(toggled: Served, ctl: Ctl) -> None:
    assert ctl("suspend", "ghent", "--for", "30m", "--reason", "crisis centre").code == 0
    toggled.plane.clock.now += 3600
    printed = ctl("trace", "--at", "2026-09-21T18:20+02:00", *GHENT).out
    until = "21 September 2026 18:43:20 CEST"
    assert f"suspended  suspension 1, for the authority, until {until}: crisis centre" in printed
    assert "suspension/1" in printed


def test_trace_reads_from_the_question_down_to_the_acts(toggled: Served, ctl: Ctl) -> None:
    done = ctl("trace", "--at", "2026-09-21T17:15+02:00", *GHENT)
    lines = _cells(done.out)
    digests = [line.pop() for line in lines if line and line[0] in ("rules", "ranges", "names", "catalogue", "version")]
    assert all(len(digest) == 64 for digest in digests)
    assert lines == [
        ["question", "127.0.5.10 asked for www.tiktok.com"],
        ["at", "21 September 2026 17:15:00 CEST"],
        ["range", "127.0.5.0/24 (offices; staff users, public devices) at site default"],
        ["authority", "ghent", "Stad Gent"],
        ["answer", "REFUSED, EDE 15 (Blocked)"],
        ["text", "EXAMPLE-GNT-2023-1; ict@ghent.example; TikTok geblokkeerd door Stad Gent"],
        ["why", "ban 8 of ghent on tiktok: the only one in force here"],
        [],
        ["revision", "3, in force since 21 September 2026 17:14:20 CEST, still in force"],
        ["snapshot", "publication 3, in force since 21 September 2026 17:14:20 CEST, still in force"],
        ["compared", "the stored policy compiles to the rules and ranges of this snapshot"],
        lines[11],
        ["rules"],
        ["ranges"],
        ["names"],
        ["catalogue"],
        [],
        ["list", "tiktok", "TikTok, tier 1: tiktok.com, and all below it"],
        ["version"],
        ["listed", "since 21 September 2026 16:13:20 CEST (publication 1, revision 1)"],
        *[line for line in lines if line and line[0] == "source"],
        [],
        ["ban", "ghent/tiktok (ban 8), Stad Gent (ghent) on TikTok (tiktok)"],
        ["mode", "enforce"],
        ["reply", "refused"],
        ["term", "from 21 September 2026 through 20 March 2027"],
        ["organ", "city"],
        ["reference", "EXAMPLE-GNT-2023-1"],
        [],
        ["acts:"],
        [*lines[-7][:2], "the installation", "ban.adopt", "ban/ghent/tiktok", "revision 1", "sets 11 fields"],
        [*lines[-6][:2], ADMINISTRATOR, "ban.set_enforce", "ban/ghent/tiktok", "revision 3", "sets mode"],
        [],
        ["considered:"],
        ["ban 8", "ghent/tiktok", "Stad Gent", "TikTok", "enforce", "own", "in force, decides"],
        [],
        [
            "This is what a node with revision 3 decided at that time by its own clock; "
            "a node that had not fetched it yet used an earlier one."
        ],
    ]


@pytest.mark.parametrize(
    ("at", "client", "expected"),
    [
        (
            "2026-09-21T17:14+02:00",
            "127.0.5.10",
            ["not refused: normal DNS answer", "switched off", "revision     2"],
        ),
        ("2026-09-21T15:14:19Z", "127.0.5.10", ["17:14:19 CEST", "superseded 21 September 2026 17:14:20 CEST"]),
        ("2026-09-21T17:15+02:00", "127.0.14.10", ["binding     1: brussels-region/tiktok applies in", "(Censored)"]),
        ("2026-09-21T17:15+02:00", "127.0.4.1", ["exemption  1 from brussels-region/tiktok", "exemption.approve"]),
        ("2026-09-21T17:15+02:00", "127.0.99.1", ["EDE 18 (Prohibited)", "authority  none"]),
    ],
)
def test_trace_shows_what_led_to_the_answer(
    toggled: Served, ctl: Ctl, at: str, client: str, expected: list[str]
) -> None:
    done = ctl("trace", client, "www.tiktok.com", "--at", at)
    assert done.code == 0
    assert [words for words in expected if words not in done.out] == [], done.out


@pytest.mark.parametrize(
    ("at", "fault"),
    [
        ("2026-09-21T17", "is not a date or time: write for example 2026-09-30, 2026-09-30 17:00"),
        ("2030-01-01T10:00Z", "is in the future"),
        (
            "2020-01-01T10:00Z",
            "no publication is recorded before 21 September 2026 16:13:20 CEST (revision 1)",
        ),
    ],
)
def test_instant_that_cannot_be_traced_is_wrong_input(served: Served, ctl: Ctl, at: str, fault: str) -> None:
    done = ctl("trace", "--at", at, *GHENT)
    assert (done.code, fault in done.err) == (2, True), done.err


def test_json_has_the_complete_trace(toggled: Served, ctl: Ctl) -> None:
    printed = json.loads(ctl("trace", "--at", "2026-09-21T17:15+02:00", *GHENT, "--json").out)
    answer = toggled.plane.done(
        "GET", "/v1/trace", params={"client": GHENT[0], "name": GHENT[1], "at": "2026-09-21T17:15+02:00"}
    )
    assert printed == answer


def test_revisions_are_listed_shown_and_compared(toggled: Served, ctl: Ctl) -> None:
    rows = _cells(ctl("revision", "list", "--limit", "2").out)
    at = "21 September 2026 17:13:20 CEST"
    assert rows[2] == ["2", at, ADMINISTRATOR, "1", "ban.set_off", "ban/ghent/tiktok", at]
    assert [row[0] for row in rows] == ["revision", "3", "2"]
    shown = ctl("revision", "show", "2").out
    assert "publication  2: 21 September 2026 17:13:20 CEST, until 21 September 2026 17:14:20 CEST" in shown
    assert "last act  ban.set_off  ban/ghent/tiktok" in shown
    found = ctl("revision", "diff", "2")
    assert (found.code, found.out) == (1, '~ ban/ghent/tiktok\n    mode: "enforce" -> "off"\n')
    complete = ctl("revision", "diff", "1", "--limit", "1000")
    cut = ctl("revision", "diff", "1", "--limit", "3")
    assert len(complete.out.splitlines()) == 33
    assert cut.out.splitlines() == complete.out.splitlines()[:3]
    assert "more changes follow the first 3" in cut.err
    assert len(json.loads(ctl("revision", "diff", "1", "--json").out)["items"]) == 33
    assert "changes" not in json.loads(ctl("revision", "show", "1", "--json").out)


def _rollback(ctl: Ctl, *arguments: str) -> Outcome:
    return ctl("revision", "rollback", *arguments, "--reason", "for a test")


def test_rollback_as_dry_run_then_done(toggled: Served, ctl: Ctl) -> None:
    change = '~ ban/ghent/tiktok  ban.set_off\n    mode: "enforce" -> "off"\n'
    shown = _rollback(ctl, "2", "--dry-run")
    assert (shown.code, shown.out) == (0, f"{change}dry run, nothing was done: revision 3 stays\n")
    assert toggled.plane.revision() == 3
    done = _rollback(ctl, "2")
    assert (done.code, done.out) == (0, f"{change}rolled back: revision 4\n")
    assert _rollback(ctl, "2").out == "no changes: the policy already matches, revision 4\n"
    refused = _rollback(ctl, "99")
    assert (refused.code, "revision 99 cannot be restored" in refused.err) == (2, True)


def test_faults_that_prevent_a_rollback_are_listed(toggled: Served, ctl: Ctl) -> None:
    use = ("--funding", "public", "--audience", "staff")
    assert ctl("range", "add", "ghent", "192.0.2.0/24", *use).code == 0
    assert ctl("exemption", "ask", "ghent/tiktok", "192.0.2.0/24", "--for", "1 month", "--reason", "a study").code == 0
    refused = _rollback(ctl, "1")
    assert refused.code == 2
    assert refused.err.splitlines()[1:] == [
        "range/default/192.0.2.0/24: an exemption names 192.0.2.0/24 at site default: revoke or reject it first"
    ]
