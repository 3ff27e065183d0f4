"""Commands authority close and authority merge."""

import json

from tests.unit.api.ctl.conftest import Ctl, Served

WHY = ("--reason", "the two are one")
DECISION = ("--legal-basis", "decree, article 343", "--reference", "decree 2026/4", "--organ", "parliament")


def test_a_merger_is_shown_before_it_is_done(served: Served, ctl: Ctl) -> None:
    command = ("authority", "merge", "mechelen", "--into", "ghent", *WHY, *DECISION)
    rehearsed = ctl(*command, "--dry-run")
    assert rehearsed.code == 0, rehearsed.err
    assert rehearsed.out.splitlines()[0] == "dry run, nothing was done; this would happen:"
    assert served.plane.done("GET", "/v1/authorities/mechelen")["state"] == "open"
    done = ctl(*command)
    assert done.out.splitlines() == rehearsed.out.splitlines()[1:]
    lines = done.out.splitlines()
    assert lines[0] == "mechelen  Stad Mechelen is part of ghent  Stad Gent"
    assert "  ban/mechelen/tiktok ends: ban/ghent/tiktok applies" in lines
    assert "  authority/mechelen  authority.close" in lines
    shown = ctl("authority", "show", "mechelen").out
    assert "closed     21 September 2026 16:13:20 CEST: the two are one" in shown
    assert "decision   parliament, decree 2026/4" in shown
    assert "successor  ghent" in shown
    again = ctl(*command)
    assert (again.code, "mechelen is closed" in again.err) == (2, True)


def test_overruled_ban_is_named(served: Served, ctl: Ctl) -> None:
    served.plane.done("PATCH", "/v1/authorities/ghent/bans/tiktok", {"mode": "monitor"})
    lines = ctl("authority", "merge", "mechelen", "--into", "ghent", *WHY, *DECISION, "--dry-run").out.splitlines()
    line = "  ban/mechelen/tiktok had another mode or scope than ban/ghent/tiktok, which DECIDES from now on"
    assert lines[lines.index("  ban/mechelen/tiktok ends: ban/ghent/tiktok applies") + 1] == line


def test_continued_ban_is_named(served: Served, ctl: Ctl) -> None:
    served.plane.done("PUT", "/v1/authorities/mechelen/bans/instagram", {"provisional": True})
    done = ctl("authority", "merge", "mechelen", "--into", "ghent", *WHY, *DECISION, "--json")
    found = json.loads(done.out)
    assert {"object": "ban/mechelen/instagram", "by": "ban/ghent/instagram"} in found["continued"]
    lacking = ctl("authority", "merge", "diest", "--into", "ghent", *WHY)
    assert (lacking.code, "legal basis" in lacking.err) == (2, True)


def test_an_authority_closes_on_a_date(served: Served, ctl: Ctl) -> None:
    done = ctl("authority", "close", "diest", "--at", "2027-01-01", *WHY)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == (
        "diest  Stad Diest closes 1 January 2027 00:00:00 CET; its ranges and space stay registered"
    )
    assert "closes     1 January 2027 00:00:00 CET: the two are one" in ctl("authority", "show", "diest").out
    rehearsed = ctl("authority", "close", "ghent", "--dry-run", *WHY)
    assert rehearsed.out.splitlines()[0] == "dry run, nothing was done; this would happen:"
    assert "  ban/ghent/tiktok  ban.end" in rehearsed.out.splitlines()
